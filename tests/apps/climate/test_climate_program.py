"""The command line of the climate model around an analytic simulation: files, exit codes, ranks that leave together."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import analytic_simulation
import h5py
import numpy as np
import pytest

from clustermark.apps.climate.build import make_setup
from clustermark.apps.climate.input_file import load_input
from clustermark.apps.climate.program import EXAMPLES, examples, main
from clustermark.apps.climate.progress import conservation, header, row, years_per_day
from clustermark.apps.climate.restart import read_restart, write_restart

PROGRAM = Path(__file__).parent / "programs" / "analytic_climate.py"
SMALL = """
case = "held_suarez"
[grid]
resolution = 7.5
levels = 4
[run]
days = 1
timestep = 900
[output]
interval = 6
[restart]
write = "r.h5"
interval = 12
"""

Main = Callable[..., int]


@pytest.fixture
def climate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Main:
    """Run the command line in this process with the analytic simulation, in a folder of its own with small.toml."""
    driver = ModuleType("clustermark.apps.climate.driver")
    driver.__dict__["make_simulation"] = analytic_simulation.make_simulation
    monkeypatch.setitem(sys.modules, driver.__name__, driver)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    return lambda *words: main([str(word) for word in words])


def settings(*overrides: str) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


def contents(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        found: Any = file
        return {name: found[name][()] for name in found}


# --- one rank -------------------------------------------------------------------------------------------------


def test_a_run_prints_rows_conservation_and_speed_and_leaves_fields_and_restart(
    climate: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert climate("run", "small.toml") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["day", "step"]
    assert [line.split()[:2] for line in lines[2:7]] == [
        [f"{day:.3f}", str(step)] for day, step in ((0, 0), (0.25, 24), (0.5, 48), (0.75, 72), (1, 96))
    ]
    text = "\n".join(lines)
    assert "conservation over 1 days, relative to the start" in text
    assert "raw drift of mass              9.600e-08   9.600e-08 per day" in text
    assert "work of the fixer             -9.600e-08" in text
    assert "1 days in 96 steps of 900 s, 5120 cells" in text
    assert "simulated years per day" in text and "Mcell-steps/s" in text
    assert [line.split()[0] for line in lines if line.startswith(("stage", "halo", "output"))] == [
        "stage",
        "halo",
        "output",
    ]
    folder = tmp_path / "small.out"
    assert sorted(path.name for path in folder.iterdir()) == ["r.h5", "run.nc"]
    fields = contents(folder / "run.nc")
    assert fields["step"].tolist() == [0, 24, 48, 72, 96]
    assert fields["time"].tolist() == [0, 21600, 43200, 64800, 86400]
    assert fields["temperature"].shape == (5, 4, 2, 16, 40)
    assert fields["ps_lat_lon"].shape == (5, 24, 48)
    assert read_restart(folder / "r.h5").step == 96


def test_fields_stand_at_their_true_places(climate: Main, tmp_path: Path) -> None:
    """The vorticity of the analytic run at rest of phase is 1e-5 sin φ plus a wave that has no zonal mean."""
    words = settings("grid.levels=", "case=tc5", "precision=single", "grid.resolution=2.5", "run.days=0.03")
    words += settings("run.timestep=auto")
    assert climate("run", "small.toml", "--quiet", *words) == 0
    found = contents(tmp_path / "small.out" / "run.nc")
    expected = 1e-5 * np.sin(np.radians(found["lat"]))
    polar = np.abs(found["lat"]) > 45  # all of these parallels lies in one panel, where the wave has one amplitude
    assert np.abs(found["vorticity_zonal_mean"][0] - expected)[polar].max() < 1e-10
    assert np.allclose(found["vorticity_zonal_mean"], found["vorticity_lat_lon"].mean(axis=-1), atol=1e-11)
    native, latitude = found["vorticity"][0], np.radians(found["latitude"])
    wave = np.cos(latitude) ** 4 * np.cos(6 * np.radians(found["longitude"])) * np.array([0.1, 0.2])[:, None, None]
    assert np.allclose(native, 1e-5 * (np.sin(latitude) + wave), atol=1e-11)


def test_json_is_one_document(climate: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert climate("run", "small.toml", "--json") == 0
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert (output.err, document["case"], document["ranks"], document["levels"]) == ("", "held_suarez", 1, 4)
    assert [found["step"] for found in document["rows"]] == [0, 24, 48, 72, 96]
    assert document["conservation"]["raw_mass_drift"] == pytest.approx(9.6e-8)
    assert document["cells"] == 2 * 16 * 40 * 4
    assert document["steps"] == 96
    assert document["cell_steps_per_second"] == pytest.approx(96 * 5120 / document["seconds"])
    assert {found["name"] for found in document["sections"]} == {"stage", "halo", "output"}


def test_quiet_says_nothing(climate: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert climate("run", "small.toml", "--quiet") == 0
    assert tuple(capsys.readouterr()) == ("", "")


def test_no_days_show_the_initial_state_and_write_it(climate: Main, tmp_path: Path) -> None:
    assert climate("run", "small.toml", *settings("run.days=0")) == 0
    assert contents(tmp_path / "small.out/run.nc")["step"].tolist() == [0]
    assert not (tmp_path / "small.out/r.h5").exists()


def test_a_run_without_files_makes_no_folder(climate: Main, tmp_path: Path) -> None:
    words = settings("output.file=''", "restart.write=''", "restart.interval=")
    assert climate("run", "small.toml", "--quiet", *words) == 0
    assert not (tmp_path / "small.out").exists()


def test_files_of_an_earlier_run_are_replaced_only_on_request(
    climate: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert climate("run", "small.toml", "--output", "a/b", "--quiet") == 0
    assert climate("run", "small.toml", "--output", "a/b") == 2
    assert "run.nc: exists already; choose another folder with --output, or add --overwrite" in capsys.readouterr().err
    assert climate("run", "small.toml", "--output", "a/b", "--overwrite", "--quiet") == 0


def test_a_run_that_goes_on_from_a_restart_is_the_uncut_run_bit_by_bit(climate: Main, tmp_path: Path) -> None:
    assert climate("run", "small.toml", "--quiet", "--output", "whole") == 0
    assert climate("run", "small.toml", "--quiet", "--output", "a", *settings("run.days=0.5")) == 0
    more = settings("run.days=0.5", "restart.read=a/r.h5")
    assert climate("run", "small.toml", "--quiet", "--output", "b", *more) == 0
    whole, rest = contents(tmp_path / "whole/run.nc"), contents(tmp_path / "b/run.nc")
    assert rest["step"].tolist() == [72, 96]  # the frame of step 48 is in the file before
    for name in ("temperature", "u_east_lat_lon", "energy"):
        assert np.array_equal(whole[name][3:], rest[name]), name
    one, other = (read_restart(tmp_path / f"{name}/r.h5").state for name in ("whole", "b"))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_restart_of_another_grid_is_refused_and_another_step_is_told(
    climate: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    assert climate("run", "small.toml", "--quiet", "--output", "a") == 0
    read = "restart.read=a/r.h5"
    assert climate("run", "small.toml", "--output", "b", *settings(read, "grid.resolution=6", "run.timestep=auto")) == 2
    assert "grid.resolution was '7.5' and is now '6'; set it back" in capsys.readouterr().err
    assert climate("run", "small.toml", "--output", "b", *settings(read, "run.timestep=600")) == 0
    output = capsys.readouterr()
    assert output.err == "climate: note: run.timestep was 900.0 and is now 600.0: the run goes on, not bit by bit\n"
    assert [line.split()[:2] for line in output.out.splitlines()[2:4]] == [["1.000", "96"], ["1.250", "132"]]


def test_a_value_that_is_no_number_is_named_with_its_place_and_the_restart_is_kept(
    climate: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = settings("damping.every=16", "restart.interval=1", "output.interval=0.5")
    assert climate("run", "small.toml", "--output", "b", *words) == 4
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("climate: step 6 (day 0.0625): ps is not finite at ")
    assert "° N" in error and "the run is unstable; shorten run.timestep (900 s)" in error
    assert "the restart file of day 0.0416667 is kept" in error
    assert read_restart(tmp_path / "b/r.h5").step == 4
    assert contents(tmp_path / "b/run.nc")["step"].tolist() == [0, 2, 4]


def test_a_run_that_fails_ends_with_4_and_keeps_what_was_written(
    climate: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert climate("run", "small.toml", *settings("damping.every=13")) == 4
    assert capsys.readouterr().err == "climate: step 5: the depth is negative; shorten run.timestep\n"
    assert contents(tmp_path / "small.out/run.nc")["step"].tolist() == [0]
    assert not (tmp_path / "small.out/run.nc.parts").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "none.toml"], "none.toml: is not there"),
        (["run", "held_suares"], "(did you mean 'held_suarez'?)"),
        (["run", "small.toml", "--set", "run.day=1"], "did you mean 'run.days'?"),
        (["run", "small.toml", "--jsn"], "unrecognized arguments: --jsn"),
        (["rum"], "invalid choice: 'rum'"),
        ([], "required"),
        (["run", "small.toml", "--set", "run.timestep=9000"], "far beyond what is stable"),
        (["run", "small.toml", "--set", "restart.read=no.h5"], "no.h5: is not there"),
        (["run", "small.toml", "--output", "small.toml"], "cannot be made"),
        (["run", "small.toml", "--set", "output.file=a/b.nc"], "stands in none"),
        (["plot", "no.nc"], "no.nc: is not there"),
        (["plot", "small.toml"], "small.toml: cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    climate: Main, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    assert climate(*words) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.startswith("climate: ") and error.count("\n") == 1


def test_a_run_is_drawn(climate: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert climate("run", "small.toml", "--quiet") == 0
    assert climate("plot", "small.out/run.nc", "--output", "p", "--days", "0.5", "1") == 0
    assert capsys.readouterr().out.splitlines()[0] == "p/run_zonal_wind.svg"
    assert "mean of 3 frames, days 0.5 to 1" in (tmp_path / "p/run_zonal_temperature.svg").read_text()


def test_keys_are_printed_as_a_table(climate: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert climate("keys") == 0
    assert "| `grid.resolution` | 2 | degrees |" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["held_suarez", "baroclinic_wave", "mountain", "galewsky"])
def test_every_example_is_a_valid_input(name: str) -> None:
    assert name in examples()
    assert make_setup(load_input(EXAMPLES / f"{name}.toml")).timestep > 10


def test_columns_stand_under_their_names(climate: Main) -> None:
    simulation = analytic_simulation.make_simulation(make_setup(load_input(Path("small.toml"))), None)
    look = simulation.look()
    names, units = header(look, simulation.outputs).split("\n")
    assert len(names) == len(row(look)) == len(units)
    assert names.split()[:6] == ["day", "step", "raw", "drift", "fixer", "work"]


def test_a_year_in_a_day_is_one_simulated_year_per_day() -> None:
    assert years_per_day(365 * 86400.0, 86400.0) == 1.0
    assert years_per_day(1.0, 0.0) == 0.0


def test_the_account_is_of_this_run_only(climate: Main) -> None:
    """A run that goes on has drifted before; what it did itself is told."""
    simulation = analytic_simulation.make_simulation(make_setup(load_input(Path("small.toml"))), None)
    simulation.advance(96)
    first = simulation.look()
    simulation.advance(96)
    found = conservation([first, simulation.look()])
    assert found["days"] == 1.0
    assert found["raw_mass_drift"] == pytest.approx(9.6e-8, rel=1e-6)
    assert found["mass_change"] == 0.0


def test_importing_the_program_loads_neither_numpy_nor_mpi() -> None:
    script = (
        "import sys, clustermark.apps.climate.program as p; p.main(['keys']); "
        "print(sorted({'numpy', 'h5py', 'mpi4py', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# --- several ranks --------------------------------------------------------------------------------------------


def launched(python: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The analytic program on two ranks of a real mpirun."""
    from clustermark.core.environment import affinity
    from clustermark.runners.launcher import find_launcher, launch_arguments, launch_environment

    (folder / "small.toml").write_text(SMALL)
    launcher = find_launcher(str(Path(python).parent / "mpirun"))
    tokens = launch_arguments(launcher, 2, 1, len(affinity()), os.geteuid() == 0)
    return subprocess.run(
        [*tokens, python, str(PROGRAM), "run", "small.toml", *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=launch_environment(os.environ, "", 1),
        check=False,
    )


@pytest.mark.mpi
def test_ranks_write_one_set_of_files_and_go_on_from_another_number_of_ranks(
    climate: Main, mpi_python: str, tmp_path: Path
) -> None:
    assert climate("run", "small.toml", "--output", "whole", "--quiet") == 0
    assert climate("run", "small.toml", "--output", "a", "--quiet", *settings("run.days=0.5")) == 0
    more = ["--output", "b", "--json", *settings("run.days=0.5", "restart.read=a/r.h5")]
    rest = launched(mpi_python, tmp_path, *more)
    assert rest.returncode == 0, rest.stderr
    assert json.loads(rest.stdout)["ranks"] == 2
    whole, found = contents(tmp_path / "whole/run.nc"), contents(tmp_path / "b/run.nc")
    assert np.array_equal(whole["temperature"][3:], found["temperature"])


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--set", "run.dayz=1"], 2, "unknown key 'run.dayz'"),
        (["--set", "restart.read=no.h5"], 2, "no.h5: is not there"),
        (settings("damping.every=13"), 4, "the depth is negative"),
        (settings("damping.every=16"), 4, "ps is not finite at"),
    ],
)
def test_an_error_that_all_ranks_share_is_told_once(
    mpi_python: str, tmp_path: Path, words: list[str], code: int, sentence: str
) -> None:
    done = launched(mpi_python, tmp_path, *words)
    assert done.returncode == code, done.stderr
    assert done.stderr.count("climate: ") == 1
    assert done.stderr.count(sentence) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.mpi
