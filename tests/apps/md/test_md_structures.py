"""Configurations from files and back: bit by bit, and every kind of damage is one sentence."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from clustermark.apps.md.model import Atoms
from clustermark.apps.md.structures import extxyz_lines, parse_extxyz, read_structure, wrapped
from clustermark.core.errors import UsageError

ARGON = """3
Lattice="10 0 0 0 11 0 0 0 12" Properties=species:S:1:pos:R:3:velo:R:3:id:I:1 pbc="T T T" Origin="-1 0 0"
Ar 0 1 2 0.1 0.2 0.3 7
Kr 4 5 -6 0 0 0 9
Ar 9.5 0 0 -1 0 0 8
"""


def test_an_extended_xyz_file_gives_atoms_wrapped_from_its_origin(tmp_path: Path) -> None:
    (tmp_path / "a.extxyz").write_text(ARGON)
    found = read_structure(tmp_path / "a.extxyz", "lj")
    atoms = found.atoms
    assert found.elements == ("Ar", "Kr")
    assert found.has_velocities
    assert atoms.box.tolist() == [10, 11, 12]
    assert atoms.positions.tolist() == [[1, 1, 2], [5, 5, 6], [0.5, 0, 0]]
    assert (atoms.ids.tolist(), atoms.types.tolist()) == ([7, 9, 8], [0, 1, 0])
    assert atoms.velocities[0].tolist() == [0.1, 0.2, 0.3]


def test_the_last_of_several_frames_is_taken() -> None:
    later = ARGON.replace("0.1 0.2 0.3", "7 7 7")
    assert parse_extxyz((ARGON + later).splitlines(), "x").atoms.velocities[0].tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("0 1 2", "nan 1 2"), "the position of 1 atom(s) is not finite, ids 7"),
        (("0.1 0.2", "inf 0.2"), "the velocity of 1 atom(s) is not finite, ids 7"),
        (("0.3 7", "0.3 8"), "id 8 stands there more than once"),
        (("0.3 7", "0.3 0"), "has id 0, expected ids from 1 on"),
        (("0.3 7", "0.3 9999999999999999999999"), "more than 64 bits"),
        (("0.3 7", "0.3"), "atom 1 has 7 columns, Properties describes 8"),
        (("0.3 7", "0.3 x"), "atom 1 has 'x', expected numbers"),
        (("10 0 0 0 11", "10 1 0 0 11"), "the box is not orthorhombic"),
        (("10 0 0 0 11", "-10 0 0 0 11"), "expected three above 0"),
        (("10 0 0 0 11", "10 0 0 0"), "Lattice is '10 0 0 0 0 0 0 12', expected 9 finite numbers"),
        (('Lattice="10', 'Lettice="10'), "Lattice is '', expected 9 finite numbers"),
        (("T T T", "T T F"), "pbc is 'T T F'"),
        (("species:S:1", "specie:S:1"), "has no species:S:1 and pos:R:3"),
        (("velo:R:3", "velo:R:2:z:R:1"), "write velo:R:3"),
        (("id:I:1", "id:R:1"), "the column id is no whole number"),
        (("id:I:1", "id:Q:1"), "expected name:R|I|S|L:columns"),
        (("3\n", "4\n"), "ends within a frame of 4 atoms"),
        (("3\n", "three\n"), "line 1 is 'three', expected the number of atoms"),
        (("3\n", "0\n"), "line 1 is '0'"),
    ],
)
def test_a_damaged_file_is_one_sentence(change: tuple[str, str], expected: str) -> None:
    assert change[0] in ARGON
    with pytest.raises(UsageError) as caught:
        parse_extxyz(ARGON.replace(*change, 1).splitlines(), "a.extxyz")
    assert expected in str(caught.value)
    assert str(caught.value).startswith("a.extxyz: ")


def _made(seed: int, count: int = 20) -> Atoms:
    chance = np.random.default_rng(seed)
    box = chance.uniform(1, 9, 3)
    types = np.append(chance.integers(0, 2, count - 2), [0, 1]).astype(np.int32)
    ids = chance.permutation(count).astype(np.int64) + 1
    return Atoms(wrapped(chance.normal(size=(count, 3)), box), chance.normal(size=(count, 3)), ids, types, box)


def test_what_is_written_is_read_back_bit_by_bit() -> None:
    for seed in range(5):
        atoms = _made(seed)
        found = parse_extxyz(list(extxyz_lines(atoms, ("A", "B"), {"Step": "3"}, atoms.velocities)), "x").atoms
        for name in ("positions", "velocities", "ids", "types", "box"):
            assert np.array_equal(getattr(atoms, name), getattr(found, name)), name


@given(
    arrays.arrays(np.float64, (4, 3), elements=st.floats(-1e6, 1e6)),
    arrays.arrays(np.float64, (3,), elements=st.floats(1e-3, 1e3)),
)
def test_wrapped_positions_are_in_the_box(positions: Any, box: Any) -> None:
    inside = wrapped(positions, box)
    assert ((inside >= 0) & (inside < box)).all()


def test_a_position_just_below_zero_does_not_become_the_edge() -> None:
    box = np.full(3, 10.0)
    assert wrapped(np.full((1, 3), -1e-20), box).max() < 10.0


@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "a.xyz"
    path.write_bytes(data)
    with pytest.raises(UsageError):
        read_structure(path, "lj")


@given(st.integers(0, len(ARGON) - 1), st.text(max_size=3))
def test_no_changed_character_ends_in_a_traceback(place: int, text: str) -> None:
    try:
        atoms = parse_extxyz((ARGON[:place] + text + ARGON[place + 1 :]).splitlines(), "x").atoms
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(atoms.positions).all()


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    for name in ("none.xyz", "none.cif"):
        with pytest.raises(UsageError, match=r"cannot be read|is not there"):
            read_structure(tmp_path / name, "metal")


def test_without_ase_the_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "ase":
            raise ImportError(name)
        return real(name, *rest)

    (tmp_path / "a.cif").write_text("")
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match=r"pip install 'clustermark\[md\]'"):
        read_structure(tmp_path / "a.cif", "metal")


def test_files_that_ase_wrote_are_read_with_velocities_in_angstrom_per_picosecond(tmp_path: Path) -> None:
    ase_build = pytest.importorskip("ase.build")
    import ase.io
    import ase.units

    crystal = ase_build.bulk("Cu", "fcc", a=3.6, cubic=True).repeat(2)
    velocities = np.random.default_rng(1).normal(size=(32, 3))
    crystal.set_velocities(velocities / (1000 * ase.units.fs))
    ase.io.write(tmp_path / "cu.traj", crystal)
    ase.io.write(tmp_path / "cu.extxyz", crystal, columns=["symbols", "positions"])
    by_ase, own = read_structure(tmp_path / "cu.traj", "metal"), read_structure(tmp_path / "cu.extxyz", "metal")
    assert np.allclose(by_ase.atoms.velocities, velocities, rtol=1e-12)
    assert np.allclose(by_ase.atoms.positions, own.atoms.positions, atol=1e-7)
    assert np.allclose(own.atoms.box, 7.2)
    assert not own.has_velocities
    with pytest.raises(UsageError, match="has velocities in ASE's units"):
        read_structure(tmp_path / "cu.traj", "lj")


def test_a_file_that_ase_cannot_read_or_simulate_is_one_sentence(tmp_path: Path) -> None:
    ase_build = pytest.importorskip("ase.build")
    import ase.io

    (tmp_path / "a.cif").write_bytes(b"\x00 no cif")
    ase.io.write(tmp_path / "skew.traj", ase_build.bulk("Cu", "fcc", a=3.6))
    ase.io.write(tmp_path / "open.traj", ase_build.molecule("H2O"))
    for name, expected in [("a.cif", "ASE cannot read"), ("skew.traj", "box"), ("open.traj", "not periodic")]:
        with pytest.raises(UsageError, match=expected):
            read_structure(tmp_path / name, "metal")


def test_ase_reads_what_is_written_here(tmp_path: Path) -> None:
    ase_io = pytest.importorskip("ase.io")
    atoms = _made(3)
    (tmp_path / "a.extxyz").write_text("".join(extxyz_lines(atoms, ("Ar", "Kr"))))
    read = ase_io.read(tmp_path / "a.extxyz")
    assert np.array_equal(read.positions, atoms.positions)
    assert read.get_chemical_symbols() == [("Ar", "Kr")[k] for k in atoms.types]
    assert np.array_equal(read.arrays["velo"], atoms.velocities)
