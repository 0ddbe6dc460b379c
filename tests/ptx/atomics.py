"""atom and red: one access after the other where several threads name one place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ptx.exact import add, flushed
from ptx.formats import UNSIGNED, Format, bits_of
from ptx.linkage import Linkage
from ptx.memory import Space
from ptx.moving import Run, check_modifiers, space_of, split_generic
from ptx.operation import Shape
from ptx.races import ATOMIC
from ptx.registers import Lanes
from ptx.syntax import Address, Instruction
from ptx.wave import Wave

Update = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _increment(old: np.ndarray, limit: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.where(old >= limit, 0, old + old.dtype.type(1)).astype(old.dtype)


def _decrement(old: np.ndarray, limit: np.ndarray, _: np.ndarray) -> np.ndarray:
    return np.where((old == 0) | (old > limit), limit, old - old.dtype.type(1))


def _add(old: np.ndarray, value: np.ndarray, _: np.ndarray) -> np.ndarray:
    return add(old, value) if old.dtype.kind == "f" else old + value


UPDATES: dict[str, Update] = {
    "add": _add,
    "min": lambda old, value, _: np.fmin(old, value) if old.dtype.kind == "f" else np.minimum(old, value),
    "max": lambda old, value, _: np.fmax(old, value) if old.dtype.kind == "f" else np.maximum(old, value),
    "and": lambda old, value, _: old & value,
    "or": lambda old, value, _: old | value,
    "xor": lambda old, value, _: old ^ value,
    "exch": lambda old, value, _: value,
    "cas": lambda old, expected, value: np.where(bits_of(old) == bits_of(expected), value, old),
    "inc": _increment,
    "dec": _decrement,
}


def atomic(link: Linkage, instruction: Instruction) -> Run:
    """atom and red.

    Accesses to one place come in the order of the threads, or in the order that the launch shuffled them into.
    """
    shape = Shape(instruction)
    check_modifiers(shape, "acq_rel", "sc", *UPDATES)
    form, space = shape.form, space_of(shape)
    names = [name for name in shape.rest if name in UPDATES]
    if len(names) != 1 or form.bits < 32 or (form.kind == "f" and names[0] not in ("add", "min", "max", "exch")):
        raise shape.unsupported(f"the interpreter does not know this operation for .{form.name}")
    name = names[0]
    returns = instruction.opcode == "atom"
    sources = instruction.operands[1:] if returns else instruction.operands
    if not isinstance(sources[0], Address) or len(sources) != (3 if name == "cas" else 2):
        raise shape.unsupported("it wants an address and its values")
    address = link.address_reader(sources[0], instruction)
    readers = [link.reader(source, form, instruction) for source in sources[1:]]
    write = link.writer(instruction.operands[0], form, instruction) if returns else None
    update = UPDATES[name]

    def run(wave: Wave, lanes: Lanes) -> None:
        values = [wave.many(read(wave, lanes), lanes) for read in readers]
        addresses = address(wave, lanes)
        where = wave.many(addresses, lanes)
        parts = (
            split_generic(wave, lanes, addresses)
            if space == "generic"
            else [(space, np.arange(where.size), lanes, where)]
        )
        for kind, places, some, local in parts:
            memory = wave.spaces[kind]
            flush = name == "add" and form.name == "f32" and kind == "global"
            cells = memory.writable(local, form.size, 1, some, wave, ATOMIC)
            chosen = [value[places] for value in values]
            old = _in_turn(memory, cells, chosen, form, update, wave.atomic_order, flush)
            if write is not None:
                write(wave, some, old)

    return run


def _in_turn(
    memory: Space,
    cells: np.ndarray,
    values: list[np.ndarray],
    form: Format,
    update: Update,
    shuffle: np.random.Generator | None,
    flush: bool,
) -> np.ndarray:
    """Apply an update to each cell, once per access; the values before each.

    Accesses are taken in rounds: the first to each cell, then the second to each, and so on.
    """
    data = memory.data.view(UNSIGNED[form.bits])
    order = np.arange(cells.size) if shuffle is None else shuffle.permutation(cells.size)
    order = order[np.argsort(cells[order], kind="stable")]
    ordered = cells[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    counts = np.diff(np.r_[starts, ordered.size])
    turn = np.arange(ordered.size) - np.repeat(starts, counts)
    old = np.empty(cells.size, form.values)
    for round_number in range(int(counts.max())):
        which = order[turn == round_number]
        before = data[cells[which]].view(form.values)
        old[which] = before
        operands = [value[which] for value in values]
        if flush:
            before, operands = flushed(before), [flushed(operand) for operand in operands]
        after = update(before, operands[0], operands[-1])
        data[cells[which]] = bits_of(flushed(after) if flush else after)
    return old
