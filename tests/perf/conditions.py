"""Whether a figure may be judged: what others took of the machine meanwhile, and the verdict against a target."""

from __future__ import annotations

import math
import resource
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from clustermark.core import noise

MET, MISSED, UNCLEAR, NOT_JUDGED = "met", "MISSED", "unclear", "not judged: machine loaded"
# Share of the time in which a runnable task waited for a CPU, above which single-process timings are not judged.
PRESSURE_LIMIT = 0.10


class Watch:
    """Context manager: the load that was not this process's and its finished children's.

    Attributes
    ----------
    load : "" for a quiet machine, else what was seen, for people
    shares : from core.noise.between
    """

    def __init__(self, pressure_counts: bool = True) -> None:
        """`pressure_counts` is False where our own processes fill every core, so that waiting is no sign of others."""
        self.pressure_counts = pressure_counts
        self.load = ""
        self.shares: dict[str, float] = {}

    def __enter__(self) -> Watch:
        self._children = _children_seconds()
        self._before = noise.snapshot()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        after = noise.snapshot()
        own = after["own"] - self._before["own"] + _children_seconds() - self._children
        self.shares = noise.between(self._before, after, own)
        found = list(noise.labels(self.shares))
        pressure = self.shares.get("pressure", 0.0)
        if self.pressure_counts and pressure > PRESSURE_LIMIT:
            found.append(f"tasks waited for a CPU {pressure:.0%} of the time")
        self.load = "; ".join(found)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@dataclass(frozen=True)
class Target:
    """The range a figure must lie in.

    Attributes
    ----------
    most, least : inclusive bounds
    unit : of the figure and its bounds
    load_only_adds : foreign load can make the figure larger but not smaller, so that meeting `most` counts all the same
    """

    most: float
    least: float = -math.inf
    unit: str = ""
    load_only_adds: bool = True

    def verdict(self, low: float, high: float, load: str = "") -> str:
        """MET or MISSED where the interval lies wholly on one side, else UNCLEAR; NOT_JUDGED under load."""
        if self.load_only_adds and load and high <= self.most and self.least == -math.inf:
            return MET
        if load:
            return NOT_JUDGED
        if self.least <= low and high <= self.most:
            return MET
        if low > self.most or high < self.least:
            return MISSED
        return UNCLEAR

    def __str__(self) -> str:
        """``≤ 0.3 s``, ``≥ 2``, ``0.95 … 1.05``."""
        bounds = f"{self.least:g} … {self.most:g}"
        if self.least == -math.inf:
            bounds = f"≤ {self.most:g}"
        elif self.most == math.inf:
            bounds = f"≥ {self.least:g}"
        return f"{bounds} {self.unit}".rstrip()


@dataclass(frozen=True)
class Figure:
    """What was measured, its target, and its interval where it has one."""

    what: str
    value: float
    target: Target
    interval: tuple[float, float] | None = None

    def verdict(self, load: str) -> str:
        """Of the interval, or of the value."""
        return self.target.verdict(*(self.interval or (self.value, self.value)), load)


def worst(verdicts: list[str]) -> str:
    """The verdict that a reader must see where several bounds hold at once."""
    return next((kind for kind in (MISSED, NOT_JUDGED, UNCLEAR) if kind in verdicts), MET)


# judge(load, *figures): records them, fails where a target was missed, skips where that cannot be said.
Judge = Callable[..., None]
