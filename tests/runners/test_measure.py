"""The harness under a scripted clock: what is timed, when sampling stops, that nothing is lost."""

from __future__ import annotations

import gc
import itertools
from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_clock import FLOOR, Clock, lasting, noisy, trial_of

from clustermark.core.context import Transport
from clustermark.core.measurement import Measurement
from clustermark.core.suite import Sampling
from clustermark.runners import measure as harness
from clustermark.transports.local import LocalTransport


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The scripted clock in place of the harness's."""
    scripted = Clock()
    monkeypatch.setattr(harness, "perf_counter", scripted)
    return scripted


def measured(
    step: Callable[[], object],
    sampling: Sampling,
    transport: Transport | None = None,
    floor: float = FLOOR,
    reset: Callable[[], object] | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Measurement:
    """The measurement of a step on one rank."""
    found = harness.measure(trial_of(step, reset), transport or LocalTransport(), sampling, floor, alive)
    assert found is not None
    return found


# ---- windows ----


def sequence(
    windows: Callable[..., array[float]], steps: int, with_reset: bool, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The order of events of two windows, one letter each: reset, barrier, clock, step."""
    events: list[str] = []
    monkeypatch.setattr(harness, "perf_counter", lambda: events.append("c") or 0.0)
    reset = (lambda: events.append("r")) if with_reset else None
    windows(lambda: events.append("s"), lambda: events.append("b"), steps, 2, reset)
    return "".join(events)


@pytest.mark.parametrize(("steps", "with_reset"), [(1, False), (1, True), (3, False), (3, True)])
def test_a_window_is_reset_then_barrier_then_only_steps_between_two_looks_at_the_clock(
    steps: int, with_reset: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ("r" if with_reset else "") + "b" + "c" + "s" * steps + "c"
    assert sequence(harness.windows, steps, with_reset, monkeypatch) == expected * 2


def test_a_window_that_times_its_own_reset_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(step: Any, barrier: Any, steps: int, count: int, reset: Any) -> array[float]:
        for _ in range(count):
            barrier()
            harness.perf_counter()
            reset()
            for _ in range(steps):
                step()
            harness.perf_counter()
        return array("d")

    assert sequence(careless, 3, True, monkeypatch) != "rbcsssc" * 2


@pytest.mark.parametrize("steps", [1, 4])
def test_windows_hold_the_seconds_of_their_steps_and_of_nothing_else(clock: Clock, steps: int) -> None:
    seconds = harness.windows(lambda: clock.pass_(0.25), lambda: clock.pass_(9.0), steps, 5, lambda: clock.pass_(7.0))
    assert list(seconds) == [0.25 * steps] * 5


def test_steps_in_one_call_fill_a_window_though_the_call_itself_takes_longer_than_a_step(clock: Clock) -> None:
    call, step, asked = 3e-6, 0.25e-6, list[int]()

    def many(steps: int) -> None:
        asked.append(steps)
        clock.pass_(call + steps * step)

    trial = replace(trial_of(lambda: pytest.fail("Python called a step")), many=many)
    found = harness.measure(trial, LocalTransport(), Sampling(1.0, 10, 50, 0.02), FLOOR)
    assert found is not None
    assert set(asked[-len(found.seconds) :]) == {found.steps_per_sample}
    assert found.seconds.min() >= harness.SHORTEST_SAMPLE * 0.9
    assert found.step_seconds == pytest.approx(step + call / found.steps_per_sample)
    assert set(asked[: len(found.warmup_seconds)]) == {1}


def test_windows_of_compiled_code_are_taken_as_they_are_and_say_whose_clock_it_was() -> None:
    asked = list[tuple[int, int]]()

    def taken(steps: int, count: int) -> array[float]:
        asked.append((steps, count))
        return array("d", [steps * 2e-6] * count)

    trial = replace(trial_of(lambda: pytest.fail("Python called a step")), many=lambda _: None, windows=taken)
    found = harness.measure(trial, LocalTransport(), Sampling(1.0, 10, 50, 0.02), FLOOR)
    assert found is not None
    assert found.steps_per_sample in (50, 51)  # as it rounds
    assert asked[-1] == (found.steps_per_sample, len(found.seconds))
    assert found.step_seconds == pytest.approx(2e-6)
    assert found.clock == harness.COMPILED_CLOCK


def test_the_floor_is_what_two_looks_at_the_clock_take(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(harness, "perf_counter", lambda: next(ticks) * 2.0**-24)
    assert harness.harness_floor() == 2.0**-24


# ---- stopping ----


def test_sampling_stops_at_the_interval_as_soon_as_it_may(clock: Clock) -> None:
    found = measured(lasting(clock, itertools.repeat(1e-3)), Sampling(10.0, 10, 1000, 0.02))
    assert (found.stopped_by, len(found.seconds)) == ("interval", 10)


def test_an_interval_is_never_believed_below_six_samples(clock: Clock) -> None:
    found = measured(lasting(clock, itertools.repeat(1e-3)), Sampling(10.0, 2, 1000, 0.02))
    assert found.stopped_by == "interval"
    assert len(found.seconds) >= 6


def test_sampling_stops_at_exactly_the_most_samples(clock: Clock) -> None:
    found = measured(lasting(clock, noisy(1e-3, 3e-3)), Sampling(1000.0, 10, 37, 0.001))
    assert (found.stopped_by, len(found.seconds)) == ("samples", 37)


def test_sampling_stops_when_the_time_is_up(clock: Clock) -> None:
    found = measured(lasting(clock, noisy(0.01, 0.03)), Sampling(1.0, 10, 1000, 0.001))
    assert found.stopped_by == "time"
    assert 0.9 <= found.seconds.sum() <= 1.0 + 0.03


def test_time_spent_on_resets_counts_towards_the_cap(clock: Clock) -> None:
    found = measured(lasting(clock, noisy(0.01, 0.03)), Sampling(1.0, 10, 1000, 0.001), reset=lambda: clock.pass_(0.08))
    assert found.stopped_by == "time"
    assert len(found.seconds) == 10


def test_the_least_samples_are_taken_whatever_the_cap(clock: Clock) -> None:
    found = measured(lasting(clock, itertools.repeat(100.0)), Sampling(0.1, 5, 1000, 0.02))
    assert (found.stopped_by, len(found.seconds)) == ("time", 5)


@pytest.mark.parametrize(("typical", "stopped_by"), [(5e-6, "interval"), (500e-6, "samples")])
def test_a_wider_interval_is_accepted_below_ten_microseconds(clock: Clock, typical: float, stopped_by: str) -> None:
    scatter = itertools.cycle(typical * (1 + 0.03 * sign) for sign in (-1, 1, 1, -1))
    windows_of = 20 if typical < 10e-6 else 1
    steps = (duration for duration in scatter for _ in range(windows_of))
    singles = itertools.chain(itertools.repeat(typical, _warmup_steps(typical)), steps)
    assert measured(lasting(clock, singles), Sampling(1.0, 10, 200, 0.02)).stopped_by == stopped_by


def _warmup_steps(typical: float) -> int:
    """How many single steps of this length the harness warms up with."""
    clock, done, batch = 0.0, 0, harness.WARMUP_LEAST
    while clock < harness.WARMUP_SECONDS and done < harness.WARMUP_MOST:
        done, clock = done + batch, (done + batch) * typical
        batch = min(done, harness.WARMUP_MOST - done)
    return done


def obeys_the_limits(count: int, stopped_by: str, elapsed: float, sampling: Sampling) -> bool:
    """Counts within their limits, and the reason for stopping is true."""
    if not sampling.min_samples <= count <= sampling.max_samples:
        return False
    if stopped_by == "samples":
        return count == sampling.max_samples
    # A batch is planned from the mean so far: with steps of 1 to 4 ms it may fall short of the cap, not by half.
    return stopped_by == "interval" or count == sampling.min_samples or elapsed >= sampling.seconds / 2


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    durations=st.lists(st.floats(1e-3, 4e-3), min_size=1, max_size=40),
    seconds=st.floats(1e-3, 0.5),
    least=st.integers(1, 30),
    more=st.integers(0, 100),
    interval=st.floats(1e-4, 0.5),
)
def test_counts_and_reasons_are_within_the_limits_for_any_step(
    clock: Clock, durations: list[float], seconds: float, least: int, more: int, interval: float
) -> None:
    sampling = Sampling(seconds, least, least + more, interval)
    found = measured(lasting(clock, itertools.cycle(durations)), sampling)
    assert obeys_the_limits(len(found.seconds), found.stopped_by, float(found.seconds.sum()), sampling)


def test_a_harness_that_stops_too_early_or_too_late_would_be_caught(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampling = Sampling(1.0, 10, 37, 0.001)
    for wrong in (lambda *_: ("samples", 0), lambda slowest, *_: ("" if slowest.size < 60 else "samples", 25)):
        monkeypatch.setattr(harness, "_decide", wrong)
        found = measured(lasting(clock, noisy(1e-3, 3e-3)), sampling)
        assert not obeys_the_limits(len(found.seconds), found.stopped_by, float(found.seconds.sum()), sampling)


# ---- steps of a sample ----


@pytest.mark.parametrize(
    ("duration", "floor", "window"),
    [(1e-6, 50e-9, 100e-6), (1e-6, 5e-6, 500e-6), (30e-6, 50e-9, 100e-6), (80e-9, 400e-9, 100e-6)],
)
def test_short_steps_are_batched_to_a_hundred_floors_and_a_hundred_microseconds(
    clock: Clock, duration: float, floor: float, window: float
) -> None:
    found = measured(lasting(clock, itertools.repeat(duration)), Sampling(0.05, 10, 50, 0.02), floor=floor)
    assert found.seconds.min() >= window * (1 - 1e-3)
    assert found.steps_per_sample <= np.ceil(window / duration) * 1.01
    assert np.median(found.step_seconds) == pytest.approx(duration, rel=1e-3)
    assert found.floor == floor


def test_a_long_step_is_a_sample_by_itself(clock: Clock) -> None:
    assert measured(lasting(clock, itertools.repeat(0.01)), Sampling()).steps_per_sample == 1


def test_a_step_that_takes_no_time_at_all_ends_all_the_same(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "MOST_STEPS", 50)
    looks = itertools.count()
    monkeypatch.setattr(harness, "perf_counter", lambda: next(looks) // 100 * 1e-3)
    found = measured(lambda: None, Sampling(0.01, 10, 20, 0.02))
    assert found.steps_per_sample in (50, 51)  # as it rounds


# ---- warm-up, outliers, garbage collection, sign of life ----


def test_a_slow_first_step_is_kept_apart_and_never_sampled(clock: Clock) -> None:
    steps = itertools.chain([2.0, 0.5], itertools.repeat(0.01))
    found = measured(lasting(clock, steps), Sampling(0.2, 10, 20, 0.02))
    assert found.warmup_seconds[:2, 0] == pytest.approx([2.0, 0.5])
    assert found.seconds == pytest.approx(0.01)
    assert found.steps_per_sample == 1


def test_an_outlier_is_kept(clock: Clock) -> None:
    warmup = _warmup_steps(0.01)
    steps = itertools.chain(itertools.repeat(0.01, warmup + 4), [5.0], itertools.repeat(0.01))
    found = measured(lasting(clock, steps), Sampling(100.0, 10, 20, 0.02))
    assert len(found.warmup_seconds) == warmup
    assert found.seconds[4, 0] == pytest.approx(5.0)
    assert np.median(found.step_seconds) == pytest.approx(0.01)


@pytest.mark.parametrize("collecting", [True, False])
@pytest.mark.parametrize("failing", [True, False])
def test_the_garbage_collector_rests_while_sampling_and_is_as_before_afterwards(
    clock: Clock, collecting: bool, failing: bool
) -> None:
    seen: list[bool] = []

    def step() -> None:
        seen.append(gc.isenabled())
        clock.pass_(0.01)
        if failing and len(seen) == 12:
            raise RuntimeError("planted")

    before = gc.isenabled()
    try:
        gc.enable() if collecting else gc.disable()
        if failing:
            with pytest.raises(RuntimeError, match="planted"):
                measured(step, Sampling(0.2, 10, 20, 0.02))
        else:
            measured(step, Sampling(0.2, 10, 20, 0.02))
        assert gc.isenabled() == collecting
        assert not any(seen)
    finally:
        gc.enable() if before else gc.disable()


@pytest.mark.parametrize("step", [0.5, 5.0, 50.0])
def test_slow_steps_give_signs_of_life_within_a_batch_so_that_they_are_not_taken_for_hung(
    clock: Clock, step: float
) -> None:
    """Twenty samples of 5 s are longer than a time limit of 60 s; only a single step may be silent."""
    signs = [clock.now]
    sampling = Sampling(seconds=0.2, min_samples=20, max_samples=1000, timeout=60.0)
    found = measured(lasting(clock, itertools.repeat(step)), sampling, alive=lambda: signs.append(clock.now))
    assert found.seconds.size == 20
    warmup = 3 * step
    assert max(np.diff(signs)) <= max(60.0 / harness.SIGNS_PER_TIMEOUT, warmup)


def test_the_sign_of_life_is_given_between_batches_and_outside_every_window(clock: Clock) -> None:
    given: list[float] = []

    def alive() -> None:
        given.append(clock.now)
        clock.pass_(0.5)

    found = measured(lasting(clock, noisy(0.01, 0.03)), Sampling(5.0, 10, 40, 0.001), alive=alive)
    assert len(given) >= 3
    assert found.seconds.max() <= 0.0301
    assert found.warmup_seconds.max() <= 0.0301
