"""Random results: banner, table and charts say what an independent count says, and doubtful figures never win."""

import re
from collections import Counter
from dataclasses import dataclass, replace

import pytest
from fake_apps import app_row
from fake_runs import allreduce, make_row, make_run, skipped_row
from hypothesis import given, settings
from hypothesis import strategies as st

from clustermark.core.result import STATUSES
from clustermark.reports.drawing import drawings
from clustermark.reports.html import render_html
from clustermark.reports.html_table import cases_table
from clustermark.reports.rows import ReportRow, report_rows
from clustermark.reports.verdict import count_runs, sentence

PRECISIONS, FABRICS = ("fp64", "fp32"), ("ompi-sm-cma", "ompi-tcp")


@dataclass(frozen=True)
class Planned:
    """What a random case is: everything that the counts below are made from."""

    kind: str
    precision: str
    fabric: str
    number: int
    status: str
    proven: bool
    noisy: bool

    @property
    def ranks(self):
        return 2 if self.kind == "message" else 2**self.number

    @property
    def clean(self):
        return self.status == "ok" and not self.noisy and (self.proven or self.ranks == 1)

    @property
    def key(self):
        return (self.kind, self.precision, self.fabric if self.ranks > 1 else "self", self.number)

    def row(self, slower):
        conditions = ("noisy machine: other programs ran",) if self.noisy else ()
        if self.kind == "message":
            case, seconds, work = allreduce(8 << 4 * self.number, self.fabric, precision=self.precision)
            row = make_row(case, seconds, 2, work=work, status=self.status, proven=self.proven, conditions=conditions)
        else:
            row = app_row(
                ranks=self.ranks,
                precision=self.precision,
                share=0.1 * self.number,
                slower=slower,
                status="failed" if self.status == "skipped" else self.status,
                proven=self.proven,
                conditions=conditions,
                launches=2,
                fabric=self.fabric if self.ranks > 1 else "self",
            )
        return replace(skipped_row(row.case), conditions=conditions) if self.status == "skipped" else row


PLANNED = st.builds(
    Planned,
    st.sampled_from(["message", "app"]),
    st.sampled_from(PRECISIONS),
    st.sampled_from(FABRICS),
    st.integers(0, 2),
    st.sampled_from([*STATUSES, "ok", "ok", "ok", "ok"]),
    st.booleans(),
    st.sampled_from([True, False, False, False]),
)
RUNS = st.lists(st.lists(PLANNED, min_size=1, max_size=14, unique_by=lambda one: one.key), min_size=1, max_size=3)


def records(spec):
    return [record for values in spec["datasets"].values() for record in values if "case" in record]


@settings(max_examples=25)
@given(RUNS)
def test_banner_table_and_charts_agree_with_an_independent_count(plans):
    runs = [make_run([one.row(1 + 0.1 * n) for one in plan], n) for n, plan in enumerate(plans)]
    rows = report_rows(runs)
    flat = [one for plan in plans for one in plan]
    statuses = Counter(one.status for one in flat)

    shown = sentence(count_runs(runs))
    assert shown.startswith(f"{statuses['ok']} of {len(flat) - statuses['skipped']} case")

    table, _ = cases_table(rows, several=len(runs) > 1)
    lines = re.findall(r"<tr data-status=\"(\w+)\"([^>]*)>(.*?)</tr>", table)
    assert Counter(status for status, _, _ in lines) == statuses
    in_doubt = sum(one.status == "ok" and not one.clean for one in flat)
    assert sum("data-doubt" in attributes for _, attributes, _ in lines) == in_doubt
    unproven = sum(one.status in ("ok", "wrong") and one.ranks > 1 and not one.proven for one in flat)
    assert table.count("NOT verified") == unproven
    assert sum("noisy machine" in cells for _, _, cells in lines) == sum(one.noisy for one in flat)
    for status, _, cells in lines:
        assert status == "ok" or not re.search(r"\d+ (samples|Matom|GB/s)", cells)

    check_charts(drawings(rows), plans)


