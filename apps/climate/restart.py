"""Restart files: the state of a simulation in one HDF5 file that is whole or absent, for any number of ranks.

Layout: attributes format, schema_version, writer, step, time; `physics` (JSON: name → text of what decides the numbers,
`setup.physics`); `state/<name>`: the arrays of `Simulation.save`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustermark import __version__
from clustermark.apps.climate.layout import Array
from clustermark.apps.climate.setup import STATE_FACTS
from clustermark.apps.console.files import damaged, opened_image, write_image
from clustermark.core.errors import UsageError, plain

FILE_FORMAT = "clustermark-climate-restart"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Restart:
    """A restart file's content: step and time [s] it is of, the physics it was made with, arrays by name."""

    step: int
    time: float
    physics: dict[str, str]
    state: dict[str, Array]


def write_restart(path: Path, step: int, time: float, physics: Mapping[str, str], state: Mapping[str, Any]) -> None:
    """Write a state. Raises StoreError; an older file is then still whole."""

    def fill(file: Any) -> None:
        from clustermark.core.store import write_text

        file.attrs.update(
            {
                "format": FILE_FORMAT,
                "schema_version": SCHEMA_VERSION,
                "writer": f"clustermark {__version__}",
                "step": step,
                "time": time,
            }
        )
        write_text(file, "physics", json.dumps(dict(physics), sort_keys=True, ensure_ascii=False))
        group = file.create_group("state")
        for name, array in state.items():
            group.create_dataset(name, data=np.asarray(array))

    write_image(path, fill)


def read_restart(path: Path) -> Restart:
    """Read a restart file whole.

    Raises
    ------
    UsageError : not there, not a restart file of the climate model, of a newer schema, damaged, not finite
    """
    return damaged(path, "restart file of the climate model", lambda: _read(path))


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
        step, time = int(file.attrs["step"]), float(file.attrs["time"])
        physics = json.loads(file["physics"].asstr()[()])
        state = {str(name): np.asarray(file["state"][name][()]) for name in file["state"]}
    if not isinstance(physics, dict):
        raise ValueError("its physics is not a table")
    for name, array in state.items():
        if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and not np.isfinite(array).all()):
            raise ValueError(f"{plain(name)} is not finite")
    return Restart(step, time, {str(name): str(value) for name, value in physics.items()}, state)


def fitting(
    restart: Restart, physics: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]], where: str
) -> list[str]:
    """Refuse a state of another case or grid, or one with a field missing.

    Parameters
    ----------
    physics : of this run
    shapes : name → shape of every array that this run needs
    where : the file, for messages

    Returns
    -------
    sentences on what else has changed since: the run goes on from the state, not bit by bit

    Raises
    ------
    UsageError : which fact differs, then and now; which field is missing, or of another shape
    """
    for name in STATE_FACTS:
        then, now = restart.physics.get(name, "nothing"), physics.get(name, "nothing")
        if then != now:
            raise UsageError(
                f"restart {where}: {name} was '{plain(then)}' and is now '{plain(now)}'; set it back, "
                f"or start anew without restart.read"
            )
    for name, shape in shapes.items():
        if name not in restart.state:
            raise UsageError(
                f"restart {where}: has no field '{plain(name)}' (it has {plain(', '.join(restart.state), 200)}); "
                f"take a file of the same equations and version"
            )
        if restart.state[name].shape != tuple(shape):
            raise UsageError(
                f"restart {where}: {plain(name)} has the shape {restart.state[name].shape}, expected {tuple(shape)}; "
                f"take a file of the same grid"
            )
    # Files from before there was a device to choose are of the CPU.
    before = {"device": "cpu", **restart.physics}
    return [
        f"{name} was {plain(before.get(name, 'nothing'))} and is now {physics[name]}: the run goes on, not bit by bit"
        for name in physics
        if before.get(name) != physics[name]
    ]
