"""Verdicts on measured numbers: pure functions of numbers, each able to say no.

Errors are standard errors; series are correlated in time, so that errors come from blocks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clustermark.apps.md.analysis import block_average

# How many standard errors two numbers may be apart: one of 370 comparisons fails by chance.
WIDTHS = 3.0
# Blocks of a series for a jackknife or a line: as many as give an error of 18 % on the error.
BLOCKS = 16

YES, NO, CAUGHT, MISSED = "yes", "**NO**", "caught", "**MISSED**"


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error; `sound` is False where the series was too short to know the error."""

    mean: float
    error: float
    sound: bool = True

    def __str__(self) -> str:
        """Two digits of the error, and as many decimals of the number."""
        return with_error(self.mean, self.error)


@dataclass(frozen=True)
class Row:
    """One line of the table; `source` says where the reference is from."""

    check: str
    ours: str
    reference: str
    source: str
    tolerance: str
    verdict: str


def verdict(good: bool) -> str:
    """YES or NO."""
    return YES if good else NO


def caught(good: bool) -> str:
    """For a planted fault: CAUGHT where the judge says no."""
    return MISSED if good else CAUGHT


def skipped(check: str, ours: str, reason: str) -> Row:
    """A row that could not be judged, with the reason."""
    return Row(check, ours, "", "", "", f"skipped: {reason}")


# --- estimates ----------------------------------------------------------------------------------------------


def mean_of(series: Sequence[float] | np.ndarray) -> Estimate:
    """Mean of a correlated series by blocking (Flyvbjerg & Petersen 1989).

    The error is the largest on the plateau: where it begins, the errors of longer blocks may still be larger by as much
    as their own scatter; in a series of some hundred correlation times the error is then a fifth too small.
    """
    found = block_average(np.asarray(series, dtype=np.float64))
    plateau = found.errors[found.block.bit_length() - 1 :]
    return Estimate(found.mean, float(plateau.max()), found.converged)


def pooled(estimates: Sequence[Estimate]) -> Estimate:
    """Mean of independent estimates of one quantity, weighted by 1/error²."""
    weights = [1.0 / estimate.error**2 for estimate in estimates]
    mean = sum(w * estimate.mean for w, estimate in zip(weights, estimates, strict=True)) / sum(weights)
    return Estimate(mean, 1.0 / math.sqrt(sum(weights)), all(estimate.sound for estimate in estimates))


def of_segments(values: Sequence[float] | np.ndarray) -> Estimate:
    """Mean of independent values and the standard error from their scatter."""
    array = np.asarray(values, dtype=np.float64)
    return Estimate(float(array.mean()), float(array.std(ddof=1) / math.sqrt(len(array))))


def variance_of(series: Sequence[float] | np.ndarray) -> Estimate:
    """Variance of a correlated series, as the mean of the squared deviations."""
    array = np.asarray(series, dtype=np.float64)
    return mean_of((array - array.mean()) ** 2)


def drift(times: np.ndarray, energies: np.ndarray) -> Estimate:
    """Slope of a least-squares line through the means of BLOCKS blocks, with the error that their scatter gives.

    Parameters
    ----------
    times, energies : (n,) float64, n ≥ BLOCKS, at equal times
    """
    size = len(energies) // BLOCKS
    t = times[: size * BLOCKS].reshape(BLOCKS, size).mean(axis=1)
    e = energies[: size * BLOCKS].reshape(BLOCKS, size).mean(axis=1)
    slope, offset = np.polyfit(t, e, 1)
    residual = e - (slope * t + offset)
    spread = float((residual**2).sum() / (BLOCKS - 2) / ((t - t.mean()) ** 2).sum())
    return Estimate(float(slope), math.sqrt(spread))


def order_of_convergence(steps: Sequence[float], errors: Sequence[float]) -> float:
    """p of error ∝ stepᵖ, from a line through the logarithms."""
    return float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


