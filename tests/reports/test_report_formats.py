"""Documents for programs: JSON and its schema, CSV, OpenMetrics, pytest-benchmark, pictures, files."""

import csv
import io
import json
import re
from dataclasses import replace

import jsonschema
import pytest
from fake_runs import allreduce, make_row, make_run, sample_rows, write_run

from clustermark.core.errors import UsageError
from clustermark.core.runfile import read_samples
from clustermark.core.workload import Check
from clustermark.reports.build import build
from clustermark.reports.document import JSON_SCHEMA, document
from clustermark.reports.export import export
from clustermark.reports.images import write_images

HOSTILE = '=HYPERLINK("http://evil")'


def validate(data):
    jsonschema.Draft202012Validator(JSON_SCHEMA).validate(data)


def hostile_run(text):
    case, seconds, work = allreduce(8, "ompi-tcp")
    row = replace(make_row(case, seconds, work=work), reason=text, conditions=(text,))
    return make_run([replace(row, case=replace(case, workload=text, fabric=text))], suite=text)


def test_the_schema_is_itself_valid_and_describes_the_document(run, tmp_path):
    jsonschema.Draft202012Validator.check_schema(JSON_SCHEMA)
    validate(document([run]))
    validate(json.loads(export([run, write_run(tmp_path)], "json")))


@pytest.mark.parametrize(
    "fault",
    [
        lambda d: d.pop("schema_version"),
        lambda d: d["runs"][0]["rows"][0].update(status="great"),
        lambda d: d["runs"][0]["rows"][0]["metrics"][0].update(value="fast"),
        lambda d: d["runs"][0].update(surprise=1),
        lambda d: d["counts"].update(ok=-1),
    ],
)
def test_the_schema_refuses_a_document_with_a_fault(run, fault):
    data = document([run])
    fault(data)
    with pytest.raises(jsonschema.ValidationError):
        validate(data)


def test_figures_that_json_cannot_hold_are_null(run):
    row = replace(run.rows[0], check=Check("sum", float("inf"), 1e-9, False))
    data = document([make_run([row])])
    assert data["runs"][0]["rows"][0]["check"]["error"] is None
    validate(json.loads(export([make_run([row])], "json")))


def test_no_path_of_the_machine_is_in_the_document(tmp_path):
    text = export([write_run(tmp_path)], "json")
    assert str(tmp_path) not in text


def test_csv_has_a_line_per_case_and_metric_and_loses_no_case(run):
    lines = list(csv.DictReader(io.StringIO(export([run], "csv"))))
    assert {line["case_id"] for line in lines} == {row.case.id for row in run.rows}
    for row in run.rows:
        mine = [line for line in lines if line["case_id"] == row.case.id]
        assert len(mine) == max(len(row.metrics), 1)
        if row.status != "ok":
            assert mine[0]["value"] == ""
    time = next(line for line in lines if line["metric"] == "time")
    assert float(time["value"]) == run.rows[0].metrics[-1].value


@pytest.mark.parametrize("text", [HOSTILE, "+1+1", "-2", "@SUM(A1)", "\t=1", "＝1", " =1"])
def test_csv_cells_are_no_formulas(text):
    for line in csv.reader(io.StringIO(export([hostile_run(text)], "csv"))):
        for cell in line:
            assert not re.match(r"^\s*[=+\-@＝＋－＠]", cell) or re.fullmatch(r"-?[\d.e+-]+", cell), cell
    assert f"'{text.strip()}" in export([hostile_run(text)], "csv").replace('""', '"').replace("' ", "'")


def openmetrics_samples(text):
    """A strict reader of the part of OpenMetrics 1.0 that is used; raises ValueError for anything else."""
    lines = text.split("\n")
    if lines[-2:] != ["# EOF", ""]:
        raise ValueError("must end with # EOF")
    samples, family, seen = {}, "", set()
    label = r'[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\n"])*"'
    sample = re.compile(rf"^([a-zA-Z_:][\w:]*)((?:\{{{label}(?:,{label})*\}})?) (NaN|[+-]?Inf|[-+\d.e]+)$", re.ASCII)
    for line in lines[:-2]:
        if line.startswith("# "):
            _, kind, name, *rest = line.split(" ", 3)
            if kind == "TYPE":
                if name in seen:
                    raise ValueError(f"family {name} twice")
                seen.add(name)
                family = name
            if name != family or kind not in ("TYPE", "UNIT", "HELP"):
                raise ValueError(line)
            if kind == "UNIT" and not name.endswith("_" + rest[0]):
                raise ValueError(f"{name} must end with its unit")
            continue
        match = sample.match(line)
        if not match or match[1] != family:
            raise ValueError(line)
        if (match[1], match[2]) in samples:
            raise ValueError(f"twice: {line}")
        samples[match[1], match[2]] = float(match[3])
    return samples


