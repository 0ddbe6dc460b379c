"""Raw seconds of one launch of one case; everything else is derived from them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """Raw samples of one launch.

    Attributes
    ----------
    seconds : (samples, ranks) float64, [s] of one window of `steps_per_sample` steps
    warmup_seconds : (warm-up samples, ranks) float64, [s], never averaged in
    steps_per_sample : steps inside one window
    clock : name of the clock
    sync : how the ranks were lined up before each window ("barrier", "none", "window, 0.4 % of starts late"), and for a
        device that it was waited for inside the window and whether its cache was flushed before
    floor : [s] harness cost of one empty sample in the same launch
    stopped_by : "interval" (precise enough), "time" (cap reached) or "samples" (count reached)
    device_seconds : as `seconds`, by the device's own clock between the first and the last work of its default stream
        in a window; None where the device has none. For people: metrics come from `seconds`
    """

    seconds: Seconds
    warmup_seconds: Seconds
    steps_per_sample: int
    clock: str
    sync: str
    floor: float
    stopped_by: str
    device_seconds: Seconds | None = None

    @property
    def step_seconds(self) -> Seconds:
        """(samples,) float64, [s] of one step: the slowest rank defines a sample."""
        return self.seconds.max(axis=1) / self.steps_per_sample
