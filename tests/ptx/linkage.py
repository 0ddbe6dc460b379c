"""Names turned into places: where variables lie, and how an instruction reads and writes its operands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ptx.faults import UnsupportedInstructionError
from ptx.formats import FORMATS, Format
from ptx.registers import Lanes
from ptx.syntax import (
    Address,
    Function,
    Immediate,
    Instruction,
    Module,
    Negated,
    Operand,
    Register,
    Special,
    Symbol,
    Variable,
)
from ptx.wave import Wave

Reader = Callable[[Wave, Lanes], np.ndarray]
Writer = Callable[[Wave, Lanes, np.ndarray], None]
PREDICATE = FORMATS["pred"]


@dataclass
class Layout:
    """Where the variables of a program lie.

    Attributes
    ----------
    shared, local : key → first byte
    shared_size, local_size : bytes in all
    dynamic : keys of shared arrays whose size the launch gives
    """

    shared: dict[str, int] = field(default_factory=dict)
    local: dict[str, int] = field(default_factory=dict)
    shared_size: int = 0
    local_size: int = 0
    dynamic: list[str] = field(default_factory=list)

    def place(self, key: str, variable: Variable) -> None:
        """Give a shared or local variable its bytes."""
        if variable.space == "shared" and variable.count == 0:
            self.dynamic.append(key)
        elif variable.space == "shared":
            self.shared[key] = -(-self.shared_size // variable.alignment) * variable.alignment
            self.shared_size = self.shared[key] + variable.size
        elif variable.space == "local":
            self.local[key] = -(-self.local_size // variable.alignment) * variable.alignment
            self.local_size = self.local[key] + variable.size

    def close(self) -> None:
        """Dynamic arrays begin behind the others."""
        start = -(-self.shared_size // 16) * 16
        self.shared |= dict.fromkeys(self.dynamic, start)


class Linkage:
    """The names that an instruction of one function can mean."""

    def __init__(self, module: Module, function: Function, layout: Layout) -> None:
        self.module = module
        self.function = function
        self.layout = layout

    def refuse(self, instruction: Instruction, why: str) -> UnsupportedInstructionError:
        """A refusal that names line and instruction."""
        return UnsupportedInstructionError(
            f"PTX line {instruction.line}: instruction not supported, {why}: {instruction.text}"
        )

    def key(self, name: str) -> str:
        """Name of a register or variable of this function among those of all."""
        return f"{self.function.name}/{name}"

    def variable(self, name: str) -> tuple[str, Variable] | None:
        """(key, variable) of a name, the function's own first."""
        if name in self.function.variables:
            return self.key(name), self.function.variables[name]
        if name in self.module.variables:
            return name, self.module.variables[name]
        return None

    def reader(self, operand: Operand, form: Format, instruction: Instruction) -> Reader:
        """Function that gives the values of an operand in a type, (lanes,) or (1,)."""
        if isinstance(operand, Register):
            key = self.key(operand.name)
            if (self.function.registers[operand.name].kind == "p") != (form.kind == "p"):
                raise self.refuse(instruction, f"register {operand.name} is of another type")
            if self.function.registers[operand.name].bits < form.bits:
                raise self.refuse(instruction, f"register {operand.name} is too narrow")
            return lambda wave, lanes: wave.registers[key].read(lanes, form)
        if isinstance(operand, Negated):
            inner = self.reader(operand.register, form, instruction)
            return lambda wave, lanes: ~inner(wave, lanes)
        if isinstance(operand, Immediate):
            value = constant(operand, form)
            return lambda wave, lanes: value
        if isinstance(operand, Special):
            name = operand.name
            if name.startswith(("clock", "globaltimer", "smid", "nsmid", "gridid", "nwarpid")):
                raise self.refuse(instruction, f"%{name} has no value here")

            def read_special(wave: Wave, lanes: Lanes) -> np.ndarray:
                values = wave.special[name]
                return (values if values.size == 1 else values[lanes]).astype(form.values)

            return read_special
        if isinstance(operand, Symbol):
            address = self.address_of(operand, instruction)
            return lambda wave, lanes: np.array([address(wave) & form.mask]).astype(form.values)
        raise self.refuse(instruction, "this operand is not known here")

    def address_of(self, symbol: Symbol, instruction: Instruction) -> Callable[[Wave], int]:
        """Function that gives the address of a variable in its own space."""
        found = self.variable(symbol.name)
        if found is None:
            raise self.refuse(instruction, f"{symbol.name} is no variable that is declared here")
        key, variable = found
        offset = symbol.offset
        if variable.space == "shared":
            place = self.layout.shared[key] + offset
            return lambda wave: place
        if variable.space == "local":
            place = self.layout.local[key] + offset
            return lambda wave: place
        if variable.space in ("global", "const"):
            return lambda wave: wave.addresses[key] + offset
        raise self.refuse(instruction, "addresses of parameters are not known here")

    def address_reader(self, address: Address, instruction: Instruction) -> Reader:
        """Function that gives int64 addresses."""
        base, offset = address.base, address.offset
        if isinstance(base, Register):
            bits = self.function.registers[base.name].bits
            if bits not in (32, 64):
                raise self.refuse(instruction, f"register {base.name} holds no address")
            inner = self.reader(base, FORMATS[f"u{bits}"], instruction)
            return lambda wave, lanes: inner(wave, lanes).astype(np.int64) + offset
        if isinstance(base, Immediate):
            value = np.array([base.value + offset], np.int64)
            return lambda wave, lanes: value
        place = self.address_of(base, instruction)
        return lambda wave, lanes: np.array([place(wave) + offset], np.int64)

    def writer(self, operand: Operand, form: Format, instruction: Instruction) -> Writer:
        """Function that stores values of a type."""
        if isinstance(operand, Symbol) and operand.name == "_":
            return lambda wave, lanes, values: None
        if not isinstance(operand, Register):
            raise self.refuse(instruction, "the destination is no register")
        key = self.key(operand.name)
        if (self.function.registers[operand.name].kind == "p") != (form.kind == "p"):
            raise self.refuse(instruction, f"register {operand.name} is of another type")
        if self.function.registers[operand.name].bits < form.bits:
            raise self.refuse(instruction, f"register {operand.name} is too narrow")
        return lambda wave, lanes, values: wave.registers[key].write(lanes, values, form)


def constant(immediate: Immediate, form: Format) -> np.ndarray:
    """A literal in a type, (1,)."""
    if form.kind == "p":
        return np.array([immediate.value != 0])
    if immediate.float_bits and form.kind == "f" and immediate.float_bits != form.bits:
        literal = np.array([immediate.value], f"u{immediate.float_bits // 8}").view(f"f{immediate.float_bits // 8}")
        return literal.astype(form.values)
    bits = np.array([immediate.value & form.mask], form.raw)
    if form.kind == "f" and not immediate.float_bits:
        return np.array([immediate.value]).astype(form.values)
    return bits.view(form.values)
