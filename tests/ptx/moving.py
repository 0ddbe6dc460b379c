"""Loads, stores, copies of vectors, and addresses between spaces."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from ptx.faults import OutOfBoundsError, UninitialisedMemoryError
from ptx.formats import FORMATS, Format, bits_of
from ptx.linkage import Linkage, Reader
from ptx.memory import LOCAL_WINDOW, SHARED_WINDOW
from ptx.operation import Shape
from ptx.races import ATOMIC, READ, WRITE
from ptx.registers import Lanes, numbers
from ptx.syntax import Address, Group, Instruction, Operand, Symbol
from ptx.wave import Wave

Run = Callable[[Wave, Lanes], None]
_SPACES = ("global", "shared", "local", "const")
_STRONG = ("volatile", "relaxed", "acquire", "release", "mmio")
_IGNORED = re.compile(r"(L[12]::\S+|L[12]|ca|cg|cs|lu|cv|wb|wt|weak|cta|cluster|gpu|sys|noftz|shared::cta|v[248])")
_WINDOWS = {"shared": SHARED_WINDOW, "local": LOCAL_WINDOW, "global": 0, "const": 0}


def space_of(shape: Shape) -> str:
    """Space of an access; "generic" where none is said."""
    if shape.has("shared::cta"):
        return "shared"
    return next((name for name in shape.rest if name in _SPACES), "generic")


def check_modifiers(shape: Shape, *more: str) -> None:
    """Refuse what an access does not know."""
    unknown = [n for n in shape.rest if n not in (*_SPACES, *_STRONG, *more) and not _IGNORED.fullmatch(n)]
    if unknown:
        raise shape.unsupported(f"the interpreter does not know .{unknown[0]} here")


def members(operand: Operand) -> tuple[Operand, ...]:
    """The parts of a vector, or the one operand."""
    return operand.members if isinstance(operand, Group) else (operand,)


def split_generic(wave: Wave, lanes: Lanes, addresses: np.ndarray) -> list[tuple[str, np.ndarray, Lanes, np.ndarray]]:
    """(space, places among the lanes, lanes, addresses in the space) of generic addresses."""
    addresses = wave.many(addresses, lanes)
    which = np.where(addresses >= LOCAL_WINDOW, 2, np.where(addresses >= SHARED_WINDOW, 1, 0))
    found: list[tuple[str, np.ndarray, Lanes, np.ndarray]] = []
    for number, name in enumerate(("global", "shared", "local")):
        places = np.flatnonzero(which == number)
        if places.size == which.size:
            return [(name, places, lanes, addresses - _WINDOWS[name])]
        if places.size:
            found.append((name, places, numbers(lanes, wave.threads)[places], addresses[places] - _WINDOWS[name]))
    return found


def load(link: Linkage, instruction: Instruction) -> Run:
    """ld of any space but .param."""
    shape = Shape(instruction)
    check_modifiers(shape, "nc")
    form, space = shape.form, space_of(shape)
    targets = members(instruction.operands[0])
    writers = [link.writer(target, form, instruction) for target in targets]
    address = _address(link, instruction, 1)
    kind = ATOMIC if any(name in _STRONG for name in shape.rest) else READ
    read_only = shape.has("nc")

    def run(wave: Wave, lanes: Lanes) -> None:
        addresses = address(wave, lanes)
        parts = (
            split_generic(wave, lanes, addresses)
            if space == "generic"
            else [("global" if space == "const" else space, None, lanes, addresses)]
        )
        for name, _, some, where in parts:
            memory = wave.spaces[name]
            if read_only:
                values = memory.load_read_only(where, form.size, len(targets), some, wave)
            else:
                values = memory.load(where, form.size, len(targets), some, wave, kind)
            for write, value in zip(writers, values, strict=True):
                write(wave, some, value.view(form.values))

    return run


def store(link: Linkage, instruction: Instruction) -> Run:
    """st of any space but .param."""
    shape = Shape(instruction)
    check_modifiers(shape)
    form, space = shape.form, space_of(shape)
    readers = [link.reader(source, form, instruction) for source in members(instruction.operands[1])]
    address = _address(link, instruction, 0)
    kind = ATOMIC if any(name in _STRONG for name in shape.rest) else WRITE

    def run(wave: Wave, lanes: Lanes) -> None:
        values = [wave.many(bits_of(read(wave, lanes)), lanes) for read in readers]
        addresses = address(wave, lanes)
        if space != "generic":
            wave.spaces[space].store(addresses, values, lanes, wave, kind)
            return
        for name, places, some, where in split_generic(wave, lanes, addresses):
            wave.spaces[name].store(where, [value[places] for value in values], some, wave, kind)

    return run


def _address(link: Linkage, instruction: Instruction, place: int) -> Reader:
    operand = instruction.operands[place] if place < len(instruction.operands) else None
    if not isinstance(operand, Address):
        raise link.refuse(instruction, "an address in brackets is missing")
    return link.address_reader(operand, instruction)


def _parameter(link: Linkage, instruction: Instruction, place: int) -> tuple[str, int, int]:
    """(key, first byte, bytes in all) of an address in parameter space."""
    operand = instruction.operands[place] if place < len(instruction.operands) else None
    if not isinstance(operand, Address) or not isinstance(operand.base, Symbol):
        raise link.refuse(instruction, "parameters are reached by their names here")
    found = link.variable(operand.base.name)
    if found is None or found[1].space != "param":
        raise link.refuse(instruction, f"{operand.base.name} is no parameter")
    return found[0], operand.offset, found[1].size


def load_parameter(link: Linkage, instruction: Instruction) -> Run:
    """ld.param."""
    shape = Shape(instruction)
    check_modifiers(shape, "param", "param::func", "param::entry")
    form = shape.form
    writers = [link.writer(target, form, instruction) for target in members(instruction.operands[0])]
    key, start, size = _parameter(link, instruction, 1)

    def run(wave: Wave, lanes: Lanes) -> None:
        block = wave.parameters[key]
        if not 0 <= start <= size - form.size * len(writers):
            raise OutOfBoundsError(f"parameter of {size} bytes is read at byte {start}", _first(lanes))
        rows = block[lanes] if block.shape[0] > 1 else block
        for part, write in enumerate(writers):
            first = start + part * form.size
            piece = rows[:, first : first + form.size]
            if (piece > 255).any():
                bad = int(np.flatnonzero((piece > 255).any(axis=1))[0])
                raise UninitialisedMemoryError("parameter is read but nothing has written it", -1 - bad)
            write(wave, lanes, np.ascontiguousarray(piece.astype(np.uint8)).view(form.values)[:, 0])

    return run


def _first(lanes: Lanes) -> int:
    return 0 if isinstance(lanes, slice) else int(lanes[0])


def store_parameter(link: Linkage, instruction: Instruction) -> Run:
    """st.param, of an argument before a call or of a result before a return."""
    shape = Shape(instruction)
    check_modifiers(shape, "param", "param::func")
    form = shape.form
    readers = [link.reader(source, form, instruction) for source in members(instruction.operands[1])]
    key, start, size = _parameter(link, instruction, 0)

    def run(wave: Wave, lanes: Lanes) -> None:
        if not 0 <= start <= size - form.size * len(readers):
            raise OutOfBoundsError(f"parameter of {size} bytes is written at byte {start}", _first(lanes))
        for part, read in enumerate(readers):
            values = np.ascontiguousarray(wave.many(bits_of(read(wave, lanes)), lanes))
            first = start + part * form.size
            wave.parameters[key][lanes, first : first + form.size] = values.view(np.uint8).reshape(-1, form.size)

    return run


def move_vector(link: Linkage, instruction: Instruction) -> Run:
    """mov of {a, b, …} to one register, or the other way round."""
    form = Shape(instruction).form
    target, source = instruction.operands
    parts = len(members(source if isinstance(source, Group) else target))
    if form.bits // parts not in (8, 16, 32) or form.bits % parts:
        raise link.refuse(instruction, f"{parts} parts of a .{form.name} are not known")
    piece = FORMATS[f"b{form.bits // parts}"]
    whole = FORMATS[f"b{form.bits}"]
    if isinstance(source, Group):
        readers = [link.reader(part, piece, instruction) for part in source.members]
        write = link.writer(target, whole, instruction)

        def pack(wave: Wave, lanes: Lanes) -> None:
            total = np.zeros(1, whole.values)
            for place, read in enumerate(readers):
                total = total | read(wave, lanes).astype(whole.values) << whole.values.type(place * piece.bits)
            write(wave, lanes, total)

        return pack
    read_whole = link.reader(source, whole, instruction)
    writers = [link.writer(part, piece, instruction) for part in members(target)]

    def unpack(wave: Wave, lanes: Lanes) -> None:
        values = read_whole(wave, lanes)
        for place, write_part in enumerate(writers):
            write_part(wave, lanes, (values >> whole.values.type(place * piece.bits)).astype(piece.values))

    return unpack


def convert_address(link: Linkage, instruction: Instruction) -> Run:
    """cvta: between an address in a space and a generic one."""
    shape = Shape(instruction)
    check_modifiers(shape, "to")
    form: Format = shape.kinds("u64")
    space = space_of(shape)
    if space == "generic":
        raise shape.unsupported("the interpreter does not know its space")
    read = link.reader(instruction.operands[1], form, instruction)
    write = link.writer(instruction.operands[0], form, instruction)
    distance = np.uint64(_WINDOWS[space])
    back = shape.has("to")
    return lambda wave, lanes: write(
        wave, lanes, read(wave, lanes) - distance if back else read(wave, lanes) + distance
    )


def is_in_space(link: Linkage, instruction: Instruction) -> Run:
    """isspacep."""
    shape = Shape(instruction)
    space = space_of(shape)
    read = link.reader(instruction.operands[1], FORMATS["u64"], instruction)
    write = link.writer(instruction.operands[0], FORMATS["pred"], instruction)

    def run(wave: Wave, lanes: Lanes) -> None:
        addresses = read(wave, lanes).astype(np.int64)
        which = np.where(addresses >= LOCAL_WINDOW, 2, np.where(addresses >= SHARED_WINDOW, 1, 0))
        write(wave, lanes, which == ("global", "shared", "local").index(space))

    return run


def nothing(link: Linkage, instruction: Instruction) -> Run:
    """Fences, hints and pauses: the interpreter runs in an order in which they change nothing."""
    return lambda wave, lanes: None
