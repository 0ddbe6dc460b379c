"""Charts of applications: the front of speed and error, roofs, scaling, communication, the forest and the history."""

from dataclasses import replace

import pytest
from fake_apps import app_row, app_rows, full_runs, roof_rows
from fake_runs import Amount, make_case, make_row, make_run
from hypothesis import given
from hypothesis import strategies as st

from clustermark.reports.charts import (
    communication_share,
    history,
    precision_errors,
    roofline,
    roofs,
    speed_accuracy,
    strong_scaling,
)
from clustermark.reports.charts.forest import Ratio, draw, forest
from clustermark.reports.charts.scaling_series import strong_series, weak_series
from clustermark.reports.rows import latest_rows, report_rows, with_ceilings


def rows_of(rows, number=0):
    return report_rows([make_run(rows, number)])


def records(chart, key):
    return [record for values in chart.to_dict()["datasets"].values() for record in values if key in record]


# --- speed against error --------------------------------------------------------------------------------------


# Made once: examples differ in speed, error and doubt only.
SURE, DOUBTFUL = (rows_of([app_row(conditions=conditions)])[0] for conditions in ((), ("oversubscribed",)))


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5), st.booleans()), min_size=1, max_size=8))
def test_the_front_is_what_nothing_undoubted_beats_in_both(triples):
    metric = SURE.row.metrics[0]
    points = [
        speed_accuracy.Point(SURE if sure else DOUBTFUL, replace(metric, value=float(speed)), float(error), "x")
        for speed, error, sure in triples
    ]
    states = [point.state for point in speed_accuracy.placed(points)]
    for (speed, error, sure), state in zip(triples, states, strict=True):
        better = [s for s, e, ok in triples if ok and s >= speed and e <= error and (s > speed or e < error)]
        assert state == ("in doubt" if not sure else "dominated" if better else "on the front")


def test_a_noisy_figure_takes_nobodys_place_on_the_front():
    rows = [
        app_row(),
        app_row(precision="mixed"),
        app_row(precision="fp32", slower=0.01, conditions=("noisy machine",)),
    ]
    states = {record["series"]: record["state"] for record in records(speed_accuracy.draw(rows_of(rows)), "state")}
    assert states == {"fp64": "on the front", "mixed": "on the front", "fp32": "in doubt"}


def test_the_fastest_way_to_each_stated_error_is_named_once_and_doubt_wins_nothing():
    rows = [
        app_row(),
        app_row(precision="mixed"),
        app_row(precision="fp32", slower=0.01, conditions=("noisy machine",)),
    ]
    table = speed_accuracy.draw(rows_of(rows)).to_dict()["usermeta"]["table"]["rows"]
    assert [line[1:3] for line in table] == [["1e-06", "mixed"], ["1e-14", "fp64"]]


def test_other_work_stands_in_another_panel():
    rows = [app_row(cells=cells, precision=precision) for cells in (10, 20) for precision in ("fp64", "fp32")]
    assert len(speed_accuracy.draw(rows_of(rows)).to_dict()["concat"]) == 2
    assert speed_accuracy.draw(rows_of([app_row(cells=10), app_row(cells=20, precision="fp32")])) is None


def test_an_error_of_zero_stands_left_of_all_others_and_is_called_exact():
    case = make_case("md", params={"cells": 10}, precision="fp64", ranks=1)
    other = make_case("md", params={"cells": 10}, precision="fp32", ranks=1)
    work = {"atom_steps": Amount(4000.0, "atom-step")}
    rows = [make_row(case, 1e-3, work=work, error=0.0), make_row(other, 5e-4, work=work, error=1e-7)]
    chart = speed_accuracy.draw(rows_of(rows))
    errors = {record["series"]: record["error"] for record in records(chart, "state")}
    assert 0 < errors["fp64"] < errors["fp32"]
    assert "exact" in chart.to_json()