def test_openmetrics_is_valid_and_holds_every_metric(run):
    samples = openmetrics_samples(export([run], "openmetrics"))
    times = [value for (name, _), value in samples.items() if name == "clustermark_time_seconds"]
    assert sorted(times) == sorted(row.metrics[-1].value for row in run.rows if row.metrics)
    assert samples["clustermark_cases", '{status="wrong"}'] == 2


def test_openmetrics_labels_are_escaped():
    text = 'a"b\\c\nd{e="f"}'
    samples = openmetrics_samples(export([hostile_run(text)], "openmetrics"))
    assert any('workload="a\\"b\\\\c d{e=\\"f\\"}"' in labels for _, labels in samples)


@pytest.mark.parametrize(
    ("right", "fault"), [("# EOF\n", ""), ('status="ok"', 'status="o"k"'), ("# TYPE clustermark_cases gauge\n", "")]
)
def test_the_reader_of_openmetrics_refuses_a_fault(run, right, fault):
    text = export([run], "openmetrics")
    assert right in text
    with pytest.raises(ValueError):
        openmetrics_samples(text.replace(right, fault))


def test_pytest_benchmark_reads_its_export(tmp_path):
    storage = pytest.importorskip("pytest_benchmark.storage.file")
    import logging

    written = write_run(tmp_path)
    target = tmp_path / "0001_run.json"
    target.write_text(export([written], "pytest-benchmark"))
    loaded = list(storage.FileStorage(str(tmp_path), logging.getLogger()).load_benchmarks("0001"))
    assert {bench["name"] for bench in loaded} == {row.case.label for row in written.rows}
    by_case = {row.case.label: row for row in written.rows}
    for bench in loaded:
        time = by_case[bench["name"]].time
        assert time is not None
        assert bench["rounds"] == time.samples == len(bench["data"])
        assert bench["min"] == time.minimum
        assert bench["median"] == pytest.approx(time.value, rel=0.01)


def test_pytest_benchmark_compares_two_exports(tmp_path):
    import subprocess
    import sys

    written = write_run(tmp_path)
    for name in ("0001_a.json", "0002_b.json"):
        (tmp_path / name).write_text(export([written], "pytest-benchmark", read_samples(written.path)))
    command = [
        sys.executable,
        "-m",
        "pytest_benchmark",
        "compare",
        str(tmp_path / "0001_a.json"),
        str(tmp_path / "0002_b.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "allreduce[64KiB fp32 mpi/ompi-tcp 2r]" in done.stdout


def test_pytest_benchmark_takes_one_run(run):
    with pytest.raises(UsageError, match="was given 2 runs"):
        export([run, make_run(sample_rows(), 1)], "pytest-benchmark", [])


def test_an_unknown_format_names_the_nearest(run):
    with pytest.raises(UsageError, match="did you mean 'openmetrics'"):
        export([run], "openmetric")
    with pytest.raises(UsageError, match="did you mean 'html'"):
        build([run.path], None, ["htm"])


def test_pictures_of_every_chart_are_written(run, tmp_path):
    written = write_images([run], tmp_path / "charts")
    assert {path.stem for path in written} >= {"message_time", "bus_bandwidth", "precision_rate"}
    assert len(written) == 2 * len({path.stem for path in written})
    for path in written:
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG" if path.suffix == ".png" else b"<svg")
        assert len(data) > 4000


def test_build_writes_beside_the_run_or_into_the_target(tmp_path):
    written = write_run(tmp_path)
    made = build([written.path.parent])
    assert made == [written.path.parent / "report.html", written.path.parent / "report.md"]
    other = build([written.path], tmp_path / "new" / "folder", ["html", "json"])
    assert [path.name for path in other] == ["report.html", "report.json"]
    assert all(path.stat().st_size > 1000 for path in made + other)


def test_build_of_nothing_or_of_a_foreign_file_ends_in_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="given no run"):
        build([])
    (tmp_path / "run.h5").write_bytes(b"no HDF5")
    with pytest.raises(UsageError, match=r"give a run\.h5"):
        build([tmp_path])
