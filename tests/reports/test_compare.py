"""Comparisons: only equal work, intervals that hold, wrong answers without a speed; and history with advice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from fake_runs import FACTS, make_case, make_result

from clustermark.core.case import Case
from clustermark.core.environment import fingerprint
from clustermark.core.errors import UsageError
from clustermark.core.journal import Journal
from clustermark.core.plan import Job, Plan
from clustermark.core.result import Status
from clustermark.core.rundir import RunDirectory
from clustermark.core.runfile import Run, read_launch_medians, read_run, read_samples
from clustermark.core.suite import Sampling
from clustermark.reports.compare import Comparison, compare, comparison_document
from clustermark.reports.compare_text import COMPARE_SCHEMA, comparison_markdown, comparison_text
from clustermark.reports.history import HISTORY_SCHEMA, history, history_document, history_text

GEMM = make_case("gemm", params={"n": 512}, ranks=1)
SLOW = make_case("gemm", params={"n": 1024}, ranks=1)


def written(
    root: Path,
    times: Sequence[tuple[Case, float]],
    launches: int = 8,
    status: Status = "ok",
    facts: dict[str, object] | None = None,
    created: str = "",
) -> Run:
    """A run on the disk with these times, a per cent of noise between its launches."""
    cases = tuple(case for case, _ in times)
    jobs = tuple(Job(number, 1, 1, 1, "self", tuple(range(len(cases)))) for number in range(launches))
    plan = Plan("smoke", "", cases, (), jobs, launches, 0, Sampling())
    folder = RunDirectory.create(root, plan)
    folder.created_utc = created or folder.created_utc
    journal = Journal(folder.journal_path)
    known = fingerprint(facts or FACTS)
    journal.append({"event": "environment", "fingerprint": known, "environment": {"facts": facts or FACTS}})
    rng = np.random.default_rng(len(str(root)))
    for launch in range(launches):
        for case, seconds in times:
            noisy = seconds * float(rng.normal(1, 0.01))
            result = make_result(case, noisy, status=status, launch=launch, fingerprint=known)
            folder.record(journal, result)
    journal.close()
    folder.assemble()
    return read_run(folder.path)


def checked(found: Comparison) -> Comparison:
    """The same, its document against the schema and every text made."""
    document = {"schema_version": 1, "verb": "compare", **comparison_document(found)}
    jsonschema.validate(json.loads(json.dumps(document, allow_nan=False)), COMPARE_SCHEMA)
    assert comparison_text(found) and comparison_markdown(found)
    return found


def test_the_medians_of_launches_are_those_of_the_samples(tmp_path: Path) -> None:
    run = written(tmp_path, [(GEMM, 1e-3), (SLOW, 8e-3)], launches=3)
    expected = {
        case.id: [
            float(np.median(r.measurement.step_seconds))
            for r in read_samples(run.path)
            if r.case == case and r.measurement
        ]
        for case in (GEMM, SLOW)
    }
    found = read_launch_medians(run.path)
    assert {case: pytest.approx(medians) for case, medians in found.items()} == expected


def test_a_system_twice_as_fast_is_told_apart_with_its_interval(tmp_path: Path) -> None:
    other = {**FACTS, "cpu": {**FACTS["cpu"], "model": "another"}}
    old = written(tmp_path / "a", [(GEMM, 1e-3), (SLOW, 8e-3)])
    new = written(tmp_path / "b", [(GEMM, 5e-4), (SLOW, 8e-3)], facts=other)
    found = checked(compare([old, new]))
    gemm, slow = found.cases
    (ratio,) = gemm.ratios
    assert ratio.low is not None and ratio.high is not None
    assert ratio.low < 0.5 < ratio.high < 0.52 and ratio.scope == "launches"
    assert (ratio.standing, slow.ratios[0].standing) == ("faster", "not told apart")
    assert found.differences == (("cpu.model", (FACTS["cpu"]["model"], "another")),)
    typical = found.typical(found.columns[1])
    assert typical == pytest.approx(0.5**0.5, rel=0.02)
    assert "1 faster, 1 not told apart of 2 cases" in comparison_text(found)


def test_few_launches_give_the_envelope_and_say_so(tmp_path: Path) -> None:
    runs = [written(tmp_path / name, [(GEMM, seconds)], launches=2) for name, seconds in (("a", 1e-3), ("b", 3e-3))]
    ratio = checked(compare(runs)).cases[0].ratios[0]
    assert ratio.scope == "envelope"
    assert ratio.low is not None and 2.2 < ratio.low < 3 and ratio.standing == "slower"
    assert "~" in comparison_text(compare(runs))


def test_unlike_work_is_not_compared_and_is_named(tmp_path: Path) -> None:
    newer = make_case("gemm", params={"n": 512}, ranks=1, version=2)
    found = checked(compare([written(tmp_path / "a", [(GEMM, 1e-3)]), written(tmp_path / "b", [(newer, 1e-3)])]))
    assert found.cases == ()
    assert [label for label, _ in found.left_out] == [GEMM.label, newer.label]


@pytest.mark.parametrize("status", ["wrong", "failed"])
def test_a_wrong_or_failed_case_has_no_ratio(tmp_path: Path, status: Status) -> None:
    runs = [written(tmp_path / "a", [(GEMM, 1e-3)]), written(tmp_path / "b", [(GEMM, 1e-4)], status=status)]
    for pair in (runs, runs[::-1]):
        (ratio,) = checked(compare(pair)).cases[0].ratios
        assert ratio.value is None and status in ratio.reason


def test_precisions_of_one_run_are_set_side_by_side(tmp_path: Path) -> None:
    double = make_case("gemm", params={"n": 512}, ranks=1, precision="fp64")
    run = written(tmp_path, [(double, 2e-3), (GEMM, 1e-3), (SLOW, 8e-3)])
    found = checked(compare([run], by="precision"))
    assert found.columns == ("fp64", "fp32")
    assert [case.label for case in found.cases] == [double.label]
    assert found.cases[0].ratios[0].standing == "faster"


@pytest.mark.parametrize(
    ("by", "said"), [("", "has only one run"), ("n", "is no axis"), ("fabric", "one value of fabric")]
)
def test_one_column_is_no_comparison(tmp_path: Path, by: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        compare([written(tmp_path, [(GEMM, 1e-3)])], by)


def series_of(root: Path, times: Sequence[float]) -> list[Run]:
    """A run per night, the oldest first."""
    nights = enumerate(times)
    return [written(root, [(GEMM, t)], launches=2, created=f"2026-01-{n + 1:02d}T00:00:00Z") for n, t in nights]


def test_history_shows_each_case_with_the_change_points_of_the_detector(tmp_path: Path) -> None:
    runs = series_of(tmp_path, [1e-3, 1e-3, 1e-3, 2e-3, 2e-3])
    (one,) = history(runs[::-1], lambda series: [[3] for _ in series])
    assert [point.value for point in one.points] == pytest.approx([1e-3] * 3 + [2e-3] * 2, rel=0.05)
    assert one.changes[0].created_utc == "2026-01-04T00:00:00Z"
    assert one.changes[0].change == pytest.approx(1.0, abs=0.05)
    document = {"schema_version": 1, "verb": "history", **history_document([one], "Apache Otava")}
    jsonschema.validate(json.loads(json.dumps(document)), HISTORY_SCHEMA)
    shown = history_text([one], "Apache Otava", "")
    assert "from 2026-01-04 00:00 smoke" in shown and "advice, not a verdict" in shown
    assert "no change points: install it" in history_text(history(runs), "", "install it")


def test_another_environment_begins_another_series_and_bad_runs_are_listed(tmp_path: Path) -> None:
    runs = series_of(tmp_path, [1e-3, 1e-3])
    runs.append(written(tmp_path, [(GEMM, 1e-3)], facts={"cpu": {"model": "new"}}, created="2026-02-01T00:00:00Z"))
    bad = written(tmp_path, [(GEMM, 1e-9)], status="wrong", created="2026-02-02T00:00:00Z")
    first, second = history([*runs, bad])
    assert (len(first.points), len(second.points)) == (2, 1)
    assert [status for _, status in first.bad] == ["wrong"]
