"""report, export and schema, on a run that was never assembled."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import pytest
from verb_runs import Command

from clustermark.cli.schema_verb import LAYOUT
from clustermark.core.rundir import RunDirectory
from clustermark.core.runfile import read_run

needs_charts = pytest.mark.skipif(find_spec("altair") is None, reason="reports need altair, which is not installed")


@needs_charts
def test_a_report_of_a_killed_run_assembles_it_first(command: Command, killed: RunDirectory) -> None:
    said = command("report", killed.path)
    assert said.code == 0, said.err
    assert "2 of 4 cases ok, 1 wrong, 1 failed; 1 skipped" in said.out
    assert (killed.path / "report.html").is_file()
    assert (killed.path / "report.md").is_file()
    assert str(killed.path / "report.md") in said.out
    assert "assembled" in said.err
    assert "assembled" not in command("report", killed.path).err


def test_a_run_is_found_by_its_name_its_folder_and_its_file(command: Command, killed: RunDirectory) -> None:
    results, name = killed.path.parent, killed.path.name
    documents = [
        command("export", given, "--results", results, "--format", "json").document
        for given in (name, killed.path, killed.path / "run.h5")
    ]
    assert documents[0] == documents[1] == documents[2]


def test_a_name_that_is_no_run_gets_the_nearest_one(command: Command, killed: RunDirectory) -> None:
    name = killed.path.name
    said = command("report", name[:-1] + "z", "--results", killed.path.parent)
    assert said.code == 2
    assert f"did you mean '{name}'?" in said.err


def test_a_run_that_goes_on_is_not_taken_apart(command: Command, killed: RunDirectory) -> None:
    other = RunDirectory.open(killed.path)
    other.lock()
    try:
        said = command("report", killed.path)
    finally:
        other.unlock()
    assert said.code == 2
    assert "is still running" in said.err
    assert not killed.run_file.exists()


def test_a_run_that_goes_on_again_is_shown_as_its_file_has_it(command: Command, killed: RunDirectory) -> None:
    killed.assemble()
    os.utime(killed.run_file, (0, 0))
    other = RunDirectory.open(killed.path)
    other.lock()
    try:
        said = command("export", killed.path, "--format", "json")
    finally:
        other.unlock()
    assert said.code == 0
    assert "is still running" in said.err
    assert said.document["counts"]["ok"] == 2


def test_a_run_file_older_than_its_journal_is_brought_up_to_date(command: Command, killed: RunDirectory) -> None:
    killed.assemble()
    before = killed.run_file.stat().st_ino
    os.utime(killed.run_file, (0, 0))
    assert command("export", killed.path, "--format", "json").code == 0
    assert killed.run_file.stat().st_ino != before


def test_a_copy_without_case_files_keeps_its_run_file(command: Command, killed: RunDirectory) -> None:
    killed.assemble()
    for file in (killed.path / "cases").iterdir():
        file.unlink()
    os.utime(killed.run_file, (0, 0))
    assert command("export", killed.path, "--format", "json").document["counts"]["failed"] == 1


@needs_charts
def test_a_report_goes_where_it_is_told(command: Command, killed: RunDirectory, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert command("report", killed.path, "--output", folder, "--format", "markdown,images").code == 0
    assert (folder / "report.md").is_file()
    assert list(folder.glob("charts/*.svg"))
    assert not (folder / "report.html").exists()
    page = tmp_path / "page.html"
    assert command("report", killed.path, "--output", page).out.endswith(f"{page}\n")
    assert page.read_text().lstrip().lower().startswith("<!doctype html>")
    assert command("report", killed.path, "--output", tmp_path / "x.json").code == 0
    assert json.loads((tmp_path / "x.json").read_text())["schema_version"] == 1


def test_a_file_name_that_contradicts_the_format_is_refused(command: Command, killed: RunDirectory) -> None:
    said = command("report", killed.path, "--output", killed.path / "x.html", "--format", "markdown")
    assert said.code == 2
    assert "is one html file, --format asks for markdown" in said.err


def test_an_unknown_report_format_gets_the_nearest_one(command: Command, killed: RunDirectory) -> None:
    said = command("report", killed.path, "--format", "htm")
    assert said.code == 2
    assert "did you mean 'html'?" in said.err


@needs_charts
def test_a_folder_that_cannot_be_written_is_one_sentence(command: Command, killed: RunDirectory) -> None:
    for where in (Path("/proc/self/nowhere"), Path("/proc/self/page.html")):
        said = command("report", killed.path, "--output", where)
        assert said.code == 4
        assert "cannot be" in said.err
        assert "Traceback" not in said.err


@needs_charts
def test_a_report_over_two_runs_leaves_theirs_alone(
    command: Command, killed: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verb_runs import record

    monkeypatch.chdir(tmp_path)
    other = record(tmp_path / "results")
    said = command("report", killed.path, other.path, killed.path, "--format", "markdown")
    assert said.code == 0, said.err
    assert "4 of 8 cases ok" in said.out
    assert (tmp_path / "report" / "report.md").is_file()
    assert not (killed.path / "report.md").exists()


@needs_charts
def test_report_json_is_the_document_and_nothing_else(command: Command, killed: RunDirectory) -> None:
    said = command("report", killed.path, "--json")
    assert said.document["verdict"] == "bad"
    assert "report.html" in said.err


def test_missing_chart_tools_are_one_sentence(
    command: Command, killed: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("altair", "vl_convert")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("clustermark.reports")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "altair", None)
    said = command("report", killed.path)
    assert said.code == 2
    assert "pip install altair" in said.err


def test_every_export_is_what_it_says(command: Command, killed: RunDirectory, tmp_path: Path) -> None:
    out = {
        name: command("export", killed.path, "--format", name).out
        for name in ("csv", "json", "pytest-benchmark", "openmetrics")
    }
    lines = list(csv.DictReader(io.StringIO(out["csv"])))
    assert {line["status"] for line in lines} == {"ok", "wrong", "failed", "skipped"}
    assert json.loads(out["json"])["counts"]["wrong"] == 1
    assert len(json.loads(out["pytest-benchmark"])["benchmarks"]) == 2
    assert out["openmetrics"].endswith("# EOF\n")
    target = tmp_path / "results.csv"
    assert command("export", killed.path, "--format", "csv", "--output", target).out == f"{target}\n"
    assert target.read_text() == out["csv"]


def test_an_export_to_a_folder_that_is_not_there_is_one_sentence(command: Command, killed: RunDirectory) -> None:
    said = command("export", killed.path, "--format", "csv", "--output", "/proc/self/x.csv")
    assert said.code == 4
    assert "cannot be written" in said.err


@pytest.mark.parametrize("damage", [b"", b"not HDF5", None])
def test_a_damaged_file_is_one_sentence(
    command: Command, killed: RunDirectory, tmp_path: Path, damage: bytes | None
) -> None:
    killed.assemble()
    whole = killed.run_file.read_bytes()
    broken = tmp_path / "broken.h5"
    broken.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    for words in (("report", broken), ("export", broken, "--format", "csv")):
        said = command(*words)
        assert said.code == 2
        assert "broken.h5" in said.err
        assert "Traceback" not in said.err


def test_the_schema_describes_the_exported_document(command: Command, killed: RunDirectory) -> None:
    jsonschema: Any = pytest.importorskip("jsonschema")
    schema = command("schema", "result").document
    assert schema == command("schema", "--json").document
    jsonschema.Draft202012Validator.check_schema(schema)
    document = command("export", killed.path, "--format", "json").document
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "verdict": "splendid"}, schema)


def in_layout(path: Path) -> tuple[set[str], set[str]]:
    """What a run file holds that LAYOUT lacks, and what LAYOUT names that the file lacks."""
    found: set[str] = set()
    scales = {"CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_Netcdf4Dimid", "_nc3_strict"}
    meanings = {name: meaning for entries in LAYOUT.values() for name, (_, meaning) in entries.items()}

    def visit(name: str, item: Any) -> None:
        path = re.sub(r"^/cases/\d+", "/cases/<number>", f"/{name}".rstrip("/") or "/")
        path = re.sub(r"/(work|metrics)/[^/]+$", r"/\1/<metric>", path)
        path = re.sub(r"/accuracy/[^/]+$", "/accuracy/<check>", path)
        path = re.sub(r"/counters/[^/]+/", "/counters/<interface>/", path)
        if isinstance(item, h5py.Dataset):
            path = re.sub(r"/counters/[^/]+$", "/counters/<counter>", path)
        attributes = set(item.attrs) - scales
        if isinstance(item, h5py.Dataset):
            found.add(path)
            # Attributes of a dataset stand in the text of its meaning.
            meaning = meanings[path.rsplit("/", 1)[1]]
            found.update(f"{path}@{a}" for a in attributes if not re.search(rf"@{a}\b", meaning))
        else:
            found.update(f"{path.rstrip('/')}/@{a}" for a in attributes)

    with h5py.File(path) as file:
        visit("", file)
        file.visititems(visit)
    told = {f"{group.rstrip('/')}/{name}" for group, entries in LAYOUT.items() for name in entries}
    return found - told, told - found


def test_the_layout_tells_all_that_a_run_file_holds_and_nothing_else(command: Command, killed: RunDirectory) -> None:
    killed.assemble()
    assert read_run(killed.run_file).complete
    assert in_layout(killed.run_file) == (set(), set())
    text = command("schema").out
    assert text == command("schema", "file").out
    assert all(group in text for group in LAYOUT)


def test_a_planted_attribute_is_missed_in_the_layout(killed: RunDirectory) -> None:
    killed.assemble()
    with h5py.File(killed.run_file, "r+") as file:
        file["plan"].attrs["planted"] = 1
        del file["summary/kind"]
    assert in_layout(killed.run_file) == ({"/plan/@planted"}, {"/summary/kind"})


def test_an_export_through_a_pipe_is_whole(killed: RunDirectory) -> None:
    words = [sys.executable, "-m", "clustermark", "export", str(killed.path), "--format", "json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(done.stdout)["counts"]["ok"] == 2
