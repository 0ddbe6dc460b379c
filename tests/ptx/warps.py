"""What the lanes of a warp do together: shfl, vote, match, redux, bar.warp, activemask.

The machine lets the lanes of a member mask wait until all of them have come to the instruction, then runs it once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ptx.faults import DivergentWarpError
from ptx.formats import FORMATS, Format
from ptx.linkage import Linkage, Reader
from ptx.moving import Run
from ptx.operation import Shape
from ptx.registers import Lanes, numbers
from ptx.syntax import Instruction, Pair
from ptx.wave import Wave

U32 = FORMATS["u32"]
PREDICATE = FORMATS["pred"]


def member_mask(link: Linkage, instruction: Instruction) -> Reader:
    """Reader of the mask of lanes that take part: the last operand of all of these instructions."""
    if "sync" not in instruction.modifiers:
        raise link.refuse(instruction, "forms without .sync left PTX with compute capability 7.0")
    return link.reader(instruction.operands[-1], U32, instruction)


def shuffle(link: Linkage, instruction: Instruction) -> Run:
    """shfl.sync (PTX ISA, 9.7.9 "shfl.sync"): a value of another lane of the warp, or one's own where there is none."""
    shape = Shape(instruction)
    shape.allow("sync", "up", "down", "bfly", "idx")
    mode = next((name for name in ("up", "down", "bfly", "idx") if shape.has(name)), None)
    if mode is None or len(instruction.operands) != 5:
        raise shape.unsupported("it wants up, down, bfly or idx and five operands")
    first = instruction.operands[0]
    target, found = (first.first, first.second) if isinstance(first, Pair) else (first, None)
    form = FORMATS["b32"]
    read, by, clamp = (
        link.reader(operand, kind, instruction)
        for operand, kind in zip(instruction.operands[1:4], (form, U32, U32), strict=True)
    )
    write = link.writer(target, form, instruction)
    write_found = link.writer(found, PREDICATE, instruction) if found is not None else None

    def run(wave: Wave, lanes: Lanes) -> None:
        who = numbers(lanes, wave.threads)
        lane = wave.lane[who]
        distance = wave.many(by(wave, lanes), lanes).astype(np.int64) & 31
        c = wave.many(clamp(wave, lanes), lanes).astype(np.int64)
        segment, inside = c >> 8 & 31, c & 31
        last, lowest = (lane & segment) | (inside & ~segment), lane & segment
        source = {
            "up": lane - distance,
            "down": lane + distance,
            "bfly": lane ^ distance,
            "idx": lowest | (distance & ~segment),
        }[mode]
        valid = source >= last if mode == "up" else source <= last
        source = np.where(valid, source, lane)
        values = np.zeros((wave.warps, 32), np.uint32)
        present = np.zeros((wave.warps, 32), np.bool_)
        warp = wave.warp_in_wave[who]
        values[warp, lane] = wave.many(read(wave, lanes), lanes)
        present[warp, lane] = True
        there = present[warp, source]
        if not there.all():
            bad = int(np.flatnonzero(~there)[0])
            raise DivergentWarpError(f"shfl reads lane {int(source[bad])}, which does not take part", int(who[bad]))
        write(wave, lanes, values[warp, source])
        if write_found is not None:
            write_found(wave, lanes, valid)

    return run


