"""Restart files: what every rank needs to go on bit by bit, in one HDF5 file that is whole or absent.

Layout: attributes format, schema_version, writer, step, ranks, atoms, digest; `physics` (JSON: name → text of what
decides the numbers, `setup.physics`); `box` (3,); per rank `ranks/<k>/{positions, velocities, ids, types}` in the
order of its engine and `ranks/<k>/thermostat` (JSON).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustermark import __version__
from clustermark.apps.console.files import damaged, opened_image, write_image
from clustermark.apps.md.engine import State
from clustermark.apps.md.model import Atoms
from clustermark.core.errors import UsageError, plain

FILE_FORMAT = "clustermark-md-restart"
SCHEMA_VERSION = 1

_ARRAYS: dict[str, tuple[type, int]] = {
    "positions": (np.float64, 2),
    "velocities": (np.float64, 2),
    "ids": (np.int64, 1),
    "types": (np.int32, 1),
}


@dataclass(frozen=True)
class Restart:
    """A restart file's content: `states` per rank, `physics` as `setup.physics` gave it when it was written."""

    step: int
    physics: dict[str, str]
    states: tuple[State, ...]

    @property
    def elements(self) -> tuple[str, ...]:
        """Names of the types."""
        return tuple(self.physics.get("system.elements", "").split())


def write_restart(path: Path, states: Sequence[State], physics: Mapping[str, str]) -> None:
    """Write the states of all ranks, in the order of ranks. Raises StoreError; an older file is then still whole."""
    text = json.dumps(dict(physics), sort_keys=True, ensure_ascii=False)

    def fill(file: Any) -> None:
        from clustermark.core.store import write_text

        file.attrs.update(
            {
                "format": FILE_FORMAT,
                "schema_version": SCHEMA_VERSION,
                "writer": f"clustermark {__version__}",
                "step": states[0].step,
                "ranks": len(states),
                "atoms": sum(len(state.atoms.ids) for state in states),
                "digest": hashlib.sha256(text.encode()).hexdigest(),
            }
        )
        write_text(file, "physics", text)
        file.create_dataset("box", data=states[0].atoms.box)
        for rank, state in enumerate(states):
            group = file.create_group(f"ranks/{rank}")
            for name in _ARRAYS:
                group.create_dataset(name, data=getattr(state.atoms, name))
            write_text(group, "thermostat", json.dumps(_plain(state.thermostat)))

    write_image(path, fill)


def _plain(thermostat: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as Python's own, which JSON keeps to the last bit."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in thermostat.items()}


def read_restart(path: Path) -> Restart:
    """Read a restart file whole.

    Raises
    ------
    UsageError : not there, not a restart file, of a newer schema, damaged
    """
    return damaged(path, "restart file of clustermark", lambda: _read(path))


def _read(path: Path) -> Restart:
    with opened_image(path) as file:
        if file.attrs.get("format") != FILE_FORMAT:
            raise ValueError(f"its format is not {FILE_FORMAT}")
        version = int(file.attrs["schema_version"])
        if version > SCHEMA_VERSION:
            raise UsageError(
                f"{plain(str(path), 200)}: has schema version {version}, this clustermark reads up to "
                f"{SCHEMA_VERSION}; install a newer clustermark"
            )
        step, ranks = int(file.attrs["step"]), int(file.attrs["ranks"])
        box = np.array(file["box"][()], dtype=np.float64)
        if box.shape != (3,) or not (np.isfinite(box) & (box > 0)).all():
            raise ValueError("its box is not three lengths")
        states = tuple(_state(file[f"ranks/{rank}"], step, box) for rank in range(ranks))
        physics = json.loads(file["physics"].asstr()[()])
    if not states or not isinstance(physics, dict):
        raise ValueError("it holds no rank")
    return Restart(step, {str(name): str(value) for name, value in physics.items()}, states)


def _state(group: Any, step: int, box: Any) -> State:
    arrays = {name: np.array(group[name][()], dtype=dtype) for name, (dtype, _) in _ARRAYS.items()}
    count = len(arrays["ids"])
    for name, (_, dimensions) in _ARRAYS.items():
        if arrays[name].shape != ((count, 3) if dimensions == 2 else (count,)):
            raise ValueError(f"{name} has the shape {arrays[name].shape}")
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} is not finite")
    thermostat = json.loads(group["thermostat"].asstr()[()])
    return State(step, Atoms(box=box, **arrays), {str(name): value for name, value in thermostat.items()})


def same_run(restart: Restart, physics: Mapping[str, str], ranks: int, where: str) -> None:
    """Refuse to go on bit by bit with other physics or another number of ranks.

    Raises
    ------
    UsageError : which part differs, and that restart.redistribute starts anew from the atoms
    """
    remedy = "or set restart.redistribute = true, which takes only the atoms and does not continue bit by bit"
    if len(restart.states) != ranks:
        raise UsageError(
            f"restart {where}: is of {len(restart.states)} rank(s), this run has {ranks}; start it with "
            f"-n {len(restart.states)}, {remedy}"
        )
    for name in sorted({*restart.physics, *physics}):
        then, now = restart.physics.get(name, "nothing"), physics.get(name, "nothing")
        if then != now:
            raise UsageError(
                f"restart {where}: {plain(name)} was '{plain(then)}' and is now '{plain(now)}'; set it back, {remedy}"
            )


def all_atoms(restart: Restart) -> Atoms:
    """The atoms of all ranks, sorted by id. Raises UsageError where two have the same id."""
    parts = [state.atoms for state in restart.states]
    ids = np.concatenate([part.ids for part in parts])
    order = np.argsort(ids, kind="stable")
    if (np.diff(ids[order]) == 0).any():
        raise UsageError("the restart file has an atom on two ranks; take an earlier one")
    return Atoms(
        positions=np.concatenate([part.positions for part in parts])[order],
        velocities=np.concatenate([part.velocities for part in parts])[order],
        ids=ids[order],
        types=np.concatenate([part.types for part in parts])[order],
        box=parts[0].box,
    )
