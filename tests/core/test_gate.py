"""Verdicts of the gate: planted slowdowns and speed-ups are found, noise alone is not, and doubt is never a pass."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.errors import UsageError
from clustermark.core.gate import VERDICTS, Decision, Evidence, Rules, confirm_pairs, decide, exit_code, screen

RULES = Rules()


def pairs(change: float, noise: float, count: int, seed: int = 0) -> tuple[float, ...]:
    """Log ratios of a candidate that is slower by `change`."""
    return tuple(np.random.default_rng([seed, count]).normal(math.log1p(change), noise, count))


def case(change: float, noise: float = 0.01, seed: int = 0) -> Evidence:
    """A case with both stages measured."""
    return Evidence("case", pairs(change, noise, 10, seed), pairs(change, noise, 20, seed))


@pytest.mark.parametrize(
    ("change", "noise", "verdict"),
    [
        (0.10, 0.01, "regressed"),
        (1.00, 0.20, "regressed"),
        (-0.20, 0.01, "improved"),
        (0.00, 0.01, "unchanged"),
        (0.015, 0.005, "unchanged"),  # below the tolerance
        (0.00, 0.30, "inconclusive"),
        (0.06, 0.15, "inconclusive"),
    ],
)
def test_a_planted_change_gets_its_verdict(change: float, noise: float, verdict: str) -> None:
    (decision,) = decide([case(change, noise)], RULES)
    assert decision.verdict == verdict
    assert decision.low is not None and decision.high is not None and decision.change is not None
    assert decision.low <= decision.change <= decision.high


def test_figures_come_from_fresh_pairs_where_there_are_some() -> None:
    (decision,) = decide([replace(case(0.5), confirm=pairs(0.1, 0.01, 20))], RULES)
    assert (decision.stage, decision.pairs) == (2, 20)
    assert decision.change == pytest.approx(0.1, abs=0.01)


def test_a_suspect_that_fresh_pairs_clear_is_unchanged_and_one_without_them_is_inconclusive() -> None:
    lucky = replace(case(0.10), confirm=pairs(0.0, 0.01, 20))
    assert decide([lucky], RULES)[0].verdict == "unchanged"
    (decision,) = decide([replace(lucky, confirm=())], RULES)
    assert decision.verdict == "inconclusive" and "no fresh pairs" in decision.reason


@pytest.mark.parametrize(
    ("trouble", "verdict"),
    [
        ({"became": "wrong: element 3"}, "regressed"),
        ({"became": "vanished"}, "regressed"),
        ({"mended": "was failed"}, "improved"),
        ({"broken": "failed on both sides"}, "broken"),
        ({"unlike": "version 1 against 2"}, "not compared"),
        ({"fresh": True}, "new"),
    ],
)
@pytest.mark.parametrize("change", [-0.5, 0.0, 0.5])
def test_what_became_of_a_case_outweighs_its_time(trouble: dict[str, str], verdict: str, change: float) -> None:
    assert decide([replace(case(change), **trouble)], RULES)[0].verdict == verdict
    assert screen([replace(case(change), **trouble)], RULES) == []


def test_doubt_turns_unchanged_into_inconclusive_and_leaves_a_proven_regression_alone() -> None:
    noisy = "noisy machine in 7 of 20 launches"
    quiet, slow = decide([replace(case(0.0), doubt=noisy), replace(case(0.3), doubt=noisy)], RULES)
    assert (quiet.verdict, quiet.reason) == ("inconclusive", noisy)
    assert slow.verdict == "regressed"


@pytest.mark.parametrize("change", [-0.3, 0.0, 0.3])
def test_a_barred_case_is_never_judged_by_its_time(change: float) -> None:
    barred = replace(case(change), barred="oversubscribed: 4 threads on 2 cores")
    assert decide([barred], RULES)[0].verdict == "inconclusive"
    assert screen([barred], RULES) == []


def test_no_false_alarm_in_two_hundred_suites_of_equal_versions() -> None:
    """Even where every tenth launch falls into a state 15 % slower."""
    rng = np.random.default_rng(5)

    def equal(count: int) -> tuple[float, ...]:
        launches = rng.normal(0, 0.04, (2, count)) + 0.15 * (rng.random((2, count)) < 0.1)
        return tuple(launches[1] - launches[0])

    alarms = 0
    for _ in range(200):
        suite = [Evidence(str(number), equal(10)) for number in range(20)]
        for number in screen(suite, RULES):
            suite[number] = replace(suite[number], confirm=equal(20))
        alarms += any(decision.verdict == "regressed" for decision in decide(suite, RULES))
    assert alarms <= 2


def test_holm_asks_more_of_each_suspect_where_there_are_many() -> None:
    """Eight of ten fresh pairs beyond the tolerance convince alone, not as one of fifty such suspects."""
    rules = replace(RULES, confirm_pairs=10)
    fresh = (0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.17, 0.18, 0.10, 0.005)
    doubtful = Evidence("doubtful", pairs(0.1, 0.001, 10), fresh)
    assert decide([doubtful], rules)[0].verdict == "regressed"
    assert {one.verdict for one in decide([doubtful] * 50, rules)} == {"inconclusive"}


def test_many_suspects_get_as_many_fresh_pairs_as_it_takes_to_confirm_them() -> None:
    few = replace(RULES, confirm_pairs=7)
    assert [confirm_pairs(number, few) for number in (1, 2, 50)] == [7, 8, 13]
    assert confirm_pairs(1000, RULES) == RULES.confirm_pairs
    slow = [Evidence(str(n), pairs(0.5, 0.01, 10), pairs(0.5, 0.01, confirm_pairs(50, few))) for n in range(50)]
    assert {one.verdict for one in decide(slow, few)} == {"regressed"}


def test_the_detectable_slowdown_grows_with_the_noise() -> None:
    found = [decide([case(0.0, noise)], RULES)[0].detectable or 0.0 for noise in (0.002, 0.01, 0.05)]
    assert found == sorted(found) and 0.02 < found[0] < 0.03 and found[2] > 0.08


@given(st.lists(st.floats(-2, 2), max_size=12), st.lists(st.floats(-2, 2), max_size=20))
def test_any_pairs_get_one_verdict_and_survive_json(first: list[float], confirm: list[float]) -> None:
    (decision,) = decide([Evidence("x", tuple(first), tuple(confirm))], RULES)
    assert decision.verdict in VERDICTS
    assert Decision.from_dict(decision.to_dict()) == decision
    if decision.verdict == "unchanged":
        assert decision.high is not None and decision.high < RULES.budget


@pytest.mark.parametrize(
    ("verdicts", "strict", "code"),
    [
        (["unchanged", "improved", "new"], True, 0),
        (["unchanged", "inconclusive"], False, 0),
        (["unchanged", "inconclusive"], True, 3),
        (["unchanged", "not compared"], True, 3),
        (["unchanged", "broken", "inconclusive"], True, 4),
        (["regressed", "broken", "not compared"], False, 1),
        (["not compared", "new"], False, 5),
        ([], False, 5),
    ],
)
def test_the_exit_code_is_that_of_the_worst_verdict(verdicts: list[str], strict: bool, code: int) -> None:
    decisions = [Decision("x", verdict) for verdict in verdicts]  # pyright: ignore[reportArgumentType]
    assert exit_code(decisions, strict) == code


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (Rules(pairs=4), "fewer than 5 pairs"),
        (Rules(confirm_pairs=6), "fewer than 7 pairs"),
        (Rules(tolerance=0.05), "--tolerance: is 0.05"),
    ],
)
def test_rules_that_can_decide_nothing_are_refused(rules: Rules, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        rules.check()
    RULES.check()
