"""Cases of two versions find each other, and nothing that differs passes for the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clustermark.core.case import Case
from clustermark.core.pairing import SidePlan, match


def case(**changes: Any) -> Case:
    """An all-reduce over two ranks."""
    params = {"bytes": 8, **changes.pop("params", {})}
    base = Case("allreduce", 1, params, "fp64", "cpu", "mpi", "ompi-tcp", 2, 2)
    return replace(base, **changes)


def test_equal_plans_are_paired_in_the_candidates_order() -> None:
    old, new = (case(), case(ranks=4)), (case(ranks=4), case())
    matched = match(SidePlan(old), SidePlan(new))
    assert [(one.baseline, one.candidate) for one in matched] == [(new[0].id, new[0].id), (new[1].id, new[1].id)]
    assert not any(one.reason for one in matched)


def test_a_case_that_only_one_side_plans_is_new_or_has_vanished_and_says_why() -> None:
    lost, found = case(ranks=3), case(ranks=5)
    matched = match(SidePlan((case(), lost)), SidePlan((case(), found), skipped=((lost, "needs 3 cores"),)))
    assert [(bool(one.baseline), bool(one.candidate), one.reason) for one in matched] == [
        (True, True, ""),
        (False, True, "the baseline does not know it"),
        (True, False, "needs 3 cores"),
    ]


def test_what_neither_side_can_run_is_left_out() -> None:
    refused = ((case(precision="bf16"), "no bf16"),)
    assert match(SidePlan((), refused), SidePlan((), refused)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"bytes": 16}},
        {"precision": "fp32"},
        {"ranks": 4},
        {"threads": 2},
        {"transport": "nccl"},
        {"fabric": "ompi-sm-cma"},
        {"seed": 1},
    ],
)
def test_a_case_that_differs_in_anything_is_another_case(change: dict[str, Any]) -> None:
    matched = match(SidePlan((case(),)), SidePlan((case(**change),)))
    assert len(matched) == 2
    assert not any(one.baseline and one.candidate for one in matched)


def test_another_version_of_a_workload_is_other_work() -> None:
    (one,) = match(SidePlan((case(),)), SidePlan((case(version=2),)))
    assert one.unlike
    assert "version 1 there and 2 here" in one.reason


def test_a_parameter_that_one_version_does_not_know_yet_parts_no_cases() -> None:
    new = case(params={"in_place": False})
    (one,) = match(SidePlan((case(),)), SidePlan((new,)))
    assert (one.baseline, one.candidate) == (case().id, new.id)


def test_a_new_parameter_with_several_values_makes_no_false_pairs() -> None:
    new = (case(params={"in_place": False}), case(params={"in_place": True}))
    assert len(match(SidePlan((case(),)), SidePlan(new))) == 3


def test_axes_that_the_user_set_and_wires_of_another_mpi_do_not_part_cases() -> None:
    assert len(match(SidePlan((case(),)), SidePlan((case(fabric="ompi-sm-cma"),)), ["fabric"])) == 1
    aliases = {"ompi-tcp": "tcp", "mpich-ofi-tcp": "tcp"}
    assert len(match(SidePlan((case(),)), SidePlan((case(fabric="mpich-ofi-tcp"),)), (), aliases)) == 1
