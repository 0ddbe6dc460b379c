"""Thermodynamic output and trajectories: what is on the disk stays, other programs read it, columns line up."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.apps.console.growing_file import parts_folder
from clustermark.apps.console.sections import section_table, section_times
from clustermark.apps.md.export import export_extxyz
from clustermark.apps.md.model import UNITS, Atoms, Thermo
from clustermark.apps.md.structures import read_structure
from clustermark.apps.md.thermo_output import (
    QUANTITIES,
    ThermoFile,
    columns,
    header,
    row_document,
)
from clustermark.apps.md.trajectory import GROUP, Content, TrajectoryWriter
from clustermark.core.errors import StoreError, UsageError
from clustermark.core.seal import unsealed

WRITER = Path(__file__).parent / "programs" / "writing_frames.py"
ROW = Thermo(100, 0.75745998, -184271.99, 36355.12, -147915.05, -12345.678, 0.20729996)


def atoms_at(k: float, count: int = 5) -> Atoms:
    chance = np.random.default_rng(int(k))
    types = (np.arange(count) % 2).astype(np.int32)
    ids = np.arange(1, count + 1)
    return Atoms(chance.uniform(0, 9, (count, 3)), chance.normal(size=(count, 3)), ids, types, np.array([9.0, 10, 11]))


def writer_at(path: Path, units: str = "metal", seconds: float = 0.0, dtype: str = "f8") -> TrajectoryWriter:
    first = atoms_at(0)
    masses = np.array([39.9, 83.8])[first.types]
    content = Content(first.ids, first.types, masses, ("Ar", "Kr"), UNITS[units], velocities=True, dtype=dtype)
    return TrajectoryWriter(path, content, seconds)


def positions_in(path: Path) -> Any:
    with h5py.File(path, "r") as file:
        return file[f"{GROUP}/position/value"][()]  # type: ignore[index]


# --- columns, documents ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_atom", [True, False])
@pytest.mark.parametrize("units", ["lj", "metal"])
def test_columns_stand_under_their_names_and_units(units: str, per_atom: bool) -> None:
    names, below = header(UNITS[units], per_atom).split("\n")
    row = columns(ROW, 32000, per_atom)
    assert len(names) == len(below) == len(row)
    assert names.split() == ["step", *QUANTITIES]
    ends = [names.index(name) + len(name) for name in QUANTITIES]
    assert all(row[end - 1] != " " and row[end : end + 1] in ("", " ") for end in ends)
    assert ("/atom" in below) == per_atom


def test_energies_per_atom_are_totals_divided_by_the_atoms() -> None:
    each = row_document(ROW, 32000)["per_atom"]
    assert each["potential_energy"] == ROW.potential_energy / 32000
    assert "pressure" not in each
    assert float(columns(ROW, 32000, True).split()[2]) == pytest.approx(-5.7584997, rel=1e-8)
    assert float(columns(ROW, 32000, False).split()[2]) == pytest.approx(ROW.potential_energy, rel=1e-9)


@given(st.lists(st.floats(-1e300, 1e300), min_size=6, max_size=6), st.integers(0, 10**9))
def test_any_row_keeps_its_width(values: list[float], step: int) -> None:
    assert len(columns(Thermo(step, *values), 7, True)) == len(header(UNITS["lj"], True).split("\n")[0])


def test_a_row_is_read_back_from_json_bit_by_bit() -> None:
    document = json.loads(json.dumps(row_document(ROW, 3)))
    assert Thermo(document["step"], *(document[name] for name in QUANTITIES)) == ROW


def test_sections_show_spread_and_share_over_ranks() -> None:
    times = section_times([{"list": 1.0, "force": 2.0}, {"force": 4.0, "zeta": 0.0}], ("force", "list"))
    assert [row.name for row in times] == ["force", "list", "zeta"]
    force, lists, zeta = times
    assert (force.least, force.average, force.most) == (2.0, 3.0, 4.0)
    assert force.imbalance == pytest.approx(100 / 3)
    assert (lists.least, lists.average, lists.most) == (0.0, 0.5, 1.0)
    assert (zeta.imbalance, zeta.share) == (0.0, 0.0)
    assert sum(row.share for row in times) == pytest.approx(100)
    assert len({len(line) for line in section_table(times).split("\n")}) == 1


# --- thermo.h5 ------------------------------------------------------------------------------------------------


def test_every_flush_leaves_a_whole_file_of_all_rows(tmp_path: Path) -> None:
    path = tmp_path / "thermo.h5"
    file = ThermoFile(path, UNITS["lj"], 5, "{}", seconds=0.0)
    for step in range(4):
        file.add(Thermo(step, *range(6)))
        unsealed(path.read_bytes())
        with h5py.File(path) as found:
            assert found["step"][()].tolist() == list(range(step + 1))  # type: ignore[index]
            assert found["pressure"].attrs["units"] == "ε/σ³"
    assert [p.name for p in tmp_path.iterdir()] == ["thermo.h5"]


def test_rows_between_flushes_wait_until_they_are_asked_for(tmp_path: Path) -> None:
    file = ThermoFile(tmp_path / "t.h5", UNITS["lj"], 5, "{}", seconds=1e9)
    for step in range(3):
        file.add(Thermo(step, *range(6)))
    with h5py.File(tmp_path / "t.h5") as found:
        assert len(found["step"]) == 1  # type: ignore[arg-type]
    file.flush()
    with h5py.File(tmp_path / "t.h5") as found:
        assert len(found["step"]) == 3  # type: ignore[arg-type]


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    file = ThermoFile(tmp_path / "gone" / "t.h5", UNITS["lj"], 5, "{}")
    with pytest.raises(StoreError, match="go on from the last restart file"):
        file.add(ROW)


# --- trajectories ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [True, False])
def test_mdanalysis_reads_a_trajectory_while_it_grows_and_after(tmp_path: Path, closed: bool) -> None:
    mda = pytest.importorskip("MDAnalysis")
    writer = writer_at(tmp_path / "t.h5md")
    for k in range(5):
        writer.write(10 * k, 0.01 * k, atoms_at(k))
    if closed:
        writer.close()
    universe = mda.Universe.empty(5, trajectory=True)
    universe.load_new(str(tmp_path / "t.h5md"), format="H5MD")
    assert len(universe.trajectory) == 5
    for k, frame in enumerate(universe.trajectory):
        assert np.allclose(frame.positions, atoms_at(k).positions, rtol=1e-6)
        assert np.allclose(frame.velocities, atoms_at(k).velocities, rtol=1e-6)
        assert np.allclose(frame.dimensions, [9, 10, 11, 90, 90, 90])
        assert (frame.data["step"], frame.time) == (10 * k, pytest.approx(0.01 * k))
    assert universe.trajectory.units["velocity"] == "Angstrom/ps"


def test_mdanalysis_reads_reduced_units_without_conversion(tmp_path: Path) -> None:
    mda = pytest.importorskip("MDAnalysis")
    writer = writer_at(tmp_path / "t.h5md", "lj", dtype="f4")
    writer.write(0, 0.0, atoms_at(1))
    writer.close()
    universe = mda.Universe.empty(5, trajectory=True)
    universe.load_new(str(tmp_path / "t.h5md"), format="H5MD", convert_units=False)
    assert np.array_equal(universe.trajectory[0].positions, atoms_at(1).positions.astype(np.float32))


def test_a_trajectory_has_what_h5md_asks_for(tmp_path: Path) -> None:
    writer = writer_at(tmp_path / "t.h5")
    writer.write(0, 0.0, atoms_at(0))
    writer.close()
    with h5py.File(tmp_path / "t.h5") as file:
        found: Any = file
        assert found["h5md"].attrs["version"].tolist() == [1, 1]
        assert found["h5md/author"].attrs["name"]
        assert found["h5md/creator"].attrs["name"] == "clustermark"
        group = found[GROUP]
        assert group["box"].attrs["dimension"] == 3
        assert list(group["box"].attrs["boundary"]) == [b"periodic"] * 3
        assert h5py.check_enum_dtype(group["species"].dtype) == {"Ar": 0, "Kr": 1}
        assert group["position/value"].attrs["unit"] == "Angstrom"
        assert group["position/value"].shape == (1, 5, 3)
        assert group["position/step"].shape == group["position/time"].shape == (1,)
        assert group["mass"][()].tolist() == [39.9, 83.8, 39.9, 83.8, 39.9]


def test_closing_makes_one_ordinary_file_of_all_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clustermark.apps.console.growing_file.PART_BYTES", 600)  # three frames
    writer = writer_at(tmp_path / "t.h5")
    for k in range(10):
        writer.write(k, k, atoms_at(k))
        assert np.array_equal(positions_in(tmp_path / "t.h5")[k], atoms_at(k).positions)
    assert len(list(parts_folder(tmp_path / "t.h5").iterdir())) == 4
    before = positions_in(tmp_path / "t.h5")
    writer.close()
    assert np.array_equal(positions_in(tmp_path / "t.h5"), before)
    assert [p.name for p in tmp_path.iterdir()] == ["t.h5"]


def test_frames_that_wait_are_written_on_closing(tmp_path: Path) -> None:
    writer = writer_at(tmp_path / "t.h5", seconds=1e9)
    for k in range(4):
        writer.write(k, k, atoms_at(k))
    assert len(positions_in(tmp_path / "t.h5")) == 1
    writer.close()
    assert len(positions_in(tmp_path / "t.h5")) == 4


def test_a_kill_between_a_part_and_the_file_over_it_leaves_the_frames_before(tmp_path: Path) -> None:
    writer = writer_at(tmp_path / "t.h5")
    for k in range(3):
        writer.write(k, k, atoms_at(k))
    before = (tmp_path / "t.h5").read_bytes()
    writer.write(3, 3, atoms_at(3))
    (tmp_path / "t.h5").write_bytes(before)
    assert np.array_equal(positions_in(tmp_path / "t.h5"), [atoms_at(k).positions for k in range(3)])


def test_without_space_for_one_file_the_parts_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    writer = writer_at(tmp_path / "t.h5")
    for k in range(3):
        writer.write(k, k, atoms_at(k))
    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(StoreError, match=r"stay readable together with the folder t\.h5\.parts"):
        writer.close()
    assert np.array_equal(positions_in(tmp_path / "t.h5")[2], atoms_at(2).positions)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.h5", "t.h5.parts"]


def test_a_missing_part_shows_as_not_a_number_and_is_not_exported(tmp_path: Path) -> None:
    writer = writer_at(tmp_path / "t.h5")
    writer.write(0, 0.0, atoms_at(0))
    parts_folder(tmp_path / "t.h5").rename(tmp_path / "elsewhere")
    assert np.isnan(positions_in(tmp_path / "t.h5")).all()
    with pytest.raises(UsageError, match="the folder of parts beside the file is not complete"):
        export_extxyz(tmp_path / "t.h5", tmp_path / "t.xyz")
    assert not (tmp_path / "t.xyz").exists()


def killed_writer(way: str, path: Path, acknowledged: int, microseconds: int) -> int:
    """A writer killed some microseconds after it acknowledged so many frames; returns how many it acknowledged."""
    words = [sys.executable, str(WRITER), way, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged + 1)]
        assert lines[0] == "ready\n"
        try:
            process.wait(microseconds / 1e6)
        except subprocess.TimeoutExpired:
            process.kill()
        lines += process.stdout.readlines()
    return sum(line.endswith("\n") for line in lines) - 1


def lost(path: Path, acknowledged: int) -> str:
    """Why acknowledged frames cannot be read, or "": the checker of both tests below."""
    try:
        found = positions_in(path)
    except (OSError, KeyError, RuntimeError) as error:
        return str(error)
    if not acknowledged <= len(found) <= acknowledged + 1:
        return f"{len(found)} frames of {acknowledged}"
    return "" if all((found[k] == k).all() for k in range(len(found))) else "other numbers"


def test_no_acknowledged_frame_is_lost_by_a_kill(tmp_path: Path) -> None:
    chance = random.Random(7)
    for trial in range(4):
        path = tmp_path / f"{trial}.h5"
        acknowledged = killed_writer("safe", path, chance.randrange(1, 40), chance.randrange(30_000))
        assert acknowledged > 0
        assert lost(path, acknowledged) == ""


def test_the_checker_catches_a_writer_that_appends_in_place(tmp_path: Path) -> None:
    acknowledged = killed_writer("unsafe", tmp_path / "t.h5", 40, 1000)
    assert lost(tmp_path / "t.h5", acknowledged) != ""


# --- export ---------------------------------------------------------------------------------------------------


def test_an_exported_trajectory_has_every_frame_bit_by_bit(tmp_path: Path) -> None:
    writer = writer_at(tmp_path / "t.h5")
    for k in range(3):
        writer.write(k, 0.5 * k, atoms_at(k))
    writer.close()
    assert export_extxyz(tmp_path / "t.h5", tmp_path / "t.extxyz") == 3
    found = read_structure(tmp_path / "t.extxyz", "metal")
    assert np.array_equal(found.atoms.positions, atoms_at(2).positions)
    assert np.array_equal(found.atoms.velocities, atoms_at(2).velocities)
    assert found.elements == ("Ar", "Kr")
    assert (tmp_path / "t.extxyz").read_text().count("Step=") == 3
    with pytest.raises(UsageError, match="exists already"):
        export_extxyz(tmp_path / "t.h5", tmp_path / "t.extxyz")
    assert export_extxyz(tmp_path / "t.h5", tmp_path / "t.extxyz", overwrite=True) == 3


def test_what_is_no_trajectory_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    for name in ("text.h5", "other.h5", "none.h5"):
        with pytest.raises(UsageError, match="H5MD trajectory of clustermark"):
            export_extxyz(tmp_path / name, tmp_path / "a.xyz")
    with pytest.raises(UsageError, match=r"expected \.extxyz"):
        export_extxyz(tmp_path / "text.h5", tmp_path / "a.pdb")
    assert not list(tmp_path.glob("*.xyz")) and not list(tmp_path.glob(".*.tmp"))


def test_a_trajectory_that_was_cut_short_is_one_sentence(tmp_path: Path) -> None:
    writer = writer_at(tmp_path / "t.h5")
    writer.write(0, 0.0, atoms_at(0))
    whole = (tmp_path / "t.h5").read_bytes()
    for tenth in range(9):
        (tmp_path / "t.h5").write_bytes(whole[: len(whole) * tenth // 10])
        with pytest.raises(UsageError, match=r"t\.h5"):
            export_extxyz(tmp_path / "t.h5", tmp_path / "t.xyz")
