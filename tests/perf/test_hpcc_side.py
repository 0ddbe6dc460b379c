"""What is read from HPCC's output, and how both sides take the least of their windows; a planted lie is caught."""

from __future__ import annotations

import shutil

import hpcc_side
import numpy as np
import pytest
from beff_ranks import PROTOCOLS, of_pairs, of_rings
from c_side import Side
from interconnect_vs_hpcc import Comparison, Pair, our_figures, table

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


def test_the_least_of_each_pair_counts_and_bandwidths_are_averaged_as_bandwidths() -> None:
    taken = [np.array([4.0, 1.0, 2.0]), np.array([3.0, 8.0, 9.0])]
    assert of_pairs(taken, bandwidth=False) == 2.0
    assert of_pairs(taken, bandwidth=True) == pytest.approx(1.5)


def test_the_least_of_each_ring_counts_and_the_first_is_not_random() -> None:
    assert of_rings(np.array([[9.0, 2.0, 8.0], [0.1, 5.0, 32.0]])) == pytest.approx(4.0)


def test_the_median_of_the_repeats_is_held_against_hpcc() -> None:
    lines = [{"figure": p.name, "seconds": [3.0, 1.0, 2.0], "medians": [5.0, 6.0, 4.0]} for p in PROTOCOLS]
    best, typical = our_figures([*lines, {"library": "made"}])
    assert set(best.values()) == {2.0}
    assert set(typical.values()) == {5.0}


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
