"""Sums whose bits do not depend on ranks, and 16-bit sums in float32: right, and wrong where something was planted."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustermark.benchmarks import BENCHMARKS
from clustermark.benchmarks.kernels import grid_cpu
from clustermark.benchmarks.low_precision_sum import Narrow, as_float64, payload
from clustermark.benchmarks.reproducible_sum import CHUNK, CHUNKS_AT_ONCE, ReproducibleSum, contribution, on_grid_sum
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.precision import PRECISIONS
from clustermark.core.workload import Check, ParamValue
from clustermark.devices.cpu import CpuDevice
from clustermark.transports.parts import part_counts, part_of, part_starts

PATIENCE = 60.0


class Together:
    """What ranks that are threads share: a slot for each, and a barrier."""

    def __init__(self, size: int) -> None:
        self.slots: list[Any] = [None] * size
        self.barrier = threading.Barrier(size, timeout=PATIENCE)

    def all(self, rank: int, value: Any) -> list[Any]:
        """Every rank's value."""
        self.slots[rank] = value
        self.barrier.wait()
        values = list(self.slots)
        self.barrier.wait()
        return values


class ThreadTransport:
    """As much of a transport as sums need; every all-reduce adds in another order, as networks may."""

    name = "threads"

    def __init__(self, together: Together, rank: int, size: int, seed: int = 0) -> None:
        self.together, self.rank, self.size = together, rank, size
        self.orders = np.random.default_rng(seed)

    def barrier(self) -> object:
        return self.together.barrier.wait()

    def prepare_allreduce(self, send: Any, receive: Any) -> Callable[[], object]:
        def call() -> None:
            values = self.together.all(self.rank, np.array(send))
            order = self.orders.permutation(self.size)
            total = values[order[0]]
            for rank in order[1:]:
                total = total + values[rank]
            receive[...] = total
            self.together.barrier.wait()

        return call

    def prepare_allgather(self, send: Any, receive: Any) -> Callable[[], object]:
        def call() -> None:
            receive[...] = np.concatenate(self.together.all(self.rank, np.array(send)))

        return call

    def prepare_alltoall(self, send: Any, receive: Any) -> Callable[[], object]:
        own = part_counts(send.size, self.size)[self.rank]
        start = part_starts(send.size, self.size)[self.rank]

        def call() -> None:
            values = self.together.all(self.rank, np.array(send))
            receive[...] = np.concatenate([value[start : start + own] for value in values])

        return call

    def sum(self, value: float) -> float:
        return float(sum(self.together.all(self.rank, value)))

    def maximum(self, value: float) -> float:
        return float(max(self.together.all(self.rank, value)))


def on_ranks(size: int, main: Callable[[Any], Any], seed: int = 0) -> list[Any]:
    """`main(transport)` on every rank."""
    together = Together(size)
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(lambda rank: main(ThreadTransport(together, rank, size, seed)), range(size)))


def case_of(name: str, ranks: int, precision: str = "fp64", **params: ParamValue) -> Case:
    workload = BENCHMARKS[name]
    chosen = {p.name: p.default for p in workload.params} | params
    return Case(name, 1, chosen, precision, "cpu", "mpi", "shm", ranks, ranks, seed=5)


def check_of(case: Case, spoil: Callable[[Any], None] = lambda trial: None) -> Check:
    """The check of a case after two steps, on ranks that are threads; `spoil` plants something in every trial."""

    def main(transport: Any) -> Check:
        context = Context(CpuDevice(), transport, PRECISIONS[case.precision], np.random.default_rng(1))
        trial = BENCHMARKS[case.workload].prepare(case, context)
        spoil(trial)
        for _ in range(2):
            trial.step()
        return trial.check()

    return on_ranks(case.ranks, main)[0]


# --- the same bits ------------------------------------------------------------------------------------------


def bits_on(ranks: int, contributions: int, count: int) -> bytes:
    """The sum of all contributions, dealt to so many ranks; every rank must hold it."""

    def main(transport: Any) -> bytes:
        mine = part_of(contributions, ranks, transport.rank)
        terms = [whole(number, count) for number in range(mine.start, mine.stop)]
        receive = np.full(count, np.nan)
        ReproducibleSum(transport, terms, receive, 5)()
        return receive.tobytes()

    found = set(on_ranks(ranks, main, seed=ranks))
    assert len(found) == 1
    return found.pop()


def whole(number: int, count: int) -> Any:
    lengths = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
    return np.concatenate([contribution(3, number, chunk, n) for chunk, n in enumerate(lengths)])


def test_a_sum_has_the_same_bits_on_one_to_sixteen_ranks_in_any_order() -> None:
    count = CHUNK * CHUNKS_AT_ONCE + 777
    one = bits_on(1, 16, count)
    assert all(bits_on(ranks, 16, count) == one for ranks in range(2, 17))
    terms = [whole(number, count) for number in range(16)]
    plain = {np.sum(np.roll(terms, shift, axis=0), axis=0).tobytes() for shift in range(4)}
    assert len(plain) > 1, "the data would have the same bits in any order anyway"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-1e200, 1e200), min_size=5, max_size=5), min_size=1, max_size=20))
