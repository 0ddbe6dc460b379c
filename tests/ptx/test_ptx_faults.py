"""Every kind of fault, planted and found, and beside it the correct kernel, in which nothing is found."""

from __future__ import annotations

import numpy as np
import pytest

from ptx.assembly import run_body
from ptx.faults import (
    DivergentBarrierError,
    DivergentWarpError,
    DivisionByZeroError,
    EndlessLoopError,
    FaultError,
    GlobalRaceError,
    MisalignedError,
    OutOfBoundsError,
    ReadOnlyError,
    SharedRaceError,
    TrapError,
    UninitialisedMemoryError,
    UninitialisedRegisterError,
    UnsupportedInstructionError,
)
from ptx.launching import Options, run_kernel, unwritten

SHARED = ".shared .align 16 .b8 tile[256];"
OWN = "mul.wide.u32 %d10, %r1, 4; add.s64 %d10, %d10, %d1;"
IN_TILE = "mov.u32 %r10, tile; shl.b32 %r11, %r0, 2; add.s32 %r10, %r10, %r11;"
OTHER_IN_TILE = "mov.u32 %r12, tile; xor.b32 %r13, %r0, 63; shl.b32 %r13, %r13, 2; add.s32 %r12, %r12, %r13;"

# name → (body, arrays' bytes as float32, threads, blocks, fault, words of its message)
PLANTED: dict[str, tuple[str, int, int, int, type[FaultError], str]] = {
    "global read out of bounds": (
        f"{OWN} ld.global.f32 %f1, [%d10];", 31, 32, 1, OutOfBoundsError, "block (0, 0, 0), thread (31, 0, 0)"),
    "global write out of bounds": (
        f"{OWN} st.global.u32 [%d10], %r0;", 63, 32, 2, OutOfBoundsError, "block (1, 0, 0), thread (31, 0, 0)"),
    "global write before the array": (
        "st.global.u32 [%d1+-4], %r0;", 8, 1, 1, OutOfBoundsError, "outside of every array"),
    "null pointer": (
        "mov.u64 %d10, 0; st.global.u32 [%d10], %r0;", 8, 1, 1, OutOfBoundsError, "global memory"),
    "vector that crosses the end": (
        "ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%d1+16];", 6, 1, 1, OutOfBoundsError, "access of 16 bytes"),
    "shared out of bounds": (
        f"{IN_TILE} st.shared.u32 [%r10+4], %r0;", 64, 64, 1, OutOfBoundsError, "byte 256 of shared memory"),
    "local out of bounds": (
        ".local .align 4 .b8 stack[8]; mov.u64 %d10, stack; st.local.u32 [%d10+8], %r0;", 8, 1, 1, OutOfBoundsError,
        "local memory"),
    "misaligned": (
        "ld.global.f32 %f1, [%d1+2];", 8, 1, 1, MisalignedError, "no multiple of 4"),
    "misaligned vector": (
        f"{OWN} ld.global.v4.f32 {{%f1, %f2, %f3, %f4}}, [%d10];", 64, 8, 1, MisalignedError, "no multiple of 16"),
    "missing barrier": (
        f"{IN_TILE} {OTHER_IN_TILE} st.shared.u32 [%r10], %r0; ld.shared.u32 %r14, [%r12];", 64, 64, 1,
        SharedRaceError, "no barrier between"),
    "two writers of a shared word": (
        "mov.u32 %r10, tile; st.shared.u32 [%r10], %r0;", 64, 2, 1, SharedRaceError, "write"),
    "write after a read": (
        f"{IN_TILE} {OTHER_IN_TILE} st.shared.u32 [%r10], %r0; bar.sync 0; ld.shared.u32 %r14, [%r12];"
        " st.shared.u32 [%r10], %r14;", 64, 64, 1, SharedRaceError, "touched by a read"),
    "atomic and plain access": (
        "mov.u32 %r10, tile; setp.eq.s32 %p1, %r0, 0; @%p1 st.shared.u32 [%r10], 0;"
        " atom.shared.add.u32 %r11, [%r10], 1;", 64, 2, 1, SharedRaceError, "atomic access"),
    "lanes of a warp are not ordered by a shuffle": (
        "mov.u32 %r10, tile; setp.eq.s32 %p1, %r0, 0; @%p1 st.shared.u32 [%r10], 7;"
        " shfl.sync.bfly.b32 %r11, %r0, 1, 31, -1; ld.shared.u32 %r12, [%r10];", 64, 32, 1, SharedRaceError, "read"),
    "blocks write one place": (
        "st.global.u32 [%d1], %r1;", 64, 1, 2, GlobalRaceError, "write"),
    "one block reads what another writes": (
        f"{OWN} st.global.u32 [%d10], %r1; bar.sync 0; ld.global.u32 %r10, [%d1];", 64, 32, 2, GlobalRaceError,
        "global memory"),
    "read-only cache": (
        "ld.global.nc.u32 %r10, [%d1]; st.global.u32 [%d1], %r10;", 8, 1, 1, ReadOnlyError, "read-only"),
    "barrier for a part of the block": (
        "setp.lt.s32 %p1, %r0, 16; @%p1 bra $in; bra $out; $in: bar.sync 0; $out:", 8, 32, 1,
        DivergentBarrierError, "has ended"),
    "two barriers for one": (
        "setp.lt.s32 %p1, %r0, 16; @%p1 bra $a; bar.sync 0; bra $out; $a: bar.sync 0; $out:", 8, 32, 1,
        DivergentBarrierError, "line"),
    "shuffle from a lane that left": (
        "setp.ge.s32 %p1, %r0, 16; @%p1 bra $out; shfl.sync.bfly.b32 %r10, %r0, 16, 31, -1; $out:", 8, 32, 1,
        DivergentWarpError, "does not take part"),
    "lane outside of its own mask": (
        "shfl.sync.idx.b32 %r10, %r0, 0, 31, 1;", 8, 32, 1, DivergentWarpError, "own member mask"),
    "lanes that wait for each other at two places": (
        "setp.lt.s32 %p1, %r0, 16; @%p1 bra $a; vote.sync.ballot.b32 %r10, %p1, -1; bra $out;"
        " $a: vote.sync.ballot.b32 %r11, %p1, -1; $out:", 8, 32, 1, DivergentWarpError, "wait elsewhere"),
    "register that nothing wrote": (
        "add.s32 %r10, %r20, 1;", 8, 32, 1, UninitialisedRegisterError, "%r20"),
    "register that some threads did not write": (
        "setp.lt.s32 %p1, %r0, 5; @%p1 mov.u32 %r20, 1; add.s32 %r10, %r20, 1;", 8, 32, 1,
        UninitialisedRegisterError, "thread (5, 0, 0)"),
    "copy of a register that nothing wrote": (
        "mov.u32 %r10, %r20; selp.b32 %r11, %r10, 1, %p1;", 8, 1, 1, UninitialisedRegisterError, "%p1"),
    "shared memory that nothing wrote": (
        f"{IN_TILE} ld.shared.u32 %r11, [%r10];", 8, 1, 1, UninitialisedMemoryError, "nothing has written"),
    "local memory that nothing wrote": (
        ".local .align 4 .b8 stack[8]; mov.u64 %d10, stack; ld.local.u32 %r10, [%d10];", 8, 1, 1,
        UninitialisedMemoryError, "local memory"),
    "endless loop": ("$again: bra $again;", 8, 1, 1, EndlessLoopError, "budget"),
    "trap": ("setp.eq.s32 %p1, %r0, 3; @%p1 trap;", 8, 32, 1, TrapError, "thread (3, 0, 0)"),
    "division by zero": (
        "rem.s32 %r10, %r0, %r0;", 8, 32, 1, DivisionByZeroError, "thread (0, 0, 0)"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found_where_it_is(name: str) -> None:
    body, floats, threads, blocks, fault, words = PLANTED[name]
    with pytest.raises(fault) as caught:
        run_body(body, [np.zeros(floats, np.float32)], threads, blocks, declarations=SHARED)
    message = str(caught.value)
    assert words in message
    assert "planted: block" in message
    assert "PTX line" in message


CORRECT: dict[str, tuple[str, int, int]] = {
    "each thread its own place": (f"{OWN} st.global.u32 [%d10], %r1; ld.global.u32 %r10, [%d10];", 32, 2),
    "a barrier between": (
        f"{IN_TILE} {OTHER_IN_TILE} st.shared.u32 [%r10], %r0; bar.sync 0; ld.shared.u32 %r14, [%r12];"
        " bar.sync 0; st.shared.u32 [%r10], %r14;", 64, 1),
    "a barrier of the warp between": (
        "mov.u32 %r10, tile; setp.eq.s32 %p1, %r0, 0; @%p1 st.shared.u32 [%r10], 7; bar.warp.sync -1;"
        " ld.shared.u32 %r12, [%r10];", 32, 1),
    "only atomic accesses": ("red.global.add.u32 [%d1], 1; atom.global.max.u32 %r10, [%d1], 3;", 32, 2),
    "all read": ("ld.global.u32 %r10, [%d1]; ld.global.nc.u32 %r10, [%d1+4];", 32, 2),
    "an unwritten register is copied and not used": ("mov.u32 %r10, %r20; mov.u32 %r11, %r10;", 32, 1),
    "halves of a warp shuffle apart": (
        "setp.lt.s32 %p1, %r0, 16; @%p1 bra $a; shfl.sync.bfly.b32 %r10, %r0, 1, 31, 0xffff0000; bra $out;"
        " $a: shfl.sync.bfly.b32 %r10, %r0, 1, 31, 0x0000ffff; $out:", 32, 1),
    "a shuffle after some have left": (
        "setp.ge.s32 %p1, %r0, 16; @%p1 bra $out; shfl.sync.bfly.b32 %r10, %r0, 8, 31, -1; $out:", 32, 1),
    "a barrier of a warp that is not whole": ("bar.sync 0; bar.sync 0;", 40, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CORRECT)
def test_nothing_is_found_in_a_correct_kernel(name: str) -> None:
    body, threads, blocks = CORRECT[name]
    run_body(body, [np.zeros(128, np.float32)], threads, blocks, declarations=SHARED)


def test_the_race_check_of_global_memory_can_be_switched_off() -> None:
    options = Options("c", global_races=False)
    run_body("st.global.u32 [%d1], %r1;", [np.zeros(4, np.float32)], 1, 2, options)


def test_device_memory_that_nothing_wrote_is_found_and_what_the_kernel_writes_counts_as_written() -> None:
    from ptx.assembly import kernel_text

    memory = unwritten(np.zeros(32, np.uint32))
    read = kernel_text(f"{OWN} ld.global.u32 %r10, [%d10];")
    with pytest.raises(UninitialisedMemoryError):
        run_kernel(read, 1, 32, [memory], Options("c"))
    run_kernel(kernel_text(f"{OWN} st.global.u32 [%d10], %r1;"), 1, 32, [memory], Options("c"))
    assert memory.written.all()
    run_kernel(read, 1, 32, [memory], Options("c"))


def test_each_block_has_shared_memory_of_its_own() -> None:
    out = np.zeros(4, np.uint32)
    body = (
        f"mov.u32 %r10, tile; st.shared.u32 [%r10], %r2; ld.shared.u32 %r11, [%r10]; {OWN} st.global.u32 [%d10], %r11;"
    )
    run_body(body, [out], 1, 4, declarations=SHARED)
    assert out.tolist() == [0, 1, 2, 3]


def test_waves_give_what_one_wave_gives() -> None:
    out = np.zeros(256, np.uint32)
    body = f"{OWN} st.global.u32 [%d10], %r1;"
    run_body(body, [out], 32, 8, Options("c", threads_at_once=64))
    assert out.tolist() == list(range(256))


def test_a_race_between_waves_is_found() -> None:
    with pytest.raises(GlobalRaceError):
        run_body("st.global.u32 [%d1], %r1;", [np.zeros(4, np.uint32)], 1, 2, Options("c", threads_at_once=1))


def test_printf_is_refused_when_it_is_called() -> None:
    declared = ".extern .func (.param .b32 result) vprintf(.param .b64 a, .param .b64 b);"
    body = "{ .param .b64 a; .param .b64 b; .param .b32 c; st.param.b64 [a], 0; call.uni (c), vprintf, (a, b); }"
    with pytest.raises(UnsupportedInstructionError, match="printf is not carried out"):
        run_body(body, [np.zeros(4, np.uint32)], declarations=declared)
    run_body(
        "setp.lt.s32 %p1, %r0, 0; @!%p1 bra $out; " + body + " $out:", [np.zeros(4, np.uint32)], declarations=declared
    )
