"""Counts, the verdict's sentence and the warnings, in every kind of report."""

import re
from dataclasses import replace

import pytest
from fake_runs import FACTS, Amount, allreduce, make_case, make_row, make_run, mixed_run, sample_rows, skipped_row
from hypothesis import given, settings
from hypothesis import strategies as st

from clustermark.core.environment import fingerprint
from clustermark.core.plan import Plan
from clustermark.core.result import STATUSES
from clustermark.core.suite import Sampling
from clustermark.reports.document import document
from clustermark.reports.html import _banner
from clustermark.reports.markdown import markdown
from clustermark.reports.rows import ReportRow
from clustermark.reports.tables import terminal_table
from clustermark.reports.verdict import count, count_runs, machine_facts, sentence, warnings_of

SPEC = st.lists(st.tuples(st.sampled_from(STATUSES), st.integers(1, 3)), max_size=12)


def run_of(spec, number=0):
    """A run of three planned launches per case: (status, launches done) of each."""
    rows = []
    for index, (status, launches) in enumerate(spec):
        case = make_case(params={"bytes": 8 << index, "in_place": False}, seed=number)
        row = skipped_row(case) if status == "skipped" else make_row(case, launches=launches, status=status)
        rows.append(row if status == "skipped" else replace(row, launches_planned=3))
    planned = tuple(row.case for row in rows if row.launches_planned)
    return make_run(rows, number, plan=Plan("smoke", "", planned, (), (), 3, 0, Sampling()))


@settings(max_examples=40, deadline=None)
@given(st.lists(SPEC, min_size=1, max_size=3))
def test_every_banner_agrees_with_an_independent_count(specs):
    runs = [run_of(spec, number) for number, spec in enumerate(specs)]
    flat = [one for spec in specs for one in spec]
    expected = {status: [found for found, _ in flat].count(status) for status in STATUSES}
    expected["unfinished launches"] = sum(3 - launches for status, launches in flat if status != "skipped")

    shown = dict(re.findall(r'data-count="([a-z ]+)">(\d+)<', _banner(count_runs(runs))))
    assert {name: int(number) for name, number in shown.items()} == expected
    counts = document(runs)["counts"]
    assert {**{s: counts[s] for s in STATUSES}, "unfinished launches": counts["unfinished_launches"]} == expected

    text = markdown(runs).splitlines()[0]
    tried = len(flat) - expected["skipped"]
    assert f"{expected['ok']} of {tried} case" in text
    for status in ("wrong", "failed", "skipped"):
        assert (f"{expected[status]} {status}" in text) == bool(expected[status])


def test_the_verdict_is_bad_with_one_wrong_case_and_good_without():
    assert count(sample_rows()).level == "good"
    assert count(mixed_run().rows).level == "bad"
    assert count(sample_rows(), unfinished=1).level == "warning"
    assert count([]).level == "warning"


def test_a_run_whose_every_speed_is_in_doubt_is_not_green() -> None:
    sure = [row for row in sample_rows() if row.status == "ok"]
    doubtful = [replace(row, conditions=("noisy machine: other programs ran",)) for row in sure]
    assert count(doubtful).level == "warning"
    assert count([*doubtful[1:], next(row for row in sure if not ReportRow("", "", row).doubts)]).level == "good"


def test_the_sentence_names_all_that_did_not_go_well():
    assert (
        sentence(count(mixed_run().rows, 3)) == "34 of 37 cases ok, 2 wrong, 1 failed; 1 skipped; 3 launches unfinished"
    )


def test_the_terminal_ends_with_the_counts_and_shows_what_is_not_verified(run):
    text = terminal_table(run.rows)
    assert text.endswith("34 of 37 cases ok, 2 wrong, 1 failed; 1 skipped")
    assert "warning: fabric not verified in 14 cases (ompi-tcp)" in text
    tcp = next(line for line in text.splitlines() if "ompi-tcp" in line)
    assert "NOT verified" in tcp
    assert "12.0 µs" in tcp


def test_a_wrong_case_shows_no_speed_in_any_table():
    case, seconds, work = allreduce(2**20, "ompi-tcp")
    row = replace(make_row(case, seconds, work=work), status="wrong", reason="sum differs")
    assert row.metrics, "the planted fault: a file that claims a speed for a wrong answer"
    run = make_run([row])
    for text in (terminal_table([row]), markdown([run])):
        assert "597 µs" not in text
        assert "GB/s" not in text
        assert "sum differs" in text
    assert document([run])["runs"][0]["rows"][0]["metrics"] == []