def test_a_distance_from_float64_stands_for_an_error_that_leaves_rounding_out():
    rows = [
        app_row(precision=precision, counters={"error: distance from float64": distance})
        for precision, distance in (("fp64", 3e-13), ("fp32", 2e-5))
    ]
    chart = speed_accuracy.draw(rows_of(rows))
    assert {record["series"]: record["error"] for record in records(chart, "state")} == {"fp64": 3e-13, "fp32": 2e-5}
    assert "largest error found: distance from float64" in chart.to_json()
    assert {record["bound"] for record in records(precision_errors.draw(rows_of(rows)), "bound")} == {0}


# --- errors per precision -------------------------------------------------------------------------------------


def test_what_should_be_conserved_stands_beside_the_check_with_or_without_a_speed():
    rows = [
        app_row(precision=precision, counters={"error: drift [k_B T]": drift, "atoms": 32000.0})
        for precision, drift in (("fp64", 0.0), ("fp32", 3e-5))
    ]
    rows.append(replace(app_row(precision="mixed"), metrics=()))
    chart = precision_errors.draw(rows_of(rows))
    found = {(record["line"].split(": ")[1], record["series"]): record for record in records(chart, "bound")}
    assert len(found) == 5
    assert found["drift [k_B T]", "fp32"]["error"] == 3e-5
    assert 0 < found["drift [k_B T]", "fp64"]["error"] < 2e-16, "exact stands left of all others"
    assert found["result against NumPy", "mixed"]["bound"] > found["result against NumPy", "mixed"]["error"]
    assert "exact" in chart.to_json()


def test_a_wrong_answer_and_a_lonely_precision_are_no_errors_to_compare():
    lonely = [app_row(cells=10), app_row(cells=20, precision="fp32")]
    assert precision_errors.draw(rows_of(lonely)) is None
    assert precision_errors.draw(rows_of([app_row(), app_row(precision="fp32", status="wrong")])) is None


# --- roofline -------------------------------------------------------------------------------------------------


def test_intensity_and_roofs_come_from_what_was_measured():
    chart = roofline.draw(rows_of(roof_rows()))
    found = {record["case"]: record["intensity"] for record in records(chart, "intensity_shown")}
    for label, intensity in found.items():
        n, word = (int(label.split("n=")[1].split()[0]), 8 if "fp64" in label else 4)
        assert intensity == pytest.approx(2 * n**3 / (3 * n * n * word))
    assert len(found) == 6
    table = chart.to_dict()["usermeta"]["table"]["rows"]
    shown = {(line[1], line[2]): line[4] for line in table if line[1].startswith("roof")}
    assert shown[("roof peak.flop_rate", "fp64")].startswith("110 Gflop/s")
    assert shown[("roof membw.bandwidth", "any")].startswith("47")


def test_arrays_streamed_once_are_a_roof_and_those_of_a_cache_are_not():
    def streamed(counter, rate):
        case = make_case("membw", params={"bytes": 1 << 27, "rate": rate}, ranks=1)
        work = {"bandwidth": Amount(rate * 1e-3, "B")}
        return make_row(case, 1e-3, work=work, counters={counter: 1.0} if counter else {})

    rows = [streamed("array bytes", 1e10), streamed("array bytes, repeated", 9e10), streamed("", 8e10)]
    (roof,) = roofs.find_roofs(rows_of(rows))
    assert roof.metric.value == pytest.approx(1e10, rel=0.02)
    product = make_row(make_case("sum", ranks=1), 1e-3, work={"bandwidth": Amount(1e6, "B")}, ceiling="membw.bandwidth")
    named = with_ceilings([product, *rows[:2]])
    assert named[0].ceiling is not None
    assert named[0].ceiling.value == pytest.approx(1e10, rel=0.02)


def test_a_point_is_held_against_the_lower_of_its_roofs():
    rows = rows_of(roof_rows())
    found = roofs.find_roofs(rows)
    low, high = (roofs.Point(rows[0], rows[0].row.metrics[0], intensity) for intensity in (0.1, 1000.0))
    assert roofs.attainable(low, found) == pytest.approx(0.1 * 4.4e10 * 1.07, rel=0.02)
    assert roofs.attainable(high, found) == pytest.approx(1.1e11, rel=0.02)
    assert roofs.attainable(low, []) is None
    without = [roof for roof in found if roof.precision != "fp64" or roof.metric.unit == "B/s"]
    assert roofs.attainable(high, without) is None, "no slope goes on for ever"
    assert roofs.attainable(low, without) == roofs.attainable(low, found)
    mixed = rows_of([app_row(precision="mixed")])[0]
    of_mixed = roofs.Point(mixed, mixed.row.metrics[0], 1000.0)
    assert roofs.attainable(of_mixed, found) == pytest.approx(2.2e11, rel=0.02), "its kernels compute in fp32"


