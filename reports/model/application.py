"""Strong scaling of an application, modelled from its share of communication: a band between two extremes.

What is measured of an application is how long a step takes on r ranks and which share c of it is communication. On p
ranks the work is (1 - c)·T·r/p. How the communication goes on depends on what it waits for, which the share does not
tell: messages bound by latency take as long as before, those bound by volume shrink like the surface of a rank's cube,
(r/p)^(2/3). The band lies between the two; its slow end has one all-reduce of 8 bytes a step on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clustermark.core.counters import COMMUNICATION_SHARE
from clustermark.reports.model.predict import Measured, one_way, predict
from clustermark.reports.rows import ReportRow

_SURFACE = 2 / 3
_SUM_BYTES = 8


@dataclass(frozen=True)
class Scaling:
    """One modelled point of strong scaling.

    Attributes
    ----------
    label : of the measured case
    ranks, seconds, share : measured: ranks, [s] of a step, communication ÷ step
    nodes : modelled, one rank each
    fast, slow : [s] of a step, ends of the band
    """

    label: str
    ranks: int
    seconds: float
    share: float
    nodes: int
    fast: float
    slow: float

    def efficiency(self, seconds: float) -> float:
        """Parallel efficiency relative to the measured ranks."""
        return self.seconds * self.ranks / (seconds * self.nodes)


def scalings(
    rows: Sequence[ReportRow],
    measured: Measured,
    topology: str,
    nodes: Sequence[int],
    hop: float,
    oversubscription: float,
) -> list[Scaling]:
    """Every case of two ranks or more over the fabric that tells its share of communication, on each number of nodes.

    Of another run too, unless that has messages of its own.

    Parameters are those of `predict`; what it raises, this raises.
    """
    sums = {
        each.nodes: each.seconds for each in predict(measured, topology, nodes, [_SUM_BYTES], hop, oversubscription)
    }
    found = []
    with_messages = {row.run for row in rows if one_way(row) is not None}
    for row in rows:
        share = row.row.counters.get(COMMUNICATION_SHARE)
        # Messages may come from a run of their own: then the user has put the two together.
        here = row.case.fabric == measured.fabric and (row.run == measured.run or row.run not in with_messages)
        if share is None or not here or not row.drawable or row.case.ranks < 2 or not 0 <= share <= 1:
            continue
        time, ranks = row.row.time, row.case.ranks
        assert time is not None
        for count in (count for count in nodes if count > ranks):
            work, talk = (1 - share) * time.value * ranks / count, share * time.value
            fast, slow = work + talk * (ranks / count) ** _SURFACE, work + talk + sums[count]
            found.append(Scaling(row.case.label, ranks, time.value, share, count, fast, slow))
    return found
