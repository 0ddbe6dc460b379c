"""Builders of floating-point instructions: f16, f16x2, bf16x2, f32, f64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ptx import bfloat, exact
from ptx.approximate import FLOAT32, FLOAT64, approximate, gross
from ptx.formats import FORMATS, PACKED, Format
from ptx.operation import Builder, Operation, Shape, alike

Function = Callable[..., np.ndarray]
_ROUNDED = ("rn", "rz", "rm", "rp", "ftz", "sat")


# Of the bits of bfloat16.
_BFLOAT: dict[str, Function] = {
    "add": bfloat.add,
    "sub": bfloat.subtract,
    "mul": bfloat.multiply,
    "fma": bfloat.fma,
}


def _pairs(function: Function, values: type) -> Function:
    """A function of 16-bit arrays, applied to both halves of f16x2 or bf16x2."""

    def both(*arrays: np.ndarray) -> np.ndarray:
        halves = [
            function(*((array >> np.uint32(by)).astype(np.uint16).view(values) for array in arrays)) for by in (0, 16)
        ]
        low, high = (np.ascontiguousarray(half).view(np.uint16).astype(np.uint32) for half in halves)
        return low | high << np.uint32(16)

    return both


def _float(shape: Shape, number: int, function: Function, *, allowed: tuple[str, ...]) -> Operation:
    """An operation on floats, packed or not, with .ftz and .sat."""
    form = shape.kinds("f", *PACKED)
    shape.allow(*allowed)
    if form.name in PACKED and shape.has("sat"):
        raise shape.unsupported(f"the interpreter does not know .sat for {form.name}")
    if form.name == "bf16x2":
        opcode = shape.instruction.opcode
        if opcode not in _BFLOAT or shape.rest not in ((), ("rn",)):
            raise shape.unsupported("the interpreter knows add, sub, mul and fma, to nearest, for bf16x2")
        return alike(shape, number, _pairs(_BFLOAT[opcode], np.uint16))
    if form.name == "f16x2":
        return alike(shape, number, _pairs(function, np.float16))
    return alike(shape, number, shape.flushing(function))


def add(shape: Shape) -> Operation:
    """add."""
    return _float(shape, 2, lambda a, b: exact.add(a, b, shape.mode), allowed=_ROUNDED)


def subtract(shape: Shape) -> Operation:
    """sub."""
    return _float(shape, 2, lambda a, b: exact.add(a, -b, shape.mode), allowed=_ROUNDED)


def multiply(shape: Shape) -> Operation:
    """mul."""
    return _float(shape, 2, lambda a, b: exact.multiply(a, b, shape.mode), allowed=_ROUNDED)


def multiply_add(shape: Shape) -> Operation:
    """fma, and mad, which is the same for floats."""
    return _float(shape, 3, lambda a, b, c: exact.fma(a, b, c, shape.mode), allowed=_ROUNDED)


def divide(shape: Shape) -> Operation:
    """div, rounded or approximate."""
    if shape.has("approx") or shape.has("full"):
        shape.kinds("f32")
        return _float(shape, 2, lambda a, b: approximate("div", [a, b]), allowed=("approx", "full", "ftz"))
    return _float(shape, 2, lambda a, b: exact.divide(a, b, shape.mode), allowed=_ROUNDED[:-1])


def _one(shape: Shape, rounded: Function | None) -> Operation:
    """A function of one number: approximate (.approx), else `rounded`."""
    form = shape.kinds("f32", "f64")
    opcode = shape.instruction.opcode
    if shape.has("approx"):
        if opcode not in (FLOAT64 if form.bits == 64 else FLOAT32):
            raise shape.unsupported(f"there is no such approximation for .{form.name}")
        if form.bits == 64 and shape.has("ftz"):
            return _float(shape, 1, lambda a: gross(opcode, a), allowed=("approx", "ftz"))
        if form.bits == 64 and opcode != "rsqrt":
            raise shape.unsupported("without .ftz it is for .f32 alone")
        return _float(shape, 1, lambda a: approximate(opcode, [a]), allowed=("approx", "ftz"))
    if rounded is None:
        raise shape.unsupported("it exists as .approx alone")
    return _float(shape, 1, rounded, allowed=_ROUNDED[:-1])


def reciprocal(shape: Shape) -> Operation:
    """rcp."""
    return _one(shape, lambda a: exact.divide(np.ones_like(a), a, shape.mode))


def square_root(shape: Shape) -> Operation:
    """sqrt."""
    return _one(shape, lambda a: exact.square_root(a, shape.mode))


def approximation(shape: Shape) -> Operation:
    """rsqrt, ex2, lg2, sin, cos, tanh."""
    return _one(shape, None)


def sign(shape: Shape) -> Operation:
    """abs and neg."""
    function = np.abs if shape.instruction.opcode == "abs" else np.negative
    return _float(shape, 1, function, allowed=("ftz",))


def _extremum(a: np.ndarray, b: np.ndarray, smallest: bool, nan: bool) -> np.ndarray:
    function = (np.minimum if smallest else np.maximum) if nan else (np.fmin if smallest else np.fmax)
    result = function(a, b)
    negative = np.signbit(a) | np.signbit(b) if smallest else np.signbit(a) & np.signbit(b)
    zeros = (a == 0) & (b == 0)  # −0 is smaller than +0 here
    return np.where(zeros, np.where(negative, -np.zeros_like(result), np.zeros_like(result)), result)


def extremum(shape: Shape) -> Operation:
    """min and max: the number where one is NaN, unless .NaN is asked for."""
    smallest, nan = shape.instruction.opcode == "min", shape.has("NaN")
    return _float(shape, 2, lambda a, b: _extremum(a, b, smallest, nan), allowed=("ftz", "NaN"))


def copy_sign(shape: Shape) -> Operation:
    """copysign: magnitude of b, sign of a."""
    return _float(shape, 2, lambda a, b: np.copysign(b, a), allowed=())


def property_of(shape: Shape) -> Operation:
    """testp."""
    form: Format = shape.kinds("f32", "f64")
    tests: dict[str, Function] = {
        "finite": np.isfinite,
        "infinite": np.isinf,
        "number": lambda a: ~np.isnan(a),
        "notanumber": np.isnan,
        "normal": lambda a: np.isfinite(a) & (np.abs(a) >= np.finfo(a.dtype).tiny),
        "subnormal": lambda a: (a != 0) & (np.abs(a) < np.finfo(a.dtype).tiny),
    }
    shape.allow(*tests)
    if len(shape.rest) != 1:
        raise shape.unsupported("it wants one property")
    return Operation(FORMATS["pred"], (form,), tests[shape.rest[0]])


BUILDERS: dict[str, Builder] = {
    "add": add,
    "sub": subtract,
    "mul": multiply,
    "fma": multiply_add,
    "mad": multiply_add,
    "div": divide,
    "rcp": reciprocal,
    "sqrt": square_root,
    **dict.fromkeys(("rsqrt", "ex2", "lg2", "sin", "cos", "tanh"), approximation),
    **dict.fromkeys(("abs", "neg"), sign),
    **dict.fromkeys(("min", "max"), extremum),
    "copysign": copy_sign,
    "testp": property_of,
}
