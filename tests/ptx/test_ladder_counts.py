"""The counts that are printed at the end of the tests: of kernels of the tree alone, and summed over processes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cuda_helpers import counts
from cuda_helpers.counts import KEY, Ladder

MANGLED = "_ZN11clustermark4apps2md9halo_cuda9pack_rowsB2v{}E5ArrayIdLi1E"


def climbed() -> Ladder:
    """Counts of a process in which two variants of a kernel were audited, and one was run."""
    ladder = Ladder()
    ladder.audit(MANGLED.format(1), (9, 0))
    ladder.audit(MANGLED.format(2), (9, 0))
    ladder.audit("stream_add", (8, 0))
    ladder.audit("axpy", (9, 0))
    ladder.ran(MANGLED.format(1))
    ladder.ran("planted")
    ladder.caught_a_fault()
    ladder.judged(True)
    ladder.judged(False)
    return ladder


def test_variants_are_one_kernel_and_kernels_of_tests_are_none() -> None:
    assert climbed().sentences() == [
        "ladder: 2 kernels audited, 2 kernels × architectures (sm_80, sm_90)",
        "ladder: 1 kernels executed without a GPU, 1 launches",
        "ladder: 1 planted faults caught, 1 of 2 mutants killed",
    ]
    assert Ladder().sentences() == []


def test_what_a_mutant_does_is_its_own() -> None:
    ladder = Ladder()
    with ladder.judgement():
        ladder.ran("stream_add")
        ladder.caught_a_fault()
    assert (ladder.launches, ladder.caught) == (0, 0)


def test_processes_hand_their_counts_over(monkeypatch: pytest.MonkeyPatch) -> None:
    total = Ladder()
    for _ in range(2):
        config = SimpleNamespace(workeroutput={})
        session: Any = SimpleNamespace(config=config)
        monkeypatch.setattr(counts, "LADDER", climbed())
        counts.pytest_sessionfinish(session)
        monkeypatch.setattr(counts, "LADDER", total)
        counts.pytest_testnodedown(SimpleNamespace(workeroutput=config.workeroutput))
        assert KEY in config.workeroutput
    assert len(total.audited) == 2  # the same kernels in both
    assert (total.launches, total.caught, total.killed, total.mutants) == (2, 2, 2, 4)
    counts.pytest_testnodedown(SimpleNamespace())  # a process that crashed
