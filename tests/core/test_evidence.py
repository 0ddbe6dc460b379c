"""What launches say about a case: ratios, troubles, doubts."""

from __future__ import annotations

import numpy as np
import pytest

from clustermark.core.evidence import (
    INTERLEAVED,
    LOCKSTEP,
    Observed,
    fresh_evidence,
    log_ratios,
    timed_evidence,
)
from clustermark.core.gate import Rules, decide


def ok(seconds: float, *conditions: str, amount: float = 1.0) -> Observed:
    """A launch of three samples."""
    return Observed("ok", cost=np.array([0.9, 1.0, 1.2]) * seconds, conditions=conditions, work={"rate": (amount, "B")})


def wrong() -> Observed:
    """A launch with a time and a wrong answer."""
    return Observed("wrong", "element 3 is 7", np.ones(3))


def verdict(old: list[Observed], new: list[Observed]) -> tuple[str, str]:
    """Of one stage."""
    evidence = timed_evidence("case", [dict(enumerate(old))], [dict(enumerate(new))], INTERLEAVED)
    (decision,) = decide([evidence], Rules())
    return decision.verdict, decision.reason


def test_a_launch_is_one_ratio_of_medians_and_in_lockstep_the_median_of_its_pairs() -> None:
    old = {0: Observed("ok", cost=np.array([1.0, 2.0, 8.0]))}
    new = {0: Observed("ok", cost=np.array([2.0, 4.0, 8.0]))}
    assert log_ratios(old, new, LOCKSTEP) == [np.log(2.0)]
    assert log_ratios(old, new, INTERLEAVED) == [np.log(2.0)]
    new = {0: Observed("ok", cost=np.array([8.0, 1.0, 2.0]))}
    assert log_ratios(old, new, LOCKSTEP) == [np.log(0.5)]
    assert log_ratios(old, new, INTERLEAVED) == [0.0]


def test_only_launches_that_both_sides_have_a_right_answer_of_make_pairs() -> None:
    old = {0: ok(1), 1: ok(1), 2: wrong(), 3: ok(1)}
    new = {0: ok(2), 1: wrong(), 2: ok(2), 4: ok(2)}
    assert log_ratios(old, new, INTERLEAVED) == [np.log(2.0)]


def test_a_case_that_became_wrong_is_a_regression_however_fast_it_is() -> None:
    said = verdict([ok(1)] * 10, [ok(0.1)] * 9 + [wrong()])
    assert said == ("regressed", "wrong in 1 of 10 launches: element 3 is 7")


def test_a_case_that_was_wrong_is_improved_and_one_that_is_bad_on_both_sides_is_broken() -> None:
    failed = Observed("failed", "rank 1 was killed")
    assert verdict([wrong()] * 10, [ok(9)] * 10) == ("improved", "was wrong: element 3 is 7")
    assert verdict([wrong()] * 10, [failed] * 10)[0] == "broken"
    assert verdict([ok(1)] * 10, [failed] * 10) == ("regressed", "failed: rank 1 was killed")


def test_other_amounts_of_work_are_never_compared() -> None:
    kind, reason = verdict([ok(1)] * 10, [ok(1, amount=2.0)] * 10)
    assert kind == "not compared"
    assert "a step is 1 B there and 2 B here" in reason


@pytest.mark.parametrize(
    ("noisy", "expected"), [(0, "unchanged"), (2, "unchanged"), (5, "inconclusive"), (10, "inconclusive")]
)
def test_a_loaded_machine_never_says_unchanged(noisy: int, expected: str) -> None:
    label = "noisy machine: other programs ran"
    old = [ok(1, label)] * noisy + [ok(1)] * (10 - noisy)
    kind, reason = verdict(old, [ok(1)] * 10)
    assert kind == expected
    assert (reason == f"noisy machine in {noisy} of 20 launches") == (expected == "inconclusive")


def test_an_oversubscribed_case_is_never_judged() -> None:
    crowded = "oversubscribed: 4 threads on 2 cores"
    assert verdict([ok(1)] * 10, [ok(5, crowded)] * 10) == ("inconclusive", crowded)


def test_a_case_without_a_baseline_is_new_or_broken() -> None:
    assert fresh_evidence("x", [{0: ok(1)}]).fresh
    assert fresh_evidence("x", [{0: wrong()}]).broken == "wrong: element 3 is 7"
