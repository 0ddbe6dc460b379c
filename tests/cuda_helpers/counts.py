"""What the ladder has climbed in this run of the tests, counted where it happens, and printed at the end.

A pytest plug-in: processes of xdist send their counts to the one that prints.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from cuda_helpers.tree import plain_name

KEY = "clustermark_ladder"


@dataclass
class Ladder:
    """Counts of one process.

    Attributes
    ----------
    audited : (kernel, compute capability) whose machine code was read
    executed : kernels that the interpreter ran to their end
    launches : how often it did
    caught : faults of kernels that were raised, or planted wrong results that a comparison refused
    mutants, killed : changed kernels that were judged, and noticed
    """

    audited: set[tuple[str, tuple[int, int]]] = field(default_factory=set)
    executed: set[str] = field(default_factory=set)
    launches: int = 0
    caught: int = 0
    mutants: int = 0
    killed: int = 0
    judging: bool = False

    @contextmanager
    def judgement(self) -> Iterator[None]:
        """Within, what a kernel does wrong is a mutant's, and counted as such alone."""
        before, self.judging = self.judging, True
        try:
            yield
        finally:
            self.judging = before

    def audit(self, entry: str, capability: tuple[int, int]) -> None:
        """The machine code of a kernel was read; kernels that are none of the tree's do not count."""
        if name := plain_name(entry):
            self.audited.add((name, capability))

    def ran(self, entry: str) -> None:
        """A kernel came to its end."""
        if (name := plain_name(entry)) and not self.judging:
            self.executed.add(name)
            self.launches += 1

    def caught_a_fault(self) -> None:
        """A planted fault was noticed."""
        if not self.judging:
            self.caught += 1

    def judged(self, noticed: bool) -> None:
        """A mutant was judged."""
        self.mutants += 1
        self.killed += noticed

    def to_json(self) -> str:
        """What another process adds to its own by `add`."""
        return json.dumps(
            {
                "audited": sorted(self.audited),
                "executed": sorted(self.executed),
                "numbers": [self.launches, self.caught, self.mutants, self.killed],
            }
        )

    def add(self, text: str) -> None:
        """Take over the counts of another process."""
        data = json.loads(text)
        self.audited |= {(kernel, (major, minor)) for kernel, (major, minor) in data["audited"]}
        self.executed |= set(data["executed"])
        launches, caught, mutants, killed = data["numbers"]
        self.launches += launches
        self.caught += caught
        self.mutants += mutants
        self.killed += killed

    def sentences(self) -> list[str]:
        """The counts for people; none where nothing was climbed."""
        if not self.audited and not self.executed:
            return []
        kernels = len({kernel for kernel, _ in self.audited})
        names = ", ".join(f"sm_{major}{minor}" for major, minor in sorted({c for _, c in self.audited}))
        return [
            f"ladder: {kernels} kernels audited, {len(self.audited)} kernels × architectures ({names or 'none'})",
            f"ladder: {len(self.executed)} kernels executed without a GPU, {self.launches} launches",
            f"ladder: {self.caught} planted faults caught, {self.killed} of {self.mutants} mutants killed",
        ]


LADDER = Ladder()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of xdist hands its counts over."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[KEY] = LADDER.to_json()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The process that prints takes the counts of one that has ended; one that crashed has none."""
    text = getattr(node, "workeroutput", {}).get(KEY)
    if text:
        LADDER.add(text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The counts; tests that were skipped are counted beside them (conftest.py)."""
    for sentence in LADDER.sentences():
        terminalreporter.write_line(sentence)