@pytest.mark.parametrize(("fault", "sentence"), [(14, "a bug"), (15, "this rank alone is in trouble")])
def test_an_error_of_one_rank_ends_all_and_keeps_what_was_written(
    mpi_python: str, tmp_path: Path, fault: int, sentence: str
) -> None:
    done = launched(mpi_python, tmp_path, *settings(f"damping.every={fault}"))
    assert done.returncode == 4, done.stderr
    assert sentence in done.stderr
    assert contents(tmp_path / "small.out/run.nc")["step"][0] == 0


# --- the model itself -----------------------------------------------------------------------------------------


def model_run(python: str, folder: Path, ranks: int, *words: str) -> subprocess.CompletedProcess[str]:
    """The program with the real driver."""
    tokens = [python, "-m", "clustermark.apps.climate", "run", "water.toml", *words]
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
    if ranks > 1:
        from clustermark.runners.launcher import find_launcher, launch_arguments, launch_environment

        launcher = find_launcher(str(Path(python).parent / "mpirun"))
        tokens = [*launch_arguments(launcher, ranks, 1, 2, os.geteuid() == 0), *tokens]
        environment = launch_environment(os.environ, "", 1)
    return subprocess.run(tokens, capture_output=True, text=True, timeout=200, cwd=folder, env=environment, check=False)


