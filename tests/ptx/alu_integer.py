"""Builders of integer instructions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ptx import integers
from ptx.faults import DivisionByZeroError
from ptx.formats import FORMATS, Format, wider
from ptx.operation import Builder, Operation, Shape, alike

U32 = FORMATS["u32"]


def add_or_subtract(shape: Shape, *, negative: bool) -> Operation:
    """add, sub and their forms with carry: the flag of PTX is a carry for add and a borrow for sub."""
    form = shape.kinds("i")
    shape.allow("cc", "sat")
    carry_in = shape.instruction.opcode in ("addc", "subc")
    carry_out = shape.has("cc")
    if shape.has("sat"):
        if form.name != "s32":
            raise shape.unsupported(".sat is for s32 alone")
        return alike(shape, 2, lambda a, b: integers.saturated_add(a, b, negative=negative))
    if not carry_in and not carry_out:
        return alike(shape, 2, np.subtract if negative else np.add)

    def compute(*arrays: np.ndarray) -> object:
        flag = arrays[0] if carry_in else np.zeros(1, np.bool_)
        a, b = (array.view(form.raw) for array in arrays[-2:])
        return _with_flag(a, b, flag, form, negative=negative, wanted=carry_out)

    return Operation(form, (form, form), compute, carry_in, carry_out)


def _with_flag(a: np.ndarray, b: np.ndarray, flag: np.ndarray, form: Format, *, negative: bool, wanted: bool) -> object:
    one = flag.astype(form.raw)
    first = a - b if negative else a + b
    second = first - one if negative else first + one
    if not wanted:
        return second.view(form.values)
    over = (a < b) | (first < one) if negative else (first < a) | (second < first)
    return second.view(form.values), over


def _product(shape: Shape, form: Format) -> tuple[Format, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    if shape.has("wide"):
        if form.bits == 64:
            raise shape.unsupported(".wide is for 16 and 32 bits")
        return wider(form), lambda a, b: integers.multiply_wide(a, b, form)
    if shape.has("hi"):
        return form, lambda a, b: integers.multiply_high(a, b, form)
    if shape.has("lo"):
        return form, np.multiply
    raise shape.unsupported("it has none of .lo, .hi, .wide")


def multiply(shape: Shape) -> Operation:
    """mul."""
    form = shape.kinds("i")
    shape.allow("lo", "hi", "wide")
    result, product = _product(shape, form)
    return Operation(result, (form, form), product)


def multiply_add(shape: Shape) -> Operation:
    """mad and madc."""
    form = shape.kinds("i")
    shape.allow("lo", "hi", "wide", "cc")
    result, product = _product(shape, form)
    carry_in, carry_out = shape.instruction.opcode == "madc", shape.has("cc")

    def compute(*arrays: np.ndarray) -> object:
        a, b, c = arrays[-3:]
        low = product(a, b)
        if not carry_in and not carry_out:
            return low + c
        flag = arrays[0] if carry_in else np.zeros(1, np.bool_)
        return _with_flag(low.view(result.raw), c.view(result.raw), flag, result, negative=False, wanted=carry_out)

    return Operation(result, (form, form, result), compute, carry_in, carry_out)


def multiply_24(shape: Shape) -> Operation:
    """mul24 and mad24."""
    form = shape.kinds("u32", "s32")
    shape.allow("lo", "hi")
    high = shape.has("hi")
    if shape.instruction.opcode == "mul24":
        return alike(shape, 2, lambda a, b: integers.multiply_24(a, b, form, high=high))
    return alike(shape, 3, lambda a, b, c: integers.multiply_24(a, b, form, high=high) + c)


def divide(shape: Shape) -> Operation:
    """div and rem."""
    form = shape.kinds("i")
    shape.allow()
    function = integers.divide if shape.instruction.opcode == "div" else integers.remainder

    def compute(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if (b == 0).any():
            raise DivisionByZeroError("integer division by zero", -1 - int(np.flatnonzero(b == 0)[0]))
        return function(a, b, form)

    return alike(shape, 2, compute)


def absolute(shape: Shape) -> Operation:
    """abs and neg."""
    shape.kinds("s16", "s32", "s64")
    shape.allow()
    return alike(shape, 1, np.abs if shape.instruction.opcode == "abs" else np.negative)


def extremum(shape: Shape) -> Operation:
    """min and max."""
    shape.kinds("i")
    shape.allow()
    return alike(shape, 2, np.minimum if shape.instruction.opcode == "min" else np.maximum)


def shift(shape: Shape) -> Operation:
    """shl and shr."""
    form = shape.kinds("i")
    shape.allow()
    left = shape.instruction.opcode == "shl"
    return Operation(form, (form, U32), lambda a, by: integers.shift(a, by, form, left=left))


def funnel_shift(shape: Shape) -> Operation:
    """shf."""
    form = shape.kinds("b32")
    shape.allow("l", "r", "wrap", "clamp")
    left, wrap = shape.has("l"), shape.has("wrap")
    return Operation(form, (form, form, U32), lambda a, b, by: integers.funnel_shift(a, b, by, left=left, wrap=wrap))


def counted(shape: Shape) -> Operation:
    """popc, clz, bfind: a number of bits."""
    form = shape.kinds("i")
    shape.allow("shiftamt")
    opcode = shape.instruction.opcode
    if opcode == "popc":
        return Operation(U32, (form,), integers.population)
    if opcode == "clz":
        return Operation(U32, (form,), lambda a: integers.leading_zeros(a, form))
    amount = shape.has("shiftamt")
    return Operation(U32, (form,), lambda a: integers.find_bit(a, form, shift_amount=amount))


def reverse(shape: Shape) -> Operation:
    """brev."""
    form = shape.kinds("i")
    shape.allow()
    return alike(shape, 1, lambda a: integers.reverse_bits(a, form))


def extract(shape: Shape) -> Operation:
    """bfe."""
    form = shape.kinds("i")
    shape.allow()
    return Operation(form, (form, U32, U32), lambda a, p, n: integers.extract_bits(a, p, n, form))


def insert(shape: Shape) -> Operation:
    """bfi."""
    form = shape.kinds("i")
    shape.allow()
    return Operation(form, (form, form, U32, U32), lambda a, b, p, n: integers.insert_bits(a, b, p, n, form))


def permute(shape: Shape) -> Operation:
    """prmt."""
    shape.kinds("b32")
    modes = ("f4e", "b4e", "rc8", "ecl", "ecr", "rc16")
    shape.allow(*modes)
    mode = next((name for name in shape.rest if name in modes), "")
    return alike(shape, 3, lambda a, b, c: integers.permute_bytes(a, b, c, mode))


def logic_of_three(shape: Shape) -> Operation:
    """lop3."""
    form = shape.kinds("b32")
    shape.allow()
    return Operation(form, (form, form, form, U32), lambda a, b, c, t: integers.logic_of_three(a, b, c, int(t[0])))


def difference_sum(shape: Shape) -> Operation:
    """sad: c + |a − b|."""
    shape.kinds("i")
    shape.allow()
    return alike(shape, 3, lambda a, b, c: c + (np.maximum(a, b) - np.minimum(a, b)))


def dot_of_bytes(shape: Shape) -> Operation:
    """dp4a."""
    if len(shape.forms) != 2 or any(form.name not in ("u32", "s32") for form in shape.forms):
        raise shape.unsupported("it wants two types, u32 or s32")
    shape.allow()
    kinds = (shape.forms[0].kind, shape.forms[1].kind)
    return Operation(U32, (U32, U32, U32), lambda a, b, c: integers.dot_of_bytes(a, b, c, kinds))


BUILDERS: dict[str, Builder] = {
    **dict.fromkeys(("add", "addc"), lambda shape: add_or_subtract(shape, negative=False)),
    **dict.fromkeys(("sub", "subc"), lambda shape: add_or_subtract(shape, negative=True)),
    "mul": multiply,
    **dict.fromkeys(("mad", "madc"), multiply_add),
    **dict.fromkeys(("mul24", "mad24"), multiply_24),
    **dict.fromkeys(("div", "rem"), divide),
    **dict.fromkeys(("abs", "neg"), absolute),
    **dict.fromkeys(("min", "max"), extremum),
    **dict.fromkeys(("shl", "shr"), shift),
    "shf": funnel_shift,
    **dict.fromkeys(("popc", "clz", "bfind"), counted),
    "brev": reverse,
    "bfe": extract,
    "bfi": insert,
    "prmt": permute,
    "lop3": logic_of_three,
    "sad": difference_sum,
    "dp4a": dot_of_bytes,
}