def check_charts(specs, plans):
    newest = {one.key: one for plan in plans for one in plan}
    by_label = {one.row(1).case.label: one for one in newest.values()}
    for name, spec in specs.items():
        if name in ("forest", "history"):
            continue
        drawn = [record for record in records(spec) if record.get("kind") not in ("fit", "none")]
        assert drawn
        if name in ("message_time", "bus_bandwidth"):
            everything = [one for plan in plans for one in plan]
            assert len(drawn) <= sum(one.kind == "message" and one.status == "ok" for one in everything)
            assert sum(record["filled"] for record in drawn) <= sum(one.clean for one in everything)
            assert len(drawn) == expected_messages(plans)
            continue
        for record in drawn:
            one = by_label[record["case"]]
            assert one.status == "ok", "what is wrong, failed or skipped now has no place in a chart"
            if name == "speed_accuracy":
                assert (record["state"] == "in doubt") == (not one.clean)
            elif name.endswith("scaling"):
                assert record["filled"] == 0 or one.clean
            else:
                assert record["filled"] == (1 if one.clean else 0)
    if "communication_share" in specs:
        bars = records(specs["communication_share"])
        assert len(bars) == sum(o.kind == "app" and o.status == "ok" and o.ranks > 1 for o in newest.values())
    check_front(specs.get("speed_accuracy"), by_label)
    check_forest(specs.get("forest"), plans)


def expected_messages(plans):
    """Points in panels (one per precision) with two sizes; a panel is made from all runs together."""
    points = {
        p: [o for plan in plans for o in plan if o.kind == "message" and o.status == "ok" and o.precision == p]
        for p in PRECISIONS
    }
    return sum(len(found) for found in points.values() if len({one.number for one in found}) > 1)


def check_front(spec, by_label):
    if spec is None:
        return
    for ranks in (1, 2, 4):
        panel = [r for r in records(spec) if by_label[r["case"]].ranks == ranks]
        sure = [record for record in panel if by_label[record["case"]].clean]
        for record in sure:
            beaten = any(
                other["value"] >= record["value"]
                and other["error"] <= record["error"]
                and (other["value"], other["error"]) != (record["value"], record["error"])
                for other in sure
            )
            assert record["state"] == ("dominated" if beaten else "on the front")


def check_forest(spec, plans):
    if len(plans) < 2:
        assert spec is None
        return
    before = {one.key: one for one in plans[-2] if one.status == "ok"}
    pairs = [(before[one.key], one) for one in plans[-1] if one.key in before and one.status != "skipped"]
    expected = Counter(
        new.status if new.status != "ok" else "not judged" if old.clean and new.clean else "in doubt"
        for old, new in pairs
    )
    assert Counter(record["word"] for record in (records(spec) if spec else [])) == expected


def test_a_page_of_random_results_counts_them_in_its_tiles():
    plan = [
        Planned("app", p, f, n, s, True, False)
        for p in PRECISIONS
        for f, n, s in zip(FABRICS, (1, 2), STATUSES[:2], strict=True)
    ]
    page = render_html([make_run([one.row(1.0) for one in plan])])
    tiles = dict(re.findall(r'data-count="([a-z ]+)">(\d+)<', page))
    assert (tiles["ok"], tiles["wrong"]) == ("2", "2")


NOISY = [
    Planned("app", "fp64", "ompi-sm-cma", 0, "ok", True, True),
    Planned("app", "fp32", "ompi-sm-cma", 0, "ok", True, False),
    Planned("message", "fp64", "ompi-tcp", 0, "ok", False, False),
    Planned("message", "fp64", "ompi-tcp", 1, "ok", True, False),
]


@pytest.mark.parametrize("name", ["doubts", "drawable"])
def test_the_counts_notice_a_report_that_forgets_doubts_or_draws_what_is_wrong(monkeypatch, name):
    lost = replace(NOISY[1], number=1, status="wrong")
    plans = [[*NOISY, replace(lost, status="ok")], [*NOISY, lost]]

    def checked():
        runs = [make_run([planned_row(one) for one in plan], number) for number, plan in enumerate(plans)]
        check_charts(drawings(report_rows(runs)), plans)

    def planned_row(one):
        # A file that claims a speed for a wrong answer.
        return replace(replace(one, status="ok").row(1.0), status=one.status)

    checked()
    monkeypatch.setattr(ReportRow, name, property(lambda row: () if name == "doubts" else True))
    with pytest.raises(AssertionError):
        checked()
