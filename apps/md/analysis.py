"""What a run says about a liquid: structure, diffusion, and the error of an average."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from clustermark.apps.md.model import Floats
from clustermark.core.errors import UsageError

# Particles whose transforms are held at once.
_PARTICLES = 512
# Fewest blocks whose scatter says anything about an error (Flyvbjerg & Petersen 1989).
_FEWEST_BLOCKS = 16


@dataclass(frozen=True)
class RadialDistribution:
    """g(r) on equal bins.

    Attributes
    ----------
    r : (bins,) float64, centres of the bins [length]
    g : (bins,) float64, pairs found over pairs of an ideal gas of the same density
    counts : (bins,) int64, pairs i < j found
    """

    r: Floats
    g: Floats
    counts: Any


def radial_distribution(positions: Floats, box: Floats, largest: float, bins: int) -> RadialDistribution:
    """g(r) = 2V n(r)/(N(N−1) v(r)), n pairs in a shell of volume v (Allen & Tildesley 2017, 8.2); by a cell list.

    Parameters
    ----------
    positions : (n, 3) float64 [length], in a periodic box; wrapped or not
    box : (3,) float64 [length]
    largest : where the last bin ends [length], at most half of the shortest edge
    bins : their number

    Returns
    -------
    RadialDistribution

    Raises
    ------
    UsageError : a range beyond half of the box, where one image of a pair is no longer enough; fewer than two atoms
    """
    if not 0 < largest <= box.min() / 2:
        raise UsageError(
            f"radial distribution: largest = {largest}: expected more than 0 and at most half of the shortest edge of "
            f"the box, {box.min() / 2}; give a shorter range"
        )
    if len(positions) < 2 or bins < 1:
        raise UsageError("radial distribution: expected at least two atoms and one bin; give more")
    # No more cells than atoms, however short the range.
    cells = np.floor(np.minimum(box / largest, max(3.0, len(positions) ** (1 / 3)))).astype(np.int64)
    if cells.min() < 3:
        cells[:] = 1
    wrapped = positions - np.floor(positions / box) * box
    place = np.minimum((wrapped / box * cells).astype(np.int64), cells - 1)
    cell = (place[:, 0] * cells[1] + place[:, 1]) * cells[2] + place[:, 2]
    order = np.argsort(cell, kind="stable")
    first = np.searchsorted(cell[order], np.arange(cells.prod() + 1))
    counts = np.zeros(bins, dtype=np.int64)
    _count_pairs(wrapped[order], box.astype(np.float64), cells, first, largest, counts)
    edges = np.linspace(0.0, largest, bins + 1)
    shells = 4.0 / 3.0 * math.pi * np.diff(edges**3)
    n = len(positions)
    ideal = 0.5 * n * (n - 1) * shells / box.prod()
    return RadialDistribution((edges[:-1] + edges[1:]) / 2, counts / ideal, counts)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _count_pairs(positions: Any, box: Any, cells: Any, first: Any, largest: float, counts: Any) -> None:
    """Histogram of distances below `largest`, each pair once: cells against themselves and half of 26 neighbours.

    With one cell, all its pairs; else at least three in each direction, so that no neighbour is met twice.
    """
    scale = len(counts) / largest
    for cell in range(len(first) - 1):
        cx, cy, cz = cell // (cells[1] * cells[2]), cell // cells[2] % cells[1], cell % cells[2]
        for neighbour in range(13, 27 if len(first) > 2 else 14):
            x = (cx + neighbour // 9 - 1) % cells[0]
            y = (cy + neighbour // 3 % 3 - 1) % cells[1]
            z = (cz + neighbour % 3 - 1) % cells[2]
            other = (x * cells[1] + y) * cells[2] + z
            for i in range(first[cell], first[cell + 1]):
                for j in range(i + 1 if other == cell else first[other], first[other + 1]):
                    square = 0.0
                    for d in range(3):
                        delta = positions[i, d] - positions[j, d]
                        delta -= box[d] * np.rint(delta / box[d])
                        square += delta * delta
                    if square < largest * largest:
                        counts[min(int(math.sqrt(square) * scale), len(counts) - 1)] += 1


def unwrap(frames: Floats, box: Floats) -> Floats:
    """Continuous paths from wrapped frames: each move is the shortest of its periodic images.

    Parameters
    ----------
    frames : (f, n, 3) float64 [length], so close in time that no atom moves half an edge between two
    box : (3,) float64 [length]

    Returns
    -------
    (f, n, 3) float64 [length], starting at the first frame
    """
    moves = np.diff(frames, axis=0)
    moves -= box * np.rint(moves / box)
    return np.concatenate((frames[:1], frames[:1] + np.cumsum(moves, axis=0)))


def _summed_correlation(signal: Floats) -> Floats:
    """Σ over origins and columns of s(t)·s(t + lag) for each lag, by FFT (Wiener–Khinchin); signal is (f, columns)."""
    frames = len(signal)
    total = np.zeros(frames)
    for start in range(0, signal.shape[1], _PARTICLES):
        spectrum = np.fft.rfft(signal[:, start : start + _PARTICLES], 2 * frames, axis=0)
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
        total += np.fft.irfft(power, 2 * frames)[:frames]
    return total


def mean_squared_displacement(frames: Floats) -> Floats:
    """⟨|r(t₀ + t) − r(t₀)|²⟩ over atoms and all origins t₀, by FFT (Calandrini et al. 2011).

    |a − b|² = a² + b² − 2ab: the squares by running sums, the product by a correlation.

    Parameters
    ----------
    frames : (f, n, 3) float64 [length], unwrapped, at equal times

    Returns
    -------
    (f,) float64 [length²], entry k for a lag of k frames; the last ones rest on few origins
    """
    count, atoms = frames.shape[:2]
    paths = (frames - frames.mean(axis=0)).reshape(count, -1)
    squares = (paths * paths).sum(axis=1)
    # Σ_{t=0}^{f−1−k} s(t) + Σ_{t=k}^{f−1} s(t), for each k.
    ends = np.cumsum(squares)[::-1] + np.cumsum(squares[::-1])[::-1]
    origins = np.arange(count, 0, -1)
    displacement = (ends - 2.0 * _summed_correlation(paths)) / (origins * atoms)
    displacement[0] = 0.0
    return displacement


def velocity_autocorrelation(velocities: Floats) -> Floats:
    """⟨v(t₀)·v(t₀ + t)⟩ over atoms and all origins (Allen & Tildesley 2017, 8.3).

    Parameters
    ----------
    velocities : (f, n, 3) float64 [length/time], at equal times

    Returns
    -------
    (f,) float64 [length²/time²], entry k for a lag of k frames; the last ones rest on few origins
    """
    count, atoms = velocities.shape[:2]
    correlation = _summed_correlation(velocities.reshape(count, -1))
    return correlation / (np.arange(count, 0, -1) * atoms)


def diffusion_from_displacement(displacement: Floats, interval: float, first: int, last: int) -> float:
    """D from Einstein's relation, ⟨Δr²⟩ = 6Dt + constant, as a least-squares line over lags first … last.

    Parameters
    ----------
    displacement : from `mean_squared_displacement` [length²]
    interval : time between frames [time]
    first, last : lags in frames, both inside, last > first; beyond the ballistic part, before the noise

    Returns
    -------
    float [length²/time]
    """
    if not 0 <= first < last < len(displacement):
        raise UsageError(
            f"diffusion: lags {first} … {last}: expected 0 ≤ first < last < {len(displacement)}; give two such lags"
        )
    times = interval * np.arange(first, last + 1)
    slope, _ = np.polyfit(times, displacement[first : last + 1], 1)
    return float(slope) / 6.0


def running_diffusion(correlation: Floats, interval: float) -> Floats:
    """D(t) = ⅓ ∫₀ᵗ ⟨v(0)·v(t′)⟩ dt′ (Green 1954, Kubo 1957), by the trapezoidal rule; D is its plateau.

    Parameters
    ----------
    correlation : (f,) from `velocity_autocorrelation` [length²/time²]
    interval : time between frames [time]

    Returns
    -------
    (f,) float64 [length²/time]
    """
    steps = (correlation[1:] + correlation[:-1]) * (interval / 6.0)
    return np.concatenate(([0.0], np.cumsum(steps)))


@dataclass(frozen=True)
class BlockAverage:
    """Mean of correlated samples and its standard error.

    Attributes
    ----------
    mean, error : error is that of the plateau
    uncertainty : standard deviation of `error` itself
    block : samples in a block where the plateau begins
    converged : whether there is a plateau; if not, the series is too short and `error` is a lower bound
    errors : (levels,) float64, estimate for blocks of 1, 2, 4, … samples
    """

    mean: float
    error: float
    uncertainty: float
    block: int
    converged: bool
    errors: Floats


def block_average(samples: Floats) -> BlockAverage:
    """Error of a mean by blocking (Flyvbjerg & Petersen 1989): halve the series until the error stops growing.

    Level k has n blocks of 2ᵏ samples and estimates σ² = c₀/(n − 1) ± σ/√(2(n − 1)). The plateau begins
    where no later level (down to 16 blocks) is larger by more than twice the uncertainties of the two.

    Parameters
    ----------
    samples : (n,) float64, n ≥ 2, in order of time

    Returns
    -------
    BlockAverage

    Raises
    ------
    UsageError : fewer than two samples
    """
    if len(samples) < 2:
        raise UsageError(f"block average: {len(samples)} samples: expected at least two; give a longer series")
    blocks = np.asarray(samples, dtype=np.float64)
    mean = float(blocks.mean())
    errors, uncertainties = [], []
    while not errors or len(blocks) >= _FEWEST_BLOCKS:
        error = math.sqrt(float(blocks.var()) / (len(blocks) - 1))
        errors.append(error)
        uncertainties.append(error / math.sqrt(2.0 * (len(blocks) - 1)))
        pairs = len(blocks) // 2
        blocks = (blocks[: 2 * pairs : 2] + blocks[1 : 2 * pairs : 2]) / 2.0
    level = next(k for k in range(len(errors)) if _is_plateau(errors[k:], uncertainties[k:]))
    converged = level + 1 < len(errors)
    return BlockAverage(mean, errors[level], uncertainties[level], 2**level, converged, np.array(errors))


def _is_plateau(errors: list[float], uncertainties: list[float]) -> bool:
    """Whether no later level exceeds the first by more than twice their uncertainties; the last level always is one."""
    bounds = [2.0 * math.hypot(uncertainties[0], u) for u in uncertainties]
    return all(error - errors[0] <= bound for error, bound in zip(errors, bounds, strict=True))
