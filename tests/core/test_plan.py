"""The matrix expanded: nothing lost, nothing twice, every refusal with its reason."""

import json
import time
from collections import Counter
from dataclasses import replace

import pytest
from core_examples import MACHINE, SUITE, WORKLOADS, plan_of
from hypothesis import given, settings
from hypothesis import strategies as st

from clustermark.core.errors import UsageError
from clustermark.core.plan import Plan, make_plan
from clustermark.core.suite import parse_suite

GEMM = '[[matrix]]\nworkload = "gemm"\n'
ALLREDUCE = '[[matrix]]\nworkload = "allreduce"\n'


def test_the_example_expands_to_its_product() -> None:
    plan = plan_of()
    # allreduce: 2 precisions × 2 sizes × (1 rank + 2 ranks over 2 fabrics); gemm: 2 edges on cpu, 2 refused on cuda
    assert len(plan.cases) == 2 * 2 * 3 + 2
    assert [reason for _, reason in plan.skipped] == ["device 'cuda' is not here; install a driver"] * 2


def test_one_rank_over_two_fabrics_is_one_case_and_the_other_is_counted_as_merged() -> None:
    assert plan_of().merged == 4
    assert plan_of(GEMM + "params = { n = [512, 512, 256] }").merged == 1
    assert plan_of(GEMM + GEMM).merged == 1
    assert plan_of(GEMM + 'device = "cuda"\n' + GEMM + 'device = "cuda"').merged == 1


def test_every_case_is_in_exactly_one_job_of_its_shape_per_launch() -> None:
    plan = plan_of("launches = 4\n" + SUITE.replace("launches = 2\n", ""))
    for launch in range(4):
        seen = Counter(index for job in plan.jobs if job.launch == launch for index in job.cases)
        assert seen == Counter(range(len(plan.cases)))
    for job in plan.jobs:
        for index in job.cases:
            case = plan.cases[index]
            assert (case.ranks, case.ranks_per_node, case.threads, case.fabric) == (
                job.ranks,
                job.ranks_per_node,
                job.threads,
                job.fabric,
            )


def test_launches_come_one_after_the_other() -> None:
    launches = [job.launch for job in plan_of("launches = 3\n" + SUITE.replace("launches = 2\n", "")).jobs]
    assert launches == sorted(launches)


def test_one_seed_gives_one_order_and_another_seed_another() -> None:
    assert plan_of() == plan_of()
    other = plan_of(SUITE.replace("seed = 7", "seed = 8"))
    assert [job.cases for job in other.jobs] != [job.cases for job in plan_of().jobs]


def test_ranks_per_node_is_all_ranks_unless_said_otherwise() -> None:
    assert plan_of(ALLREDUCE + "ranks = 2").cases[0].ranks_per_node == 2
    assert plan_of(ALLREDUCE + "ranks = 2\nranks_per_node = 1").cases[0].ranks_per_node == 1
    assert plan_of(ALLREDUCE + "ranks = 2\nranks_per_node = 8").cases[0].ranks_per_node == 2


def test_a_whole_number_will_do_for_a_factor() -> None:
    assert plan_of(GEMM + "params = { alpha = 2 }").cases[0].params["alpha"] == 2.0
    assert plan_of(GEMM + "params = { alpha = [0.0, -0.0, 0] }").merged == 2


