"""The pages of a check and of a comparison: counts of an independent count, labels stay text, charts can be read."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compare import GEMM, SLOW, written
from test_gate_outputs import HOSTILE, decisions, report
from test_report_browser import DARK, LIGHT, assert_readable, look

from clustermark.core.gate import VERDICTS, Decision
from clustermark.reports import ratio_page
from clustermark.reports.compare import compare
from clustermark.reports.html_table import escape
from clustermark.reports.ratio_page import comparison_page, gate_page
from clustermark.reports.text import plain


@given(st.lists(decisions, max_size=12))
@settings(max_examples=15)
def test_the_page_of_a_check_counts_what_was_decided_and_keeps_labels_as_text(found: list[Decision]) -> None:
    page = gate_page(report(*found))
    counts = {name: int(number) for name, number in re.findall(r'data-count="([^"]+)">(\d+)', page)}
    independent = Counter(one.verdict for one in found)
    assert counts == {verdict: independent[verdict] for verdict in VERDICTS}
    assert "<script>alert" not in page
    cases = page[page.index('<section id="cases">') :]
    for one in found:
        assert escape(plain(one.label)) in cases
    assert ('id="chart-forest"' in page) == bool(found)


def made(label: str, verdict: Any, change: float | None, half: float = 0.02) -> Decision:
    low, high = (None, None) if change is None else (change - half, change + half)
    return Decision(label, verdict, "a reason", change, low, high, pairs=20, noise=0.01)


def many() -> list[Decision]:
    """One of every verdict, one without bounds, and every hostile label."""
    changes = (0.12, None, 0.03, None, -0.2, 0.001, None)
    found = [made(f"gemm[n={n} fp64]", v, c) for n, (v, c) in enumerate(zip(VERDICTS, changes, strict=True))]
    found.append(Decision("no bounds", "inconclusive", "too few pairs", 0.1, -float("inf"), float("inf"), pairs=2))
    return found + [made(label, "unchanged", 0.002 * number) for number, label in enumerate(HOSTILE)]


@pytest.mark.browser
@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_page_of_a_check_can_be_read_in_a_browser(scheme: int, tmp_path: Path, chromium: str) -> None:
    found = look(chromium, tmp_path, gate_page(report(*many(), differences=(("cpu", "<b>a</b>", "b"),))), scheme)
    assert found["errors"] == []
    assert [chart["id"] for chart in found["charts"]] == ["chart-forest"]
    assert_readable(found["charts"])
    (chart,) = found["charts"]
    assert chart["contrast"] >= 4.5
    assert min(found["contrast"], found["toggledContrast"]) >= 4.5
    assert "broken" in " ".join(chart["texts"])
    assert found["owned"] is None and not found["pageScrolls"]


@pytest.mark.browser
def test_a_comparison_has_a_forest_for_each_column(tmp_path: Path, chromium: str) -> None:
    runs = [written(tmp_path / name, [(GEMM, s), (SLOW, 2 * s)]) for name, s in (("a", 1.0), ("b", 1.2), ("c", 0.9))]
    page = comparison_page(compare(runs))
    found = look(chromium, tmp_path, page)
    assert found["errors"] == []
    assert [chart["id"] for chart in found["charts"]] == ["chart-forest-0", "chart-forest-1"]
    assert_readable(found["charts"])
    assert "slower (2)" in " ".join(found["charts"][0]["texts"])
    assert "faster (2)" in " ".join(found["charts"][1]["texts"])
    assert "2 columns beside" in page and "2 slower of 2 cases" in page


def test_more_columns_than_forests_are_said_to_be_in_the_table_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ratio_page, "MOST_FORESTS", 1)
    runs = [written(tmp_path / name, [(GEMM, 1.0)]) for name in "abc"]
    page = comparison_page(compare(runs))
    assert "1 more columns are in the table and in no chart" in page
    assert 'id="chart-forest-1"' not in page
