"""A PTX module as data: what the parser makes and the linker reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from ptx.formats import Format


@dataclass(frozen=True)
class Register:
    """A register, by its name in the function: unique, also where scopes use one name twice."""

    name: str


@dataclass(frozen=True)
class Special:
    """A read-only register of the machine, "tid.x" without the percent sign."""

    name: str


@dataclass(frozen=True)
class Immediate:
    """A literal: an integer, or the bits of a float whose literal says its width (0f…: 32, 0d…: 64)."""

    value: int
    float_bits: int = 0


@dataclass(frozen=True)
class Symbol:
    """A variable, label or function, and an offset in bytes."""

    name: str
    offset: int = 0


@dataclass(frozen=True)
class Address:
    """[base + offset]."""

    base: Register | Symbol | Immediate
    offset: int = 0


@dataclass(frozen=True)
class Group:
    """{a, b, …} of a vector, or (a, b, …) of a call."""

    members: tuple[Operand, ...]


@dataclass(frozen=True)
class Pair:
    """a|b: two destinations."""

    first: Operand
    second: Operand


@dataclass(frozen=True)
class Negated:
    """!p."""

    register: Register


Operand = Register | Special | Immediate | Symbol | Address | Group | Pair | Negated


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes
    ----------
    line, text : where it stands and what stands there
    guard, when : predicate it runs under (None: always), and the value that lets it run
    opcode, modifiers : "ld", ("global", "f32")
    scope : number of the scope it stands in, for labels
    """

    line: int
    text: str
    guard: Register | None
    when: bool
    opcode: str
    modifiers: tuple[str, ...]
    operands: tuple[Operand, ...]
    scope: int = 0


@dataclass(frozen=True)
class Variable:
    """A variable or parameter.

    Attributes
    ----------
    space : "global", "const", "shared", "local" or "param"
    count : elements; 0 for an array without a size, which the launch gives
    initial : bytes, or None
    """

    name: str
    space: str
    form: Format
    count: int
    alignment: int
    initial: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.form.size * self.count


@dataclass
class Function:
    """A kernel or device function; one without a body is known by name only."""

    name: str
    is_kernel: bool
    parameters: list[Variable] = field(default_factory=list)
    results: list[Variable] = field(default_factory=list)
    registers: dict[str, Format] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)
    labels: dict[tuple[int, str], int] = field(default_factory=dict)
    parents: list[int] = field(default_factory=lambda: [-1])
    has_body: bool = False

    def target(self, label: str, scope: int) -> int | None:
        """Index of the instruction behind a label, seen from a scope; None where there is no such label."""
        while scope >= 0:
            if (scope, label) in self.labels:
                return self.labels[scope, label]
            scope = self.parents[scope]
        return None


@dataclass
class Module:
    """A PTX file: functions and module variables by name."""

    functions: dict[str, Function] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)

    @property
    def kernels(self) -> list[str]:
        """Names of the entries."""
        return [function.name for function in self.functions.values() if function.is_kernel]
