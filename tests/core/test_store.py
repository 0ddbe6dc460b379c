"""Result files: what is written is read, bit for bit."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from core_examples import case_of, measurement_of, plan_of, recorded_run, result_of, same_measurement
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clustermark.core.errors import ResultFileError, StoreError, UsageError
from clustermark.core.journal import Journal
from clustermark.core.measurement import Measurement
from clustermark.core.result import UNPROVEN, Result
from clustermark.core.rundir import RunDirectory
from clustermark.core.runfile import read_run, read_samples
from clustermark.core.store import read_case, write_case
from clustermark.core.workload import Amount, Check

pytestmark = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # infinite samples on purpose

SECONDS = st.floats(0.0, 1e6) | st.sampled_from([float("nan"), float("inf"), 5e-324])


@st.composite
def launches(draw: st.DrawFn) -> list[Measurement]:
    """One to three launches of one case over 1 … 4 ranks, some with device times; sample counts differ."""
    ranks, timed = draw(st.integers(1, 4)), draw(st.booleans())
    counts = draw(st.lists(st.integers(1, 30), min_size=1, max_size=3))
    return [
        Measurement(
            seconds=draw(arrays(np.float64, (count, ranks), elements=SECONDS)),
            device_seconds=draw(arrays(np.float64, (count, ranks), elements=SECONDS)) if timed else None,
            warmup_seconds=draw(arrays(np.float64, (draw(st.integers(0, 4)), ranks), elements=SECONDS)),
            steps_per_sample=draw(st.integers(1, 10**9)),
            clock="perf_counter",
            sync=draw(st.shared(st.sampled_from(["barrier", "none"]), key="sync")),
            floor=draw(st.floats(0.0, 1.0)),
            stopped_by=draw(st.sampled_from(["interval", "time", "samples"])),
        )
        for count in counts
    ]


def without_samples(result: Result) -> Result:
    return replace(result, measurement=None)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(measured=launches(), text=st.text(max_size=40))
def test_a_case_file_gives_back_what_was_written(tmp_path: Path, measured: list[Measurement], text: str) -> None:
    case = case_of(ranks=measured[0].seconds.shape[1])
    result = replace(result_of(case, 0, measured[0]), reason=text, conditions=(text, "noisy machine"))
    write_case(tmp_path / "c.h5", result)
    found = read_case(tmp_path / "c.h5")
    assert found.measurement is not None
    assert same_measurement(found.measurement, measured[0])
    assert without_samples(found) == without_samples(result)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(measured=launches())
def test_a_run_file_gives_back_every_launch(tmp_path: Path, measured: list[Measurement]) -> None:
    ranks = measured[0].seconds.shape[1]
    plan = plan_of(f'launches = {len(measured)}\n[[matrix]]\nworkload = "allreduce"\nranks = {ranks}')
    run = RunDirectory.create(tmp_path, plan)
    journal = Journal(run.journal_path)
    written = [result_of(plan.cases[0], launch, m) for launch, m in enumerate(measured)]
    for result in written:
        run.record(journal, result)
    journal.close()
    run.assemble()
    found = read_samples(run.path)
    assert [without_samples(r) for r in found] == [without_samples(r) for r in written]
    for result, m in zip(found, measured, strict=True):
        assert result.measurement is not None
        assert same_measurement(result.measurement, m)


@pytest.mark.parametrize("status", ["failed", "skipped", "wrong"])
def test_a_result_without_samples_survives(tmp_path: Path, status: str) -> None:
    result = Result(case_of(), 1, status, "out of memory", check=Check("sum", float("nan"), 1.0, False))  # type: ignore[arg-type]
    write_case(tmp_path / "c.h5", result)
    found = read_case(tmp_path / "c.h5")
    assert str(found) == str(result)  # NaN is not equal to itself, its text is


@pytest.mark.parametrize("text", ["nul \0 inside", "half a pair \udc80", "x" * 200_000, "two\nlines", ""])
def test_any_reason_of_a_failure_can_be_stored(tmp_path: Path, text: str) -> None:
    """Reasons hold what other programs wrote to stderr."""
    result = replace(result_of(case_of(), 0), status="failed", reason=text, fabric=replace(UNPROVEN, observed=text))
    write_case(tmp_path / "c.h5", result)
    assert read_case(tmp_path / "c.h5").reason == text


def test_a_finished_run_is_complete(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    rows = run.assemble()
    read = read_run(run.path)
    assert read.complete
    assert read.unfinished == 0
    assert read.rows == tuple(rows)
    assert read.plan == run.plan
    assert (read.run_id, read.suite) == (run.run_id, "example")
    assert read_run(run.run_file).rows == read.rows
    assert [row.status for row in rows].count("skipped") == len(run.plan.skipped)


def test_assembling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    run.assemble()
    before = run.run_file.read_bytes()
    run.assemble()
    assert run.run_file.read_bytes() == before


def test_a_run_under_way_is_partial_and_counts_what_is_missing(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, plan_of())
    assert run.assemble()
    journal = Journal(run.journal_path)
    run.record(journal, result_of(run.plan.cases[0], 1))
    run.assemble()
    read = read_run(run.path)
    assert not read.complete
    assert read.unfinished == 2 * len(run.plan.cases) - 1
    assert set(run.finished()) == {(0, 1)}


def test_a_folder_opened_again_is_the_same_run(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    again = RunDirectory.open(run.path)
    assert (again.plan, again.run_id, again.created_utc) == (run.plan, run.run_id, run.created_utc)
    assert again.finished().keys() == run.finished().keys()


def test_a_wrong_answer_has_no_speed(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, plan_of('[[matrix]]\nworkload = "gemm"\n'))
    journal = Journal(run.journal_path)
    bad = Check("product", 1.0, 1e-9, False)
    run.record(journal, replace(result_of(run.plan.cases[0], 0), status="wrong", check=bad))
    (row,) = run.assemble()
    assert (row.status, row.metrics, row.time, row.check) == ("wrong", (), None, bad)
    assert read_run(run.path).rows == (row,)


def test_a_lost_case_file_is_a_failed_launch_with_its_reason(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    run.case_path(0, 1).unlink()
    rows = run.assemble()
    assert rows[0].status == "failed"
    assert "000000.1.h5: is not there" in rows[0].reason
    assert {row.status for row in rows[1:]} <= {"ok", "skipped"}


def test_a_case_file_of_another_case_is_not_believed(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    run.case_path(0, 0).write_bytes(run.case_path(1, 0).read_bytes())
    run.case_path(2, 0).write_bytes(run.case_path(2, 1).read_bytes())
    rows = run.assemble()
    assert [row.status for row in rows[:3]] == ["failed", "ok", "failed"]
    assert f"holds {run.plan.cases[1].label} launch 0" in rows[0].reason


def test_journal_lines_that_are_not_of_the_plan_are_passed_over(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    header = result_of(run.plan.cases[0], 0).header()
    done = {"event": "done", "case": 0, "launch": 0, "result": header}
    journal = Journal(run.journal_path)
    before = run.finished()
    for foreign in (
        {"case": -1},
        {"case": 999},
        {"launch": 2},
        {"launch": 1},
        {"case": 1},
        {"case": "x"},
        {"result": None},
        {"result": {}},
        {"result": header | {"work": [3]}},
        {"result": header | {"case": 3}},
        {"result": header | {"status": "great"}},
        {"result": header | {"case": header["case"] | {"seed": 99}}},
    ):
        journal.append(done | foreign)
    assert run.finished() == before
    run.assemble()
    assert read_run(run.path).complete


def test_a_running_run_is_not_run_twice(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    run.lock()
    with pytest.raises(UsageError, match="is still running; wait for it or end it"):
        RunDirectory.open(run.path).lock()
    run.unlock()
    RunDirectory.open(run.path).lock()


def test_the_lock_sweeps_up_what_a_kill_left_and_nothing_else(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    kept = sorted(run.path.rglob("*"))
    for left in (run.path / ".run.h5.12.ab.tmp", run.path / "cases" / ".000000.0.h5.12.ab.tmp"):
        left.write_bytes(b"half")
    run.lock()
    assert sorted(run.path.rglob("*")) == sorted([*kept, run.path / "lock"])


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "3", '{"schema_version": 1}', '{"schema_version": "x"}', "\xff"]
)
def test_a_damaged_plan_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=r"plan\.json: is damaged .*; its finished cases stay readable in cases/"):
        RunDirectory.open(tmp_path)


def test_a_newer_plan_and_no_plan_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no run \(no readable plan\.json\); give a folder under results/"):
        RunDirectory.open(tmp_path)
    (tmp_path / "plan.json").write_text(json.dumps({"schema_version": 2}))
    with pytest.raises(UsageError, match=r"was planned by a newer clustermark \(schema 2\)"):
        RunDirectory.open(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be made \(Not a directory\)"):
        RunDirectory.create(tmp_path / "file", plan_of())


def test_what_hdf5_cannot_store_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    broken = replace(result_of(case_of(), 0), work={"bus": Amount(1.0, "a\0b")})
    with pytest.raises(StoreError, match=r"c\.h5: cannot be made \(ValueError"):
        write_case(tmp_path / "c.h5", broken)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_open_in_the_same_notebook_can_be_read(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    run.assemble()
    with h5py.File(run.run_file, "r", locking=True):
        assert read_run(run.path).complete


def test_a_case_file_is_no_run_file(tmp_path: Path) -> None:
    write_case(tmp_path / "c.h5", result_of(case_of(), 0))
    with pytest.raises(ResultFileError, match="is HDF5 but no clustermark-result file"):
        read_run(tmp_path / "c.h5")


def test_ranks_are_kept_apart(tmp_path: Path) -> None:
    measured = measurement_of(np.random.default_rng(5), ranks=3)
    write_case(tmp_path / "c.h5", result_of(case_of(ranks=3, ranks_per_node=3), 0, measured))
    found = read_case(tmp_path / "c.h5").measurement
    assert found is not None
    assert (found.seconds[:, 2] == measured.seconds[:, 2]).all()
