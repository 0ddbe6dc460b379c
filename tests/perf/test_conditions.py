"""The judge of the speed checks: a missed target is called so, a busy machine is never held against the code."""

from __future__ import annotations

import pytest
from comm_vs_c import CASES, Comparison, Pair, table
from conditions import MET, MISSED, NOT_JUDGED, UNCLEAR, Target, worst

AT_MOST, BETWEEN = Target(1.0), Target(1.05, 0.95, load_only_adds=False)


@pytest.mark.parametrize(
    ("target", "low", "high", "load", "verdict"),
    [
        (AT_MOST, 0.5, 0.9, "", MET),
        (AT_MOST, 0.9, 1.1, "", UNCLEAR),
        (AT_MOST, 1.1, 1.2, "", MISSED),
        (AT_MOST, 1.1, 1.2, "busy", NOT_JUDGED),
        (AT_MOST, 0.5, 0.9, "busy", MET),
        (BETWEEN, 0.97, 1.03, "", MET),
        (BETWEEN, 0.90, 0.94, "", MISSED),
        (BETWEEN, 0.90, 1.00, "", UNCLEAR),
        (BETWEEN, 0.97, 1.03, "busy", NOT_JUDGED),
    ],
)
def test_an_interval_is_judged_as_a_whole_and_load_excuses_but_never_hides(
    target: Target, low: float, high: float, load: str, verdict: str
) -> None:
    assert target.verdict(low, high, load) == verdict


def test_the_worst_verdict_is_the_one_shown() -> None:
    assert worst([MET, UNCLEAR, NOT_JUDGED, MISSED]) == MISSED
    assert worst([MET, UNCLEAR, NOT_JUDGED]) == NOT_JUDGED
    assert worst([MET, UNCLEAR]) == UNCLEAR
    assert worst([MET, MET]) == MET


def comparison(slowdown: float, load: str) -> Comparison:
    """Five pairs of launches in which Python takes `slowdown` times as long as C."""
    pairs = []
    for number in range(5):
        c = {case: {"seconds": (1 + case[1] / 1e3) * 1e-6 * (1 + number / 100), "huge_kib": 0} for case in CASES}
        python = {case: {**row, "seconds": row["seconds"] * slowdown} for case, row in c.items()}
        pairs.append(Pair(c, python, load))
    return Comparison("made", pairs)


def test_a_planted_slowdown_is_missed_in_every_case_of_a_quiet_machine() -> None:
    assert {row["verdict"] for row in table(comparison(3.0, ""), "shm")} == {MISSED}
    assert {row["verdict"] for row in table(comparison(1.0, ""), "shm")} == {MET}


def test_a_planted_slowdown_on_a_loaded_machine_is_not_judged() -> None:
    assert {row["verdict"] for row in table(comparison(3.0, "busy"), "shm")} == {NOT_JUDGED}


def test_disturbed_pairs_are_left_out_where_enough_others_were_quiet() -> None:
    both = comparison(1.0, "")
    both.pairs += comparison(9.0, "busy").pairs
    assert {row["verdict"] for row in table(both, "shm")} == {MET}
