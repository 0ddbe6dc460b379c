"""The judge of the speed checks: a missed target is called so, a busy machine is never held against the code."""

from __future__ import annotations

import numpy as np
import programs
import pytest
from comm_cases import CASES, middle
from comm_vs_c import Comparison, Launch, table
from conditions import MET, MISSED, NOT_JUDGED, UNCLEAR, Target, worst

from clustermark.core.units import format_bytes

SPLIT = ("reduce_scatter 16B", "allgather 16B", "alltoall 16B")
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


def comparison(slowdown: float, load: str = "", added: float = 0.0, shortest: float = 1e-6) -> Comparison:
    """Three launches in lockstep: the machine drifts by a third, blocks scatter by 8 %, Python is slower as told."""
    random = np.random.default_rng(1)
    made = []
    for _ in range(3):
        drift = np.linspace(1.0, 1.33, 200)
        blocks = {}
        for case in CASES:
            c = drift * (shortest + case[1] * 1e-9) * (2.0 if case[0] == "pingpong" else 1.0)
            python = c * slowdown * random.normal(1.0, 0.08, c.size) + added
            blocks[case] = {"c": c.tolist(), "ours": python.tolist(), "huge_kib": 0}
        made.append(Launch(blocks, load))
    return Comparison("made", made)


def verdicts(found: Comparison) -> set[str]:
    return {row["verdict"] for row in table(found)}


def test_a_planted_slowdown_is_missed_in_every_case_of_a_quiet_machine() -> None:
    assert verdicts(comparison(3.0)) == {MISSED}
    assert verdicts(comparison(1.0)) == {MET}


def test_ten_percent_are_found_where_five_are_allowed_though_the_machine_drifts_by_more() -> None:
    rows = table(comparison(1.1))
    assert {row["case"] for row in rows if row["verdict"] == MISSED} == {
        f"{test} {format_bytes(size)}" for test, size in CASES if size >= 1 << 20
    }


def test_python_faster_than_c_above_a_mebibyte_is_a_miss_too() -> None:
    """It would mean that the two sides do not do the same."""
    assert verdicts(comparison(0.9)) >= {MET, MISSED}


def test_short_messages_of_compiled_code_may_take_a_tenth_more_than_in_c_and_no_more() -> None:
    for slowdown, verdict in ((1.05, MET), (1.3, MISSED), (0.7, MISSED)):
        rows = table(comparison(slowdown, shortest=0.1e-6))
        short = {row["case"]: row["verdict"] for row in rows if row["case"].endswith((" 8B", " 16B"))}
        assert set(short) == {"pingpong 8B", "allreduce 8B", "broadcast 8B", *SPLIT}
        assert set(short.values()) == {verdict}


def test_a_call_from_python_for_every_step_would_be_seen() -> None:
    late = table(comparison(1.0, added=0.4e-6, shortest=0.5e-6))
    assert {row["verdict"] for row in late if row["case"].endswith(" 8B") and "ping" not in row["case"]} == {MISSED}


def test_a_planted_slowdown_on_a_loaded_machine_is_not_judged() -> None:
    assert verdicts(comparison(3.0, "busy")) == {NOT_JUDGED}


def test_disturbed_launches_are_left_out_where_enough_others_were_quiet() -> None:
    both = comparison(1.0)
    both.launches += comparison(9.0, "busy").launches
    assert verdicts(both) == {MET}


def test_a_case_that_its_first_launches_leave_unclear_is_taken_again_alone_until_it_is_not() -> None:
    found = comparison(1.0)
    assert found.further(len(found.launches)) == []
    unclear = ("pingpong", 16 << 20)
    outlier = found.launches[0].blocks[unclear]
    outlier["ours"] = [1.2 * value for value in outlier["ours"]]
    while found.further(3):
        assert found.further(3) == [unclear]
        found.launches.append(Launch({unclear: comparison(1.0).launches[1].blocks[unclear]}, ""))
    # The interval of medians that leaves one launch in each direction out needs nine.
    assert len(found.launches) == 9
    assert verdicts(found) == {MET}


def test_the_launch_is_the_unit_when_launches_are_combined() -> None:
    few = middle([[1.0] * 40, [1.2] * 40, [1.1] * 400])
    assert (few.value, few.low, few.high) == (1.1, 1.0, 1.2)
    many = middle([[1.0 + number / 100] * 40 for number in range(8)])
    assert (many.low, many.high) == (1.0, 1.07)


def test_separate_programs_are_judged_pair_by_pair() -> None:
    def pairs(slowdown: float) -> programs.Comparison:
        c = {case: {"seconds": (1 + case[1] / 1e3) * 1e-6, "huge_kib": 0} for case in CASES}
        python = {case: {"seconds": row["seconds"] * slowdown, "huge_kib": 0} for case, row in c.items()}
        return programs.Comparison("made", [programs.Pair(c, python, "")] * 5)

    assert {row["verdict"] for row in programs.table(pairs(3.0))} == {MISSED}
    assert {row["verdict"] for row in programs.table(pairs(1.0))} == {MET}
