"""Instructions of warps, atomic accesses, vectors, addresses and calls, against what Python makes of the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ptx.assembly import kernel_text, run_body
from ptx.faults import PtxError, UnsupportedInstructionError
from ptx.launching import Options, run_kernel

OWN = "mul.wide.u32 %d10, %r1, 4; add.s64 %d10, %d10, %d1;"
STORE = "st.global.u32 [%d10], %r10;"
SHARED = ".shared .align 16 .b8 tile[256];"


def per_thread(body: str, threads: int = 64, declarations: str = "") -> list[int]:
    """What each thread leaves in %r10."""
    out = np.zeros(threads, np.uint32)
    run_body(f"{body} {OWN} {STORE}", [out], threads, declarations=declarations)
    return out.tolist()


# modifiers and operands → the lane that each lane reads
SHUFFLES: dict[str, Callable[[int], int]] = {
    "up.b32 %r10, %r1, 3, 0": lambda lane: lane - 3 if lane >= 3 else lane,
    "down.b32 %r10, %r1, 5, 31": lambda lane: lane + 5 if lane + 5 < 32 else lane,
    "bfly.b32 %r10, %r1, 9, 31": lambda lane: lane ^ 9,
    "idx.b32 %r10, %r1, 7, 31": lambda lane: 7,
    "down.b32 %r10, %r1, 3, 0x181f": lambda lane: lane + 3 if lane % 8 + 3 < 8 else lane,
    "idx.b32 %r10, %r1, 2, 0x181f": lambda lane: lane // 8 * 8 + 2,
    "up.b32 %r10, %r1, 2, 0x1800": lambda lane: lane - 2 if lane % 8 >= 2 else lane,
}


@pytest.mark.parametrize("name", SHUFFLES)
def test_a_shuffle_reads_the_lane_it_should(name: str) -> None:
    found = per_thread(f"shfl.sync.{name}, -1;")
    assert found == [thread // 32 * 32 + SHUFFLES[name](thread % 32) for thread in range(64)]


def test_a_shuffle_says_whether_there_was_a_lane() -> None:
    found = per_thread("shfl.sync.down.b32 %r11|%p1, %r1, 5, 31, -1; selp.u32 %r10, 1, 0, %p1;")
    assert found == [int(thread % 32 + 5 < 32) for thread in range(64)]


THIRD = "rem.u32 %r11, %r0, 3; setp.eq.u32 %p1, %r11, 0;"
BALLOTS = [sum(1 << lane for lane in range(32) if (32 * warp + lane) % 3 == 0) for warp in range(2)]


def test_a_ballot_has_a_bit_for_each_lane() -> None:
    assert per_thread(f"{THIRD} vote.sync.ballot.b32 %r10, %p1, -1;") == [BALLOTS[t // 32] for t in range(64)]


@pytest.mark.parametrize(("mode", "value"), [("all", 0), ("any", 1), ("uni", 0)])
def test_a_vote_counts_all_lanes(mode: str, value: int) -> None:
    body = f"{THIRD} vote.sync.{mode}.pred %p2, %p1, -1; selp.u32 %r10, 1, 0, %p2;"
    assert per_thread(body) == [value] * 64


def test_lanes_with_different_masks_vote_apart() -> None:
    body = "setp.lt.u32 %p1, %r0, 16; selp.b32 %r12, 0xffff, 0xffff0000, %p1; vote.sync.ballot.b32 %r10, 1, %r12;"
    assert (
        per_thread(body.replace("%r10, 1,", "%r10, %p2,").replace("vote", "setp.eq.u32 %p2, 0, 0; vote"), 32)
        == [0xFFFF] * 16 + [0xFFFF0000] * 16
    )


def test_match_finds_the_lanes_of_one_value() -> None:
    body = "rem.u32 %r11, %r0, 5; match.any.sync.b32 %r10, %r11, -1;"
    lanes = range(32)
    assert per_thread(body, 32) == [sum(1 << other for other in lanes if other % 5 == lane % 5) for lane in lanes]


@pytest.mark.parametrize(("name", "function"), [("add.s32", sum), ("min.u32", min), ("max.s32", max)])
def test_a_reduction_of_a_warp_is_that_of_its_values(name: str, function: Callable[..., int]) -> None:
    warps = [function(range(32 * w + 3, 32 * w + 35)) for w in range(2)]
    assert per_thread(f"add.u32 %r11, %r0, 3; redux.sync.{name} %r10, %r11, -1;") == [warps[t // 32] for t in range(64)]


def test_a_barrier_counts_predicates_of_the_block() -> None:
    count = sum(t % 3 == 0 for t in range(96))
    assert per_thread(f"{THIRD} bar.red.popc.u32 %r10, 0, %p1;", 96) == [count] * 96
    assert per_thread(f"{THIRD} bar.red.or.pred %p2, 0, %p1; selp.u32 %r10, 1, 0, %p2;", 96) == [1] * 96
    assert per_thread(f"{THIRD} bar.red.and.pred %p2, 0, %p1; selp.u32 %r10, 1, 0, %p2;", 96) == [0] * 96


# operation → (start, value of a thread, the same in Python)
ATOMICS: dict[str, tuple[int, Callable[[int, int], int]]] = {
    "add.u32": (5, lambda old, v: old + v),
    "min.s32": (50, min),
    "max.u32": (7, max),
    "and.b32": (0xFF, lambda old, v: old & v),
    "or.b32": (1, lambda old, v: old | v),
    "xor.b32": (9, lambda old, v: old ^ v),
    "exch.b32": (3, lambda old, v: v),
    "inc.u32": (0, lambda old, v: 0 if old >= v else old + 1),
    "dec.u32": (4, lambda old, v: v if old == 0 or old > v else old - 1),
}


@pytest.mark.parametrize("space", ["global", "shared"])
@pytest.mark.parametrize("name", ATOMICS)
def test_atomic_accesses_come_one_after_the_other(name: str, space: str) -> None:
    start, function = ATOMICS[name]
    cell, old = np.array([start], np.uint32), np.zeros(64, np.uint32)
    atom = f"add.u32 %r11, %r0, 2; atom.{space}.{name} %r12, [PLACE], %r11;"
    body = atom.replace("PLACE", "%d2")
    if space == "shared":
        body = (
            "mov.u32 %r13, tile; setp.eq.u32 %p1, %r0, 0; ld.global.u32 %r14, [%d2];"
            f" @%p1 st.shared.u32 [%r13], %r14; bar.sync 0; {atom.replace('PLACE', '%r13')} bar.sync 0;"
            " ld.shared.u32 %r14, [%r13]; @%p1 st.global.u32 [%d2], %r14;"
        ).replace("@%p1 st.global", "bar.sync 0; @%p1 st.global")
    out = "mul.wide.u32 %d10, %r1, 4; add.s64 %d10, %d10, %d1; st.global.u32 [%d10], %r12;"
    run_body(f"{body} {out}", [old, cell], 64, declarations=SHARED, options=Options("c", global_races=False))
    value, seen = start, []
    for thread in range(64):
        seen.append(value)
        value = function(value, thread + 2) & 0xFFFFFFFF
    assert old.tolist() == seen
    assert cell[0] == value


def test_compare_and_swap_lets_one_thread_win() -> None:
    cell, old = np.zeros(1, np.uint32), np.zeros(32, np.uint32)
    body = f"add.u32 %r11, %r0, 1; atom.global.cas.b32 %r10, [%d2], 0, %r11; {OWN} {STORE}"
    run_body(body, [old, cell], 32)
    assert cell[0] == 1
    assert old.tolist() == [0] + [1] * 31


def test_a_float_is_added_in_any_order_that_is_asked_for() -> None:
    results = set()
    for seed in range(5):
        cell = np.array([1e8], np.float32)
        body = "cvt.rn.f32.u32 %f1, %r0; red.global.add.f32 [%d1], %f1;"
        run_body(body, [cell], 64, options=Options("c", atomic_seed=seed))
        results.add(float(cell[0]))
    assert len(results) > 1
    assert all(abs(value - 1e8 - sum(range(64))) < 64 * 8 for value in results)


def test_a_loop_of_compare_and_swap_adds_doubles() -> None:
    cell = np.array([0.5])
    body = (
        "cvt.rn.f64.u32 %g1, %r0; ld.relaxed.gpu.global.u64 %d11, [%d1]; $again: mov.b64 %g2, %d11;"
        " add.f64 %g3, %g2, %g1; mov.b64 %d12, %g3; atom.global.cas.b64 %d13, [%d1], %d11, %d12;"
        " setp.ne.s64 %p1, %d13, %d11; mov.u64 %d11, %d13; @%p1 bra $again;"
    )
    run_body(body, [cell], 40)
    assert cell[0] == 0.5 + sum(range(40))


def test_vectors_are_loaded_and_stored_side_by_side() -> None:
    numbers, out = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    body = (
        "mul.wide.u32 %d10, %r1, 16; add.s64 %d11, %d10, %d1; add.s64 %d12, %d10, %d2;"
        " ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%d11]; st.global.v2.f32 [%d12+8], {%f1, %f2};"
        " st.global.v2.f32 [%d12], {%f4, %f3};"
    )
    run_body(body, [numbers, out], 16)
    assert out.reshape(-1, 4).tolist() == numbers.reshape(-1, 4)[:, [3, 2, 0, 1]].tolist()


def test_registers_are_packed_and_taken_apart() -> None:
    body = "mov.b64 %d11, {%r0, %r1}; mov.b64 {%r11, %r12}, %d11; add.u32 %r10, %r11, %r12;"
    assert per_thread(body) == [2 * t for t in range(64)]
    assert per_thread("mov.b64 %d11, {7, %r0}; mov.b64 {_, %r10}, %d11;") == list(range(64))


def test_small_numbers_are_extended_by_their_kind() -> None:
    array = np.array([-3], np.int8)
    out = np.zeros(2, np.int32)
    body = "ld.global.s8 %r10, [%d2]; ld.global.u8 %r11, [%d2]; st.global.u32 [%d1], %r10; st.global.u32 [%d1+4], %r11;"
    run_body(body, [out, array], 1)
    assert out.tolist() == [-3, 253]


def test_generic_addresses_reach_every_space() -> None:
    body = (
        ".local .align 4 .b8 stack[4]; mov.u64 %d12, stack; cvta.local.u64 %d12, %d12;"
        " mov.u32 %r11, tile; cvt.u64.u32 %d11, %r11; cvta.shared.u64 %d11, %d11;"
        " mul.wide.u32 %d13, %r0, 4; add.s64 %d11, %d11, %d13;"
        " and.b32 %r12, %r0, 1; setp.eq.u32 %p1, %r12, 0; selp.b64 %d14, %d11, %d12, %p1;"
        " add.u32 %r13, %r0, 100; st.u32 [%d14], %r13; ld.u32 %r10, [%d14];"
        " isspacep.shared %p2, %d14; selp.u32 %r15, 1000, 0, %p2; add.u32 %r10, %r10, %r15;"
    )
    assert per_thread(body, 32, SHARED) == [t + 100 + 1000 * (t % 2 == 0) for t in range(32)]


def test_module_variables_have_their_first_values() -> None:
    declared = ".const .align 4 .u32 table[4] = {10, 20, 30}; .global .align 8 .b8 bytes[4] = {1, 0, 0, 0};"
    body = (
        "and.b32 %r11, %r0, 3; mul.wide.u32 %d11, %r11, 4; mov.u64 %d12, table; add.s64 %d12, %d12, %d11;"
        " ld.const.u32 %r12, [%d12]; ld.global.u32 %r13, [bytes]; add.u32 %r10, %r12, %r13;"
    )
    assert per_thread(body, 8, declared) == [11, 21, 31, 1] * 2


FUNCTIONS = """
.func (.param .b32 result) square(.param .b32 x)
{ .reg .b32 %r<4>; ld.param.b32 %r1, [x]; mul.lo.s32 %r2, %r1, %r1; st.param.b32 [result+0], %r2; ret; }
.func (.param .b32 result) squares(.param .b32 x, .param .b32 y)
{
  .reg .b32 %r<8>; .reg .pred %p<2>;
  ld.param.b32 %r1, [x]; ld.param.b32 %r2, [y];
  { .param .b32 a; .param .b32 b; st.param.b32 [a+0], %r1; call.uni (b), square, (a); ld.param.b32 %r3, [b+0]; }
  setp.gt.s32 %p1, %r2, 5;
  @%p1 bra $big;
  st.param.b32 [result+0], %r3;
  ret;
$big:
  { .param .b32 a; .param .b32 b; st.param.b32 [a+0], %r2; call.uni (b), square, (a); ld.param.b32 %r4, [b+0]; }
  add.s32 %r3, %r3, %r4;
  st.param.b32 [result+0], %r3;
  ret;
}
"""


def test_device_functions_are_called_by_some_threads_and_from_two_places() -> None:
    body = (
        "mov.u32 %r10, 0; setp.lt.u32 %p1, %r0, 20; @!%p1 bra $out;"
        " { .param .b32 a; .param .b32 b; .param .b32 c; st.param.b32 [a], %r0; add.u32 %r11, %r0, 1;"
        " st.param.b32 [b], %r11; call.uni (c), squares, (a, b); ld.param.b32 %r10, [c]; }"
        " $out:"
    )
    want = [0 if t >= 20 else t * t + ((t + 1) ** 2 if t + 1 > 5 else 0) for t in range(32)]
    assert per_thread(body, 32, FUNCTIONS) == want


def test_recursion_is_refused() -> None:
    again = FUNCTIONS.replace("call.uni (b), square, (a)", "call.uni (b), squares, (a, a)")
    with pytest.raises(UnsupportedInstructionError, match="calls itself"):
        per_thread("{ .param .b32 a; .param .b32 c; call.uni (c), squares, (a, a); }", 1, again)


def test_divergent_loops_run_as_often_as_each_thread_wants() -> None:
    body = "mov.u32 %r10, 0; $again: add.u32 %r10, %r10, 1; setp.lt.u32 %p1, %r10, %r0; @%p1 bra $again;"
    assert per_thread(body, 40) == [max(1, t) for t in range(40)]


def test_names_of_inner_scopes_hide_outer_ones() -> None:
    body = "mov.u32 %r10, 5; { .reg .u32 %r10; mov.u32 %r10, 7; add.u32 %r11, %r10, 0; } add.u32 %r10, %r10, %r11;"
    assert per_thread(body, 4) == [12] * 4


UNKNOWN = [
    ("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 %r10, %r11, %r12, %r13;", "mma"),
    ("cp.async.ca.shared.global [%r10], [%d1], 4;", "cp"),
    ("add.s32 %r10, %r0;", "wants 2 sources"),
    ("add.s64 %r10, %r0, 1;", "too narrow"),
    ("add.bf16 %h1, %h2, %h3;", "no type"),
    ("fma.rn.relu.bf16x2 %r10, %r11, %r12, %r13;", "relu"),
    ("max.bf16x2 %r10, %r11, %r12;", "add, sub, mul and fma"),
    ("bra $nowhere;", "label"),
    ("bar.arrive 0, 64;", "arrive"),
    ("ld.global.f32 %f1, %d1;", "brackets"),
    ("tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%d1, {%f1, %f2}];", "expected"),
    ("mov.u32 %r10, missing;", "no variable"),
    ("mov.u32 %r10, %clock;", "no value"),
    ("shfl.down.b32 %r10, %r0, 1, 31;", ".sync"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "words"), UNKNOWN)
def test_what_is_not_known_is_refused_with_line_and_instruction(body: str, words: str) -> None:
    with pytest.raises(PtxError) as caught:
        run_kernel(kernel_text(body), 1, 32, [np.zeros(4, np.float32)], Options("c"))
    message = str(caught.value)
    assert words in message
    assert "PTX line" in message
    assert "\n" not in message
