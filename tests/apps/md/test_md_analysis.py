"""Structure, diffusion and errors of averages, on systems whose answers are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.apps.md.analysis import (
    block_average,
    diffusion_from_displacement,
    mean_squared_displacement,
    radial_distribution,
    running_diffusion,
    unwrap,
    velocity_autocorrelation,
)
from clustermark.apps.md.initial import fcc_lattice
from clustermark.core.errors import UsageError


def brute_force_counts(positions: Any, box: Any, largest: float, bins: int) -> Any:
    delta = positions[:, None] - positions[None]
    delta -= box * np.rint(delta / box)
    distance = np.sqrt((delta**2).sum(axis=2))[np.triu_indices(len(positions), 1)]
    return np.histogram(distance[distance < largest], bins, (0.0, largest))[0]


@given(
    edges=st.tuples(*[st.floats(2.0, 12.0)] * 3),
    share=st.floats(0.02, 1.0),
    atoms=st.integers(2, 60),
    seed=st.integers(0, 99),
)
def test_cells_find_the_pairs_that_brute_force_finds(
    edges: tuple[float, float, float], share: float, atoms: int, seed: int
) -> None:
    box = np.array(edges)
    largest = share * box.min() / 2
    positions = np.random.default_rng(seed).uniform(-1.0, 2.0, (atoms, 3)) * box
    found = radial_distribution(positions, box, largest, 20)
    expected = brute_force_counts(positions, box, largest, 20)
    # Rounding may move a pair over an edge of a bin.
    assert np.abs(np.cumsum(found.counts) - np.cumsum(expected)).max() <= 1


def test_an_ideal_gas_has_no_structure() -> None:
    box = np.array([10.0, 12.0, 9.0])
    found = radial_distribution(np.random.default_rng(1).uniform(size=(8000, 3)) * box, box, 2.5, 25)
    expected = found.counts / found.g
    assert (np.abs(found.g - 1) < 5 / np.sqrt(expected)).all()


def test_a_lost_cell_would_be_seen_in_an_ideal_gas() -> None:
    box = np.full(3, 10.0)
    positions = np.random.default_rng(1).uniform(size=(8000, 3)) * box
    outside = positions[positions[:, 0] > 1.0]
    found = radial_distribution(outside, box, 2.5, 25)
    assert not (np.abs(found.g - 1) < 5 / np.sqrt(found.counts / found.g)).all()


def test_a_crystal_has_its_shells_of_neighbours() -> None:
    positions, box = fcc_lattice((6, 6, 6), 1.0)
    found = radial_distribution(positions, box, 1.3, 130)
    shells = {round(float(r), 3): int(c) * 2 / len(positions) for r, c in zip(found.r, found.counts, strict=True) if c}
    assert list(shells.values()) == [12, 6, 24]
    assert list(shells) == pytest.approx([math.sqrt(0.5), 1.0, math.sqrt(1.5)], abs=0.0101)


@pytest.mark.parametrize(
    ("largest", "atoms", "bins"), [(5.1, 10, 5), (0.0, 10, 5), (math.nan, 10, 5), (2.0, 1, 5), (2.0, 10, 0)]
)
def test_an_impossible_range_is_refused_in_a_sentence(largest: float, atoms: int, bins: int) -> None:
    with pytest.raises(UsageError, match="radial distribution: "):
        radial_distribution(np.zeros((atoms, 3)), np.full(3, 10.0), largest, bins)


def test_unwrapping_undoes_wrapping() -> None:
    box = np.array([4.0, 5.0, 6.0])
    path = np.cumsum(np.random.default_rng(1).uniform(-1.9, 1.9, (200, 7, 3)), axis=0)
    wrapped = path - np.floor(path / box) * box
    found = unwrap(wrapped, box)
    assert found - wrapped[0] == pytest.approx(path - path[0], abs=1e-12)


def test_wrapped_frames_would_show_too_little_displacement() -> None:
    box = np.full(3, 4.0)
    path = np.cumsum(np.random.default_rng(1).normal(size=(200, 20, 3)), axis=0)
    assert mean_squared_displacement(path % box)[100] < mean_squared_displacement(path)[100] / 5


def test_correlations_by_fft_are_the_direct_sums() -> None:
    frames = np.random.default_rng(1).normal(size=(23, 600, 3)).cumsum(axis=0) + 1000.0
    found = mean_squared_displacement(frames)
    correlation = velocity_autocorrelation(frames[:, :5])
    for lag in range(23):
        moves = frames[lag:] - frames[: 23 - lag]
        assert found[lag] == pytest.approx((moves**2).sum(axis=2).mean(), rel=1e-9, abs=1e-9)
        products = (frames[lag:, :5] * frames[: 23 - lag, :5]).sum(axis=2).mean()
        assert correlation[lag] == pytest.approx(products, rel=1e-12)


def test_free_flight_is_ballistic() -> None:
    velocity = np.random.default_rng(1).normal(size=(10, 3))
    times = 0.1 * np.arange(50)
    frames = velocity * times[:, None, None]
    expected = (velocity**2).sum(axis=1).mean() * times**2
    assert mean_squared_displacement(frames) == pytest.approx(expected, rel=1e-10, abs=1e-10)


def ornstein_uhlenbeck(frames: int, atoms: int, interval: float, friction: float) -> tuple[Any, Any]:
    """Velocities of variance 1 with correlation exp(−γt), and positions by the trapezoidal rule: D = 1/γ."""
    random = np.random.default_rng(7)
    decay = math.exp(-friction * interval)
    noise = math.sqrt(1 - decay**2)
    velocities = np.empty((frames, atoms, 3))
    velocities[0] = random.normal(size=(atoms, 3))
    for frame in range(1, frames):
        velocities[frame] = decay * velocities[frame - 1] + noise * random.normal(size=(atoms, 3))
    moves = (velocities[1:] + velocities[:-1]) * (interval / 2)
    return np.concatenate((np.zeros((1, atoms, 3)), np.cumsum(moves, axis=0))), velocities


def test_both_ways_to_diffusion_give_that_of_an_ornstein_uhlenbeck_process() -> None:
    interval, friction = 0.05, 2.0
    positions, velocities = ornstein_uhlenbeck(2000, 200, interval, friction)
    correlation = velocity_autocorrelation(velocities)
    lags = np.arange(60)
    assert correlation[:60] == pytest.approx(3 * np.exp(-friction * interval * lags), abs=0.05)
    einstein = diffusion_from_displacement(mean_squared_displacement(positions), interval, 60, 200)
    green_kubo = running_diffusion(correlation, interval)[100]
    assert einstein == pytest.approx(1 / friction, rel=0.05)
    assert green_kubo == pytest.approx(1 / friction, rel=0.05)
    assert green_kubo == pytest.approx(einstein, rel=0.05)
    # Planted faults: a line through the ballistic part, an integral that stops before the plateau.
    early = diffusion_from_displacement(mean_squared_displacement(positions), interval, 0, 5)
    assert early != pytest.approx(1 / friction, rel=0.2)
    assert running_diffusion(correlation, interval)[5] != pytest.approx(1 / friction, rel=0.2)


@pytest.mark.parametrize(("first", "last"), [(-1, 3), (3, 3), (0, 10)])
def test_lags_outside_the_series_are_refused_in_a_sentence(first: int, last: int) -> None:
    with pytest.raises(UsageError, match=r"diffusion: lags .* expected 0 ≤ first < last < 10"):
        diffusion_from_displacement(np.zeros(10), 1.0, first, last)


def autoregressive(samples: int, memory: float, seed: int) -> Any:
    """x ← a x + √(1 − a²) ξ: variance 1, error of the mean √((1 + a)/(1 − a)/n) for long series."""
    noise = np.random.default_rng(seed).normal(size=samples)
    series = np.empty(samples)
    series[0] = noise[0]
    for k in range(1, samples):
        series[k] = memory * series[k - 1] + math.sqrt(1 - memory**2) * noise[k]
    return series


@pytest.mark.parametrize("memory", [0.0, 0.8, 0.95])
def test_the_error_of_correlated_samples_is_that_of_theory(memory: float) -> None:
    found = [block_average(5.0 + autoregressive(2**14, memory, seed)) for seed in range(10)]
    exact = math.sqrt((1 + memory) / (1 - memory) / 2**14)
    assert all(average.converged for average in found)
    assert np.mean([average.error for average in found]) == pytest.approx(exact, rel=0.15)
    assert all(abs(average.mean - 5.0) < 5 * average.error for average in found)


def test_the_naive_error_of_correlated_samples_is_far_too_small() -> None:
    found = block_average(autoregressive(2**14, 0.95, 1))
    assert found.errors[0] < found.error / 4
    assert found.block >= 16


def test_a_series_shorter_than_its_memory_has_no_plateau() -> None:
    assert not block_average(np.cumsum(np.random.default_rng(1).normal(size=1000))).converged
    assert not block_average(np.array([1.0, 2.0, 4.0])).converged


def test_an_error_needs_two_samples() -> None:
    assert block_average(np.array([1.0, 3.0])).error == pytest.approx(1.0)
    with pytest.raises(UsageError, match="at least two"):
        block_average(np.array([1.0]))
