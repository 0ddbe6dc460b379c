"""Explicit SIMD between vectors and memory: loads and stores; part of devices/simd.py."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from clustermark.devices.simd_types import ELEMENTS, LANE, Vector, operation, spread, vector_type


def _element_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any, kind: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def call(builder: Any, name: str, result: Any, arguments: list[Any], **flags: Any) -> Any:
    """LLVM: call the intrinsic function of that name; its parameters have the types of the arguments."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments, **flags)


BYTE = ir.IntType(8)
# Bytes of a line of the caches.
LINE = 64
# Lines are asked for into the first cache, to be changed or read, or into the second, to be read.
TO_CHANGE, TO_READ, TO_READ_LATER = (1, 3), (0, 3), (0, 2)


def bytes_at(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """Pointer to the bytes of a flat array from element `offset` on."""
    return _element_pointer(context, builder, kind, array, offset, BYTE)


def entry_at(context: Any, builder: Any, kind: Any, array: Any, row: Any, column: Any) -> tuple[Any, Any, Any]:
    """Pointer to the bytes of array[row, column], and the bytes from there to the next row and the next column."""
    target = context.make_array(kind)(context, builder, array)
    down, right = cgutils.unpack_tuple(builder, target.strides)
    place = builder.add(builder.mul(row, down), builder.mul(column, right))
    return builder.gep(builder.bitcast(target.data, BYTE.as_pointer()), [place]), down, right


def prefetch(builder: Any, pointer: Any, how: tuple[int, int] = TO_CHANGE) -> None:
    """Ask for the line of a pointer; `how` is LLVM's: to write or not, and how near."""
    data = 1
    numbers = [ir.Constant(ir.IntType(32), value) for value in (*how, data)]
    call(builder, "llvm.prefetch.p0", ir.VoidType(), [pointer, *numbers])


@operation
def load(typing_context: Any, array: Any, index: Any, width: Any) -> Any:
    """array[index : index + lanes] of a flat C-contiguous array as a vector; no bounds are checked."""
    result = Vector(array.dtype, width.count, width.ordered)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        position = context.cast(builder, arguments[1], signature.args[1], types.intp)
        pointer = _element_pointer(context, builder, array, arguments[0], position, vector_type(result))
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return result(array, index, width), generate


@operation
def store(typing_context: Any, array: Any, index: Any, vector: Any) -> Any:
    """array[index : index + lanes] = vector; no bounds are checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        position = context.cast(builder, arguments[1], signature.args[1], types.intp)
        pointer = _element_pointer(context, builder, array, arguments[0], position, vector_type(vector))
        builder.store(arguments[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, index, vector), generate


@operation
def store_apart(typing_context: Any, array: Any, index: Any, step: Any, vector: Any) -> Any:
    """array[index + k·step] = lane k; no bounds are checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first, apart = (context.cast(builder, arguments[n], signature.args[n], types.intp) for n in (1, 2))
        place = _element_pointer(context, builder, array, arguments[0], first, ELEMENTS[array.dtype])
        for lane in range(vector.count):
            builder.store(builder.extract_element(arguments[3], ir.Constant(LANE, lane)), place)
            place = builder.gep(place, [apart])
        return context.get_dummy_value()

    return types.void(array, index, step, vector), generate


@operation
def store_nontemporal(typing_context: Any, array: Any, index: Any, vector: Any) -> Any:
    """array[index : index + lanes] = vector past the caches (LLVM !nontemporal); its address is a multiple of its size.

    Such stores are ordered by no other: `memory_fence` before another thread reads.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        position = context.cast(builder, arguments[1], signature.args[1], types.intp)
        pointer = _element_pointer(context, builder, array, arguments[0], position, vector_type(vector))
        size = vector.count * array.dtype.bitwidth // 8
        instruction = builder.store(arguments[2], pointer, align=size)
        instruction.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.void(array, index, vector), generate


@operation
def memory_fence(typing_context: Any) -> Any:
    """Every store before it is seen by every thread before any that follows."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@operation
def finish_pass(typing_context: Any) -> Any:
    """Keeps the compiler from leaving out what is stored again later; nothing is executed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], side_effect=True)
        return context.get_dummy_value()

    return types.void(), generate


@operation
def store_first(typing_context: Any, array: Any, index: Any, vector: Any, count: Any) -> Any:
    """array[index : index + count] = the first lanes, all where count is larger; no bounds are checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, number = vector_type(vector), ir.IntType(64)
        position = context.cast(builder, arguments[1], signature.args[1], types.intp)
        pointer = _element_pointer(context, builder, array, arguments[0], position, kind)
        wanted = context.cast(builder, arguments[3], signature.args[3], types.int64)
        align = array.dtype.bitwidth // 8
        whole = builder.icmp_signed(">=", wanted, ir.Constant(number, vector.count))
        with builder.if_else(whole, likely=True) as (all_lanes, some_lanes):
            with all_lanes:
                builder.store(arguments[2], pointer, align=align)
            with some_lanes:
                lane = ir.Constant(ir.VectorType(number, vector.count), list(range(vector.count)))
                mask = builder.icmp_signed("<", lane, spread(builder, wanted, vector.count))
                name = f"llvm.masked.store.v{vector.count}f{vector.element.bitwidth}.p0"
                choices = [arguments[2], pointer, ir.Constant(ir.IntType(32), align), mask]
                call(builder, name, ir.VoidType(), choices)
        return context.get_dummy_value()

    return types.void(array, index, vector, count), generate
