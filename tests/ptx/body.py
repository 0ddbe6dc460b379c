"""The body of a PTX function: scopes, declarations, labels and instructions."""

from __future__ import annotations

import re
from dataclasses import replace

from ptx.cursor import Cursor
from ptx.faults import UnreadablePtxError
from ptx.syntax import (
    Address,
    Function,
    Group,
    Immediate,
    Instruction,
    Negated,
    Operand,
    Pair,
    Register,
    Special,
    Symbol,
)

_SPECIAL = re.compile(
    r"%(n?tid\.[xyz]|n?ctaid\.[xyz]|laneid|n?warpid|lanemask_(?:eq|lt|le|gt|ge)|clock(?:64|_hi)?|globaltimer\w*"
    r"|total_smem_size|dynamic_smem_size|n?smid|gridid)"
)
_LOCAL = (".local", ".shared", ".param", ".const", ".global")
# More than any body has; the count of a register family is a loop of this program.
_MOST_REGISTERS = 1 << 20


class Body:
    """Reads one body into its function."""

    def __init__(self, cursor: Cursor, function: Function) -> None:
        self.cursor = cursor
        self.function = function
        self.scopes: list[tuple[int, dict[str, str]]] = [(0, {})]

    def read(self) -> None:
        """From behind the opening brace to the closing one."""
        cursor = self.cursor
        self.function.has_body = True
        while self.scopes:
            token = cursor.here
            if cursor.takes("}"):
                self.scopes.pop()
            elif cursor.takes("{"):
                self.function.parents.append(self.scopes[-1][0])
                self.scopes.append((len(self.function.parents) - 1, {}))
            elif cursor.takes(";"):
                continue
            elif token.text == ".reg":
                self._registers()
            elif token.text in _LOCAL:
                self._variable()
            elif token.text in (".loc", ".file"):
                while cursor.here.line == token.line and cursor.here.kind != "end":
                    cursor.next()
            elif token.text == ".pragma":
                self._skip_statement()
            elif token.kind == "word" and cursor.after.text == ":":
                self._label()
            elif token.text.startswith("."):
                raise cursor.complaint("expected an instruction; this directive is not known here")
            else:
                self.function.instructions.append(self._instruction())

    def _skip_statement(self) -> None:
        while not self.cursor.takes(";"):
            if self.cursor.next().kind == "end":
                raise self.cursor.complaint("expected ';'")

    def _declare(self, name: str, taken: object) -> str:
        """A name that is unique in the function, for a name of this scope."""
        scope, names = self.scopes[-1]
        if name in names:
            raise self.cursor.complaint(f"{name} is declared twice in one scope; expected another name")
        unique = name if not (isinstance(taken, dict) and name in taken) else f"{name}#{scope}"
        names[name] = unique
        return unique

    def _registers(self) -> None:
        cursor = self.cursor
        cursor.wants(".reg")
        cursor.attributes()
        form = cursor.format()
        while True:
            name = cursor.name()
            names = [name]
            if cursor.takes("<"):
                count = cursor.integer()
                if not 0 <= count <= _MOST_REGISTERS:
                    raise cursor.complaint(f"{name} has an impossible number of registers; expected")
                names = [f"{name}{number}" for number in range(count)]
                cursor.wants(">")
            for each in names:
                self.function.registers[self._declare(each, self.function.registers)] = form
            if cursor.takes(";"):
                return
            cursor.wants(",")

    def _variable(self) -> None:
        space = self.cursor.next().text[1:]
        variable = self.cursor.variable(space)
        unique = self._declare(variable.name, self.function.variables)
        self.function.variables[unique] = replace(variable, name=unique)
        self.cursor.wants(";")

    def _label(self) -> None:
        token = self.cursor.next()
        self.cursor.wants(":")
        key = (self.scopes[-1][0], token.text)
        if key in self.function.labels:
            raise UnreadablePtxError(f"PTX line {token.line}: label {token.text} stands twice; expected it once")
        self.function.labels[key] = len(self.function.instructions)

    def _instruction(self) -> Instruction:
        cursor = self.cursor
        line = cursor.here.line
        guard, when = None, True
        if cursor.takes("@"):
            when = not cursor.takes("!")
            operand = self._word()
            if not isinstance(operand, Register):
                raise cursor.complaint("expected a predicate register behind '@'")
            guard = operand
        opcode, *modifiers = cursor.name().split(".")
        operands: list[Operand] = []
        while not cursor.takes(";"):
            if cursor.here.text == "}" and opcode in ("ret", "exit"):
                break
            operands.append(self._operand())
            if not cursor.takes(",") and cursor.here.text != ";":
                raise cursor.complaint("expected ',' or ';'")
        return Instruction(
            line, cursor.source(line), guard, when, opcode, tuple(modifiers), tuple(operands), self.scopes[-1][0]
        )

    def _operand(self) -> Operand:
        cursor = self.cursor
        if cursor.takes("["):
            return self._address()
        if cursor.here.text in ("{", "("):
            close = "}" if cursor.next().text == "{" else ")"
            members: list[Operand] = []
            while not cursor.takes(close):
                members.append(self._operand())
                if not cursor.takes(",") and cursor.here.text != close:
                    raise cursor.complaint(f"expected ',' or {close!r}")
            return Group(tuple(members))
        if cursor.takes("!"):
            operand = self._word()
            if not isinstance(operand, Register):
                raise cursor.complaint("expected a predicate register behind '!'")
            return Negated(operand)
        if cursor.here.kind == "number" or cursor.here.text == "-":
            return cursor.literal()
        operand = self._word()
        if cursor.takes("|"):
            return Pair(operand, self._operand())
        if isinstance(operand, Symbol) and cursor.here.text in ("+", "-"):
            return Symbol(operand.name, self._offset())
        return operand

    def _offset(self) -> int:
        if self.cursor.takes("+"):
            return self.cursor.integer()
        return self.cursor.integer() if self.cursor.here.text == "-" else 0

    def _address(self) -> Address:
        cursor = self.cursor
        base = self._operand_in_brackets()
        address = Address(base, self._offset())
        cursor.wants("]")
        return address

    def _operand_in_brackets(self) -> Register | Symbol | Immediate:
        if self.cursor.here.kind == "number":
            return Immediate(self.cursor.integer())
        operand = self._word()
        if not isinstance(operand, Register | Symbol):
            raise self.cursor.complaint("expected an address: a register, a variable or a number")
        return operand

    def _word(self) -> Operand:
        name = self.cursor.name()
        for _, names in reversed(self.scopes):
            if name in names:
                unique = names[name]
                return Register(unique) if unique in self.function.registers else Symbol(unique)
        if _SPECIAL.fullmatch(name):
            return Special(name[1:])
        if name == "WARP_SZ":
            return Immediate(32)
        if name.startswith("%"):
            raise self.cursor.complaint(f"register {name} is not declared; expected it in a .reg line before")
        return Symbol(name)
