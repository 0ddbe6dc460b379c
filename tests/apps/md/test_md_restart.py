"""Restart files: bit by bit on the same ranks and physics, refused in one sentence elsewhere, never half."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.apps.console.files import write_image
from clustermark.apps.md.build import make_setup
from clustermark.apps.md.engine import State
from clustermark.apps.md.input_file import Input, parse_input
from clustermark.apps.md.model import UNITS, Atoms, EmbeddedAtom, LennardJones, ListRule
from clustermark.apps.md.restart import FILE_FORMAT, Restart, all_atoms, read_restart, same_run, write_restart
from clustermark.apps.md.setup import Ensemble, Setup, physics
from clustermark.core.errors import StoreError, UsageError

SQUARE = np.ones((1, 1))
SETUP = Setup(
    atoms=None,
    state=None,
    masses=np.array([1.0]),
    elements=("X",),
    potential=LennardJones(SQUARE, SQUARE, 2.5 * SQUARE),
    units=UNITS["lj"],
    cutoff=2.5,
    rule=ListRule(0.3),
    timestep=0.005,
    ensemble=Ensemble(),
    precision="double",
    overlap=True,
)


def states_of(ranks: int, count: int = 12) -> list[State]:
    """States of a system whose atoms are dealt out to ranks in a random order."""
    chance = np.random.default_rng(ranks)
    ids = chance.permutation(count) + 1
    box = np.array([9.0, 10.0, 11.0])
    found = []
    for rank in range(ranks):
        mine = ids[rank::ranks].astype(np.int64)
        noise = np.random.default_rng(0).normal(size=(count + 1, 3))[mine]
        atoms = Atoms(noise, -noise, mine, np.zeros(len(mine), np.int32), box)
        thermostat: dict[str, Any] = {"xi": np.float64(0.1 + rank), "calls": np.int64(2**60 + rank)}
        found.append(State(70, atoms, thermostat))
    return found


def same(one: State, other: State) -> bool:
    names = ("positions", "velocities", "ids", "types", "box")
    arrays = all(np.array_equal(getattr(one.atoms, name), getattr(other.atoms, name)) for name in names)
    return arrays and (one.step, one.thermostat) == (other.step, other.thermostat)


@pytest.mark.parametrize("ranks", [1, 3])
def test_every_rank_gets_its_state_back_bit_by_bit(tmp_path: Path, ranks: int) -> None:
    states = states_of(ranks)
    write_restart(tmp_path / "r.h5", states, physics(SETUP))
    found = read_restart(tmp_path / "r.h5")
    assert (found.step, found.physics, found.elements) == (70, physics(SETUP), ("X",))
    assert all(same(a, b) for a, b in zip(states, found.states, strict=True))
    assert all(isinstance(state.thermostat["calls"], int) for state in found.states)
    same_run(found, physics(SETUP), ranks, "r.h5")


def test_the_comparison_catches_one_changed_bit() -> None:
    (state,) = states_of(1)
    changed = state.atoms.positions.copy()
    changed[3, 1] = np.nextafter(changed[3, 1], 9)
    assert same(state, state)
    assert not same(state, replace(state, atoms=replace(state.atoms, positions=changed)))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"timestep": 0.004}, "run.timestep was '0.005' and is now '0.004'"),
        ({"precision": "mixed"}, "precision was 'double' and is now 'mixed'"),
        ({"overlap": False}, "overlap was 'true' and is now 'false'"),
        ({"units": UNITS["metal"]}, "units was 'lj' and is now 'metal'"),
        ({"masses": np.array([2.0])}, "system.masses was"),
        ({"elements": ("Ar",)}, "system.elements was 'X' and is now 'Ar'"),
        ({"rule": ListRule(0.3, 2)}, "list was 'skin 0.3 every 1 check true' and is now 'skin 0.3 every 2"),
        ({"ensemble": Ensemble("csvr", 1.0, 1.0, 1)}, "ensemble was 'nve 0.0 0.0 0' and is now 'csvr 1.0 1.0 1'"),
        ({"potential": LennardJones(SQUARE, SQUARE, 2.5 * SQUARE, tail=True)}, "potential was 'lj cut tail false"),
        ({"potential": LennardJones(SQUARE, 1.1 * SQUARE, 2.5 * SQUARE)}, "potential was 'lj cut tail false"),
    ],
)
def test_other_physics_is_refused_and_the_part_is_named(change: dict[str, object], key: str) -> None:
    restart = Restart(70, physics(SETUP), tuple(states_of(1)))
    with pytest.raises(UsageError) as caught:
        same_run(restart, physics(replace(SETUP, **change)), 1, "r.h5")  # type: ignore[arg-type]
    assert key in str(caught.value)
    assert "restart.redistribute = true" in str(caught.value)


def test_every_table_of_an_embedded_atom_potential_counts_as_physics() -> None:
    tables = {"embedding": np.ones((1, 4)), "density": np.ones((1, 4)), "pair": np.ones((1, 1, 4))}
    potential = EmbeddedAtom(**tables, rho_spacing=1, r_spacing=1, cutoff=3, masses=np.ones(1), elements=("Cu",))
    found = {physics(replace(SETUP, potential=potential))["potential"]}
    for name, table in tables.items():
        found.add(physics(replace(SETUP, potential=replace(potential, **{name: 1.5 * table})))["potential"])
    assert len(found) == 4


def test_another_number_of_ranks_is_refused() -> None:
    with pytest.raises(UsageError, match=r"is of 3 rank\(s\), this run has 2; start it with -n 3, or set"):
        same_run(Restart(70, physics(SETUP), tuple(states_of(3))), physics(SETUP), 2, "r.h5")


def test_the_atoms_of_all_ranks_come_out_by_id() -> None:
    one, three = (all_atoms(Restart(70, {}, tuple(states_of(ranks)))) for ranks in (1, 3))
    assert one.ids.tolist() == list(range(1, 13))
    assert np.array_equal(one.positions, three.positions)


def test_an_atom_on_two_ranks_is_refused() -> None:
    with pytest.raises(UsageError, match="an atom on two ranks"):
        all_atoms(Restart(70, {}, tuple(states_of(1) * 2)))


def test_a_failed_write_leaves_the_older_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    write_restart(tmp_path / "r.h5", states_of(1), physics(SETUP))
    monkeypatch.setattr("clustermark.core.files.write_all", full)
    with pytest.raises(StoreError, match="No space left on device"):
        write_restart(tmp_path / "r.h5", states_of(2), physics(SETUP))
    assert len(read_restart(tmp_path / "r.h5").states) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["r.h5"]


@given(st.data())
def test_a_damaged_file_is_one_sentence(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("damaged") / "r.h5"
    write_restart(path, states_of(2), physics(SETUP))
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
    else:
        path.write_bytes(whole[:place])
    with pytest.raises(UsageError, match="restart file of clustermark"):
        read_restart(path)


def test_foreign_missing_and_newer_files_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "foreign.h5", lambda file: file.attrs.update({"format": "other"}))
    newer = {"format": FILE_FORMAT, "schema_version": 99}
    write_image(tmp_path / "newer.h5", lambda file: file.attrs.update(newer))
    write_image(tmp_path / "empty.h5", lambda file: file.attrs.update(newer | {"schema_version": 1}))
    (tmp_path / "bytes.h5").write_bytes(b"")
    expected = {"foreign": "its format is not", "newer": "schema version 99", "empty": "damaged", "bytes": "HDF5"}
    expected |= {"none": "is not there"}
    for name, sentence in expected.items():
        with pytest.raises(UsageError, match=sentence):
            read_restart(tmp_path / f"{name}.h5")


def _input(tmp_path: Path, more: str = "", restart: str = "") -> Input:
    text = f'[potential]\ncutoff = 2.5\n[restart]\nread = "r.h5"\n{restart}\n[system]\n{more}\n'
    return parse_input(text, "a.toml", tmp_path)


def test_a_setup_goes_on_from_a_restart_file(tmp_path: Path) -> None:
    pytest.importorskip("clustermark.apps.md.tables")
    states = states_of(1)
    write_restart(tmp_path / "r.h5", states, physics(make_setup_without_restart(tmp_path)))
    setup = make_setup(_input(tmp_path), None)
    assert setup.state is not None and setup.atoms is None
    assert same(setup.state, states[0])
    assert setup.first_step == 70


def test_redistribution_takes_other_ranks_and_physics_but_the_same_types(tmp_path: Path) -> None:
    pytest.importorskip("clustermark.apps.md.tables")
    write_restart(tmp_path / "r.h5", states_of(3), physics(replace(SETUP, timestep=0.001)))
    setup = make_setup(_input(tmp_path, restart="redistribute = true"), None)
    assert setup.state is None and setup.atoms is not None
    assert (len(setup.atoms.ids), setup.first_step) == (12, 70)
    with pytest.raises(UsageError, match="has the types X, the input Kr"):
        make_setup(_input(tmp_path, 'elements = "Kr"', "redistribute = true"), None)


def make_setup_without_restart(tmp_path: Path) -> Setup:
    """The setup of `_input`'s physics."""
    pytest.importorskip("clustermark.apps.md.initial")
    text = '[potential]\ncutoff = 2.5\n[system]\nlattice = "fcc"\ncells = 3\nconstant = 1.6\n'
    return make_setup(parse_input(text, "a.toml", tmp_path), None)
