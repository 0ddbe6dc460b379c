"""list and describe."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from verb_runs import Command

from clustermark.cli.layout import columns, section, wrapped
from clustermark.core.precision import PRECISIONS
from clustermark.devices import DEVICES
from clustermark.runners.catalog import suites, workloads
from clustermark.runners.launcher import Launcher
from clustermark.transports import TRANSPORTS
from clustermark.transports.fabrics import FABRICS


def test_the_list_names_everything_that_a_suite_can_name(command: Command, openmpi: Launcher) -> None:
    data = command("list", "--json").document
    tables = {
        "workloads": workloads(),
        "suites": suites(),
        "precisions": PRECISIONS,
        "devices": DEVICES,
        "transports": TRANSPORTS,
        "fabrics": FABRICS,
    }
    text = command("list").out
    for table, rows in tables.items():
        assert [row["name"] for row in data[table]] == list(rows), table
        assert all(name in text for name in rows)


def test_fabrics_of_another_mpi_say_why_they_are_not_offered(command: Command, openmpi: Launcher) -> None:
    rows = {row["name"]: row for row in command("list", "--json").document["fabrics"]}
    assert rows["ompi-tcp"]["offered"]
    assert not rows["mpich-ofi-tcp"]["offered"]
    assert "belongs to MPICH" in rows["mpich-ofi-tcp"]["reason"]


def test_the_list_works_without_a_launcher(command: Command, no_launcher: None) -> None:
    said = command("list")
    assert said.code == 0
    assert "launcher: no mpirun found" in said.out
    data = command("list", "--json").document
    assert data["launcher"] is None
    assert not any(row["offered"] for row in data["fabrics"])


def test_a_plug_in_workload_is_listed_and_described(
    clustermark: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    listed, described = clustermark("list"), clustermark("describe", "faulty")
    assert "faulty" in listed.stdout
    assert (described.returncode, described.stdout.split(",")[0]) == (0, "faulty")


def test_a_broken_plug_in_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[clustermark.workloads]\nbroken = not_a_module:WORKLOAD\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", "clustermark", "list"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 2
    assert "plug-in workload 'broken'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_workload_is_described_with_every_parameter(command: Command) -> None:
    for workload in workloads().values():
        text = command("describe", workload.name).out
        data = command("describe", workload.name, "--json").document
        assert [p["name"] for p in data["parameters"]] == [p.name for p in workload.params]
        for part in (workload.summary, workload.source, *(p.help for p in workload.params)):
            assert part in text


def test_a_ceiling_is_shown_from_both_sides(command: Command) -> None:
    assert command("describe", "gemm", "--json").document["ceiling"] == "peak.flop_rate"
    assert "gemm" in command("describe", "peak", "--json").document["bounds"]


def test_sizes_are_shown_as_people_write_them(command: Command) -> None:
    assert "64KiB" in command("describe", "allreduce").out


def test_a_suite_is_described_with_its_blocks_and_the_number_of_cases(command: Command, openmpi: Launcher) -> None:
    data = command("describe", "smoke", "--json").document
    plan = command("plan", "smoke", "--json").document
    assert data["cases"] == len(plan["cases"]) + len(plan["refused"])
    assert sum(block["cases"] for block in data["blocks"]) == data["cases"] + plan["merged"]
    assert data["blocks"][0]["axes"]["ranks"] == [1, 2]


def test_a_suite_file_of_the_user_is_described_too(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[matrix]]\nworkload = "gemm"\nprecision = ["fp64", "bf16"]\nparams = { n = [8, 16] }\n')
    said = command("describe", file)
    assert said.code == 0
    assert said.out.startswith("mine, suite")
    assert command("describe", file, "--json").document["cases"] == 4


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert columns([("a", "b"), ("ccc", "d")], ("x", "y")) == ["  x    y", "  a    b", "  ccc  d"]
    assert columns([]) == []
    assert section("title", []) == []


def test_wrapping_never_breaks_a_path() -> None:
    path = "/a/very/long/" + "path/" * 40
    assert path.rstrip("/") in "".join(wrapped(f"see {path}", "  "))
