"""Reading tokens in order, and the small things that PTX is made of: numbers, names, types, variables."""

from __future__ import annotations

from ptx.faults import UnreadablePtxError
from ptx.formats import FORMATS, Format
from ptx.syntax import Immediate, Variable
from ptx.tokens import Token, tokenise

SPACES = ("global", "const", "shared", "local", "param")
# More than any kernel has; a greater number is a slip of the writer, and would exhaust the memory of this machine.
LARGEST_VARIABLE = 1 << 28


class Cursor:
    """A place in the tokens of a file; `next` walks on, `wants` insists."""

    def __init__(self, text: str) -> None:
        self.tokens = tokenise(text)
        self.lines = text.splitlines()
        self.place = 0

    @property
    def here(self) -> Token:
        """The token that comes next."""
        return self.tokens[self.place]

    @property
    def after(self) -> Token:
        """The one behind it."""
        return self.tokens[min(self.place + 1, len(self.tokens) - 1)]

    def next(self) -> Token:
        """Take a token."""
        token = self.here
        if token.kind != "end":
            self.place += 1
        return token

    def takes(self, text: str) -> bool:
        """Take the token if it is this one."""
        if self.here.text == text and self.here.kind != "text":
            self.place += 1
            return True
        return False

    def wants(self, text: str) -> None:
        """Take this token, or complain."""
        if not self.takes(text):
            raise self.complaint(f"expected {text!r}")

    def name(self) -> str:
        """Take a word."""
        if self.here.kind != "word":
            raise self.complaint("expected a name")
        return self.next().text

    def complaint(self, expected: str) -> UnreadablePtxError:
        """What stands here and what should."""
        token = self.here
        found = f"{token.text[:40]!r}" if token.kind != "end" else "the end of the text"
        return UnreadablePtxError(f"PTX line {token.line}: {expected}, found {found}")

    def source(self, line: int) -> str:
        """A line of the text, shortened."""
        text = self.lines[line - 1].strip() if line <= len(self.lines) else ""
        return text if len(text) <= 100 else text[:60] + " … " + text[-37:]

    def skip_braces(self) -> None:
        """Walk past { … }, whatever it holds."""
        self.wants("{")
        depth = 1
        while depth:
            token = self.next()
            if token.kind == "end":
                raise self.complaint("expected '}'")
            depth += {"{": 1, "}": -1}.get(token.text, 0)

    def integer(self) -> int:
        """Take an integer literal, with its sign."""
        negative = self.takes("-")
        token = self.here
        if token.kind != "number" or "." in token.text or token.text[1:2] in ("f", "F", "d", "D"):
            raise self.complaint("expected an integer")
        self.next()
        text = token.text.rstrip("U")
        value = int(text, 8) if text[0] == "0" and text.isdigit() and set(text) <= set("01234567") else int(text, 0)
        return -value if negative else value

    def literal(self) -> Immediate:
        """Take a number of any kind."""
        token = self.here
        text = token.text
        if text[1:2] in ("f", "F") and text[:1] == "0":
            self.next()
            return Immediate(int(text[2:], 16), 32)
        if text[1:2] in ("d", "D") and text[:1] == "0":
            self.next()
            return Immediate(int(text[2:], 16), 64)
        return Immediate(self.integer())

    def format(self) -> Format:
        """Take a type, such as .f32."""
        form = FORMATS.get(self.here.text.removeprefix("."))
        if form is None or not self.here.text.startswith("."):
            raise self.complaint("expected a type such as .f32")
        self.next()
        return form

    def attributes(self) -> int:
        """Take what stands before a type (.align n, .ptr .global and the like); the alignment, 0 if none is said."""
        alignment = 0
        while self.here.text.removeprefix(".") not in FORMATS:
            if self.takes(".align"):
                alignment = self.integer()
                if not 0 < alignment <= 4096 or alignment & (alignment - 1):
                    raise self.complaint("expected an alignment that is a power of two")
            elif self.here.text in (".ptr", ".noreturn", *("." + space for space in SPACES)):
                self.next()
            else:
                raise self.complaint("expected a type such as .f32")
        return alignment

    def variable(self, space: str) -> Variable:
        """Take the rest of a declaration behind its space: attributes, type, name, size, first value."""
        alignment = self.attributes()
        form = self.format()
        if self.here.text in (".ptr", ".align"):  # .param .u64 .ptr .global .align 1 name
            while self.here.text.startswith(".") and self.here.text not in FORMATS:
                if self.next().text == ".align":
                    self.integer()
        name = self.name()
        count, sized = 1, False
        while self.takes("["):
            sized = True
            if self.takes("]"):
                count = 0
                continue
            count *= self.integer()
            self.wants("]")
        if not 0 <= count <= LARGEST_VARIABLE or (form.kind == "p" and sized):
            raise self.complaint(f"{name} has an impossible size; expected")
        initial = self._initial(form, count) if self.takes("=") else None
        return Variable(name, space, form, count, alignment or max(form.size, 1), initial)

    def _initial(self, form: Format, count: int) -> bytes:
        values: list[int] = []
        if self.takes("{"):
            while not self.takes("}"):
                values.append(self._initial_value())
                if not self.takes(",") and self.here.text != "}":
                    raise self.complaint("expected ',' or '}'")
        else:
            values.append(self._initial_value())
        if len(values) > count:
            raise self.complaint(f"{len(values)} first values for {count} elements; expected fewer")
        return b"".join((value & form.mask).to_bytes(form.size, "little") for value in values)

    def _initial_value(self) -> int:
        if self.here.kind not in ("number", "mark"):
            raise self.complaint("expected a number as first value (addresses of other variables are not known here)")
        return self.literal().value