REFUSED = {
    "a workload without that device": (ALLREDUCE + 'device = "rocm"', "workload 'allreduce' has no rocm version"),
    "a device that is not here, of a workload without it": (
        ALLREDUCE + 'device = "cuda"',
        "device 'cuda' is not here; install a driver",
    ),
    "cold samples where no cache is flushed": (
        "[sampling]\ncold = true\n" + GEMM,
        "device 'cpu' has no flush of its caches",
    ),
    "a workload without that precision": (GEMM + 'precision = "fp16"', "workload 'gemm' has no fp16 on cpu"),
    "a workload without that transport": (GEMM + 'transport = "local"', "workload 'gemm' has no local version"),
    "a device that is not here": (GEMM + 'device = "cuda"', "device 'cuda' is not here; install a driver"),
    "a transport that refuses": (
        ALLREDUCE + 'ranks = 2\ntransport = "local"',
        "transport 'local' is for one rank",
    ),
    "a fabric that is not here": (ALLREDUCE + 'ranks = 2\nfabric = "ib"', "fabric 'ompi-ib' has no device here"),
    "several ranks without a wire": (ALLREDUCE + 'ranks = 2\nfabric = "self"', "fabric 'self' is for one rank"),
    "a workload that refuses": (GEMM + "ranks = 4", "needs one rank"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_impossible_case_is_skipped_with_its_reason(kind: str) -> None:
    text, reason = REFUSED[kind]
    plan = plan_of(text)
    assert not plan.cases
    assert not plan.jobs
    assert len(plan.skipped) == 1
    assert plan.skipped[0][1].startswith(reason)


def overridden(text: str = SUITE, **overrides: tuple[object, ...]) -> Plan:
    return make_plan(replace(parse_suite(text, "s"), overrides=overrides), WORKLOADS, MACHINE)


def test_every_fabric_of_the_machine_is_written_all() -> None:
    two = replace(MACHINE, every_fabric=("ompi-sm-cma", "ompi-tcp"))
    suite = replace(parse_suite(SUITE, "s"), overrides={"fabric": ("all",), "ranks": (2,)})
    assert {case.fabric for case in make_plan(suite, WORKLOADS, two).cases} == {"ompi-sm-cma", "ompi-tcp"}
    assert {case.fabric for case in make_plan(suite, WORKLOADS, MACHINE).cases} == {"ompi-sm-cma"}, "none is known"


def test_an_override_replaces_the_axis_of_every_block_and_the_parameter_where_it_exists() -> None:
    plan = overridden(ranks=(2,), n=(64,))
    assert {case.ranks for case in plan.cases} == {2}
    assert {case.params["n"] for case in plan.cases if case.workload == "gemm"} == {64}
    assert {case.params["bytes"] for case in plan.cases if case.workload == "allreduce"} == {8, 65536}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"nn": (1,)}, "--set nn: no workload of suite suite has this parameter"),
        ({"a\nb": (1,)}, "--set a\\nb: no workload"),
        ({"ranks": ("two",)}, "--set ranks: is text ('two'), expected a whole number"),
        ({"ranks": (0,)}, "--set ranks: is 0, expected 1 to 1000000"),
        ({"ranks": ()}, "--set ranks: is an empty list"),
        ({"precision": (3,)}, "--set precision: is a whole number, expected text"),
        ({"precision": ("fp65",)}, "precision: 'fp65' is not known (did you mean 'fp64'?)"),
        ({"n": ("big",)}, "params.n: is 'big', expected a value such as 512"),
        ({"alpha": (float("nan"),)}, "--set alpha: is nan, expected a finite number"),
        ({"alpha": (10**400,)}, "--set alpha: holds a whole number of more than 64 bits"),
    ],
)
def test_a_bad_override_is_refused_in_one_line(overrides: dict[str, tuple[object, ...]], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        overridden(GEMM, **overrides)
    assert sentence in str(caught.value).replace("suite s:", "suite suite:")
    assert str(caught.value).isprintable()


AXIS_LISTS = st.fixed_dictionaries(
    {},
    optional={
        "ranks": st.lists(st.integers(1, 4), min_size=1, max_size=3),
        "ranks_per_node": st.lists(st.integers(1, 4), min_size=1, max_size=2),
        "threads": st.lists(st.integers(1, 3), min_size=1, max_size=2),
        "fabric": st.lists(st.sampled_from(["shm", "tcp", "ib", "self"]), min_size=1, max_size=3),
        "precision": st.lists(st.sampled_from(["fp64", "fp32", "bf16"]), min_size=1, max_size=3),
    },
)


@settings(max_examples=100)
@given(st.lists(AXIS_LISTS, min_size=1, max_size=3), st.integers(1, 3), st.integers(0, 2**63 - 1))
def test_plans_lose_nothing_and_survive_json(blocks: list[dict[str, list[object]]], launches: int, seed: int) -> None:
    text = f"launches = {launches}\nseed = {seed}\n"
    product = 0
    for axes in blocks:
        text += ALLREDUCE + "".join(f"{key} = {json.dumps(values)}\n" for key, values in axes.items())
        size = 1
        for values in axes.values():
            size *= len(values)
        product += size
    plan = plan_of(text)
    assert len(plan.cases) + len(plan.skipped) + plan.merged == product
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    for launch in range(launches):
        indices = [index for job in plan.jobs if job.launch == launch for index in job.cases]
        assert sorted(indices) == list(range(len(plan.cases)))


def test_ten_thousand_cases_are_planned_within_seconds() -> None:
    sizes = [2**k for k in range(25)]
    text = ALLREDUCE + f"ranks = {list(range(2, 102))}\nfabric = ['shm', 'tcp']\nprecision = ['fp64', 'fp32']\n"
    started = time.perf_counter()
    plan = plan_of(text + f"params = {{ bytes = {sizes} }}")
    assert len(plan.cases) == 10_000
    assert len(plan.jobs) == 200
    assert time.perf_counter() - started < 10


def test_the_limit_of_cases_counts_all_blocks_and_merged_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clustermark.core.plan.MOST_CASES", 12)
    block = ALLREDUCE + "ranks = [1, 2, 3]\nthreads = [1, 2]\n"
    assert plan_of(block + block).merged == 6
    with pytest.raises(UsageError, match="has more than 12 cases; split it"):
        plan_of(block + block + GEMM)


@pytest.mark.parametrize("missing", ["suite", "cases", "jobs", "sampling", "merged"])
def test_what_is_no_plan_is_refused(missing: str) -> None:
    data = plan_of().to_dict()
    del data[missing]
    with pytest.raises(KeyError):
        Plan.from_dict(data)