def test_a_noisy_or_wrong_ceiling_is_no_roof():
    for change in ({"conditions": ("noisy machine: other programs ran",)}, {"status": "wrong"}):
        rows = [replace(row, **change) if row.case.workload == "peak" else row for row in roof_rows()]
        sources = {roof.source for roof in roofs.find_roofs(rows_of(rows))}
        assert sources == {"membw.bandwidth"}


def test_bytes_over_a_wire_are_no_roof_of_memory():
    from fake_runs import sample_rows

    assert roofline.draw(rows_of(sample_rows())) is None


# --- scaling --------------------------------------------------------------------------------------------------


def test_strong_and_weak_series_are_told_apart_by_their_work():
    rows = rows_of(app_rows())
    strong = {(series.name, tuple(step.row.case.ranks for step in series.steps)) for series in strong_series(rows)}
    assert strong == {
        (f"{precision} · {fabric}", ranks)
        for precision in ("fp64", "mixed", "fp32")
        for fabric, ranks in (("ompi-sm-cma", (1, 2, 4)), ("ompi-tcp", (1, 2)))
    }
    (weak,) = weak_series(rows)
    assert [step.row.case.params["cells"] for step in weak.steps] == [20, 25, 32, 40]


def test_efficiency_is_one_minus_the_share_that_the_ranks_lose():
    rows = [app_row(), app_row(ranks=2, share=0.1), app_row(ranks=4, share=0.3)]
    (series,) = strong_series(rows_of(rows))
    assert [step.efficiency for step in series.steps] == pytest.approx([1.0, 0.9, 0.7], rel=0.02)
    assert all(step.low <= step.efficiency <= step.high for step in series.steps)


def test_efficiency_against_a_noisy_reference_is_in_doubt():
    rows = [app_row(conditions=("noisy machine",)), app_row(ranks=2, share=0.1)]
    (series,) = strong_series(rows_of(rows))
    assert [step.doubtful for step in series.steps] == [True, True]


def test_one_number_of_ranks_is_no_scaling():
    assert strong_scaling.draw(rows_of([app_row(), app_row(precision="fp32")])) is None


def test_launches_on_several_nodes_share_the_points_within_one():
    rows = [app_row()]
    rows += [app_row(ranks=ranks, ranks_per_node=each) for ranks, each in ((2, 2), (4, 2), (8, 2), (4, 1), (8, 1))]
    found = {series.name: [step.row.case.ranks for step in series.steps] for series in strong_series(rows_of(rows))}
    assert found == {
        "fp64 · ompi-sm-cma · 1 per node": [1, 2, 4, 8],
        "fp64 · ompi-sm-cma · 2 per node": [1, 2, 4, 8],
    }


# --- communication --------------------------------------------------------------------------------------------


def test_the_share_of_communication_is_drawn_as_it_was_stored():
    chart = communication_share.draw(rows_of(app_rows()))
    values = {(r["case"]): r["value"] for r in records(chart, "edge")}
    assert len(values) == 12
    assert sorted(value for case, value in values.items() if "ompi-tcp" in case) == pytest.approx([0.17, 0.238, 0.255])
    assert communication_share.draw(rows_of([app_row()])) is None


# --- forest ---------------------------------------------------------------------------------------------------


