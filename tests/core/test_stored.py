"""Stored launches: exact bounds of a shift, verdicts that are weaker, and the baseline file."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.baseline import (
    Baseline,
    Chosen,
    baseline_text,
    parse_baseline,
    read_baseline,
    set_baseline,
)
from clustermark.core.errors import UsageError
from clustermark.core.gate_rules import Rules
from clustermark.core.rank_sum import null_distribution, shift_bounds
from clustermark.core.stored import Stored, StoredCase, decide_stored


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 4), (2, 3), (3, 3), (4, 5)])
def test_the_null_distribution_is_that_of_all_arrangements(m: int, n: int) -> None:
    counts = np.zeros(m * n + 1)
    for places in itertools.combinations(range(m + n), m):
        counts[sum(places) - m * (m - 1) // 2] += 1
    assert null_distribution(m, n) == pytest.approx(np.cumsum(counts) / counts.sum(), abs=1e-12)


def test_the_bounds_of_a_shift_are_wrong_as_rarely_as_they_say() -> None:
    rng = np.random.default_rng(1)
    trials, tail = 2000, 0.05
    above = sum(shift_bounds(rng.standard_t(3, 6), rng.standard_t(3, 7), tail)[1] > 0 for _ in range(trials))
    assert above / trials <= tail + 3 * math.sqrt(tail / trials)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=9), st.lists(st.floats(-5, 5), min_size=1, max_size=9))
def test_bounds_enclose_the_estimate_and_turn_over_with_the_groups(x: list[float], y: list[float]) -> None:
    estimate, low, high = shift_bounds(x, y, 0.1)
    assert low <= estimate <= high
    back, back_low, back_high = shift_bounds(y, x, 0.1)
    assert (back, back_low, back_high) == pytest.approx((-estimate, -high, -low))


def stored(seconds: float, launches: int = 8, noise: float = 0.005, **fields: Any) -> StoredCase:
    """A case with launches around that time."""
    medians = seconds * np.exp(np.random.default_rng(round(seconds * 100)).normal(0, noise, launches))
    case = StoredCase("k", "gemm[512]", "ok", medians=tuple(medians), fingerprints=("aa",))
    return replace(case, **fields)


def verdict(old: StoredCase, new: StoredCase) -> tuple[str, str]:
    """Of one case."""
    (decision,) = decide_stored(Stored("a", (old,)), Stored("b", (new,)), Rules())
    return decision.verdict, decision.reason


@pytest.mark.parametrize(
    ("new", "kind", "why"),
    [
        (stored(1.0), "unchanged", ""),
        (stored(1.2), "regressed", ""),
        (stored(0.8), "improved", ""),
        (stored(1.05), "inconclusive", ""),
        (stored(1.01, noise=0.3), "inconclusive", "cannot be excluded"),
        (stored(3.0, launches=4), "inconclusive", "4 launch(es) of a side are too few, at least 5"),
        (stored(1.0, fingerprints=("bb",)), "not compared", "another environment"),
        (stored(1.0, fingerprints=("aa", "bb")), "not compared", "another environment"),
        (stored(0.5, key="other"), "not compared", "other work under the same label"),
        (stored(1.0, conditions=("noisy machine: other programs ran",)), "inconclusive", "noisy machine"),
        (stored(9.0, conditions=("oversubscribed: 4 threads on 2 cores",)), "inconclusive", "oversubscribed"),
        (stored(0.5, status="wrong", reason="nan", medians=()), "regressed", "wrong: nan"),
        (stored(0.5, status="failed", reason="killed", medians=()), "regressed", "failed: killed"),
        (stored(1.0, key="x", label="x"), "new", "has no baseline"),
    ],
)
def test_a_stored_case_gets_its_verdict(new: StoredCase, kind: str, why: str) -> None:
    decisions = decide_stored(Stored("a", (stored(1.0),)), Stored("b", (new,)), Rules())
    assert decisions[0].verdict == kind
    assert why in decisions[0].reason
    assert len(decisions) == 1 or decisions[1].reason.startswith("vanished")


def test_a_case_that_the_new_run_lacks_has_vanished() -> None:
    (decision,) = decide_stored(Stored("a", (stored(1.0),)), Stored("b", ()), Rules())
    assert (decision.verdict, decision.reason) == ("regressed", "vanished: the new run does not have it")


def test_what_was_wrong_and_is_well_has_improved_and_what_is_wrong_twice_is_broken() -> None:
    bad = stored(1.0, status="wrong", reason="nan", medians=())
    assert verdict(bad, stored(9.0)) == ("improved", "was wrong: nan")
    assert verdict(bad, bad)[0] == "broken"


CHOSEN = Chosen("run1", "A. Tester", "2026-01-02T03:04:05Z", "first release")


def test_a_baseline_is_replaced_only_on_purpose_and_remembers_what_it_replaced(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    set_baseline(path, Stored("run1", (stored(1.0),), {"aa": {}}), CHOSEN, replace=False)
    before = path.read_bytes()
    second = replace(CHOSEN, run="run2", why="new compiler")
    with pytest.raises(UsageError, match=r"is a baseline already \(run run1, chosen by A. Tester on 2026-01-02: first"):
        set_baseline(path, Stored("run2", (stored(2.0),)), second, replace=False)
    assert path.read_bytes() == before
    set_baseline(path, Stored("run2", (stored(2.0),)), second, replace=True)
    found = read_baseline(path)
    assert (found.chosen, found.replaced) == (second, (CHOSEN,))


@pytest.mark.parametrize("status", ["wrong", "failed"])
def test_a_run_with_a_bad_case_is_no_baseline(tmp_path: Path, status: Any) -> None:
    cases = (stored(1.0), stored(1.0, key="b", status=status, medians=()))
    with pytest.raises(UsageError, match=f"is {status}; mend it"):
        set_baseline(tmp_path / "b.json", Stored("r", cases), CHOSEN, replace=False)
    assert not (tmp_path / "b.json").exists()


texts = st.text(max_size=20)
cases = st.builds(
    StoredCase,
    key=texts,
    label=texts,
    status=st.sampled_from(["ok", "wrong", "failed", "skipped"]),
    reason=texts,
    unit=texts,
    medians=st.lists(st.floats(1e-9, 1e3), max_size=4).map(tuple),
    fingerprints=st.lists(texts, max_size=2).map(tuple),
    conditions=st.lists(texts, max_size=2).map(tuple),
)
choices = st.builds(Chosen, run=texts, who=texts, when=texts, why=texts)
baselines = st.builds(
    Baseline,
    chosen=choices,
    cases=st.lists(cases, max_size=3).map(tuple),
    environments=st.dictionaries(texts, st.dictionaries(texts, texts, max_size=2), max_size=2),
    replaced=st.lists(choices, max_size=2).map(tuple),
)


@given(baselines)
def test_a_baseline_survives_its_file(baseline: Baseline) -> None:
    assert parse_baseline(baseline_text(baseline), "x") == baseline


@given(baselines, st.data())
def test_a_damaged_baseline_file_is_refused_in_one_sentence(baseline: Baseline, data: st.DataObject) -> None:
    """One value anywhere in the file is replaced by something else."""
    document = json.loads(baseline_text(baseline))
    holder, key = document, data.draw(st.sampled_from(sorted(document)))
    while isinstance(holder[key], (dict, list)) and holder[key] and data.draw(st.booleans()):
        holder = holder[key]
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))))
    holder[key] = data.draw(st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just([]) | st.just({}))
    try:
        parse_baseline(json.dumps(document), "x")
    except UsageError as error:
        assert str(error).startswith("x: ") and "\n" not in str(error)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_as_a_baseline(data: bytes) -> None:
    with pytest.raises(UsageError):
        parse_baseline(data, "x")


def test_a_newer_baseline_file_asks_for_a_newer_clustermark() -> None:
    document = json.loads(baseline_text(Baseline(CHOSEN, (), {})))
    with pytest.raises(UsageError, match="install a newer clustermark"):
        parse_baseline(json.dumps(document | {"schema_version": 2}), "x")