@pytest.mark.mpi
def test_the_model_goes_on_bit_by_bit_on_other_ranks_and_its_fields_are_written(
    mpi_python: str, tmp_path: Path
) -> None:
    text = 'case = "tc5"\n[grid]\nresolution = 7.5\n[run]\ndays = 0.125\n[output]\ninterval = 1.5\n'
    (tmp_path / "water.toml").write_text(text + '[restart]\nwrite = "r.h5"\n')
    for ranks, words in (
        (1, ["--output", "whole"]),
        (1, ["--output", "a", *settings("run.days=0.0625")]),
        (2, ["--output", "b", *settings("run.days=0.0625", "restart.read=a/r.h5")]),
    ):
        done = model_run(mpi_python, tmp_path, ranks, *words)
        assert done.returncode == 0, done.stderr
    whole, rest = (read_restart(tmp_path / f"{name}/r.h5") for name in ("whole", "b"))
    assert whole.step == rest.step > 10
    assert all(np.array_equal(whole.state[name], rest.state[name]) for name in whole.state)
    fields = contents(tmp_path / "whole/run.nc")
    assert {"h", "surface", "u_east", "v_north", "vorticity"} < set(fields)
    assert np.array_equal(fields["u_east_lat_lon"][2:], contents(tmp_path / "b/run.nc")["u_east_lat_lon"])
    assert fields["surface_zonal_mean"][0].max() == pytest.approx(5960, abs=10)


