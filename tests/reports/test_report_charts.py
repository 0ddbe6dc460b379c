"""Charts: what is drawn, what is not, how it is marked."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from fake_apps import COSTS, app_rows, roof_rows
from fake_runs import Amount, allreduce, make_case, make_row, make_run, pair_rows, pingpong_rows, sample_rows

from clustermark.reports import CHARTS
from clustermark.reports.charts import style
from clustermark.reports.drawing import drawings
from clustermark.reports.rows import report_rows


def specs_of(*runs, costs=None):
    return drawings(report_rows(runs, costs))


def points(spec):
    """The records drawn as measured; never none, so that no test passes for want of points."""
    found = [
        record
        for values in spec["datasets"].values()
        for record in values
        if "case" in record and record.get("kind") not in ("fit", "none") and record.get("ratio", 1)
    ]
    assert found
    return found


def with_points(specs):
    """All but the chart of prices, which has none."""
    return {name: spec for name, spec in specs.items() if name != "rent_or_buy"}


@pytest.fixture(scope="module")
def specs(runs):
    """Every chart of the runs that have all axes."""
    return specs_of(*runs, costs=COSTS)


def test_all_charts_are_drawn_for_runs_that_have_their_axes(specs):
    assert list(specs) == list(CHARTS)


@pytest.mark.parametrize("name", list(CHARTS))
def test_a_chart_keeps_to_the_schema_of_vega_lite(name):
    apps = app_rows()
    rows = [*apps[:5], *apps[-2:], *roof_rows(("fp64",)), *sample_rows((8, 64))[:4], *pingpong_rows(), *pair_rows()]
    few = [make_run(rows, number) for number in range(3)]
    CHARTS[name](report_rows(few, COSTS)).to_dict(validate=True)


@pytest.mark.parametrize("name", list(CHARTS))
def test_a_chart_whose_axes_are_missing_is_left_out(name):
    noop = make_row(make_case("noop", ranks=1))
    assert CHARTS[name](report_rows([make_run([noop])])) is None
    assert CHARTS[name]([]) is None


def test_wrong_failed_and_skipped_cases_are_never_drawn(runs):
    ok = {row.case.label for row in runs[-1].rows if row.status == "ok"}
    assert len(ok) < len(runs[-1].rows)
    for spec in with_points(specs_of(runs[-1], costs=COSTS)).values():
        assert {record["case"] for record in points(spec)} <= ok


@pytest.mark.parametrize("name", list(CHARTS))
def test_a_speed_claimed_for_a_wrong_answer_is_not_drawn(name, runs):
    planted = [
        replace(run, rows=tuple(replace(row, status="wrong") for row in run.rows if row.metrics)) for run in runs
    ]
    assert all(run.rows for run in planted)
    assert CHARTS[name](report_rows(planted)) is None


def test_an_unproven_fabric_is_drawn_hollow_and_called_not_verified(run):
    spec = specs_of(run)["message_time"]
    for record in points(spec):
        unproven = "ompi-tcp" in record["case"]
        assert record["filled"] == (0 if unproven else 1)
        assert record["fabric"].endswith("NOT verified" if unproven else "— verified")
    assert any("Hollow" in note for note in spec["usermeta"]["notes"])


def test_a_fabric_proven_in_part_counts_its_points():
    rows = [
        make_row(*allreduce(size, "ompi-tcp")[:2], work=allreduce(size, "ompi-tcp")[2], proven=size > 8)
        for size in (8, 64, 512)
    ]
    spec = specs_of(make_run(rows))["message_time"]
    assert {record["fabric"] for record in points(spec)} == {"ompi-tcp — verified in 2 of 3 points"}


def test_conditions_stand_beneath_the_charts_and_cast_doubt():
    run = make_run(sample_rows(conditions=("oversubscribed",), gemm=(), unproven=()))
    for spec in specs_of(run).values():
        assert any(note.startswith("Conditions: oversubscribed") for note in spec["usermeta"]["notes"])
        assert {record["filled"] for record in points(spec)} == {0}
        assert any("in doubt, not ranked: oversubscribed (28 cases)" in note for note in spec["usermeta"]["notes"])


def test_alpha_and_beta_stand_in_the_table_beneath_the_chart():
    run = make_run(sample_rows(fabrics=("ompi-tcp",), precisions=("fp32",)))
    table = specs_of(run)["message_time"]["usermeta"]["table"]
    assert table["header"] == ["fabric", "α", "β", "largest relative error"]
    ((fabric, alpha, beta, _),) = table["rows"]
    assert fabric == "ompi-tcp"
    assert float(alpha.removesuffix(" µs")) == pytest.approx(12, rel=0.02)
    assert float(beta.removesuffix(" GB/s")) == pytest.approx(1.8, rel=0.02)


def test_precisions_ranks_and_options_have_panels_of_their_own():
    rows = sample_rows(ranks=(2, 4), gemm=())
    rows += [
        make_row(case, seconds, work=work)
        for size in (8, 64)
        for case, seconds, work in [allreduce(size, "ompi-tcp", in_place=True)]
    ]
    panels = {record["panel"] for record in points(specs_of(make_run(rows))["message_time"])}
    assert panels == {
        "allreduce · fp64 · 2 ranks · not in place",
        "allreduce · fp64 · 4 ranks · not in place",
        "allreduce · fp32 · 2 ranks · not in place",
        "allreduce · fp32 · 4 ranks · not in place",
        "allreduce · fp32 · 2 ranks · in place",
    }


def test_panels_name_their_nodes_where_a_launch_spans_several():
    rows = []
    for per_node in (2, 1):
        for size in (8, 64):
            case, seconds, work = allreduce(size, "ompi-tcp", ranks_per_node=per_node)
            rows.append(make_row(case, seconds, work=work))
    panels = {record["panel"] for record in points(specs_of(make_run(rows))["message_time"])}
    assert panels == {"allreduce · fp32 · 2 ranks · 1 node", "allreduce · fp32 · 2 ranks · 2 nodes"}


def test_one_rank_is_left_out_where_a_wire_was_measured_and_said_so():
    rows = sample_rows(gemm=()) + sample_rows(ranks=(1,), fabrics=("self",), gemm=())
    spec = specs_of(make_run(rows))["message_time"]
    assert not any("1r" in record["case"] for record in points(spec))
    assert any("one rank" in note for note in spec["usermeta"]["notes"])


def test_with_many_runs_the_newest_eight_are_drawn_and_the_caption_says_so():
    runs = [make_run(sample_rows(sizes=(8, 64, 512), precisions=("fp32",)), number) for number in range(11)]
    specs = specs_of(*runs)
    for name in ("message_time", "bus_bandwidth", "precision_rate"):
        spec = specs[name]
        drawn = {record["run"] for record in points(spec)}
        assert len(drawn) == 8
        assert "2026-11-23 00:02 smoke" not in drawn
        assert "Drawn are the newest 8 runs; 3 older runs in the table only." in spec["usermeta"]["notes"]


def test_a_fabric_keeps_its_colour_whatever_stands_beside_it():
    def colour_of_tcp(fabrics):
        spec = specs_of(make_run(sample_rows(fabrics=fabrics, gemm=())))["message_time"]
        scales = [s for s in _scales(spec) if s["range"][0] in style.COLOURS]
        domain, colours = scales[0]["domain"], scales[0]["range"]
        return next(colour for name, colour in zip(domain, colours, strict=True) if name.startswith("ompi-tcp"))

    alone = colour_of_tcp(("ompi-tcp",))
    assert colour_of_tcp(("aaa-fabric", "mpich-shm-cma", "ompi-sm-cma", "ompi-tcp")) == alone


def _scales(spec):
    if isinstance(spec, dict):
        if isinstance(spec.get("scale"), dict) and "range" in spec["scale"]:
            yield spec["scale"]
        for value in spec.values():
            yield from _scales(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from _scales(value)


def test_every_scale_of_colours_and_shapes_names_its_domain(specs):
    for spec in specs.values():
        for scale in _scales(spec):
            assert len(scale["domain"]) == len(scale["range"])


def test_more_fabrics_than_colours_differ_in_shape():
    found = style.fabric_slots([f"fabric-{number}" for number in range(20)])
    looks = {(style.colour(slot), style.shape(slot)) for slot in found.values()}
    assert len(looks) == 20


def test_sizes_have_ticks_at_powers_of_two():
    assert style.size_ticks([8, 2**23], 6) == [2**3, 2**7, 2**11, 2**15, 2**19, 2**23]
    assert all(tick & (tick - 1) == 0 for tick in style.size_ticks([100, 3000000]))


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", style.COLOURS)
@pytest.mark.parametrize("sheet", ["#ffffff", "#1a1d22"])
def test_every_colour_stands_out_from_both_pages(colour, sheet):
    bright, dark = sorted((luminance(colour), luminance(sheet)), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= 3


def test_every_chart_has_a_title_a_text_alternative_and_its_source(specs):
    for spec in specs.values():
        assert spec["title"]
        assert len(spec["description"]) > 40
        assert any(note.startswith("Source:") for note in spec["usermeta"]["notes"])


def test_the_ceiling_and_the_share_reached_are_drawn(run):
    records = points(specs_of(run)["precision_rate"])
    assert {record["share"] for record in records if "1024" in record["case"]} == {"83 %"}
    assert all(record["ceiling"] > record["value"] for record in records)


def test_a_missing_ceiling_is_said_not_guessed():
    rows = [row for row in sample_rows(precisions=("fp32",)) if row.case.workload != "peak"]
    spec = specs_of(make_run(rows))["precision_rate"]
    assert {record["share"] for record in points(spec)} == {"ceiling not measured"}


def test_size_zero_and_nan_are_not_drawn():
    from clustermark.core.stats import Estimate

    rows = sample_rows(gemm=(), precisions=("fp32",), fabrics=("ompi-tcp",))
    case, seconds, _ = allreduce(0, "ompi-tcp")
    rows.append(make_row(case, seconds, work={}))
    broken = make_row(allreduce(4, "ompi-tcp")[0], 1e-6)
    nan = float("nan")
    estimate = Estimate(nan, nan, nan, 0.9, "samples", 1, 1, nan, nan, nan)
    rows.append(replace(broken, time=estimate, metrics=tuple(replace(m, value=nan) for m in broken.metrics)))
    spec = specs_of(make_run(rows))["message_time"]
    assert min(record["size"] for record in points(spec)) == 8
    json.dumps(spec, allow_nan=False)


@pytest.mark.parametrize("proven", [True, False])
def test_rates_over_an_unproven_fabric_say_so_in_their_title(proven):
    case = make_case("gemm", params={"n": 512}, ranks=2, fabric="ompi-tcp")
    row = make_row(case, 1e-3, work={"flop_rate": Amount(1e9, "flop")}, ceiling="peak.flop_rate", proven=proven)
    (panel,) = specs_of(make_run([row]))["precision_rate"]["vconcat"]
    assert panel["title"] == "gemm · 2 ranks · ompi-tcp" + ("" if proven else " — fabric NOT verified")


def test_reports_are_imported_without_the_libraries_that_draw():
    code = (
        "import sys, clustermark.reports.build, clustermark.reports.tables; "
        "sys.exit(bool({'altair', 'vl_convert', 'tabulate', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
