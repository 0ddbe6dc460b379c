"""The cases of comm_vs_c.py, their targets, and one row of its tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from conditions import UNCLEAR, Target, worst

from clustermark.core.stats import LAUNCHES_FOR_INTERVAL, order_statistic_interval
from clustermark.core.units import format_bytes

Case = tuple[str, int]
SIZES = (8, 64 << 10, 1 << 20, 16 << 20)
CASES: tuple[Case, ...] = (
    *((test, size) for test in ("pingpong", "allreduce") for size in SIZES),
    ("bandwidth", 1 << 20),
)
# Called from compiled code: short messages too must take what they take in C.
COMPILED = ("pingpong", "bandwidth")
# Of one message or, for bandwidth, of all under way: from here on both sides ask for huge pages.
HUGE_FROM = 1 << 20
# [µs] The ratio at 8 B in shared memory was agreed for C between 0.37 and 1.3 µs. Where the cores of a machine
# answer each other faster than this, a ratio says how fast its caches are, and the difference alone is judged.
LEAST_FOR_RATIO = 0.3
RULE = (
    f"all-reduce of 8 B, shm, one call from Python: at most +1 µs everywhere; the ratio of 2.5 was agreed for C at "
    f"0.37 … 1.3 µs and holds only where "
    f"C takes {LEAST_FOR_RATIO} µs or more"
)


@dataclass(frozen=True)
class Middle:
    """A median with its interval and the coverage of that."""

    value: float
    low: float
    high: float
    level: float


def middle(launches: Sequence[Sequence[float]]) -> Middle:
    """Median of the launch medians, as core.stats.estimate combines launches.

    Parameters
    ----------
    launches : the values of each; those of one launch are not independent and are never pooled

    Returns
    -------
    Middle : with the interval of the launch medians, or the envelope of the launches' own where these are few
    """
    medians = [statistics.median(values) for values in launches]
    if len(launches) >= LAUNCHES_FOR_INTERVAL:
        whole = order_statistic_interval(medians)
        return Middle(statistics.median(medians), whole.low, whole.high, whole.level)
    each = [order_statistic_interval(values) for values in launches]
    low, high = min(i.low for i in each), max(i.high for i in each)
    return Middle(statistics.median(medians), low, high, min(i.level for i in each))


def targets(case: Case, wire: str, c_microseconds: float) -> tuple[Target, Target]:
    """Of the ratio ours ÷ C and of the difference in µs. A ratio may fall either way under load."""
    size = case[1]
    anything = Target(float("inf"), load_only_adds=False)
    if size == 8 and case[0] in COMPILED:
        return Target(1.1, 0.9, load_only_adds=False), anything
    if size == 8 and wire == "shm":
        ratio = Target(2.5, load_only_adds=False) if c_microseconds >= LEAST_FOR_RATIO else anything
        return ratio, Target(1.0, load_only_adds=False)
    if size == 8:
        return Target(1.3, load_only_adds=False), anything
    if size < 1 << 20:
        return Target(1.15, load_only_adds=False), anything
    return Target(1.05, 0.95, load_only_adds=False), anything


def half(case: Case) -> float:
    """Of a step that is quoted: one way of a round trip."""
    return 0.5 if case[0] == "pingpong" else 1.0


def row(case: Case, wire: str, c: float, ours: float, ratio: Middle, added: Middle, load: str) -> dict[str, str]:
    """One line of a table: `c` and `ours` in µs, `added` their difference in µs."""
    wanted, wanted_added = targets(case, wire, c)
    verdict = worst(
        [wanted.verdict(ratio.low, ratio.high, load), wanted_added.verdict(added.low, added.high, load)],
    )
    if verdict == UNCLEAR:
        inside = wanted.least <= ratio.value <= wanted.most and added.value <= wanted_added.most
        verdict = f"{UNCLEAR}, median {'inside' if inside else 'outside'}"
    bounds = [str(wanted)] * (wanted.most < float("inf"))
    bounds += [f"≤ +{wanted_added.most:g} µs"] * (wanted_added.most < float("inf"))
    return {
        "case": f"{case[0]} {format_bytes(case[1])}",
        "C [µs]": f"{c:.2f}",
        "ours [µs]": f"{ours:.2f}",
        "added [µs]": f"{added.value:+.2f}",
        "ratio": f"{ratio.value:.3f}",
        "interval": f"{ratio.low:.3f} … {ratio.high:.3f}",
        "target": ", ".join(bounds),
        "verdict": verdict,
    }
