"""The id that resume, comparison and baselines hang on."""

import json
from dataclasses import replace

import pytest
from core_examples import case_of

from clustermark.core.case import Case

CHANGES = {
    "workload": "gemm",
    "version": 2,
    "params": {"bytes": 65536, "in_place": True},
    "precision": "fp64",
    "device": "cuda",
    "transport": "nccl",
    "fabric": "ompi-sm-cma",
    "ranks": 4,
    "ranks_per_node": 1,
    "threads": 2,
    "seed": 8,
}


def test_the_id_of_this_case_never_changes() -> None:
    """Stored baselines are found by it: a new value here orphans every one of them."""
    assert case_of().id == "c3f66d2d2e18"


def test_equal_cases_have_equal_ids_in_whatever_order_their_params_stand() -> None:
    assert case_of().id == case_of(params={"in_place": False, "bytes": 65536}).id


@pytest.mark.parametrize("field", CHANGES)
def test_every_field_enters_the_id(field: str) -> None:
    changed = replace(case_of(), **{field: CHANGES[field]})
    assert changed.id != case_of().id


def test_no_field_is_forgotten_by_the_test_above() -> None:
    assert set(CHANGES) == set(case_of().to_dict())


def test_a_case_survives_json() -> None:
    assert Case.from_dict(json.loads(json.dumps(case_of().to_dict()))) == case_of()


@pytest.mark.parametrize(
    "change", [{"ranks": "2"}, {"ranks": 0}, {"ranks_per_node": 0}, {"seed": 1.5}, {"device": None}, {"extra": 1}]
)
def test_what_is_no_case_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Case.from_dict(case_of().to_dict() | change)


def test_the_label_reads_as_people_say_it() -> None:
    assert case_of().label == "allreduce[64KiB fp32 mpi/ompi-tcp 2r]"
    assert case_of(threads=4, fabric="self", ranks=1).label == "allreduce[64KiB fp32 mpi 1r×4t]"
    assert case_of(device="cuda", params={"in_place": True, "n": 3}).label == (
        "allreduce[in_place n=3 fp32 cuda mpi/ompi-tcp 2r]"
    )


def test_nodes_are_rounded_up() -> None:
    assert [case_of(ranks=r, ranks_per_node=4).nodes for r in (1, 4, 5, 8)] == [1, 1, 2, 2]
