"""Builders of what works on any type: logic, comparison, choice, conversion, copies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ptx import alu_float, alu_integer
from ptx.conversions import TO_INTEGRAL, convert
from ptx.exact import flushed
from ptx.formats import FORMATS, PACKED, Format
from ptx.operation import Builder, Operation, Shape, alike
from ptx.syntax import Group

PREDICATE = FORMATS["pred"]
_COMPARISONS: dict[str, Callable[..., np.ndarray]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    **dict.fromkeys(("lt", "lo"), np.less),
    **dict.fromkeys(("le", "ls"), np.less_equal),
    **dict.fromkeys(("gt", "hi"), np.greater),
    **dict.fromkeys(("ge", "hs"), np.greater_equal),
}
_LOGIC: dict[str, Callable[..., np.ndarray]] = {
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}


def logic(shape: Shape) -> Operation:
    """and, or, xor, not, cnot."""
    form = shape.kinds("i", "p")
    shape.allow()
    opcode = shape.instruction.opcode
    if opcode == "not":
        return alike(shape, 1, np.invert)
    if opcode == "cnot":
        return alike(shape, 1, lambda a: (a == 0).astype(form.values))
    return alike(shape, 2, _LOGIC[opcode])


def comparison(shape: Shape, form: Format, name: str) -> Callable[..., np.ndarray]:
    """The comparison of a modifier; for floats, with a u behind it, true also where one is NaN."""
    if form.kind != "f":
        if name not in _COMPARISONS:
            raise shape.unsupported(f"the interpreter does not know the comparison .{name}")
        return _COMPARISONS[name]

    def unordered(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.isnan(a) | np.isnan(b)

    if name == "nan":
        return unordered
    if name == "num":
        return lambda a, b: ~unordered(a, b)
    base = name[:2]
    if base not in ("eq", "ne", "lt", "le", "gt", "ge") or name not in (base, base + "u"):
        raise shape.unsupported(f"the interpreter does not know the comparison .{name}")
    compare = _COMPARISONS[base]
    if name == base:
        return lambda a, b: compare(a, b) & ~unordered(a, b)
    return lambda a, b: compare(a, b) | unordered(a, b)


def _compared(shape: Shape) -> tuple[Format, tuple[Format, ...], Callable[..., np.ndarray]]:
    """What setp and set share: the comparison, and the predicate that it may be joined with."""
    form = shape.form
    rest = [name for name in shape.rest if name != "ftz"]
    joined = next((name for name in rest if name in _LOGIC), None)
    rest = [name for name in rest if name != joined]
    if len(rest) != 1:
        raise shape.unsupported("it wants one comparison")
    compare = comparison(shape, form, rest[0])
    if shape.has("ftz") and form.bits == 32:
        inner = compare

        def compare(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return inner(flushed(a), flushed(b))

    if joined is None:
        return form, (form, form), compare
    join = _LOGIC[joined]
    return form, (form, form, PREDICATE), lambda a, b, p: join(compare(a, b), p)


def set_predicate(shape: Shape) -> Operation:
    """setp."""
    _, sources, compute = _compared(shape)
    return Operation(PREDICATE, sources, compute)


def set_value(shape: Shape) -> Operation:
    """set: all ones, or 1.0, where the comparison holds."""
    if len(shape.forms) != 2:
        raise shape.unsupported("it wants two types")
    result = shape.forms[0]
    _, sources, compute = _compared(shape)
    yes = np.array([1.0 if result.kind == "f" else -1]).astype(result.values)
    return Operation(result, sources, lambda *arrays: np.where(compute(*arrays), yes, np.zeros_like(yes)))


def select(shape: Shape) -> Operation:
    """selp."""
    shape.allow()
    form = shape.form
    return Operation(form, (form, form, PREDICATE), lambda a, b, p: np.where(p, a, b), transparent="select")


def select_by_sign(shape: Shape) -> Operation:
    """slct: a where c ≥ 0, else b."""
    shape.allow("ftz")
    if len(shape.forms) != 2:
        raise shape.unsupported("it wants two types")
    form, sign = shape.forms
    return Operation(form, (form, form, sign), lambda a, b, c: np.where(c >= 0, a, b))


def conversion(shape: Shape) -> Operation:
    """cvt."""
    shape.allow("rn", "rz", "rm", "rp", "ftz", "sat", *TO_INTEGRAL)
    if len(shape.forms) != 2 or any(form.name in PACKED for form in shape.forms):
        raise shape.unsupported("the interpreter converts one number at a time")
    target, source = shape.forms
    rest = shape.rest
    return Operation(target, (source,), lambda a: convert(a, source, target, rest))


def copy(shape: Shape) -> Operation:
    """mov of one value; vectors are taken apart elsewhere."""
    shape.allow()
    if any(isinstance(operand, Group) for operand in shape.instruction.operands):
        raise shape.unsupported("vectors of this kind are not known")
    return Operation(shape.form, (shape.form,), lambda a: a, transparent="copy")


def _by_kind(opcode: str) -> Builder:
    def build(shape: Shape) -> Operation:
        form = shape.form
        table = alu_float.BUILDERS if form.kind == "f" or form.name in PACKED else alu_integer.BUILDERS
        builder = table.get(opcode)
        if builder is None:
            raise shape.unsupported(f"the interpreter does not know it for .{form.name}")
        return builder(shape)

    return build


BUILDERS: dict[str, Builder] = {
    **{opcode: _by_kind(opcode) for opcode in sorted({*alu_float.BUILDERS, *alu_integer.BUILDERS} - {"dp4a"})},
    "dp4a": alu_integer.dot_of_bytes,
    **dict.fromkeys(("and", "or", "xor", "not", "cnot"), logic),
    "setp": set_predicate,
    "set": set_value,
    "selp": select,
    "slct": select_by_sign,
    "cvt": conversion,
    "mov": copy,
}
