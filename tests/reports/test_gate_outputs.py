"""A check in every form: counts agree with an independent count, hostile labels stay text, documents fit the schema."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.gate import VERDICTS, Decision
from clustermark.core.gate_rules import Rules
from clustermark.reports.gate_document import GATE_SCHEMA, gate_document
from clustermark.reports.gate_outputs import gate_annotations, gate_junit, gate_markdown
from clustermark.reports.gate_report import GateReport, sentence, shown_change, terminal_text, worst_first

HOSTILE = (
    "<script>alert(1)</script>",
    "::error title=x::y",
    "a|b`c`",
    "line\nbreak\r\x1b[2J",
    "\u202eright to left",
    "汉字" * 200,
    "]]>&amp;",
    "\ud800",
)
figures = st.none() | st.floats(-0.9, 9)
decisions = st.builds(
    Decision,
    label=st.text(max_size=12) | st.sampled_from(HOSTILE),
    verdict=st.sampled_from(VERDICTS),
    reason=st.text(max_size=12) | st.sampled_from(HOSTILE),
    change=figures,
    low=figures,
    high=figures,
    stage=st.integers(0, 2),
    pairs=st.integers(0, 30),
    noise=st.none() | st.floats(0, 2),
    detectable=figures,
    facts=st.just({}) | st.just({"unit": "s", "baseline": 0.5, "candidate": 0.6, "log_ratios": [[0.1], [0.2]]}),
)


def report(*found: Decision, **fields: Any) -> GateReport:
    """A check in lockstep."""
    made: dict[str, Any] = {
        "name": "smoke",
        "method": "lockstep",
        "created_utc": "2026-01-02T03:04:05Z",
        "folder": "/results/x",
        "baseline": "git 1234567 (HEAD~1)",
        "candidate": "this version",
        "rules": Rules(),
        "decisions": worst_first(found),
    }
    return GateReport(**made | fields)


@given(st.lists(decisions, max_size=12), st.booleans())
def test_every_form_counts_what_is_there(found: list[Decision], strict: bool) -> None:
    made = report(*found, strict=strict)
    counted = {verdict: len([one for one in found if one.verdict == verdict]) for verdict in VERDICTS}
    document = gate_document(made)
    jsonschema.validate(json.loads(json.dumps(document, allow_nan=False)), GATE_SCHEMA)
    assert document["counts"] == counted
    assert len(document["cases"]) == len(found)
    for verdict, number in counted.items():
        assert (f"{number} {verdict}" in sentence(made)) == (number > 0)
    suite = ElementTree.fromstring(gate_junit(made).encode("utf-8", "replace"))[0]
    bad = counted["regressed"] + strict * (counted["inconclusive"] + counted["not compared"])
    assert int(suite.get("failures", -1)) == bad == len(suite.findall("testcase/failure"))
    assert int(suite.get("errors", -1)) == counted["broken"] == len(suite.findall("testcase/error"))
    passed = len(found) - bad - counted["broken"] - len(suite.findall("testcase/skipped"))
    assert passed == counted["unchanged"] + counted["improved"]
    assert len(re.findall(r"^\| `", gate_markdown(made), re.M)) == len(found)
    assert terminal_text(made).endswith(sentence(made))


@given(st.lists(decisions, max_size=30))
def test_annotations_are_one_line_each_and_no_more_than_are_shown(found: list[Decision]) -> None:
    lines = gate_annotations(report(*found)).rstrip("\n").split("\n")
    assert all(re.match(r"::(error|warning|notice) title=[^:,]*::", line) for line in lines)
    assert sum(line.startswith("::error") for line in lines[:-1]) <= 10
    wanted = sum(one.verdict in ("regressed", "broken") for one in found)
    assert (sum(line.startswith("::error") for line in lines[:-1]) == wanted) or wanted > 10


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    made = report(Decision(text, "regressed", text), Decision("ok", "unchanged"))
    shown = gate_markdown(made)
    assert "<script" not in re.sub(r"`[^`\n]*`", "", shown)
    assert "\x1b" not in shown + terminal_text(made)
    assert shown.count("\n| ") == 4  # two tables of a header and one row
    assert "\u202e" not in shown + terminal_text(made)


def test_the_worst_stands_first_and_the_level_is_its() -> None:
    found = [Decision("a", "unchanged"), Decision("b", "regressed", change=0.1), Decision("c", "regressed", change=0.5)]
    assert [one.label for one in report(*found).decisions] == ["c", "b", "a"]
    assert report(*found).level == "bad"
    assert report(found[0]).level == "good"
    assert report(found[0], Decision("d", "inconclusive")).level == "warning"
    assert report().level == "warning"
    assert report().exit_code == 5


def test_nothing_inconclusive_passes_in_junit() -> None:
    made = report(Decision("a", "inconclusive", "noisy"), Decision("b", "not compared", "other work"))
    cases = ElementTree.fromstring(gate_junit(made))[0].findall("testcase")
    assert [case[0].tag for case in cases] == ["skipped", "skipped"]
    cases = ElementTree.fromstring(gate_junit(report(*made.decisions, strict=True)))[0].findall("testcase")
    assert [case[0].tag for case in cases] == ["failure", "failure"]


@pytest.mark.parametrize(
    ("change", "shown"),
    [(0.1024, "+10.2 %"), (-0.05, "-5.0 %"), (2.4, "3.4×"), (None, "–"), (float("nan"), "–"), (0.0, "+0.0 %")],
)
def test_a_change_reads_as_people_say_it(change: float | None, shown: str) -> None:
    assert shown_change(change) == shown


def test_long_tables_are_cut_with_a_line_that_says_so() -> None:
    shown = gate_markdown(report(*(Decision(str(number), "regressed") for number in range(600))))
    assert "100 more cases are in verdict.json." in shown
