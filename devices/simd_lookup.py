"""Explicit SIMD: conversions between element types, and look-ups at an index per lane."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from clustermark.devices.simd_memory import TO_CHANGE, TO_READ, bytes_at, prefetch
from clustermark.devices.simd_types import ELEMENTS, LANE, Vector, operation, spread, vector_type


@operation
def converted(typing_context: Any, vector: Any, like: Any) -> Any:
    """A vector in the (floating-point) element type of another vector."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, kind = arguments[0], vector_type(like)
        if isinstance(vector.element, types.Integer):
            return builder.sitofp(value, kind)
        if vector.element == like.element:
            return value
        return builder.fpext(value, kind) if like.element == types.float64 else builder.fptrunc(value, kind)

    return like(vector, like), generate


@operation
def element(typing_context: Any, array: Any, index: Any) -> Any:
    """array[index] without Python's wraparound of negative indices; no bounds are checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        position = context.cast(builder, arguments[1], signature.args[1], types.intp)
        data = context.make_array(array)(context, builder, arguments[0]).data
        return builder.load(builder.gep(data, [position]))

    return array.dtype(array, index), generate


def _asked(context: Any, builder: Any, signature: Any, arguments: Any, how: tuple[int, int]) -> Any:
    """`prefetch` of array[index]."""
    position = context.cast(builder, arguments[1], signature.args[1], types.intp)
    prefetch(builder, bytes_at(context, builder, signature.args[0], arguments[0], position), how)
    return context.get_dummy_value()


@operation
def ask_for(typing_context: Any, array: Any, index: Any) -> Any:
    """Bring the cache line of array[index] into the caches, and do not wait for it; any index will do."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _asked(context, builder, signature, arguments, TO_READ)

    return types.void(array, index), generate


@operation
def ask_to_write(typing_context: Any, array: Any, index: Any) -> Any:
    """As `ask_for`, of a line that will be written: no other core may keep it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _asked(context, builder, signature, arguments, TO_CHANGE)

    return types.void(array, index), generate


@operation
def left_neighbours(typing_context: Any, before: Any, here: Any) -> Any:
    """The lane to the left of each lane of `here`: the last one of the vector before, then those of `here` but one."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = ir.Constant(ir.VectorType(LANE, here.count), [here.count - 1 + lane for lane in range(here.count)])
        return builder.shuffle_vector(*arguments, lanes)

    return here(before, here), generate


@operation
def add_to_element(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index] += value without Python's wraparound of negative indices; no bounds are checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        position = context.cast(builder, arguments[1], signature.args[1], types.intp)
        data = context.make_array(array)(context, builder, arguments[0]).data
        place = builder.gep(data, [position])
        builder.store(builder.fadd(builder.load(place), arguments[2]), place)
        return context.get_dummy_value()

    return types.void(array, index, array.dtype), generate


@operation
def truncated(typing_context: Any, vector: Any, most: Any) -> Any:
    """int32 per lane: the integer part of a non-negative value, at most `most`; NaN and padding give `most`."""
    result = Vector(types.int32, vector.count)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        limit = spread(builder, context.cast(builder, arguments[1], signature.args[1], types.int32), vector.count)
        # Compared as floating-point numbers first: the conversion of a value beyond int32 is undefined.
        top = builder.sitofp(limit, vector_type(vector))
        inside = builder.fcmp_ordered("<", arguments[0], top)
        return builder.fptosi(builder.select(inside, arguments[0], top), vector_type(result))

    return result(vector, most), generate


@operation
def gather(typing_context: Any, array: Any, indices: Any) -> Any:
    """array[indices[k]] in lane k; no bounds are checked."""
    result = Vector(array.dtype, indices.count)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(array)(context, builder, arguments[0]).data
        value: Any = ir.Constant(vector_type(result), ir.Undefined)
        for lane in range(indices.count):
            place = ir.Constant(LANE, lane)
            index = builder.sext(builder.extract_element(arguments[1], place), ir.IntType(64))
            value = builder.insert_element(value, builder.load(builder.gep(data, [index])), place)
        return value

    return result(array, indices), generate


@operation
def rows(typing_context: Any, table: Any, indices: Any) -> Any:
    """Columns 0 to 3 of the rows indices[k] of a flat (rows × 4) table: four vectors, lane k from row k.

    Each row is one load; the rows are then transposed, which costs less than four gathers.
    """
    result = Vector(table.dtype, indices.count)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row_type = ir.VectorType(ELEMENTS[table.dtype], 4)
        data = context.make_array(table)(context, builder, arguments[0]).data
        loaded = []
        for lane in range(indices.count):
            index = builder.sext(builder.extract_element(arguments[1], ir.Constant(LANE, lane)), ir.IntType(64))
            start = builder.gep(data, [builder.shl(index, ir.Constant(ir.IntType(64), 2))])
            loaded.append(builder.load(builder.bitcast(start, row_type.as_pointer()), align=table.dtype.bitwidth // 8))
        columns = [_column(builder, loaded, column) for column in range(4)]
        return context.make_tuple(builder, signature.return_type, columns)

    return types.UniTuple(result, 4)(table, indices), generate


def _column(builder: Any, parts: list[Any], column: int) -> Any:
    """Element `column` of every row as one vector: pairs are joined, then pairs of pairs, as a tree of shuffles."""
    picked = [[column] for _ in parts]
    while len(parts) > 1:
        joined, places = [], []
        for left, right, here, there in zip(parts[::2], parts[1::2], picked[::2], picked[1::2], strict=True):
            width = left.type.count
            chosen = [*here, *[place + width for place in there]]
            constant = ir.Constant(ir.VectorType(LANE, len(chosen)), chosen)
            joined.append(builder.shuffle_vector(left, right, constant))
            places.append(list(range(len(chosen))))
        parts, picked = joined, places
    return parts[0]
