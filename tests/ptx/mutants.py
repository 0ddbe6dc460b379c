"""Mutants: PTX with one instruction changed, and whether the checks of a kernel notice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cuda_helpers.counts import LADDER

from ptx.examples import Example
from ptx.faults import PtxError
from ptx.launching import run_kernel
from ptx.linker import load_program

# What an opcode, with a type behind it, is changed to.
_OPCODES = [
    ("add", "sub"),
    ("sub", "add"),
    ("mul.lo", "add"),
    ("min", "max"),
    ("max", "min"),
    ("and", "or"),
    ("or", "and"),
    ("shl", "shr"),
    ("shr", "shl"),
]
_COMPARISONS = {"lt": "le", "le": "lt", "gt": "ge", "ge": "gt", "eq": "ne", "ne": "eq"}
_COMPARISONS |= {name + "u": other + "u" for name, other in _COMPARISONS.items()}


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes
    ----------
    kind : what was done, in words
    line : of the PTX text, from 1
    before, after : that line
    text : the whole
    """

    kind: str
    line: int
    before: str
    after: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """Who noticed a mutant: the name of a fault, "result", or nobody ("")."""

    mutant: Mutant
    killed_by: str


def _changes(line: str) -> Iterator[tuple[str, str]]:
    """(kind, changed line) of all changes to one line of a body."""
    guard = re.match(r"\s*@(!?)%p", line)
    if guard:
        yield "predicate flipped", line.replace("@!%", "@%", 1) if guard[1] else line.replace("@%", "@!%", 1)
        return
    words = line.split()
    opcode = words[0] if words else ""
    for old, new in _OPCODES:
        if re.match(rf"{old}(\.(lo|s|u|b|f|rn|pred)\w*)*$", opcode) and not opcode.endswith(".pred"):
            kind = re.sub(rf"^{re.escape(old)}", new, opcode)
            if new == "shr":
                kind = kind.replace(".b", ".u")
            if new == "shl":
                kind = re.sub(r"\.[su]", ".b", kind)
            yield f"{old} to {new}", line.replace(opcode, kind, 1)
    if re.match(r"mul(\.rn)?\.f", opcode):
        yield "mul to add", line.replace("mul", "add", 1)
    if opcode.startswith("fma.rn.f"):
        yield "addend of fma negated", _negated_addend(line)
        yield "addend of fma left out", re.sub(r"fma(\S*)(\s+[^,]+,[^,]+,[^,]+),[^;]+;", r"mul\1\2;", line)
    if opcode.startswith("setp."):
        name = opcode.split(".")[1]
        if name in _COMPARISONS:
            yield f"{name} to {_COMPARISONS[name]}", line.replace(f".{name}.", f".{_COMPARISONS[name]}.", 1)
    if opcode.startswith("selp."):
        yield "choice swapped", re.sub(r"(selp\S*\s+[^,]+, )([^,]+), ([^,]+),", r"\1\3, \2,", line)
    if opcode.startswith(("bar.sync", "bar.warp")):
        yield "barrier left out", ""
    if opcode.startswith(("st.global", "st.shared", "red.", "atom.")):
        yield "store left out", ""
    if re.match(r"(ld|st)\.(global|shared|local)", opcode):
        yield "address moved", re.sub(r"\[([^\]+]+)(\+\d+)?\]", _moved, line, count=1)
    yield from _constants(opcode, line)


def _negated_addend(line: str) -> str:
    return re.sub(
        r"(fma(\S*\.(f32|f64))\s+)([^,]+), ([^,]+), ([^,]+), ([^;]+);", r"neg.\3 \7, \7; \1\4, \5, \6, \7;", line
    )


def _moved(match: re.Match[str]) -> str:
    return f"[{match[1]}+{int((match[2] or '+0')[1:]) + 4}]"


