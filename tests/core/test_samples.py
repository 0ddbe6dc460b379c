"""Samples of foreign programs: what is right is read, everything else is refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.errors import UsageError
from clustermark.core.samples import (
    Sampled,
    SampleLaunch,
    SampleStage,
    parse_lines,
    parse_pytest_benchmark,
    sample_evidence,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(["case", "seconds", "values", "unit", "better", "status", "reason", "other"])


def test_lines_that_are_no_records_are_the_programs_own_talk() -> None:
    found = parse_lines('hello\n{"case": "a", "seconds": [0.5, 0.25]}\n\n[1, 2]\n  {"case": "b", "seconds": 2}\n', "x")
    assert found == {"a": Sampled("a", cost=(0.5, 0.25)), "b": Sampled("b", cost=(2.0,))}


def test_rates_are_turned_over_and_lines_of_one_case_are_joined() -> None:
    line = '{"case": "copy", "values": [%s], "unit": "GB/s", "better": "higher"}\n'
    assert parse_lines(line % 4 + line % 8, "x")["copy"] == Sampled(
        "copy", cost=(0.25, 0.125), unit="GB/s", higher=True
    )


def test_the_worst_status_of_a_case_counts() -> None:
    text = '{"case": "a", "seconds": [1]}\n{"case": "a", "status": "wrong", "reason": "residual 3"}\n'
    found = parse_lines(text + '{"case": "a", "status": "failed"}', "x")["a"]
    assert (found.status, found.reason, found.cost) == ("wrong", "residual 3", (1.0,))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"case": "a", "seconds": [1]', "is no JSON object"),
        ('{"seconds": [1]}', "names no case"),
        ('{"case": "a", "secnds": [1]}', "unknown key 'secnds' (did you mean 'seconds'?)"),
        ('{"case": "a", "seconds": [1], "values": [2]}', 'has both "seconds" and "values"'),
        ('{"case": "a", "seconds": [0]}', "has the sample 0, expected finite numbers above 0"),
        ('{"case": "a", "seconds": [NaN]}', "has the sample nan"),
        ('{"case": "a", "seconds": [true]}', "has the sample True"),
        ('{"case": "a", "seconds": [1], "better": "higher"}', "better is 'higher'"),
        ('{"case": "a", "status": "fine"}', "status is 'fine', expected one of ok, wrong, failed"),
        ('{"case": "a", "values": [1], "unit": 3}', "unit and reason are texts"),
    ],
)
def test_a_bad_record_is_refused_with_its_line(line: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_lines(f"talk\n{line}\n", "the command")
    assert said in str(error.value)
    assert str(error.value).startswith("the command: line 2: ")


def test_one_case_has_one_unit() -> None:
    with pytest.raises(UsageError, match="changes its unit"):
        parse_lines('{"case": "a", "seconds": 1}\n{"case": "a", "values": 1, "unit": "GB/s", "better": "higher"}', "x")


@given(st.lists(st.dictionaries(keys, json_values, max_size=6).map(json.dumps) | st.text(max_size=30), max_size=5))
def test_any_lines_give_samples_or_one_sentence(lines: list[str]) -> None:
    try:
        found = parse_lines("\n".join(lines), "x")
    except UsageError as error:
        assert "\n" not in str(error)
        return
    for one in found.values():
        assert all(0 < value < float("inf") for value in one.cost)
        assert SampleLaunch.from_json(SampleLaunch({one.case: one}).to_json(), "x").cases == {one.case: one}


@given(
    json_values
    | st.fixed_dictionaries(
        {
            "benchmarks": json_values
            | st.lists(
                st.fixed_dictionaries(
                    {
                        "fullname": json_values,
                        "stats": json_values | st.fixed_dictionaries({"data": json_values, "median": json_values}),
                    }
                ),
                max_size=3,
            )
        }
    )
)
def test_any_json_is_a_pytest_benchmark_file_or_one_sentence(data: Any) -> None:
    try:
        found = parse_pytest_benchmark(json.dumps(data), "x")
    except UsageError as error:
        assert "\n" not in str(error)
        return
    assert all(one.cost for one in found.values())


@given(st.binary(max_size=40))
def test_any_bytes_are_a_pytest_benchmark_file_or_one_sentence(data: bytes) -> None:
    with pytest.raises(UsageError):
        parse_pytest_benchmark(data, "x")


def test_a_pytest_benchmark_file_is_read_with_its_rounds_or_its_medians() -> None:
    stats = [{"data": [0.1, 0.2], "median": 0.15}, {"median": 3}]
    data = {"benchmarks": [{"name": "n", "fullname": f"t.py::{i}", "stats": s} for i, s in enumerate(stats)]}
    found = parse_pytest_benchmark(json.dumps(data), "x")
    assert {name: one.cost for name, one in found.items()} == {"t.py::0": (0.1, 0.2), "t.py::1": (3.0,)}


def launch(folder: Path, side: str, number: int, cases: dict[str, Sampled], failure: str = "", stage: int = 0) -> None:
    """One run of a command, on the disk."""
    (folder / side).mkdir(exist_ok=True)
    (folder / side / f"{stage}.{number}.json").write_text(SampleLaunch(cases, failure).to_json())


def test_evidence_of_a_command_knows_new_vanished_and_failed_cases(tmp_path: Path) -> None:
    for number in range(5):
        launch(tmp_path, "baseline", number, {"a": Sampled("a", cost=(1.0,)), "gone": Sampled("gone", cost=(1.0,))})
        launch(tmp_path, "candidate", number, {"a": Sampled("a", cost=(2.0,)), "new": Sampled("new", cost=(1.0,))})
    found = {one.label: one for one in sample_evidence([SampleStage.read(tmp_path, 0)])}
    assert found["a"].first == pytest.approx([0.6931] * 5, abs=1e-4)
    assert found["new"].fresh
    assert "vanished: the command printed nothing about it" in found["gone"].became
    launch(tmp_path, "candidate", 5, {}, "the command ended with exit status 2")
    launch(tmp_path, "baseline", 5, {"a": Sampled("a", cost=(1.0,))})
    found = {one.label: one for one in sample_evidence([SampleStage.read(tmp_path, 0)])}
    assert found["a"].became == "failed in 1 of 6 launches: the command ended with exit status 2"


def test_rates_are_shown_as_they_were_printed(tmp_path: Path) -> None:
    for side, rate in (("baseline", 10.0), ("candidate", 5.0)):
        launch(tmp_path, side, 0, {"copy": Sampled("copy", cost=(1 / rate,), unit="GB/s", higher=True)})
    (one,) = sample_evidence([SampleStage.read(tmp_path, 0)])
    assert one.first == pytest.approx([0.6931], abs=1e-4)  # half the rate is twice the time
    assert (one.facts["baseline"], one.facts["candidate"]) == pytest.approx((10.0, 5.0))


def test_a_damaged_file_of_samples_is_named(tmp_path: Path) -> None:
    launch(tmp_path, "baseline", 0, {})
    (tmp_path / "candidate").mkdir()
    (tmp_path / "candidate" / "0.0.json").write_text("{")
    with pytest.raises(UsageError, match=r"0\.0\.json: is damaged"):
        SampleStage.read(tmp_path, 0)
