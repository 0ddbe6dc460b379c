"""What is read from HPCC's output, and how both sides take the least of their windows; a planted lie is caught."""

from __future__ import annotations

import shutil

import hpcc_side
import pytest
from beff_ranks import BETTER, PROTOCOLS
from c_side import Side
from interconnect_vs_hpcc import Comparison, Pair, least_of_groups, our_figures, table

OUTPUT = """
End of LatencyBandwidth section.
MaxPingPongLatency_usec=0.44
AvgPingPongLatency_usec=0.42
AvgPingPongBandwidth_GBytes=8
RandomlyOrderedRingLatency_usec=0.5
RandomlyOrderedRingBandwidth_GBytes=4
"""


def test_figures_become_seconds_of_a_message() -> None:
    assert hpcc_side.figures(OUTPUT) == {
        "ping-pong latency": pytest.approx(0.42e-6),
        "ping-pong bandwidth": pytest.approx(250e-6),
        "random ring latency": pytest.approx(0.5e-6),
        "random ring bandwidth": pytest.approx(500e-6),
    }


@pytest.mark.parametrize("output", ["", OUTPUT.replace("=8", "=0"), OUTPUT.replace("AvgPingPongLatency", "Other")])
def test_a_figure_that_is_missing_or_nothing_is_an_error(output: str) -> None:
    with pytest.raises(RuntimeError, match="did b_eff run"):
        hpcc_side.figures(output)


def test_without_hpcc_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(hpcc_side.NoPeerError, match=r"not on the PATH: install it \(Debian: hpcc\)"):
        hpcc_side.environment("python", "ompi-tcp", {})


def test_the_least_of_each_group_of_windows_counts() -> None:
    assert least_of_groups([5.0, 1.0, 9.0, 3.0, 2.0, 8.0], 2) == 2.0
    assert least_of_groups([5.0, 1.0, 9.0, 3.0, 2.0, 8.0], 3) == 1.5


def test_the_better_way_counts_and_the_median_is_that_of_the_exchange() -> None:
    lines = [
        {"figure": protocol.name, "way": way, "seconds": [slow] * 12}
        for protocol in PROTOCOLS
        for way, slow in (("exchange", 3.0), ("sendrecv", 2.0), (BETTER, 1.0))
    ]
    best, typical = our_figures(lines)
    assert set(best.values()) == {1.0}
    assert set(typical.values()) == {3.0}


def test_a_side_that_is_a_quarter_slower_misses_and_an_equal_one_meets() -> None:
    names = [protocol.name for protocol in PROTOCOLS]
    for factor, verdict in ((1.0, "met"), (1.25, "MISSED"), (0.75, "MISSED")):
        pairs = [
            Pair(
                dict.fromkeys(names, 1.0 + 0.001 * number),
                dict.fromkeys(names, factor),
                dict.fromkeys(names, factor),
                dict.fromkeys(names[:2], 1.0),
            )
            for number in range(8)
        ]
        assert {row["verdict"] for row in table(Comparison("ompi-tcp", pairs))} == {verdict}


def test_another_mpi_than_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    side = Side("mpich", "python", "", "", ["/opt/mpich/bin/mpirun"], "")
    monkeypatch.setattr(hpcc_side, "mpirun_of", lambda _: (side.name, side.mpirun))
    monkeypatch.setattr(shutil, "which", lambda *_, **__: "/bin/true")
    with pytest.raises(hpcc_side.NoPeerError, match="figures of two MPIs are no comparison"):
        hpcc_side.environment("python", "mpich-ofi-tcp", {})