def log_ratio_slope(low: np.ndarray, high: np.ndarray) -> Estimate:
    """Slope of ln P_high(E)/P_low(E) against E; 1/kT_low − 1/kT_high if both are canonical (Shirts 2013).

    The maximum-likelihood estimate is a logistic regression of "is of the hotter run" on E. Its error is that of a
    jackknife over BLOCKS stretches of both series, so that correlated samples do no harm.

    Parameters
    ----------
    low, high : (n,), (m,) float64, energies at the lower and the higher temperature [energy], in order of time
    """
    parts = [np.array_split(series, BLOCKS) for series in (low, high)]

    def without(left_out: int) -> float:
        kept = [np.concatenate([p for k, p in enumerate(part) if k != left_out]) for part in parts]
        return _logistic_slope(kept[0], kept[1])

    values = np.array([without(k) for k in range(BLOCKS)])
    error = math.sqrt((BLOCKS - 1) / BLOCKS * float(((values - values.mean()) ** 2).sum()))
    return Estimate(_logistic_slope(low, high), error)


def _logistic_slope(low: np.ndarray, high: np.ndarray) -> float:
    """b of P(high | E) = 1/(1 + exp(−a − bE)), by Newton's method on the centred and scaled energies."""
    energies = np.concatenate((low, high))
    label = np.concatenate((np.zeros(len(low)), np.ones(len(high))))
    scale = energies.std()
    design = np.stack((np.ones(len(energies)), (energies - energies.mean()) / scale), axis=1)
    parameters = np.zeros(2)
    for _ in range(100):
        chance = 1.0 / (1.0 + np.exp(-np.clip(design @ parameters, -500.0, 500.0)))
        curvature = design.T @ (design * (chance * (1.0 - chance))[:, None])
        step = np.linalg.solve(curvature, design.T @ (label - chance))
        parameters += step
        if np.abs(step).max() < 1e-10:
            break
    return float(parameters[1] / scale)


# --- judges -------------------------------------------------------------------------------------------------


def agrees(ours: Estimate, reference: Estimate, widths: float = WIDTHS) -> bool:
    """Whether two numbers are no more than `widths` combined errors apart; never where an error is not known."""
    known = ours.sound and math.isfinite(ours.error) and ours.error > 0
    return known and abs(ours.mean - reference.mean) <= widths * math.hypot(ours.error, reference.error)


def below(value: float, bound: float) -> bool:
    """|value| ≤ bound; False for what is no number."""
    return math.isfinite(value) and abs(value) <= bound


def drift_below(found: Estimate, bound: float) -> bool:
    """Whether a drift is within a bound even where its error is added: a noisy series proves nothing."""
    return below(abs(found.mean) + 2.0 * found.error, bound)


def largest_difference(ours: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """Largest relative difference over the names of the reference; infinite where one is missing or no number."""
    differences = [
        abs(ours[name] - value) / max(abs(value), 1e-300) if name in ours else math.inf
        for name, value in reference.items()
    ]
    return max(difference if math.isfinite(difference) else math.inf for difference in differences)


def spread(values: Sequence[float]) -> float:
    """(largest − least)/|first|; infinite where one is no number."""
    if not all(math.isfinite(value) for value in values):
        return math.inf
    return (max(values) - min(values)) / abs(values[0])


def same_arrays(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Names of the arrays that differ in shape, type or any bit, or that only one side has."""
    names = sorted({*first, *second})
    return [
        name
        for name in names
        if name not in first
        or name not in second
        or np.asarray(first[name]).dtype != np.asarray(second[name]).dtype
        or np.asarray(first[name]).shape != np.asarray(second[name]).shape
        or np.asarray(first[name]).tobytes() != np.asarray(second[name]).tobytes()
    ]


# --- numbers for people -------------------------------------------------------------------------------------


def number(value: float, digits: int = 6) -> str:
    """So many significant digits, with a true minus sign."""
    text = f"{value:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    if exponent:
        text = f"{mantissa}·10{str(int(exponent)).translate(_RAISED)}"
    return text.replace("-", "−")


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def with_error(value: float, error: float) -> str:
    """ "−5.5128 ± 0.0010": two digits of the error; powers of ten where both are small or large."""
    if not (math.isfinite(error) and error > 0):
        return number(value)
    power = math.floor(math.log10(max(abs(value), error)))
    shift = power if power < -3 or power > 5 else 0
    decimals = max(0, 1 - math.floor(math.log10(error)) + shift)
    scale = 10.0**shift
    text = f"{value / scale:.{decimals}f} ± {error / scale:.{decimals}f}"
    if shift:
        text = f"({text})·10{str(shift).translate(_RAISED)}"
    return text.replace("-", "−")