def _masks(wave: Wave, who: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """For each thread: the lanes of its warp among `who` that are chosen, as bits."""
    bits = np.zeros(wave.warps, np.uint32)
    np.bitwise_or.at(bits, wave.warp_in_wave[who[chosen]], np.uint32(1) << wave.lane[who[chosen]].astype(np.uint32))
    return bits[wave.warp_in_wave[who]]


def vote(link: Linkage, instruction: Instruction) -> Run:
    """vote.sync: all, any, uni of a predicate, or its ballot."""
    shape = Shape(instruction)
    shape.allow("sync", "all", "any", "uni", "ballot")
    read = link.reader(instruction.operands[1], PREDICATE, instruction)
    mode = next((name for name in ("all", "any", "uni", "ballot") if shape.has(name)), None)
    if mode is None:
        raise shape.unsupported("it wants all, any, uni or ballot")
    result: Format = U32 if mode == "ballot" else PREDICATE
    write = link.writer(instruction.operands[0], result, instruction)

    def run(wave: Wave, lanes: Lanes) -> None:
        who = numbers(lanes, wave.threads)
        yes = wave.many(read(wave, lanes), lanes)
        ballot, everyone = _masks(wave, who, yes), _masks(wave, who, np.ones(who.size, np.bool_))
        answers: dict[str, Callable[[], np.ndarray]] = {
            "all": lambda: ballot == everyone,
            "any": lambda: ballot != 0,
            "uni": lambda: (ballot == everyone) | (ballot == 0),
            "ballot": lambda: ballot,
        }
        write(wave, lanes, answers[mode]())

    return run


def match(link: Linkage, instruction: Instruction) -> Run:
    """match.sync: the lanes that hold the same value (any), or all of them if all do (all)."""
    shape = Shape(instruction)
    shape.allow("sync", "any", "all")
    first = instruction.operands[0]
    target, found = (first.first, first.second) if isinstance(first, Pair) else (first, None)
    read = link.reader(instruction.operands[1], shape.kinds("b32", "b64"), instruction)
    write = link.writer(target, U32, instruction)
    write_found = link.writer(found, PREDICATE, instruction) if found is not None else None
    every = shape.has("all")

    def run(wave: Wave, lanes: Lanes) -> None:
        who = numbers(lanes, wave.threads)
        values = wave.many(read(wave, lanes), lanes)
        masks = np.zeros(who.size, np.uint32)
        for value in np.unique(values):
            same = values == value
            masks[same] = _masks(wave, who, same)[same]
        if every:
            agree = masks == _masks(wave, who, np.ones(who.size, np.bool_))
            masks = np.where(agree, masks, np.uint32(0))
            if write_found is not None:
                write_found(wave, lanes, agree)
        write(wave, lanes, masks)

    return run


def reduce(link: Linkage, instruction: Instruction) -> Run:
    """redux.sync: one operation over the values of the lanes."""
    shape = Shape(instruction)
    functions: dict[str, np.ufunc] = {
        "add": np.add,
        "min": np.minimum,
        "max": np.maximum,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "xor": np.bitwise_xor,
    }
    shape.allow("sync", *functions)
    form = shape.kinds("u32", "s32", "b32")
    function = next((functions[name] for name in shape.rest if name in functions), None)
    if function is None:
        raise shape.unsupported("it wants an operation")
    read = link.reader(instruction.operands[1], form, instruction)
    write = link.writer(instruction.operands[0], form, instruction)

    def run(wave: Wave, lanes: Lanes) -> None:
        who = numbers(lanes, wave.threads)
        values = wave.many(read(wave, lanes), lanes)
        warp = wave.warp_in_wave[who]
        results = np.zeros(wave.warps, form.values)
        for number in np.unique(warp):
            results[number] = function.reduce(values[warp == number])
        write(wave, lanes, results[warp])

    return run


def warp_barrier(link: Linkage, instruction: Instruction) -> Run:
    """bar.warp.sync: orders what all living lanes of a warp did before and do after, if all of them take part."""

    def run(wave: Wave, lanes: Lanes) -> None:
        who = numbers(lanes, wave.threads)
        here = _masks(wave, who, np.ones(who.size, np.bool_))
        wave.warp_syncs_passed[who[here == wave.living_lanes[wave.warp_in_wave[who]]]] += 1

    return run


def active_mask(link: Linkage, instruction: Instruction) -> Run:
    """activemask: the lanes that run side by side just now."""
    write = link.writer(instruction.operands[0], U32, instruction)

    def run(wave: Wave, lanes: Lanes) -> None:
        who = numbers(lanes, wave.threads)
        write(wave, lanes, _masks(wave, who, np.ones(who.size, np.bool_)))

    return run


COLLECTIVES: dict[str, Callable[[Linkage, Instruction], Run]] = {
    "shfl": shuffle,
    "vote": vote,
    "match": match,
    "redux": reduce,
}
