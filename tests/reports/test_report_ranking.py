"""Fabrics are ranked by intervals, and what is in doubt is named instead."""

from dataclasses import replace

import pytest
from fake_runs import FACTS, allreduce, make_row, make_run, skipped_row

from clustermark.core.environment import fingerprint
from clustermark.reports.html import render_html
from clustermark.reports.markdown import markdown
from clustermark.reports.ranking import ONE_LAUNCH, ranking_lines, ranking_sentences, rankings_of


def row(fabric, value, low, high, size=64, **fields):
    """A case over a fabric whose time of a step and interval are given, in µs."""
    case, seconds, work = allreduce(size, fabric)
    made = make_row(case, seconds, 6, work=work, **fields)
    if made.time is None:
        return made
    return replace(made, time=replace(made.time, value=value * 1e-6, low=low * 1e-6, high=high * 1e-6))


def ranks(*rows):
    """Fabric → rank, and fabric → reason, of one benchmark."""
    (found,) = rankings_of([make_run(rows)])
    placed = {place.row.case.fabric: place.rank for place in found.places}
    return placed, {one.case.fabric: reason for one, reason in found.refused}


def test_fabrics_are_ranked_by_time_and_overlapping_intervals_share_a_rank():
    found, refused = ranks(
        row("a", 1.0, 0.9, 1.1), row("b", 1.05, 1.0, 1.2), row("c", 2.0, 1.9, 2.1), row("d", 9.0, 8.0, 9.5)
    )
    assert found == {"a": 1, "b": 1, "c": 3, "d": 4}
    assert refused == {}


def test_a_chain_of_overlaps_ranks_each_by_those_that_are_faster_beyond_doubt():
    found, _ = ranks(row("a", 1.0, 0.5, 1.4), row("b", 1.5, 1.3, 1.9), row("c", 2.0, 1.8, 2.5))
    assert found == {"a": 1, "b": 1, "c": 2}


def test_the_order_of_the_rows_changes_nothing():
    rows = [row("a", 1.0, 0.9, 1.1), row("b", 3.0, 2.9, 3.1), row("c", 2.0, 1.9, 2.1)]
    assert ranks(*rows) == ranks(*reversed(rows))


@pytest.mark.parametrize(
    ("planted", "reason"),
    [
        ({"proven": False}, "fabric not verified (seen: shared memory)"),
        ({"status": "wrong"}, "wrong: made wrong"),
        ({"status": "failed"}, "failed: made failed"),
        ({"conditions": ("noisy machine: other programs ran",)}, "noisy machine"),
        ({"conditions": ("oversubscribed: 4 threads on 2 cores",)}, "oversubscribed"),
        ({"conditions": ("emulated network: 2 nodes, 1 Gbit/s",)}, "emulated network"),
        ({"conditions": ("virtual nodes, not performance",)}, "virtual nodes, not performance"),
    ],
)
def test_what_is_in_doubt_is_refused_with_its_reason_however_fast(planted, reason):
    found, refused = ranks(row("lie", 0.1, 0.09, 0.11, **planted), row("a", 1.0, 0.9, 1.1), row("b", 2.0, 1.9, 2.1))
    assert found == {"a": 1, "b": 2}
    assert refused == {"lie": reason}


def test_a_case_that_the_plan_refused_stands_with_its_reason():
    case, _, _ = allreduce(64, "ompi-ib")
    found, refused = ranks(skipped_row(case), row("a", 1.0, 0.9, 1.1), row("b", 2.0, 1.9, 2.1))
    assert found == {"a": 1, "b": 2}
    assert refused["ompi-ib"].startswith("skipped: ")


def test_one_launch_is_not_enough_to_be_ranked():
    case, seconds, work = allreduce(64, "a")
    _, refused = ranks(make_row(case, seconds, 1, work=work), row("b", 2.0, 1.9, 2.1))
    assert refused == {"a": ONE_LAUNCH}


def test_sizes_are_ranked_apart_and_a_fabric_alone_is_no_ranking():
    rows = [row(fabric, 1.0 + size, 0.9 + size, 1.1 + size, size) for size in (64, 128) for fabric in "ab"]
    assert len(rankings_of([make_run([*rows, row("a", 1.0, 0.9, 1.1, 256)])])) == 2


def test_runs_of_two_machines_are_never_ranked_against_each_other():
    other = {**FACTS, "cpu": {**FACTS["cpu"], "model": "another"}}
    here = make_run([row("a", 1.0, 0.9, 1.1)], 0)
    there = make_run(
        [row("b", 2.0, 1.9, 2.1, fingerprint=fingerprint(other))], 1, {fingerprint(other): {"facts": other}}
    )
    assert rankings_of([here, there]) == []
    libraries = {**FACTS, "mpi": {"library": "MPICH"}}
    same = make_run(
        [row("b", 2.0, 1.9, 2.1, fingerprint=fingerprint(libraries))], 1, {fingerprint(libraries): {"facts": libraries}}
    )
    assert len(rankings_of([here, same])) == 1


def test_a_sentence_tells_who_came_first_how_often():
    rows = [row("a", 1.0, 0.9, 1.1), row("b", 2.0, 1.9, 2.1), row("c", 1.0, 0.9, 1.1, proven=False)]
    rows += [row("a", 1.0, 0.9, 1.1, 128), row("b", 1.0, 0.9, 1.1, 128)]
    told = ranking_sentences(rankings_of([make_run(rows)]))
    assert told == [
        "allreduce: of 2 benchmarks ranked: a first in 1 and level in 1, b first in 0 and level in 1.",
        "Not ranked: 1 case, each with its reason in the table.",
    ]


def test_page_and_markdown_show_the_ranking_and_nothing_where_there_is_none(run):
    both = make_run([row("a", 1.0, 0.9, 1.1), row("<b>", 2.0, 1.9, 2.1)])
    page, text = render_html([both]), markdown([both])
    _, lines = ranking_lines(rankings_of([both]))
    assert lines[0][1].startswith("1. a: 1.00 µs (0.900 – 1.10)")
    assert "Fabrics ranked" in page and "Fabrics ranked" in text
    assert "2. &lt;b&gt;" in page and "2. <b>" not in page
    alone = make_run([row("a", 1.0, 0.9, 1.1)])
    assert "Fabrics ranked" not in render_html([alone]) + markdown([alone])
