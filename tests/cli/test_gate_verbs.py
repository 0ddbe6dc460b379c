"""check, baseline, compare, history on the command line: refusals, exit codes, documents."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from verb_runs import Command

from clustermark.core.rundir import RunDirectory
from clustermark.reports.gate_document import GATE_SCHEMA


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "was given nothing to check"),
        (["smoke"], "has no second side"),
        (["smoke", "--command", "x"], "was given a suite and --command"),
        (["smoke", "--baseline", "HEAD", "--method", "fast"], "give lockstep or interleaved"),
        (["smoke", "--baseline", "HEAD", "--launches", "3"], "give --pairs"),
        (["smoke", "--baseline", "HEAD", "--pairs", "3"], "fewer than 5 pairs"),
        (["smoke", "--baseline", "HEAD", "--confirm-pairs", "3"], "fewer than 7 pairs"),
        (["smoke", "--baseline", "HEAD", "--tolerance", "0.5"], "--tolerance: is 0.5"),
        (["smokey", "--baseline", "HEAD"], "did you mean 'smoke'"),
        (["smoke", "--baseline", "nowhere.whl"], "is no file"),
        (["smoke", "--set-candidate", "n=3"], "other settings change the work"),
        (["--command", "x", "--format", "xml", "--baseline", "HEAD"], "give json-lines or pytest-benchmark"),
        (["--resume", "/nowhere"], "holds no check"),
        (["--stored", "/nowhere", "/nowhere"], "/nowhere"),
    ],
)
def test_a_check_that_cannot_be_is_refused_in_one_sentence(
    command: Command, openmpi: object, tmp_path: Path, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = command("check", *words)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_a_stored_run_is_judged_against_itself_and_says_that_it_is_the_weaker_verdict(
    command: Command, killed: RunDirectory, tmp_path: Path
) -> None:
    answer = command("check", "--stored", killed.path, killed.path, "--json", "--junit", tmp_path / "junit.xml")
    jsonschema.validate(answer.document, GATE_SCHEMA)
    verdicts = {case["label"].split("[")[1].split()[0]: case["verdict"] for case in answer.document["cases"]}
    assert verdicts == {"8B": "inconclusive", "64B": "broken", "512B": "broken", "4KiB": "inconclusive"}
    assert answer.code == 4
    assert answer.document["method"] == "stored"
    assert "the weaker verdict" in answer.document["notes"][0]
    assert (tmp_path / "junit.xml").exists()


def benchmark_files(folder: Path, factor: float) -> Path:
    """Six files of pytest-benchmark, one a launch."""
    folder.mkdir()
    for number in range(6):
        stats = {"data": [factor * (1 + 0.001 * number)] * 3}
        data = {"benchmarks": [{"fullname": "test_x", "stats": stats}], "machine_info": {"node": "n"}}
        (folder / f"{number}.json").write_text(json.dumps(data))
    return folder


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.5, 1)])
def test_folders_of_pytest_benchmark_files_are_stored_launches(
    command: Command, tmp_path: Path, factor: float, code: int
) -> None:
    old, new = benchmark_files(tmp_path / "old", 1.0), benchmark_files(tmp_path / "new", factor)
    assert command("check", "--stored", old, new).code == code
    one = command("check", "--stored", old / "0.json", new / "0.json", "--strict")
    assert one.code == 3 and "at least 5 of each are needed" in one.out


def test_a_check_writes_markdown_and_annotations_for_a_workflow(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = benchmark_files(tmp_path / "old", 1.0), benchmark_files(tmp_path / "new", 2.0)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    summary = tmp_path / "summary.md"
    summary.write_text("what stood there\n")
    answer = command("check", "--stored", old, new, "--markdown", summary)
    assert (
        "::error title=test_x::regressed: +100.0 %" in answer.out.replace("2.0×", "+100.0 %") or "::error" in answer.out
    )
    assert summary.read_text().startswith("what stood there\n## clustermark check")


def test_a_baseline_is_set_shown_and_replaced_only_on_purpose(
    command: Command, tmp_path: Path, killed: RunDirectory
) -> None:
    file = tmp_path / "baseline.json"
    assert "reason" in command("baseline", "set", killed.path, "--file", file).err
    refused = command("baseline", "set", killed.path, "--file", file, "--why", "first")
    assert (refused.code, file.exists()) == (2, False)
    assert "is wrong; mend it" in refused.err
    assert "give set or show" in command("baseline", "shw").err
    assert "clustermark baseline set" in command("baseline", "show", "--file", file).err


def test_a_run_is_compared_by_precision_only_where_there_are_two(command: Command, killed: RunDirectory) -> None:
    answer = command("compare", killed.path, "--by", "fabric")
    assert answer.code == 2 and "has only one value of fabric" in answer.err
    assert command("compare", killed.path).code == 2


def test_history_of_a_folder_without_runs_is_refused_and_of_one_run_is_shown(
    command: Command, tmp_path: Path, killed: RunDirectory
) -> None:
    assert "holds no finished run" in command("history", tmp_path / "nothing").err
    killed.assemble()
    answer = command("history", killed.path.parent, "--json")
    assert answer.code == 0
    assert len(answer.document["series"]) == 4


@pytest.mark.parametrize("what", ["check", "compare", "history", "result"])
def test_every_document_has_a_schema(command: Command, what: str) -> None:
    jsonschema.Draft202012Validator.check_schema(command("schema", what).document)
