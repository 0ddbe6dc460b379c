"""Two rankings are compared pair by pair; an order turned round is never missed."""

from __future__ import annotations

from ranks_alike import agreement

FIRST = {"8 B": {"a": 1, "b": 2, "c": 3}, "1 MiB": {"a": 1, "b": 1, "c": 3}, "alone": {"a": 1, "b": 2}}


def test_equal_rankings_agree() -> None:
    found = agreement(FIRST, FIRST)
    assert (found.benchmarks, found.equal, found.pairs, found.shared_once, found.opposite) == (3, 3, 7, (), ())


def test_an_opposite_order_and_a_rank_shared_once_are_told_apart() -> None:
    second = {"8 B": {"a": 2, "b": 1, "c": 3}, "1 MiB": {"a": 1, "b": 2, "c": 3}, "other": {"a": 1, "b": 2}}
    found = agreement(FIRST, second)
    assert (found.benchmarks, found.equal, found.pairs) == (2, 0, 6)
    assert found.opposite == ("8 B: a, b",)
    assert found.shared_once == ("1 MiB: a, b",)
    assert "1 in opposite order, 1 told apart in one run only" in str(found)


def test_a_fabric_that_one_run_refuses_is_left_out() -> None:
    assert agreement({"8 B": {"a": 1, "b": 2}}, {"8 B": {"a": 1}}).benchmarks == 0
    assert agreement({"8 B": {"a": 1, "b": 2, "c": 3}}, {"8 B": {"a": 1, "b": 2}}).pairs == 1