def test_a_forest_shows_every_verdict_and_the_gravest_first():
    ratios = [
        Ratio("a", 1.0, 0.99, 1.01, "unchanged"),
        Ratio("b", 1.2, 1.1, 1.3, "regressed"),
        Ratio("c", None, None, None, "wrong"),
        Ratio("d", 0.8, 0.75, 0.85, "improved"),
        Ratio("e", 1.05, 0.9, 1.2, "inconclusive"),
        Ratio("f", 1.0, 0.9, 1.2, "a new word"),
    ]
    chart = forest(ratios, "Title", "new ÷ old", (0.95, 1.05), ["Source: a test."])
    shown = [record["line"] for record in records(chart, "word")]
    assert shown == ["b", "c", "e", "d", "a", "f"]
    spec = chart.to_dict()
    assert "6 cases: 1 unchanged, 1 regressed, 1 wrong, 1 improved, 1 inconclusive, 1 a new word" in spec["description"]
    assert spec["usermeta"]["notes"] == ["Grey band: 0.95 to 1.05, the tolerance.", "Source: a test."]
    (lost,) = [record for record in records(chart, "word") if record["line"] == "c"]
    assert (lost["ratio"], lost["word"], lost["shown"]) == (0, "wrong", "–")


def test_a_forest_of_many_cases_draws_the_gravest_and_says_so():
    ratios = [Ratio(f"case {n}", 1 + n / 1000, 1.0, 1.1, "unchanged") for n in range(200)]
    chart = forest(ratios, "Title", "new ÷ old")
    assert len(records(chart, "word")) == 60
    assert records(chart, "word")[0]["line"] == "case 199"
    assert "140 more cases" in chart.to_dict()["usermeta"]["notes"][-1]
    assert forest([], "Title", "new ÷ old") is None


def test_cases_of_one_name_keep_lines_of_their_own():
    chart = forest([Ratio("x" * 300, 1.1, 1.0, 1.2, "unchanged")] * 3, "Title", "new ÷ old")
    assert len({record["line"] for record in records(chart, "word")}) == 3


def test_two_runs_are_laid_side_by_side_without_a_verdict():
    runs = [make_run(app_rows(slower), number) for number, slower in ((0, 1.0), (1, 1.1))]
    wrong = make_run(
        [replace(row, status="wrong") if number == 0 else row for number, row in enumerate(runs[1].rows)], 1
    )
    shown = records(draw(report_rows([runs[0], wrong])), "word")
    words = [record["word"] for record in shown]
    assert {word: words.count(word) for word in words} == {"wrong": 1, "not judged": 11, "in doubt": 3}
    assert {round(record["ratio"], 2) for record in shown if record["ratio"]} == {1.1}
    assert draw(report_rows(runs[:1])) is None


# --- history --------------------------------------------------------------------------------------------------


def test_history_breaks_where_the_environment_changes_and_marks_lost_runs():
    runs = []
    for number in range(6):
        row = app_row(slower=1 + 0.01 * number)
        if number == 2:
            row = replace(row, status="failed", reason="rank 1 died")
        if number >= 4:
            row = replace(row, fingerprints=("another",))
        runs.append(make_run([row], number))
    shown = records(history.draw(report_rows(runs)), "place")
    assert [record["kind"] for record in shown] == ["measured"] * 2 + ["none"] + ["measured"] * 3
    assert len({record["piece"] for record in shown}) == 2
    assert history.draw(report_rows(runs[:2])) is None


def test_of_many_cases_those_that_changed_most_are_drawn():
    runs = [
        make_run([app_row(cells=cells, slower=1 + 0.001 * cells * number) for cells in range(10, 40)], number)
        for number in range(3)
    ]
    chart = history.draw(report_rows(runs)).to_dict()
    assert len(chart["concat"]) == 12
    assert "cells=39" in chart["concat"][0]["title"]
    assert any("12 cases that changed most; 18 more" in note for note in chart["usermeta"]["notes"])


# --- which rows -----------------------------------------------------------------------------------------------


def test_the_newest_result_of_a_case_counts_even_if_it_is_wrong():
    old, new = make_run([app_row()], 0), make_run([replace(app_row(), status="wrong")], 1)
    rows, older = latest_rows(report_rows([new, old]))
    assert (len(rows), older, rows[0].row.status) == (1, 1, "wrong")


def test_the_runs_of_these_tests_hold_doubts_of_every_kind():
    doubts = {doubt for row in report_rows(full_runs()) for doubt in row.doubts}
    assert doubts == {"fabric not verified", "noisy machine"}
