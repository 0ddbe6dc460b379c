"""Trajectories in H5MD 1.1 (de Buyl, Colberg & Höfling 2014), readable by MDAnalysis while they grow and after a kill.

Positions and velocities are the series of a `GrowingFile`: virtual datasets over parts until the file is closed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustermark import __version__
from clustermark.apps.console.growing_file import H5, GrowingFile, Make, Series
from clustermark.apps.md.model import Atoms, Floats, Integers, Units

GROUP = "particles/trajectory"

# Units as H5MD writes them and MDAnalysis knows them; reduced units have none.
_UNITS: dict[str, dict[str, str]] = {
    "metal": {"length": "Angstrom", "time": "ps", "velocity": "Angstrom ps-1", "mass": "g mol-1"}
}


@dataclass(frozen=True)
class Content:
    """What every frame shares.

    Attributes
    ----------
    ids : (n,) int64, sorted; types : (n,) int32; masses : (n,) float64 per atom
    elements : names of the types
    units : of the numbers
    velocities : frames have them too
    dtype : "f8" or "f4", of the numbers on the disk
    """

    ids: Integers
    types: Any
    masses: Floats
    elements: tuple[str, ...]
    units: Units
    velocities: bool = False
    dtype: str = "f8"


class TrajectoryWriter:
    """Writes frames of all atoms; used on one rank. Frames are on the disk after `flush`, which happens by itself
    every few seconds and whenever a part is full."""

    def __init__(self, path: Path, content: Content, seconds: float = 5.0) -> None:
        """Replace what is at `path`; frames wait at most `seconds`, if another one comes, before they are flushed."""
        self._content = content
        self._steps: list[int] = []
        self._times: list[float] = []
        self._boxes: list[Floats] = []
        series = {name: Series((len(content.ids), 3), content.dtype) for name in self._elements()}
        self._file = GrowingFile(path, series, self._fill, "free space and copy both, or export them", seconds)

    def write(self, step: int, moment: float, atoms: Atoms) -> None:
        """Add a frame.

        Parameters
        ----------
        step, moment : number of the step and its time [time]
        atoms : sorted by id, as many as in the content

        Raises
        ------
        StoreError : it was time to flush and the disk is full; frames flushed before stay
        """
        self._steps.append(step)
        self._times.append(moment)
        self._boxes.append(np.array(atoms.box))
        self._file.add({"position": atoms.positions, "velocity": atoms.velocities})

    def flush(self) -> None:
        """Put all frames so far on the disk. Raises StoreError."""
        self._file.flush()

    def close(self) -> None:
        """Flush and make one ordinary file. Raises StoreError; file and parts are then as readable as before."""
        self._file.close()

    def _elements(self) -> dict[str, str]:
        """H5MD element → quantity of its unit."""
        return {"position": "length", "velocity": "velocity"} if self._content.velocities else {"position": "length"}

    def _fill(self, file: H5, make: Make) -> None:
        """Everything of the H5MD file; positions and velocities are made by `make`."""
        import h5py

        content = self._content
        root = file.create_group("h5md")
        root.attrs["version"] = np.array([1, 1], dtype=np.int32)
        root.create_group("author").attrs["name"] = os.environ.get("USER", "unknown")
        root.create_group("creator").attrs.update({"name": "clustermark", "version": __version__})
        if content.units.name in _UNITS:
            root.create_group("modules/units").attrs.update(
                {"version": np.array([1, 0], dtype=np.int32), "system": "SI"}
            )
        group = file.create_group(GROUP)
        group.create_dataset("id", data=content.ids)
        names = h5py.enum_dtype({name: index for index, name in enumerate(content.elements)}, basetype="i4")
        group.create_dataset("species", data=content.types.astype(np.int32), dtype=names)
        self._set_unit(group.create_dataset("mass", data=content.masses), "mass")
        box = group.create_group("box")
        box.attrs["dimension"] = 3
        box.attrs["boundary"] = np.array([b"periodic"] * 3, dtype="S8")
        edges: H5 = box.create_group("edges")
        self._set_unit(edges.create_dataset("value", data=np.stack(self._boxes)), "length")
        edges.create_dataset("step", data=np.array(self._steps, dtype=np.int64))
        self._set_unit(edges.create_dataset("time", data=np.array(self._times)), "time")
        for name, quantity in self._elements().items():
            element = group.create_group(name)
            element["step"], element["time"] = edges["step"], edges["time"]
            self._set_unit(make(name, f"{GROUP}/{name}/value"), quantity)

    def _set_unit(self, dataset: Any, quantity: str) -> None:
        unit = _UNITS.get(self._content.units.name, {}).get(quantity)
        if unit:
            dataset.attrs["unit"] = unit
