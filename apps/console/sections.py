"""Where the time of a run goes: seconds per section on one rank, and their spread over ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any


class SectionClock:
    """Adds up the time between two marks; a section inside another takes its time away from the outer one."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        """The named sections at zero; another one begins when it is first timed."""
        self.seconds: dict[str, float] = dict.fromkeys(names, 0.0)
        self._inner = 0.0

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Time a `with` block as part of section `name`."""
        outer, self._inner = self._inner, 0.0
        begun = perf_counter()
        try:
            yield
        finally:
            elapsed = perf_counter() - begun
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed - self._inner
            self._inner = outer + elapsed


@dataclass(frozen=True)
class SectionTime:
    """[s] that the ranks spent in one part of the program.

    `imbalance` = (largest/average − 1)·100 [%], `share` = average over the sum of all sections' averages [%].
    """

    name: str
    least: float
    average: float
    most: float
    imbalance: float
    share: float


def gathered(comm: Any, own: Mapping[str, float], order: Sequence[str]) -> list[SectionTime]:
    """The sections of all ranks on rank 0, `own` being this rank's seconds; an empty list elsewhere."""
    ranks = [own] if comm is None else comm.gather(own, 0)
    return section_times(ranks, order) if ranks is not None else []


def section_times(ranks: Sequence[Mapping[str, float]], order: Sequence[str]) -> list[SectionTime]:
    """Sections over ranks, first those of `order`, from one dictionary of seconds per rank."""
    found = {name for seconds in ranks for name in seconds}
    names = [name for name in order if name in found] + sorted(found - set(order))
    table = {name: [float(seconds.get(name, 0.0)) for seconds in ranks] for name in names}
    averages = {name: sum(values) / len(values) for name, values in table.items()}
    total = sum(averages.values())
    return [
        SectionTime(
            name=name,
            least=min(values),
            average=averages[name],
            most=max(values),
            imbalance=(max(values) / averages[name] - 1) * 100 if averages[name] > 0 else 0.0,
            share=averages[name] / total * 100 if total > 0 else 0.0,
        )
        for name, values in table.items()
    ]


def share_of(comm: Any, own: Mapping[str, float], names: Sequence[str]) -> float | None:
    """Share of the named sections in the time of all, 0 … 1, mean over the ranks; on rank 0, None elsewhere.

    Parameters
    ----------
    comm : mpi4py communicator; collective
    own : [s] of every section on this rank
    names : the sections that count
    """
    times = gathered(comm, own, ())
    return sum(row.share for row in times if row.name in names) / 100 if times else None


def section_table(times: Sequence[SectionTime]) -> str:
    """The sections as aligned columns: least, average and most seconds over ranks, imbalance, share."""
    lines = [f"{'section':<12}{'min s':>12}{'avg s':>12}{'max s':>12}{'imbalance %':>13}{'share %':>10}"]
    for row in times:
        lines.append(
            f"{row.name:<12}{row.least:>12.4f}{row.average:>12.4f}{row.most:>12.4f}"
            f"{row.imbalance:>13.1f}{row.share:>10.1f}"
        )
    return "\n".join(lines)


def section_document(times: Sequence[SectionTime]) -> list[dict[str, Any]]:
    """The sections in a JSON document: name, min, avg, max [s], imbalance [%], share [%]."""
    return [
        {
            "name": row.name,
            "min": row.least,
            "avg": row.average,
            "max": row.most,
            "imbalance": row.imbalance,
            "share": row.share,
        }
        for row in times
    ]
