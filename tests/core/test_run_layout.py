"""run.h5 as docs/store.md draws it, for h5py, xarray, pandas and HDF5 1.10."""

import json
from pathlib import Path

import numpy as np
import pytest
from core_examples import opened, recorded_run

from clustermark.core.plan import Plan
from clustermark.core.rundir import RunDirectory
from clustermark.core.runfile import read_samples


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    run = recorded_run(tmp_path_factory.mktemp("run"))
    run.assemble()
    return run


def test_the_root_says_what_the_file_is(run: RunDirectory) -> None:
    with opened(run.run_file) as file:
        attributes = dict(file.attrs)
        assert list(file) == ["plan", "environment", "cases", "summary", "overview"]
        plan = json.loads(file["plan/json"].asstr()[()])
    assert attributes.pop("plan_hash")
    assert attributes.pop("writer").startswith("clustermark ")
    assert attributes == {
        "format": "clustermark-result",
        "schema_version": 1,
        "run_id": run.run_id,
        "suite": "example",
        "created_utc": run.created_utc,
        "status": "complete",
    }
    assert Plan.from_dict(plan) == run.plan


def test_every_case_says_what_it_was(run: RunDirectory) -> None:
    with opened(run.run_file) as file:
        groups = list(file["cases"])
        assert groups == [f"{n:06d}" for n in range(len(run.plan.cases) + len(run.plan.skipped))]
        for name, case in zip(groups, run.plan.cases, strict=False):
            attributes = file["cases"][name].attrs
            assert (attributes["case_id"], attributes["label"]) == (case.id, case.label)
            assert json.loads(attributes["params_json"]) == case.params
            for key in ("workload", "version", "precision", "device", "transport", "ranks", "ranks_per_node", "nodes"):
                assert attributes[key] == getattr(case, key)
            assert (attributes["fabric_requested"], attributes["kind"], attributes["status"]) == (
                case.fabric,
                "measured",
                "ok",
            )
        for name, (_, reason) in zip(groups[len(run.plan.cases) :], run.plan.skipped, strict=True):
            attributes = file["cases"][name].attrs
            assert (attributes["status"], attributes["error"]) == ("skipped", reason)
            assert "time" not in file["cases"][name]


def test_samples_have_units_and_named_dimensions(run: RunDirectory) -> None:
    with opened(run.run_file) as file:
        for group in list(file["cases"].values())[: len(run.plan.cases)]:
            for name, iteration in (("time", "iteration"), ("warmup_time", "warmup_iteration")):
                dataset = group[name]
                assert dataset.dtype == np.float64
                assert dataset.attrs["units"] == "s"
                assert [dimension[0].name.split("/")[-1] for dimension in dataset.dims] == ["launch", "rank", iteration]
            assert group["time"].shape == (2, group.attrs["ranks"], 6)
            assert group["work/bus"].attrs["units"] == "B"
            metric = group["metrics/bus"].attrs
            assert (metric["units"], metric["better"], metric["n"]) == ("B/s", "higher", 12)
            assert metric["ci_low"] < group["metrics/bus"][()] < metric["ci_high"]


def test_the_summary_has_columns_of_equal_length(run: RunDirectory) -> None:
    with opened(run.run_file) as file:
        columns = {name: dataset.shape for name, dataset in file["summary"].items()}
    wanted = {"case", "label", "metric", "value", "ci_low", "ci_high", "units", "better", "kind"}
    assert set(columns) == wanted
    assert set(columns.values()) == {(3 * len(run.plan.cases),)}  # two amounts of work and the time


def test_the_hosts_have_columns_of_equal_length(run: RunDirectory) -> None:
    with opened(run.run_file) as file:
        hosts = file["environment/hosts"]
        assert {name: dataset.shape for name, dataset in hosts.items()} == dict.fromkeys(
            ("rank", "ranks", "node", "cores"), (2,)
        )
        assert file["environment"].attrs["fingerprint"] == "0123456789abcdef"


def test_xarray_opens_a_case(run: RunDirectory) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    number = next(n for n, case in enumerate(run.plan.cases) if case.ranks == 2)
    with xarray.open_dataset(run.run_file, group=f"cases/{number:06d}", engine="h5netcdf", phony_dims="access") as case:
        assert case["time"].dims == ("launch", "rank", "iteration")
        assert case["time"].attrs["units"] == "s"
        slowest = case["time"].max("rank")
        assert slowest.shape == (2, 6)
        expected = next(r.measurement for r in read_samples(run.path) if r.case.id == case.attrs["case_id"])
        assert expected is not None
        assert (slowest[0].values == expected.seconds.max(axis=1)).all()


def test_pandas_reads_the_summary(run: RunDirectory) -> None:
    pandas = pytest.importorskip("pandas")
    with opened(run.run_file) as file:
        table = pandas.DataFrame(
            {
                name: column.asstr()[()] if column.dtype == object else column[()]
                for name, column in file["summary"].items()
            }
        )
    assert len(table) == 3 * len(run.plan.cases)
    assert (table["ci_low"] <= table["value"]).all()
    assert set(table["units"]) == {"B/s", "/s", "s"}
    assert set(table[table.metric == "time"].better) == {"lower"}


def test_the_superblock_is_one_that_hdf5_1_10_reads(run: RunDirectory) -> None:
    for path in (run.run_file, run.case_path(0, 0)):
        data = path.read_bytes()
        assert data[:8] == b"\x89HDF\r\n\x1a\n"
        assert data[8] == 3, "superblock version, HDF5 File Format Specification II.A: 3 came with HDF5 1.10"


def test_the_last_line_is_the_checksum_of_the_rest(run: RunDirectory) -> None:
    import hashlib

    data, _, seal = run.run_file.read_bytes().rpartition(b"\nclustermark sha256 ")
    assert seal == hashlib.sha256(data).hexdigest().encode() + b"\n"


def test_temporary_and_foreign_files_in_the_folder_are_left_alone(run: RunDirectory) -> None:
    before = run.run_file.read_bytes()
    for name in (".000000.0.h5.1.ab.tmp", "999999.0.h5", "notes.txt"):
        (Path(run.path) / "cases" / name).write_bytes(b"half")
    run.assemble()
    assert run.run_file.read_bytes() == before