def test_a_model_that_blows_up_is_named_with_field_and_place_and_its_restart_is_kept(tmp_path: Path) -> None:
    """The wind of a restart file is made 60 times what it was: too fast for the step."""
    text = (
        'case = "tc5"\nflux_matching = false\n[grid]\nresolution = 7.5\n[run]\ndays = 0.25\n[output]\ninterval = 0.5\n'
    )
    (tmp_path / "water.toml").write_text(text + 'file = ""\n[restart]\nwrite = "r.h5"\ninterval = 0.5\n')
    assert model_run(sys.executable, tmp_path, 1, "--output", "a").returncode == 0
    good = read_restart(tmp_path / "a/r.h5")
    state = {**good.state, "u": 60 * good.state["u"]}
    write_restart(tmp_path / "storm.h5", good.step, good.time, good.physics, state)
    done = model_run(sys.executable, tmp_path, 1, "--output", "b", *settings("restart.read=storm.h5", "run.days=5"))
    assert done.returncode == 4, done.stderr
    assert done.stderr.count("\n") == 1
    named = r"climate: step \d+.*: .*\w+ is (not finite|nan|inf|-?[\d.e+]+ m s-1) at -?[\d.]+° N -?[\d.]+° E"
    assert re.match(named, done.stderr), done.stderr
    assert "the restart file of day" in done.stderr
    assert np.isfinite(read_restart(tmp_path / "b/r.h5").state["mass"]).all()
