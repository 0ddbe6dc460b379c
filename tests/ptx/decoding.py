"""One instruction to a step: what it does, and what it does to the flow of control."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ptx import alu_logic, atomics, moving, warps
from ptx.faults import TrapError
from ptx.formats import FORMATS
from ptx.linkage import Linkage
from ptx.operation import Operation, Shape
from ptx.program import BARRIER, BRANCH, COLLECTIVE, EXIT, RETURN, Run, Step
from ptx.registers import Lanes, numbers
from ptx.syntax import Group, Instruction, Operand, Pair, Register, Symbol
from ptx.wave import Wave

PREDICATE = FORMATS["pred"]


def decode(link: Linkage, instruction: Instruction, places: list[int]) -> Step:
    """The step of an instruction that is no call.

    Parameters
    ----------
    places : number of the step of each instruction of the function, for labels

    Raises
    ------
    UnsupportedInstructionError : names line and instruction
    """
    step = Step(instruction, link.function.name)
    guard(link, step)
    opcode, modifiers = instruction.opcode, instruction.modifiers
    try:
        if opcode == "bra":
            label = instruction.operands[0]
            target = link.function.target(label.name, instruction.scope) if isinstance(label, Symbol) else None
            if target is None:
                raise link.refuse(instruction, "its label stands nowhere in the function")
            step.flow, step.target = BRANCH, places[target]
        elif opcode in ("ret", "exit"):
            step.flow = RETURN if opcode == "ret" else EXIT
        elif opcode in ("bar", "barrier") and "warp" not in modifiers:
            _barrier(link, instruction, step)
        elif opcode in warps.COLLECTIVES or opcode == "bar":
            step.flow = COLLECTIVE
            step.members = warps.member_mask(link, instruction)
            step.run = warps.COLLECTIVES.get(opcode, warps.warp_barrier)(link, instruction)
        else:
            step.run = _plain(link, instruction)
    except (IndexError, ValueError):
        raise link.refuse(instruction, "it has another number of operands than known here") from None
    return step


def guard(link: Linkage, step: Step) -> None:
    """The predicate that a step runs under."""
    register = step.instruction.guard
    if register is None:
        return
    if link.function.registers[register.name].kind != "p":
        raise link.refuse(step.instruction, "its guard is no predicate")
    step.guard, step.when = link.key(register.name), step.instruction.when


def _barrier(link: Linkage, instruction: Instruction, step: Step) -> None:
    shape = Shape(instruction)
    if shape.has("arrive"):
        raise shape.unsupported("threads that arrive without waiting are not known here")
    shape.allow("sync", "cta", "aligned", "red", "popc", "and", "or")
    step.flow = BARRIER
    if shape.has("red"):
        step.run = _barrier_reduction(link, instruction, shape)
    elif len(instruction.operands) == 2:
        step.count = link.reader(instruction.operands[1], FORMATS["u32"], instruction)
    elif len(instruction.operands) != 1:
        raise shape.unsupported("it wants the number of a barrier")


def _barrier_reduction(link: Linkage, instruction: Instruction, shape: Shape) -> Run:
    """bar.red: a barrier that tells how many threads of the block, or whether all or any, hold a predicate."""
    counts, every = shape.has("popc"), shape.has("and")
    read = link.reader(instruction.operands[-1], PREDICATE, instruction)
    write = link.writer(instruction.operands[0], FORMATS["u32"] if counts else PREDICATE, instruction)

    def run(wave: Wave, lanes: Lanes) -> None:
        block = wave.block_in_wave[numbers(lanes, wave.threads)]
        yes = np.bincount(block, wave.many(read(wave, lanes), lanes), wave.blocks)[block].astype(np.uint32)
        here = np.bincount(block, minlength=wave.blocks)[block]
        write(wave, lanes, yes if counts else (yes == here if every else yes > 0))

    return run


def _trap(link: Linkage, instruction: Instruction) -> Run:
    def run(wave: Wave, lanes: Lanes) -> None:
        raise TrapError(f"the kernel came to {instruction.opcode}", int(numbers(lanes, wave.threads)[0]))

    return run


_HANDLERS: dict[str, Callable[[Linkage, Instruction], Run]] = {
    **dict.fromkeys(("atom", "red"), atomics.atomic),
    "cvta": moving.convert_address,
    "isspacep": moving.is_in_space,
    "activemask": warps.active_mask,
    **dict.fromkeys(("membar", "fence", "nanosleep", "prefetch", "prefetchu", "discard", "pmevent"), moving.nothing),
    **dict.fromkeys(("trap", "brkpt"), _trap),
}


def _plain(link: Linkage, instruction: Instruction) -> Run:
    opcode, operands = instruction.opcode, instruction.operands
    if opcode in ("ld", "ldu", "st"):
        parameter = any(name.startswith("param") for name in instruction.modifiers)
        if opcode == "st":
            return (moving.store_parameter if parameter else moving.store)(link, instruction)
        return (moving.load_parameter if parameter else moving.load)(link, instruction)
    if opcode == "mov" and any(isinstance(operand, Group) for operand in operands):
        return moving.move_vector(link, instruction)
    if opcode in _HANDLERS:
        return _HANDLERS[opcode](link, instruction)
    builder = alu_logic.BUILDERS.get(opcode)
    if builder is None:
        raise link.refuse(instruction, f"the interpreter does not know {opcode[:20]!r}")
    return _arithmetic(link, instruction, builder(Shape(instruction)))


def _arithmetic(link: Linkage, instruction: Instruction, operation: Operation) -> Run:
    target, *sources = instruction.operands
    if len(sources) != len(operation.sources):
        raise link.refuse(instruction, f"it wants {len(operation.sources)} sources")
    if operation.transparent:
        return _transparent(link, instruction, operation)
    readers = [link.reader(s, form, instruction) for s, form in zip(sources, operation.sources, strict=True)]
    compute = operation.compute
    if isinstance(target, Pair):
        if operation.result.kind != "p":
            raise link.refuse(instruction, "only comparisons have two destinations")
        write_yes, write_no = (link.writer(t, PREDICATE, instruction) for t in (target.first, target.second))

        def run_pair(wave: Wave, lanes: Lanes) -> None:
            result = compute(*[read(wave, lanes) for read in readers])
            write_yes(wave, lanes, result)
            write_no(wave, lanes, ~result)

        return run_pair
    write = link.writer(target, operation.result, instruction)

    def run(wave: Wave, lanes: Lanes) -> None:
        write(wave, lanes, compute(*[read(wave, lanes) for read in readers]))

    def run_with_carry(wave: Wave, lanes: Lanes) -> None:
        values = [read(wave, lanes) for read in readers]
        result = compute(wave.carry[lanes], *values) if operation.carry_in else compute(*values)
        if operation.carry_out:
            result, wave.carry[lanes] = result
        write(wave, lanes, result)

    return run_with_carry if operation.carry_in or operation.carry_out else run


def _transparent(link: Linkage, instruction: Instruction, operation: Operation) -> Run:
    """mov and selp: what was never written passes through, and is a fault where it is used.

    Compilers copy registers that hold nothing on paths where nobody reads them.
    """
    target, *sources = instruction.operands
    form = operation.result
    values = [_peek(link, source, operation, instruction) for source in sources[:2]]
    write = link.writer(target, form, instruction)
    key = link.key(target.name) if isinstance(target, Register) else ""
    predicate = link.reader(sources[2], PREDICATE, instruction) if operation.transparent == "select" else None

    def run(wave: Wave, lanes: Lanes) -> None:
        found = [value(wave, lanes) for value in values]
        arrays, known = [array for array, _ in found], [defined for _, defined in found]
        if predicate is None:
            result, defined = arrays[0], known[0]
        else:
            chosen = predicate(wave, lanes)
            result = np.where(chosen, arrays[0], arrays[1])
            defined = None
            if known[0] is not None or known[1] is not None:
                first, second = (np.ones(1, np.bool_) if k is None else k for k in known)
                defined = np.where(chosen, first, second)
        if defined is None or not key:
            write(wave, lanes, result)
        else:
            wave.registers[key].write_partly(lanes, result, form, wave.many(defined, lanes))

    return run


def _peek(
    link: Linkage, source: Operand, operation: Operation, instruction: Instruction
) -> Callable[[Wave, Lanes], tuple[np.ndarray, np.ndarray | None]]:
    form = operation.result
    read = link.reader(source, form, instruction)
    if not isinstance(source, Register):
        return lambda wave, lanes: (read(wave, lanes), None)
    key = link.key(source.name)
    return lambda wave, lanes: (
        wave.registers[key].peek(lanes, form),
        wave.registers[key].definedness(lanes),
    )
