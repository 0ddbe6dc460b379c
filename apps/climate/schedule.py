"""When something is due: multiples of an interval of model time, met by the nearest step."""

from __future__ import annotations

import math
from collections.abc import Sequence

HOUR = 3600.0
DAY = 86400.0
# Calls of `advance` are no longer than this [s], so that a terminal sees the run move.
PIECE = 3 * HOUR
# Rounding of times that are sums of steps [intervals].
_SLACK = 1e-9


def steps_to_next(time: float, timestep: float, interval: float) -> int:
    """Steps from a time to the one nearest to the next multiple of the interval, at least one."""
    multiple = math.floor((time + 0.5 * timestep) / interval + _SLACK) + 1
    return max(1, round((multiple * interval - time) / timestep))


def due(time: float, timestep: float, interval: float | None) -> bool:
    """Whether no other step is nearer to a multiple of the interval; never without one."""
    if interval is None:
        return False
    return abs(time - round(time / interval) * interval) <= (0.5 - _SLACK) * timestep


def next_stop(time: float, timestep: float, left: int, intervals: Sequence[float]) -> int:
    """Steps until something is due or the run ends, `left` steps from now."""
    return min([left, *(steps_to_next(time, timestep, interval) for interval in intervals)])


def pieces(steps: int, timestep: float) -> list[int]:
    """The steps cut into calls of at most `PIECE` of model time; the same on all ranks."""
    each = max(1, int(PIECE / timestep))
    return [each] * (steps // each) + ([steps % each] if steps % each else [])
