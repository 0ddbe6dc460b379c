"""The cases of comm_vs_c.py, their targets, and one row of its tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from conditions import UNCLEAR, Target

from clustermark.core.stats import LAUNCHES_FOR_INTERVAL, order_statistic_interval
from clustermark.core.units import format_bytes

Case = tuple[str, int]
SIZES = (8, 64 << 10, 1 << 20, 16 << 20)
# Of a vector that is cut into two parts: one of 8 B each.
TWO_PARTS = 16
CASES: tuple[Case, ...] = (
    *((test, size) for test in ("pingpong", "allreduce") for size in SIZES),
    *((test, size) for test in ("reduce_scatter", "allgather", "alltoall") for size in (TWO_PARTS, 64 << 10)),
    ("broadcast", 8),
    ("broadcast", 64 << 10),
    ("bandwidth", 1 << 20),
    # Of a row of a block of 128 and of 1024 cells a side: a 2-D exchange, packed and unpacked.
    *(("halo", size) for size in (1 << 10, 8 << 10)),
)
# Of one message or, for bandwidth, of all under way: from here on both sides ask for huge pages.
HUGE_FROM = 1 << 20
RULE = "all is called from compiled code: short messages and collectives too must take what they take in C"


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


def target(case: Case) -> Target:
    """Of the ratio ours ÷ C, which may fall either way under load."""
    size = case[1]
    if size <= TWO_PARTS:
        return Target(1.1, 0.9, load_only_adds=False)
    if size < 1 << 20:
        return Target(1.15, load_only_adds=False)
    return Target(1.05, 0.95, load_only_adds=False)


def half(case: Case) -> float:
    """Of a step that is quoted: one way of a round trip."""
    return 0.5 if case[0] == "pingpong" else 1.0


def row(case: Case, c: float, ours: float, ratio: Middle, added: Middle, load: str) -> dict[str, str]:
    """One line of a table: `c` and `ours` in µs, `added` their difference in µs."""
    wanted = target(case)
    verdict = wanted.verdict(ratio.low, ratio.high, load)
    if verdict == UNCLEAR:
        inside = wanted.least <= ratio.value <= wanted.most
        verdict = f"{UNCLEAR}, median {'inside' if inside else 'outside'}"
    return {
        "case": f"{case[0]} {format_bytes(case[1])}",
        "C [µs]": f"{c:.2f}",
        "ours [µs]": f"{ours:.2f}",
        "added [µs]": f"{added.value:+.2f}",
        "ratio": f"{ratio.value:.3f}",
        "interval": f"{ratio.low:.3f} … {ratio.high:.3f}",
        "target": str(wanted),
        "verdict": verdict,
    }
