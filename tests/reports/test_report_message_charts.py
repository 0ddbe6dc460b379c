"""Charts of messages and of pairs of ranks: what links carry, what is cut, what is told."""

from dataclasses import replace

import pytest
from fake_runs import allreduce, make_row, make_run, pair_rows, pingpong_rows, sample_rows
from test_report_charts import points, specs_of


def test_the_ceiling_of_a_link_is_drawn_where_it_is_known():
    spec = specs_of(make_run(pingpong_rows()))["message_bandwidth"]
    lines = [record for values in spec["datasets"].values() for record in values if record["kind"] == "ceiling"]
    assert {(record["fabric"], record["value"]) for record in lines} == {("ompi-tcp — verified", 2.5)}
    assert "What the links carry one way: ompi-tcp 2.50 GB/s." in spec["description"]
    unproven = specs_of(make_run(pingpong_rows(proven=False)))["message_bandwidth"]
    assert "What the links carry" not in unproven["description"]


@pytest.mark.parametrize(
    ("label", "told"), [("2 nodes, 1 Gbit/s, 50 µs", "125 MB/s"), ("2 nodes, no limit of rate", "")]
)
def test_an_emulated_link_carries_what_it_is_meant_to(label, told):
    rows = pingpong_rows(("ompi-tcp",), conditions=(f"emulated network: {label}",))
    notes = " ".join(specs_of(make_run(rows))["message_bandwidth"]["usermeta"]["notes"])
    assert (f"headers included: ompi-tcp {told}" in notes) == bool(told)
    assert ("what the link carries" in notes) == bool(told)


def test_a_whisker_far_above_the_curves_is_cut_off():
    rows = pingpong_rows()
    wide = replace(rows[0], metrics=tuple(replace(metric, high=1e6 * metric.value) for metric in rows[0].metrics))
    found = points(specs_of(make_run([wide, *rows[1:]]))["message_bandwidth"])
    assert max(record["top"] for record in found) < 2.2 * max(record["value"] for record in found)


def test_pairs_of_ranks_stand_in_their_own_chart_with_both_ends_told():
    run = make_run([*pair_rows(), *pair_rows(fabric="ompi-tcp", proven=False)])
    found = specs_of(run)
    assert not {"message_time", "message_bandwidth", "bus_bandwidth"} & set(found)
    spec = found["rank_pairs"]
    squares = points(spec)
    assert len(squares) == 2 * 2 * 6
    assert {record["filled"] for record in squares if "tcp" in record["case"]} == {0}
    assert "fastest ranks 0 and 1 1.11 µs, slowest ranks 1 and" in spec["description"]
    assert len(spec["usermeta"]["table"]["rows"]) == 24
    assert [panel["title"] for panel in spec["concat"]][:2] == [
        "ompi-sm-cma · 8B: time of a message [µs]",
        "ompi-sm-cma · 1MiB: bandwidth [GB/s]",
    ]


def test_a_panel_is_named_by_what_tells_it_from_those_of_its_own_workload():
    def named(row, version=1, **params):
        return replace(row, case=replace(row.case, version=version, params={**row.case.params, **params}))

    wide = [named(row, 2, caller="auto", window=8) for row in pingpong_rows()]
    messages = sample_rows(gemm=(), precisions=("fp64",))
    titles = {one["panel"] for one in points(specs_of(make_run([*wide, *messages]))["message_time"])}
    assert titles == {"pingpong · fp32 · 2 ranks", "allreduce · fp64 · 2 ranks"}
    both = [*(named(row, 2, caller="python", window=8) for row in pingpong_rows()), *wide]
    titles = {one["panel"] for one in points(specs_of(make_run(both))["message_time"])}
    assert titles == {f"pingpong · fp32 · 2 ranks · caller={caller}" for caller in ("auto", "python")}
    versions = [*(named(row, 1, caller="auto", window=8) for row in pingpong_rows()), *wide]
    titles = {one["panel"] for one in points(specs_of(make_run(versions))["message_time"])}
    assert titles == {f"pingpong · fp32 · 2 ranks · version {version}" for version in (1, 2)}


def test_pairs_of_many_ranks_are_squares_without_figures():
    spec = specs_of(make_run(pair_rows(14)))["rank_pairs"]
    assert all(len(panel["layer"]) == 1 for panel in spec["concat"])
    assert specs_of(make_run(pair_rows(2))).get("rank_pairs") is None


def test_an_interval_of_many_decades_is_cut_in_the_picture_and_said():
    case, seconds, work = allreduce(8, "ompi-tcp")
    rows = [row for row in sample_rows(gemm=(), precisions=("fp32",), fabrics=("ompi-tcp",)) if row.case != case]
    made = make_row(case, seconds, work=work)
    wide = replace(made, metrics=tuple(replace(m, low=m.value / 1e4, high=m.value * 1e4) for m in made.metrics))
    spec = specs_of(make_run([wide, *rows]))["message_time"]
    assert max(record["high"] / record["value"] for record in points(spec)) == pytest.approx(10)
    assert any(note.startswith("1 interval wider than tenfold") for note in spec["usermeta"]["notes"])
    assert not any("tenfold" in note for note in specs_of(make_run(rows))["message_time"]["usermeta"]["notes"])
