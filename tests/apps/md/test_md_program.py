"""The command line around an engine, here the naive one: files, exit codes, ranks that leave together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import naive_engine
import numpy as np
import pytest

from clustermark.apps.console.keys import keys_table
from clustermark.apps.md.export import export_extxyz
from clustermark.apps.md.input_file import load_input, parse_input
from clustermark.apps.md.keys import KEYS
from clustermark.apps.md.program import EXAMPLES, examples, main
from clustermark.apps.md.restart import read_restart
from clustermark.apps.md.simulate import due, next_stop
from clustermark.apps.md.structures import read_structure
from clustermark.core.errors import UsageError

for needed in ("initial", "tables"):
    pytest.importorskip(f"clustermark.apps.md.{needed}")

PROGRAM = Path(__file__).parent / "programs" / "naive_md.py"
SMALL = """
[system]
lattice = "fcc"
cells = 2
density = 0.8442
temperature = 1.44
[potential]
cutoff = 1.2
[list]
skin = 0.3
[run]
steps = 20
timestep = 0.002
[output]
interval = 5
trajectory = "t.h5"
trajectory_interval = 10
[restart]
write = "r.h5"
interval = 10
"""
THERMOSTAT = ["ensemble.kind=langevin", "ensemble.temperature=1", "ensemble.time=1"]

Main = Callable[..., int]


@pytest.fixture
def md(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Main:
    """Run the command line in this process with the naive engine, in a folder of its own that has small.toml."""
    driver = ModuleType("clustermark.apps.md.driver")
    driver.__dict__["make_engine"] = naive_engine.make_engine
    monkeypatch.setitem(sys.modules, driver.__name__, driver)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    return lambda *words: main([str(word) for word in words])


def settings(*overrides: str) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def thermo_in(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        found: Any = file
        return {name: found[name][()] for name in found}


# --- one rank -------------------------------------------------------------------------------------------------


def test_a_run_prints_rows_and_leaves_thermo_trajectory_and_restart(
    md: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert md("run", "small.toml") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["step", "temperature"]
    assert [int(line.split()[0]) for line in lines[2:7]] == [0, 5, 10, 15, 20]
    assert float(lines[2].split()[1]) == pytest.approx(1.44, rel=1e-12)
    assert any(line.startswith("force") for line in lines)
    assert "Matom-steps/s" in lines[-2]
    folder = tmp_path / "small.out"
    assert sorted(p.name for p in folder.iterdir()) == ["r.h5", "t.h5", "thermo.h5"]
    thermo = thermo_in(folder / "thermo.h5")
    assert thermo["step"].tolist() == [0, 5, 10, 15, 20]
    assert np.allclose(thermo["total_energy"], thermo["potential_energy"] + thermo["kinetic_energy"])
    assert json.loads(thermo["input"])["run"]["steps"] == 20
    assert export_extxyz(folder / "t.h5", tmp_path / "t.xyz") == 3


def test_json_is_one_document_with_totals_and_per_atom(md: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert md("run", "small.toml", "--json") == 0
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert (output.err, document["atoms"], document["ranks"]) == ("", 32, 1)
    assert [row["step"] for row in document["rows"]] == [0, 5, 10, 15, 20]
    assert all(row["per_atom"]["virial"] == row["virial"] / 32 for row in document["rows"])
    assert {row["name"] for row in document["sections"]} == {"force", "list", "output"}
    assert "forces" not in document


def test_no_steps_give_energy_virial_and_forces_of_the_configuration(
    md: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only = ["run.steps=0", "output.thermo=", "output.trajectory=", "output.trajectory_interval="]
    only += ["restart.write=", "restart.interval=", "output.thermo=''"]
    assert md("run", "small.toml", "--json", *settings(*only)) == 0
    document = json.loads(capsys.readouterr().out)
    (row,) = document["rows"]
    constant = (4 / 0.8442) ** (1 / 3)
    square = constant**2 / 2  # twelve neighbours within the cutoff
    assert row["potential_energy"] == pytest.approx(32 * 6 * 4 * (square**-6 - square**-3), rel=1e-12)
    assert np.shape(document["forces"]) == (32, 3)
    assert np.abs(document["forces"]).max() < 1e-12
    assert not (tmp_path / "small.out").exists()


def test_quiet_says_nothing(md: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert md("run", "small.toml", "--quiet") == 0
    assert tuple(capsys.readouterr()) == ("", "")


def test_files_of_an_earlier_run_are_replaced_only_on_request(
    md: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert md("run", "small.toml", "--output", "a/b") == 0
    before = (tmp_path / "a/b/thermo.h5").read_bytes()
    assert md("run", "small.toml", "--output", "a/b") == 2
    assert "thermo.h5: exists already" in capsys.readouterr().err
    assert (tmp_path / "a/b/thermo.h5").read_bytes() == before
    assert md("run", "small.toml", "--output", "a/b", "--overwrite", "--quiet") == 0


def test_the_last_configuration_is_a_start_for_another_run(md: Main, tmp_path: Path) -> None:
    assert md("run", "small.toml", "--quiet", *settings("output.final=last.xyz")) == 0
    found = read_structure(tmp_path / "small.out/last.xyz", "lj").atoms
    state = read_restart(tmp_path / "small.out/r.h5").states[0].atoms
    assert np.array_equal(found.velocities, state.velocities)
    again = ["system.lattice=", "system.cells=", "system.density=", "system.temperature="]
    again += ["system.file=small.out/last.xyz"]
    assert md("run", "small.toml", "--quiet", "--output", "b", *settings(*again)) == 0
    first, second = (thermo_in(tmp_path / f"{name}/thermo.h5")["total_energy"] for name in ("small.out", "b"))
    assert second[0] == pytest.approx(first[-1], rel=1e-12)


def test_a_run_that_goes_on_from_a_restart_is_the_uncut_run_bit_by_bit(md: Main, tmp_path: Path) -> None:
    assert md("run", "small.toml", "--quiet", "--output", "whole") == 0
    assert md("run", "small.toml", "--quiet", "--output", "a", *settings("run.steps=10")) == 0
    more = settings("run.steps=10", "restart.read=a/r.h5")
    assert md("run", "small.toml", "--quiet", "--output", "b", *more) == 0
    whole, rest = (thermo_in(tmp_path / f"{name}/thermo.h5") for name in ("whole", "b"))
    assert rest["step"].tolist() == [10, 15, 20]
    for name in ("total_energy", "virial", "pressure"):
        assert np.array_equal(whole[name][2:], rest[name]), name
    one, other = (read_restart(tmp_path / f"{name}/r.h5").states[0] for name in ("whole", "b"))
    assert np.array_equal(one.atoms.positions, other.atoms.positions)
    assert one.thermostat == other.thermostat == {"calls": 20, "third": 1 / 3}
    with h5py.File(tmp_path / "b/t.h5") as file:  # the frame of step 10 is in the file before
        assert file["particles/trajectory/position/step"][()].tolist() == [20]  # type: ignore[index]


def test_rows_and_frames_before_a_restart_are_on_the_disk_before_it(
    md: Main, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []

    def look(path: Path, states: list[Any], physics: dict[str, str]) -> None:
        with h5py.File(path.parent / "t.h5") as file:
            frames: Any = file["particles/trajectory/position/step"]
            seen.append((states[0].step, int(thermo_in(path.parent / "thermo.h5")["step"][-1]), int(frames[-1])))

    monkeypatch.setattr("clustermark.apps.md.simulate.write_restart", look)
    assert md("run", "small.toml", "--quiet") == 0
    assert seen == [(10, 10, 10), (20, 20, 20)]


def test_a_restart_with_another_step_length_is_refused(md: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert md("run", "small.toml", "--quiet") == 0
    more = settings("restart.read=small.out/r.h5", "run.timestep=0.001")
    assert md("run", "small.toml", "--output", "b", *more) == 2
    assert "run.timestep was '0.002' and is now '0.001'" in capsys.readouterr().err
    assert md("run", "small.toml", "--quiet", "--output", "b", *more, "--set", "restart.redistribute=true") == 0
    capsys.readouterr()


def test_a_run_that_loses_atoms_ends_with_4_and_keeps_what_was_written(
    md: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert md("run", "small.toml", *settings(*THERMOSTAT, "ensemble.seed=13")) == 4
    assert capsys.readouterr().err == "md: step 5: lost atoms, shorten run.timestep\n"
    assert thermo_in(tmp_path / "small.out/thermo.h5")["step"].tolist() == [0, 5]
    assert export_extxyz(tmp_path / "small.out/t.h5", tmp_path / "t.xyz") == 1
    assert not (tmp_path / "small.out/t.h5.parts").exists()


def test_a_run_that_explodes_ends_with_4_and_keeps_the_last_good_restart(
    md: Main, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interact = naive_engine.NaiveEngine._interact

    def explode(engine: naive_engine.NaiveEngine) -> Any:
        forces, energy, virial = interact(engine)
        return forces, energy if engine.step < 15 else np.nan, virial

    monkeypatch.setattr(naive_engine.NaiveEngine, "_interact", explode)
    assert md("run", "small.toml", *settings("restart.interval=5")) == 4
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "step 20: the energy is not finite" in error
    assert read_restart(tmp_path / "small.out/r.h5").step == 15
    assert thermo_in(tmp_path / "small.out/thermo.h5")["step"].tolist() == [0, 5, 10, 15]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "none.toml"], "none.toml: is not there"),
        (["run", "lj_mel"], "(did you mean 'lj_melt'?)"),
        (["run", "small.toml", "--set", "run.step=1"], "did you mean 'run.steps'?"),
        (["run", "small.toml", "--jsn"], "unrecognized arguments: --jsn"),
        (["rum"], "invalid choice: 'rum'"),
        ([], "required"),
        (["run", "small.toml", "--set", "list.skin=9"], "below cutoff + list.skin = 10.2"),
        (["run", "small.toml", "--set", "restart.read=no.h5"], "no.h5: is not there"),
        (["run", "small.toml", "--output", "small.toml"], "cannot be made"),
        (["run", "small.toml", "--set", "output.thermo=a/b.h5"], "stands in none"),
        (["export", "no.h5", "a.xyz"], "no.h5: is not there"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    md: Main, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    assert md(*words) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.startswith("md: ") and error.count("\n") == 1


def test_two_types_are_mixed_and_drawn_in_their_shares() -> None:
    from clustermark.apps.md.build import make_setup

    text = SMALL.replace('lattice = "fcc"', 'lattice = "fcc"\nelements = ["A", "B"]\nfractions = [0.75, 0.25]')
    text = text.replace("cutoff = 1.2", "cutoff = 1.2\nepsilon = [1, 4]\nsigma = [1.0, 0.8]\n")
    pair = "[[potential.pairs]]\ntypes = ['B', 'B']\nepsilon = 0.5\nsigma = 0.7\ncutoff = 1.1\n"
    setup = make_setup(parse_input(text + pair, "two.toml", Path()), None)
    potential: Any = setup.potential
    assert potential.epsilon.tolist() == [[1, 2], [2, 0.5]]
    assert potential.sigma.tolist() == [[1, 0.9], [0.9, 0.7]]
    assert potential.cutoff.tolist() == [[1.2, 1.2], [1.2, 1.1]]
    assert setup.atoms is not None
    assert np.bincount(setup.atoms.types).tolist() == [24, 8]
    assert setup.atoms.types[:24].any()


def test_types_of_a_file_follow_the_order_of_the_input(tmp_path: Path) -> None:
    from clustermark.apps.md.build import make_setup

    row = "2\nLattice='9 0 0 0 9 0 0 0 9' Properties=species:S:1:pos:R:3\n"
    (tmp_path / "a.xyz").write_text(row + "A 0 0 0\nB 1 1 1\n")
    text = '[system]\nfile = "a.xyz"\nelements = {}\nmasses = [1, 2]\n[potential]\ncutoff = 2.5\n'
    setup = make_setup(parse_input(text.format('["B", "A"]'), "a.toml", tmp_path), None)
    assert setup.atoms is not None
    assert setup.atoms.types.tolist() == [1, 0]
    with pytest.raises(UsageError, match=r"has atoms of 'A', the types are B, C"):
        make_setup(parse_input(text.format('["B", "C"]'), "a.toml", tmp_path), None)


def test_the_page_on_input_files_has_the_table_of_keys() -> None:
    page = (Path(__file__).parents[3] / "docs" / "md-input.md").read_text(encoding="utf-8")
    assert keys_table(KEYS) in page


def test_keys_are_printed_as_a_table(md: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert md("keys") == 0
    assert "| `run.steps` | 0 |" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["lj_melt", "lj_liquid", "copper_eam"])
def test_every_example_is_a_valid_input(name: str) -> None:
    assert name in examples()
    data = load_input(EXAMPLES / f"{name}.toml")
    assert data.run.steps > 0


def test_stops_are_the_multiples_of_all_intervals_and_the_end() -> None:
    step, stops = 3, []
    while step < 20:
        step = next_stop(step, 20, [5, 8])
        stops.append(step)
    assert stops == [5, 8, 10, 15, 16, 20]
    assert next_stop(0, 7, []) == 7
    assert not due(0, None)


def test_importing_the_program_loads_neither_numpy_nor_mpi() -> None:
    script = (
        "import sys, clustermark.apps.md.program as p; p.main(['keys']); "
        "print(sorted({'numpy', 'h5py', 'mpi4py', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# --- several ranks --------------------------------------------------------------------------------------------


def launched(python: str, folder: Path, ranks: int, *words: str) -> subprocess.CompletedProcess[str]:
    """The naive program under a real mpirun."""
    from clustermark.core.environment import affinity
    from clustermark.runners.launcher import find_launcher, launch_arguments, launch_environment

    (folder / "small.toml").write_text(SMALL)
    launcher = find_launcher(str(Path(python).parent / "mpirun"))
    tokens = launch_arguments(launcher, ranks, 1, len(affinity()), os.geteuid() == 0)
    environment = launch_environment(os.environ, "", 1)
    return subprocess.run(
        [*tokens, python, str(PROGRAM), *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=environment,
        check=False,
    )


@pytest.mark.mpi
def test_ranks_write_one_set_of_files_and_go_on_bit_by_bit(md: Main, mpi_python: str, tmp_path: Path) -> None:
    assert md("run", "small.toml", "--output", "whole", "--quiet") == 0
    half = launched(mpi_python, tmp_path, 2, "run", "small.toml", "--output", "a", "--set", "run.steps=10")
    assert half.returncode == 0, half.stderr
    assert len(read_restart(tmp_path / "a/r.h5").states) == 2
    more = ["--set", "run.steps=10", "--set", "restart.read=a/r.h5", "--json"]
    rest = launched(mpi_python, tmp_path, 2, "run", "small.toml", "--output", "b", *more)
    assert rest.returncode == 0, rest.stderr
    document = json.loads(rest.stdout)
    force = next(row for row in document["sections"] if row["name"] == "force")
    assert document["ranks"] == 2
    assert [force["min"], force["avg"], force["max"]] == pytest.approx([1.0, 1.5, 2.0])
    assert force["imbalance"] == pytest.approx(100 / 3)
    one, other = (thermo_in(tmp_path / f"{name}/thermo.h5") for name in ("whole", "b"))
    assert np.array_equal(one["total_energy"][2:], other["total_energy"])


@pytest.mark.mpi
def test_a_redistribution_starts_on_another_number_of_ranks(md: Main, mpi_python: str, tmp_path: Path) -> None:
    assert md("run", "small.toml", "--output", "a", "--quiet") == 0
    more = ["--output", "b", "--set", "restart.read=a/r.h5"]
    taken = launched(mpi_python, tmp_path, 2, "run", "small.toml", *more, "--set", "restart.redistribute=true")
    assert taken.returncode == 0, taken.stderr
    assert thermo_in(tmp_path / "b/thermo.h5")["step"].tolist() == [20, 25, 30, 35, 40]


@pytest.mark.mpi
def test_mpi_is_started_on_request_where_no_launch_shows_itself(md: Main, mpi_python: str, tmp_path: Path) -> None:
    words = [mpi_python, str(PROGRAM), "run", "small.toml", "--mpi", "--json", "--set", "run.steps=5"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ranks"] == 1


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--set", "run.stepz=1"], 2, "unknown key 'run.stepz'"),
        (["--set", "restart.read=a/r.h5", "--output", "b"], 2, "is of 1 rank(s), this run has 2; start it with -n 1"),
        (settings(*THERMOSTAT, "ensemble.seed=13"), 4, "lost atoms"),
    ],
)
def test_an_error_that_all_ranks_share_is_told_once(
    md: Main, mpi_python: str, tmp_path: Path, words: list[str], code: int, sentence: str
) -> None:
    assert md("run", "small.toml", "--output", "a", "--quiet") == 0
    done = launched(mpi_python, tmp_path, 2, "run", "small.toml", *words)
    assert done.returncode == code, done.stderr
    assert done.stderr.count("md: ") == 1
    assert done.stderr.count(sentence) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.mpi
@pytest.mark.parametrize(("seed", "sentence"), [(14, "a bug"), (15, "this rank alone is in trouble")])
def test_an_error_of_one_rank_ends_all_and_keeps_what_was_written(
    mpi_python: str, tmp_path: Path, seed: int, sentence: str
) -> None:
    done = launched(mpi_python, tmp_path, 2, "run", "small.toml", *settings(*THERMOSTAT, f"ensemble.seed={seed}"))
    assert done.returncode == 4, done.stderr
    assert sentence in done.stderr
    assert thermo_in(tmp_path / "small.out/thermo.h5")["step"][0] == 0
