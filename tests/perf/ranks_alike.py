"""Whether two runs of a suite on one machine rank the fabrics alike.

    python tests/perf/ranks_alike.py RUN RUN [--doubtful]

For every benchmark that both rank: equal ranks, a rank shared in one run and not in the other, or two fabrics in
opposite order. --doubtful ranks figures in doubt too, as if nothing had disturbed them.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clustermark.core.runfile import Run, read_run
from clustermark.reports.ranking import Ranking, rankings_of

Places = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Agreement:
    """Counts over the benchmarks that both runs rank, and over their pairs of fabrics."""

    benchmarks: int
    equal: int
    pairs: int
    shared_once: tuple[str, ...]
    opposite: tuple[str, ...]

    def __str__(self) -> str:
        """Sentences for people."""
        text = (
            f"{self.benchmarks} benchmarks ranked in both runs: {self.equal} alike to the rank; "
            f"of {self.pairs} pairs of fabrics {len(self.opposite)} in opposite order, "
            f"{len(self.shared_once)} told apart in one run only"
        )
        return "\n".join(
            [text, *(f"  opposite: {one}" for one in self.opposite), *(f"  once: {o}" for o in self.shared_once)]
        )


def places(found: Sequence[Ranking]) -> Places:
    """Benchmark → fabric → rank."""
    return {one.title: {place.row.case.fabric: place.rank for place in one.places} for one in found}


def agreement(first: Places, second: Places) -> Agreement:
    """Of two rankings of the same benchmarks; fabrics that one of them refuses are left out."""
    equal = pairs = 0
    once: list[str] = []
    opposite: list[str] = []
    titles = [title for title in first if len(first[title]) > 1 and len(second.get(title, {})) > 1]
    for title in titles:
        a, b = first[title], second[title]
        equal += a == b
        for one, other in itertools.combinations([fabric for fabric in a if fabric in b], 2):
            pairs += 1
            signs = {_sign(ranks[one] - ranks[other]) for ranks in (a, b)}
            if len(signs) == 2:
                (opposite if 0 not in signs else once).append(f"{title}: {one}, {other}")
    return Agreement(len(titles), equal, pairs, tuple(once), tuple(opposite))


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def undisturbed(run: Run) -> Run:
    """The run without its labels of noise."""
    return replace(run, rows=tuple(replace(row, conditions=()) for row in run.rows))


def main() -> None:
    """Print the agreement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs=2, type=Path)
    parser.add_argument("--doubtful", action="store_true")
    options = parser.parse_args()
    read = [read_run(path) for path in options.runs]
    if options.doubtful:
        read = [undisturbed(run) for run in read]
    print(agreement(*(places(rankings_of([run])) for run in read)))


if __name__ == "__main__":
    main()
