"""Energy of the steps of a case, from the meters that can be read: RAPL of every node, GPUs, or an external meter."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clustermark.core.context import Transport
from clustermark.core.counters import ENERGY_PER_STEP
from clustermark.core.measurement import Measurement
from clustermark.devices.energy import Rapl, energy_between, read_log

# Names the log of an external meter that counts all that the launch occupies.
METER = "CLUSTERMARK_METER"
# RAPL counts every millisecond: in so many seconds it is right within a hundredth.
SHORTEST = 0.1
# Below this share of the time in steps, the rest says more about the figure than they do.
LEAST_SHARE = 0.5


class EnergyWatch:
    """Meters between two moments; where none can be read there is no counter, never a 0."""

    def __init__(
        self,
        transport: Transport,
        rapl: Rapl,
        log: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`log` is the path of an external meter's log, "" for none."""
        self.transport, self.rapl, self.log, self._clock, self._wall = transport, rapl, log, clock, wall
        self.begun, self.wall_begun = clock(), wall()

    def look(self) -> None:
        """Between batches of samples: counters begin again at zero now and then."""
        self.rapl.look()

    def stop(self, measurement: Measurement | None, gpu_joules: float | None) -> dict[str, float]:
        """Counters of the window since the beginning; collective, on rank 0.

        Parameters
        ----------
        measurement : of the steps in it, on rank 0
        gpu_joules : of all GPUs of the launch in it, None where they were not counted or there are none
        """
        self.rapl.look()
        window, ended = self._clock() - self.begun, self._wall()
        rows = self.transport.gather((platform.node(), self.rapl.name, self.rapl.missing, self.rapl.joules))
        if rows is None or measurement is None:
            return {}
        if self.log:
            return _of_log(Path(self.log), self.wall_begun, ended, measurement)
        joules = _of_nodes(rows)
        found = {f"energy: {name} [J]": value for name, value in joules.items()}
        parts = [*joules.values(), *([] if gpu_joules is None else [gpu_joules])]
        if not parts or window < SHORTEST:
            return {}
        return {**found, **_of_steps(sum(parts), window, measurement)}


def _of_nodes(rows: list[Any]) -> Mapping[str, float]:
    """Meter → [J] of all nodes; nothing where a node could not be read. Ranks of a node read the same meter."""
    if any(missing for _, _, missing, _ in rows):
        return {}
    nodes = {node: (name, joules) for node, name, _, joules in rows}
    names = " and ".join(sorted({name for name, _ in nodes.values()}))
    return {names: float(sum(joules for _, joules in nodes.values()))}


def _of_log(path: Path, begin: float, end: float, measurement: Measurement) -> dict[str, float]:
    try:
        joules, period = energy_between(read_log(path), begin, end)
    except ValueError as error:
        return {f"energy unavailable: {error}": 1.0}
    said = {"energy: external meter [J]": joules, "energy: longest time between readings [s]": period}
    return {**said, **_of_steps(joules, end - begin, measurement)}


def _of_steps(joules: float, window: float, measurement: Measurement) -> dict[str, float]:
    """Mean power of the window times the mean time of a step; none where steps were too small a part of the window."""
    in_samples = float(measurement.seconds.max(axis=1).sum())
    steps = measurement.seconds.shape[0] * measurement.steps_per_sample
    share = min(1.0, (in_samples + float(measurement.warmup_seconds.max(axis=1).sum())) / window)
    said = {"energy: window [s]": window, "energy: share of the window in steps": share}
    if share < LEAST_SHARE or joules <= 0:
        return said
    return {**said, ENERGY_PER_STEP: joules / window * in_samples / steps}
