"""Energy meters of a node: RAPL as Linux shows it, and the log of an external meter. Nothing is estimated.

RAPL: Documentation/power/powercap/powercap.rst of Linux. A counter in µJ for each domain that begins again at zero
beyond its range; since Linux 5.10 only root may read it unless the administrator allows it (CVE-2020-8694).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from clustermark.core.errors import nearest

POWERCAP = Path("/sys/class/powercap")
# Domains that add up without counting anything twice: cores and graphics are parts of a package, psys is more than it.
COUNTED = ("package", "dram")
MICRO = 1e-6


@dataclass(frozen=True)
class Domain:
    """One counter of RAPL: its file, what it is of, and where it begins again [µJ]."""

    counter: Path
    name: str
    range: int


class Rapl:
    """Packages and memory of this node; where they cannot be read, `missing` says why and there are no joules.

    Attributes
    ----------
    name : what is counted, for people
    missing : "" or why nothing is
    joules : [J] of all domains between the first look and the last
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        """Find the domains and look; never raises."""
        self.name, self.missing, self.joules = "", "", 0.0
        try:
            self._domains = _domains(folder)
            self._last = [_number(domain.counter) for domain in self._domains]
        except PermissionError as error:
            self._domains, self.missing = (
                [],
                f"{error.filename} may be read by root only: sudo chmod a+r {folder}/*/energy_uj",
            )
        except (OSError, ValueError) as error:
            self._domains, self.missing = [], f"{folder} cannot be read: {error}"
        else:
            self.missing = "" if self._domains else f"no RAPL domain in {folder}: a virtual machine, or a CPU without"
        self.name = f"RAPL, {' + '.join(domain.name for domain in self._domains)}" if self._domains else ""

    def look(self) -> None:
        """Add what was used since the last look, at least once in the minutes in which a counter begins again."""
        if self.missing:
            return
        try:
            now = [_number(domain.counter) for domain in self._domains]
        except (OSError, ValueError) as error:
            self.missing = f"a counter of RAPL vanished: {error}"
            return
        for domain, before, after in zip(self._domains, self._last, now, strict=True):
            self.joules += MICRO * (after - before if after >= before else after - before + domain.range)
        self._last = now


def _number(path: Path) -> int:
    return int(path.read_text())


def _domains(folder: Path) -> list[Domain]:
    """intel-rapl:0, intel-rapl:0:2 … (AMD's too); intel-rapl-mmio shows the same packages once more."""
    found = []
    for zone in sorted(folder.glob("intel-rapl:*")):
        name = (zone / "name").read_text().strip()
        if name.startswith(COUNTED):
            found.append(Domain(zone / "energy_uj", name, _number(zone / "max_energy_range_uj")))
    return found


# Columns of a log, and how they are written.
TIME, POWER = "unix_seconds", "watts"


def read_log(path: Path) -> list[tuple[float, float]]:
    """(Unix time [s], power [W]) of a meter's CSV: a header `unix_seconds,watts`, then a line for each reading.

    Raises
    ------
    ValueError : the file cannot be read or is none; the sentence names the line
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"the meter's log {path} cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from None
    header = [word.strip() for word in lines[0].split(",")] if lines else []
    for wanted in (TIME, POWER):
        if wanted not in header:
            hint = nearest(wanted, header)
            raise ValueError(f"the meter's log {path} has no column '{wanted}' in its first line{hint}")
    columns = [header.index(name) for name in (TIME, POWER)]
    readings: list[tuple[float, float]] = []
    # The last line may be half written.
    complete = lines[1:] if path.read_bytes().endswith(b"\n") else lines[1:-1]
    for number, line in enumerate(complete, 2):
        fields = line.split(",")
        try:
            time, power = (float(fields[column]) for column in columns)
        except (IndexError, ValueError):
            raise ValueError(f"line {number} of the meter's log {path} has no two numbers: {line[:60]!r}") from None
        if not (math.isfinite(time) and math.isfinite(power) and power >= 0):
            raise ValueError(f"line {number} of the meter's log {path} is no time and power: {line[:60]!r}")
        if readings and time <= readings[-1][0]:
            raise ValueError(f"line {number} of the meter's log {path} is not later than the one before")
        readings.append((time, power))
    return readings


def energy_between(readings: Sequence[tuple[float, float]], begin: float, end: float) -> tuple[float, float]:
    """[J] from `begin` to `end`, by trapezoids between readings, and the longest time between two of them [s].

    The last reading stands for as long as the longest time between two: a meter writes only what has been.

    Raises
    ------
    ValueError : fewer than three readings in between, or an end that none covers
    """
    inside = [k for k, (time, _) in enumerate(readings) if begin <= time <= end]
    if len(inside) < 3:
        raise ValueError(f"{len(inside)} readings of the meter fell into {end - begin:.1f} s, 3 are needed")
    first, last = max(inside[0] - 1, 0), min(inside[-1] + 1, len(readings) - 1)
    taken = list(readings[first : last + 1])
    longest = max(later[0] - earlier[0] for earlier, later in pairwise(taken))
    if taken[0][0] > begin + longest or taken[-1][0] < end - longest:
        raise ValueError("the meter's log does not cover the whole time of the steps")
    ends = [(time, _power_at(taken, time)) for time in (begin, end)]
    points = [ends[0], *(point for point in taken if begin < point[0] < end), ends[1]]
    return sum((later[0] - earlier[0]) * (later[1] + earlier[1]) / 2 for earlier, later in pairwise(points)), longest


def _power_at(readings: Sequence[tuple[float, float]], moment: float) -> float:
    """Interpolated between two readings; beyond the outermost that one."""
    if moment <= readings[0][0]:
        return readings[0][1]
    for (before, power), (after, next_power) in pairwise(readings):
        if before <= moment < after:
            return power + (moment - before) / (after - before) * (next_power - power)
    return readings[-1][1]