def test_numbers_on_the_grid_add_up_exactly_and_near_the_true_sum(rows: list[list[float]]) -> None:
    terms = [np.array(row) for row in rows]
    most = max(float(np.abs(term).max()) for term in terms)
    rounding = grid_cpu.rounder(np.array([most]), 5)
    out, backwards = np.zeros(5), np.zeros(5)
    for forward, backward in zip(terms, terms[::-1], strict=True):
        grid_cpu.add_on_grid(forward, rounding, out)
        grid_cpu.add_on_grid(backward, rounding, backwards)
    assert (out.view(np.int64) == backwards.view(np.int64)).all()
    if most > 1e-200:
        assert (out == on_grid_sum(terms, 5)).all()
    exact = [math.fsum(float(term[i]) for term in terms) for i in range(5)]
    assert np.abs(out - exact).max() <= len(terms) * 2.0 ** (5 - 53) * most + 1e-300


def test_not_a_number_is_never_lost() -> None:
    for value in (np.nan, np.inf, -np.inf):
        found = np.zeros(1, np.int64)
        grid_cpu.largest(np.array([1.0, value, 2.0]).view(np.int64), found)
        assert math.isnan(grid_cpu.rounder(found.view(np.float64), 5))
    assert grid_cpu.rounder(np.array([0.0, 0.0]), 5) > 0


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_the_workload_passes_its_check(ranks: int) -> None:
    assert check_of(case_of("reproducible_sum", ranks, bytes=8 * 40_000)).passed
    assert check_of(case_of("reproducible_sum", ranks, bytes=8, contributions=7)).passed


def plain_terms(trial: Any) -> None:
    """Contributions are added as they are."""
    trial.step.kernels = type(
        "Plain",
        (),
        {
            "largest": staticmethod(grid_cpu.largest),
            "rounder": staticmethod(grid_cpu.rounder),
            "put_on_grid": staticmethod(lambda values, rounding, out: np.copyto(out, values)),
            "add_on_grid": staticmethod(lambda values, rounding, out: np.add(out, values, out=out)),
        },
    )


def own_grid(trial: Any) -> None:
    """The grid is fixed by what one rank holds, coarser than the others' by its first number."""
    chunks, gather, reduce = trial.step.rounds[0]

    def coarser() -> None:
        gather()
        chunks[0][2][0] *= 2.0

    trial.step.rounds[0] = (chunks, coarser, reduce)


def idle(trial: Any) -> None:
    """The last chunk is forgotten."""
    del trial.step.rounds[-1][0][-1]


@pytest.mark.parametrize("spoil", [plain_terms, own_grid, idle])
def test_a_sum_that_depends_on_order_or_ranks_is_caught(spoil: Callable[[Any], None]) -> None:
    case = case_of("reproducible_sum", 2, bytes=8 * 40_000, contributions=9)
    assert check_of(case).passed
    assert not check_of(case, spoil).passed


def test_more_contributions_than_the_grid_has_room_for_are_refused() -> None:
    refused = BENCHMARKS["reproducible_sum"].refuse(case_of("reproducible_sum", 2, contributions=100))
    assert refused == "adds 100 contributions, over the 64 that terms_bits leaves room for; use more terms_bits"


# --- sixteen bits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fp16", "bf16"])
def test_sixteen_bits_are_widened_exactly_and_rounded_to_the_nearest_even(kind: str) -> None:
    words = np.arange(2**16, dtype=np.uint32).astype(np.uint16)
    with np.errstate(invalid="ignore"):
        finite = words[np.isfinite(as_float64(words, kind))]
    made, wide, back = Narrow(kind), np.zeros(8192, np.float32), np.zeros(8192, np.uint16)
    for start in range(0, finite.size, 8192):
        part = finite[start : start + 8192]
        made.widen(part, wide[: part.size])
        assert (wide[: part.size] == as_float64(part, kind)).all()
        made.round(wide[: part.size], back[: part.size])
        assert (back[: part.size] == part).all()
    step = 2.0**-10 if kind == "fp16" else 2.0**-7
    ties = np.array([1 + step / 2, 1 + 3 * step / 2, 1 + step * 0.51], np.float32)
    made.round(ties, back[:3])
    assert as_float64(back[:3], kind).tolist() == [1.0, 1 + 2 * step, 1 + step]


@pytest.mark.parametrize("part", ["whole", "wire", "reduction"])
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_sums_of_sixteen_bits_are_within_their_bound(ranks: int, precision: str, part: str) -> None:
    found = check_of(case_of("low_precision_sum", ranks, precision, bytes=2 * 20_001, part=part))
    assert found.passed, found
    assert ranks == 1 or part == "wire" or found.error > 0


def narrow_sums(trial: Any) -> None:
    """Sums are rounded to sixteen bits after every addition."""
    made = trial.step.__self__
    widen, total, spare = made.format.widen, made.total, np.zeros(8192, np.uint16)

    def rounded(narrow: Any, wide: Any) -> None:
        made.format.round(total[: wide.size].copy(), spare[: wide.size])
        widen(spare[: wide.size], total[: wide.size])
        widen(narrow, wide)

    made.format.widen = rounded


def forgets_a_rank(trial: Any) -> None:
    """The last rank's numbers never came."""
    trial.step.__self__.incoming[-1] = 0


def test_sums_in_sixteen_bits_and_forgotten_ranks_are_caught() -> None:
    case = case_of("low_precision_sum", 6, "bf16", bytes=2 * 20_001, part="reduction")
    assert check_of(case).passed
    assert not check_of(case, narrow_sums).passed
    assert not check_of(case, forgets_a_rank).passed


def test_payloads_are_numbers_of_the_format_and_differ_by_rank() -> None:
    for kind in ("fp16", "bf16"):
        values = np.abs(as_float64(payload(1, 0, 1000, kind), kind))
        assert values.min() >= 0.49
        assert values.max() <= 1.0
        assert (payload(1, 0, 1000, kind) != payload(1, 1, 1000, kind)).mean() > 0.5