def _constants(opcode: str, line: str) -> Iterator[tuple[str, str]]:
    if opcode.startswith(("ld", "st", "call", "bra", "bar")):
        return
    for match in re.finditer(r"(?<=[ ,])-?\d+(?=[,;])", line):
        yield "constant one greater", f"{line[: match.start()]}{int(match[0]) + 1}{line[match.end() :]}"
    for match in re.finditer(r"0f([0-9A-F]{8})|0d([0-9A-F]{16})", line):
        digits = match[1] or match[2]
        bits = int(digits, 16)
        changed = bits + (1 << (23 if match[1] else 52)) if bits else (0x3F800000 if match[1] else 0x3FF0 << 48)
        literal = f"{match[0][:2]}{changed:0{len(digits)}X}"
        yield "constant doubled, or 1 for 0", f"{line[: match.start()]}{literal}{line[match.end() :]}"


def mutants_of(text: str, kernel: str | None = None, first: int = 0, every: int = 1) -> list[Mutant]:
    """Every mutant of the instructions that a kernel, or a function that it calls, consists of.

    Loads of parameters and arguments of calls are left alone: a kernel without them does not run at all.

    Parameters
    ----------
    first, every : to take a sample
    """
    lines = text.splitlines()
    ours = {step.instruction.line for step in load_program(text, kernel).steps}
    found: list[Mutant] = []
    for number, line in enumerate(lines):
        stripped = line.strip()
        if number + 1 not in ours or not stripped.endswith(";") or stripped.startswith(("ld.param", "st.param", "{")):
            continue
        for kind, changed in _changes(line):
            if changed != line:
                whole = "\n".join([*lines[:number], changed, *lines[number + 1 :]])
                found.append(Mutant(kind, number + 1, stripped, changed.strip(), whole))
    return [mutant for mutant in found[first::every] if _is_ptx(mutant.text, kernel)]


# What is planted in every kernel; a kernel without shared memory has no barrier.
PLANTED = ("store left out", "address moved", "predicate flipped", "barrier left out")


def planted_faults(text: str, kernel: str | None = None) -> list[Mutant]:
    """One mutant of each kind of PLANTED that a kernel has a line for: the last, which most threads come to."""
    lines = text.splitlines()
    ours = {step.instruction.line for step in load_program(text, kernel).steps}
    found: dict[str, Mutant] = {}
    for number in sorted(ours):
        line = lines[number - 1]
        stripped = line.strip()
        for kind, changed in _changes(line) if stripped.endswith(";") else ():
            if kind in PLANTED and changed != line:
                whole = "\n".join([*lines[: number - 1], changed, *lines[number:]])
                found[kind] = Mutant(kind, number, stripped, changed.strip(), whole)
    return list(found.values())


def _is_ptx(text: str, kernel: str | None) -> bool:
    """Whether a change left PTX: what no compiler would take is no mutant."""
    try:
        load_program(text, kernel)
    except PtxError:
        return False
    return True


def judge(example: Example, mutant: Mutant, kernel: str | None = None, budgets: tuple[int, ...] = ()) -> Verdict:
    """Run a mutant through the cases of its example, and count whether it is noticed; parameters as of `killer`."""
    with LADDER.judgement():
        verdict = Verdict(mutant, killer(example, mutant.text, kernel, budgets))
    LADDER.judged(bool(verdict.killed_by))
    return verdict


def killer(example: Example, text: str, kernel: str | None = None, budgets: tuple[int, ...] = ()) -> str:
    """Who notices that a text is not that of the example: the name of a fault, "result", or nobody ("").

    Parameters
    ----------
    text : PTX, one instruction of which has been changed
    budgets : steps that each case may take; what takes more runs endlessly
    """
    for number, case in enumerate(example.cases):
        arguments = case.fresh()
        options = replace(example.options, budget=budgets[number]) if budgets else example.options
        try:
            run_kernel(text, case.grid, case.block, arguments, options, kernel)
        except PtxError as error:
            return type(error).__name__
        if not example.error(case, arguments) <= example.bound:
            return "result"
    return ""


def budgets_of(example: Example, kernel: str | None = None) -> tuple[int, ...]:
    """Twice the steps that the correct kernel takes, and some: what takes longer does not end."""
    found = []
    for case in example.cases:
        report = run_kernel(example.text, case.grid, case.block, case.fresh(), example.options, kernel)
        found.append(2 * report.issued + 100)
    return tuple(found)
