"""Flattening runs: ceilings, labels, which runs are drawn, the fit."""

import math

import pytest
from fake_runs import PEAK, Amount, allreduce, make_case, make_row, make_run, sample_rows
from hypothesis import given
from hypothesis import strategies as st

from clustermark.reports.fit import fit_hockney
from clustermark.reports.rows import condition_counts, newest_runs, report_rows, with_ceilings
from clustermark.reports.text import plain, shown_interval, shown_percent


def gemm(precision="fp32", **fields):
    case = make_case("gemm", params={"n": 512}, precision=precision, ranks=1, **fields)
    return make_row(case, 1e-3, work={"flop_rate": Amount(PEAK["fp32"] * 0.5e-3, "flop")}, ceiling="peak.flop_rate")


def peak(precision="fp32", status="ok", **fields):
    case = make_case("peak", precision=precision, ranks=1, **fields)
    return make_row(case, 1e-3, work={"flop_rate": Amount(PEAK["fp32"] * 1e-3, "flop")}, status=status)


def test_the_share_of_the_ceiling_joins_the_row_of_the_same_precision():
    rows = with_ceilings([gemm(), peak(), peak("fp64")])
    assert rows[0].share_of_ceiling == pytest.approx(0.5, rel=0.02)
    assert rows[1].share_of_ceiling is None


@pytest.mark.parametrize("other", [{"precision": "fp64"}, {"threads": 2}, {"device": "cuda"}])
def test_a_ceiling_of_another_shape_is_not_joined(other):
    assert with_ceilings([gemm(), peak(**other)])[0].ceiling is None


def test_a_wrong_ceiling_is_no_ceiling():
    assert with_ceilings([gemm(), peak(status="wrong")])[0].share_of_ceiling is None


def test_a_ceiling_of_another_run_is_not_joined():
    rows = report_rows([make_run([gemm()], 0), make_run([peak()], 1)])
    assert all(row.ceiling is None for row in rows)


def test_a_wrong_row_has_no_speed_even_if_its_file_claims_metrics():
    from dataclasses import replace

    (row,) = with_ceilings([replace(gemm(), status="wrong")])
    assert row.row.metrics, "the planted fault"
    assert row.headline is None
    assert row.speed("flop_rate") is None
    assert row.speed("time") is None


def test_runs_that_share_minute_and_suite_still_have_labels_of_their_own():
    runs = [make_run([gemm()], n, created_utc="2026-11-23T10:00:00Z", run_id=name) for n, name in enumerate("aab")]
    labels = {row.run for row in report_rows(runs)}
    assert len(labels) == 3


def test_a_file_given_twice_counts_once():
    run = make_run([gemm()])
    assert len(report_rows([run, run])) == 1


def test_only_the_newest_eight_runs_are_drawn():
    rows = report_rows([make_run([gemm()], number) for number in (5, 3, 11, 0, 1, 2, 4, 6, 7, 8)])
    kept, older = newest_runs(rows)
    assert older == 2
    assert min(row.created_utc for row in kept) == "2026-11-23T00:02:00Z"


def test_conditions_that_differ_in_their_figures_are_counted_together():
    case, seconds, work = allreduce(8, "ompi-tcp")
    rows = [
        make_row(case, seconds, work=work, conditions=("noisy machine: 12%",)),
        make_row(case, seconds, work=work, conditions=("noisy machine: 30%",)),
        make_row(case, seconds, work=work, conditions=("oversubscribed",)),
    ]
    assert condition_counts(with_ceilings(rows)) == [("noisy machine", 2), ("oversubscribed", 1)]


@given(
    st.floats(1e-7, 1e-3),
    st.floats(1e8, 1e12),
    st.lists(st.integers(0, 30), min_size=3, max_size=12, unique=True),
)
def test_the_fit_recovers_alpha_and_beta(alpha, beta, powers):
    sizes = [2**power for power in powers]
    fit = fit_hockney(sizes, [alpha + size / beta for size in sizes])
    assert fit is not None
    assert fit.max_relative_error < 1e-6
    ends = [fit.seconds(size) for size in (min(sizes), max(sizes))]
    assert ends == pytest.approx([alpha + size / beta for size in (min(sizes), max(sizes))], rel=1e-6)


def test_the_fit_finds_the_figures_it_was_made_from():
    sizes = [2**power for power in range(3, 25, 2)]
    fit = fit_hockney(sizes, [3e-6 + size / 7e9 for size in sizes])
    assert fit is not None
    assert (fit.alpha, fit.beta) == pytest.approx((3e-6, 7e9), rel=1e-9)


@given(st.lists(st.tuples(st.integers(1, 2**24), st.floats(1e-7, 1.0)), min_size=3, max_size=9))
def test_the_fit_is_never_negative_whatever_the_times(points):
    fit = fit_hockney([size for size, _ in points], [time for _, time in points])
    assert fit is None or (fit.alpha >= 0 and fit.beta > 0 and math.isfinite(fit.max_relative_error))


def test_times_that_fall_with_size_fit_a_constant():
    fit = fit_hockney([8, 64, 512], [3e-6, 2e-6, 1e-6])
    assert fit is not None
    assert math.isinf(fit.beta)


def test_the_fit_tells_how_far_it_misses_a_jump():
    sizes = [8, 64, 512, 4096, 32768]
    times = [1e-6, 1e-6, 1e-6, 9e-6, 9e-6]
    fit = fit_hockney(sizes, times)
    assert fit is not None
    assert fit.max_relative_error == pytest.approx(
        max(abs(fit.seconds(n) - t) / t for n, t in zip(sizes, times, strict=True))
    )
    assert fit.max_relative_error > 0.2


def test_two_sizes_are_too_few_for_a_fit():
    assert fit_hockney([8, 64, 8], [1e-6, 2e-6, 1e-6]) is None


def test_values_are_shown_with_the_prefix_of_their_median():
    assert shown_interval(12.3e-6, 12.1e-6, 12.9e-6, "s") == "12.1 – 12.9"
    assert shown_interval(float("nan"), 1, 2, "s") == "–"
    assert shown_percent(0.832) == "83 %"


@given(st.text())
def test_foreign_text_keeps_to_one_line_and_drives_no_terminal(text):
    shown = plain(text + "\x1b[31m\u202e\ud800\n")
    assert shown.isprintable() or not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    assert "\n" not in shown
    assert "\u202e" not in shown
    shown.encode()


def test_sample_rows_hold_what_the_other_tests_need():
    assert len(sample_rows()) == 34