def test_reasons_and_conditions_stand_as_numbered_notes():
    rows = sample_rows(sizes=(8,), fabrics=("ompi-tcp",), precisions=("fp32",), gemm=(), conditions=("oversubscribed",))
    text = terminal_table(rows)
    assert "[1] oversubscribed" in text
    assert text.count("oversubscribed") == 2, "once as a note, once as a warning"


def environment(**changes):
    facts = FACTS | changes
    return {fingerprint(facts): {"facts": facts}}


def test_two_environments_in_one_run_are_a_warning():
    rows = sample_rows(sizes=(8,), gemm=(), unproven=())
    both = environment() | environment(variables={"OMP_NUM_THREADS": "2"})
    assert warnings_of([make_run(rows, environments=environment())]) == []
    assert "2 different environments in one run" in warnings_of([make_run(rows, environments=both)])[0]


def test_runs_from_different_machines_are_a_warning():
    rows = sample_rows(sizes=(8,), gemm=(), unproven=())
    other = environment(cpu={"model": "another"})
    elsewhere = [replace(row, fingerprints=tuple(other)) for row in rows]
    runs = [make_run(rows, environments=environment()), make_run(elsewhere, 1, environments=other)]
    assert warnings_of(runs) == ["the runs come from 2 different environments: a difference may be the machine's"]


@pytest.mark.parametrize(
    ("environments", "words"),
    [
        (environment(variables={"OPENBLAS_CORETYPE": "Haswell"}), "OPENBLAS_CORETYPE=Haswell is set"),
        (environment(other_node_kinds=[{"cpu": {}}]), "the nodes are of 2 kinds"),
        ({"x": {"facts": FACTS, "provenance": {"git": {"dirty": True}}}}, "uncommitted changes"),
    ],
)
def test_what_bends_the_figures_is_a_warning(environments, words):
    rows = sample_rows(sizes=(8,), gemm=(), unproven=())
    assert any(words in warning for warning in warnings_of([make_run(rows, environments=environments)]))


def test_a_single_launch_is_a_warning():
    case, seconds, work = allreduce(8, "ompi-tcp")
    assert any("narrower" in text for text in warnings_of([make_run([make_row(case, seconds, launches=1, work=work)])]))


def test_a_device_without_any_figure_is_called_unmeasured():
    on_gpu = [skipped_row(make_case("gemm", ranks=1, device="cuda", seed=seed)) for seed in range(2)]
    told = warnings_of([make_run([*sample_rows(), *on_gpu])])
    assert "device 'cuda' is unmeasured: 2 cases, none with a figure" in told
    measured = make_row(make_case("gemm", ranks=1, device="cuda"), 1e-3, work={"rate": Amount(2e6, "flop")})
    assert not any("unmeasured" in text for text in warnings_of([make_run([*sample_rows(), *on_gpu, measured])]))


def test_a_rate_above_its_ceiling_is_a_warning():
    gemm = make_row(make_case("gemm", ranks=1), 1e-3, work={"rate": Amount(2e6, "flop")}, ceiling="peak.rate")
    peak = make_row(make_case("peak", ranks=1), 1e-3, work={"rate": Amount(1e6, "flop")})
    assert any(
        "above the measured ceiling (up to 200 % of peak.rate)" in text
        for text in warnings_of([make_run([gemm, peak])])
    )


def test_the_machine_is_described_from_its_facts(run):
    facts = dict(machine_facts([run]))
    assert facts["CPU"] == "AMD EPYC 9R14"
    assert facts["cores"] == "16 in 1 socket, 32 logical"
    assert facts["MPI library"] == "Open MPI v5.0.8"
    assert facts["BLAS kernel"] == "openblas 0.3.28 SkylakeX"


@pytest.mark.parametrize(
    "environments",
    [{"x": None}, {"x": {"facts": [1]}}, {"x": {"facts": {"cpu": 3, "libraries": {"thread_pools": [1]}}}}],
)
def test_environments_of_another_shape_are_left_out_not_fatal(environments):
    run = make_run(sample_rows(sizes=(8,), gemm=()), environments=environments)
    assert isinstance(machine_facts([run]), list)
    assert isinstance(warnings_of([run]), list)
    assert len(document([run])["runs"]) == 1


def test_a_narrow_terminal_loses_named_columns_and_a_wide_one_none():
    rows = sample_rows()
    wide = terminal_table(rows)
    longest = max(map(len, wide.splitlines()[:3]))
    assert terminal_table(rows, width=longest) == wide
    assert "left out" not in wide
    narrow = terminal_table(rows, width=60)
    assert "left out on this narrow terminal: launches" in narrow
    assert "launches  " not in narrow.splitlines()[0]
