"""Trajectories in H5MD 1.1 (de Buyl, Colberg & Höfling 2014), readable by MDAnalysis while they grow and after a kill.

Appending to an HDF5 file in place can destroy it, so nothing is ever written in place. Frames go into parts,
`<file>.parts/<k>.h5`, each an image that is whole or absent; the file itself is a small image, replaced at each
flush, whose positions and velocities are virtual datasets over the parts. Closing makes one ordinary file of it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustermark import __version__
from clustermark.apps.md.model import Atoms, Floats, Integers, Units
from clustermark.apps.md.output_files import cannot_write, write_image
from clustermark.core.errors import StoreError
from clustermark.core.files import sync_folder

# A file, group or dataset: h5py types each item as a union of all it might be.
H5 = Any

GROUP = "particles/trajectory"
# A part that has reached this size is left as it is; the last one is written anew until then.
PART_BYTES = 16 * 2**20

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


@dataclass
class _Part:
    """Name, first frame and number of frames of a part."""

    name: str
    first: int
    frames: int


class TrajectoryWriter:
    """Writes frames of all atoms; used on one rank. Frames are on the disk after `flush`, which happens by itself
    every few seconds and whenever a part is full."""

    def __init__(self, path: Path, content: Content, seconds: float = 5.0) -> None:
        """Replace what is at `path`; frames wait at most `seconds`, if another one comes, before they are flushed."""
        self._path, self._content, self._seconds = path, content, seconds
        self._folder = parts_folder(path)
        self._parts: list[_Part] = []
        self._waiting: list[tuple[Floats, Floats]] = []  # frames of the last part, on the disk or not
        self._steps: list[int] = []
        self._times: list[float] = []
        self._boxes: list[Floats] = []
        self._flushed, self._last = 0, -float("inf")
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir()
        except OSError as error:
            raise cannot_write(self._folder, error) from error

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
        dtype = np.dtype(self._content.dtype)
        velocities = atoms.velocities if self._content.velocities else np.zeros((0, 3))
        self._waiting.append((atoms.positions.astype(dtype), velocities.astype(dtype)))
        self._steps.append(step)
        self._times.append(moment)
        self._boxes.append(np.array(atoms.box))
        size = sum(x.nbytes + v.nbytes for x, v in self._waiting)
        if size >= PART_BYTES or time.monotonic() - self._last >= self._seconds:
            self.flush()
            if size >= PART_BYTES:
                self._waiting = []

    def flush(self) -> None:
        """Put all frames so far on the disk. Raises StoreError."""
        frames = len(self._steps)
        if self._flushed == frames:
            return
        first = frames - len(self._waiting)
        if not self._parts or self._parts[-1].first != first:
            self._parts.append(_Part(f"{len(self._parts):06d}.h5", first, 0))
        part = self._parts[-1]
        part.frames = len(self._waiting)
        write_image(self._folder / part.name, self._fill_part)
        write_image(self._path, self._fill_virtual)
        self._flushed, self._last = frames, time.monotonic()

    def close(self) -> None:
        """Flush and make one ordinary file.

        Raises
        ------
        StoreError : no space for that beside the parts; then file and parts are left, as readable as before
        """
        self.flush()
        if not self._parts:
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            self._reserve(temporary)
            self._fill_whole(temporary)
            temporary.replace(self._path)
        except (OSError, RuntimeError) as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise StoreError(
                f"{self._path}: all frames are there and stay readable together with the folder {self._folder.name}, "
                f"but cannot be made one file ({error}); free space and copy both, or export them"
            ) from error
        sync_folder(self._path.parent)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _reserve(self, path: Path) -> None:
        """Find out before HDF5 does, which ends the process, that the disk is full. Raises OSError."""
        each = len(self._content.ids) * 3 * np.dtype(self._content.dtype).itemsize
        size = len(self._steps) * each * (2 if self._content.velocities else 1) + 48 * len(self._content.ids) + 2**20
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)

    def _fill_part(self, file: Any) -> None:
        file.create_dataset("position", data=np.stack([x for x, _ in self._waiting]))
        if self._content.velocities:
            file.create_dataset("velocity", data=np.stack([v for _, v in self._waiting]))

    def _fill_virtual(self, file: Any) -> None:
        import h5py

        shape = (len(self._steps), len(self._content.ids), 3)
        self._describe(file)
        for name in self._elements():
            layout = h5py.VirtualLayout(shape=shape, dtype=self._content.dtype)
            for part in self._parts:
                # One frame more than there is: a selection that is less than all stays one when the last part grows.
                source = h5py.VirtualSource(f"{self._folder.name}/{part.name}", name, (part.frames + 1, *shape[1:]))
                layout[part.first : part.first + part.frames] = source[: part.frames]
            # NaN where a part is missing: nobody takes lost frames for atoms at the origin.
            dataset = file[f"{GROUP}/{name}"].create_virtual_dataset("value", layout, fillvalue=np.nan)
            self._set_unit(dataset, self._elements()[name])

    def _fill_whole(self, path: Path) -> None:
        import h5py

        shape = (len(self._steps), len(self._content.ids), 3)
        file: H5
        with h5py.File(path, "w", libver=("v110", "v110")) as file:
            self._describe(file)
            for name, quantity in self._elements().items():
                dataset = file[f"{GROUP}/{name}"].create_dataset("value", shape, self._content.dtype)
                self._set_unit(dataset, quantity)
                for part in self._parts:
                    source: H5
                    with h5py.File(self._folder / part.name, "r", locking=False) as source:
                        dataset[part.first : part.first + part.frames] = source[name][: part.frames]
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _elements(self) -> dict[str, str]:
        """H5MD element → quantity of its unit."""
        return {"position": "length", "velocity": "velocity"} if self._content.velocities else {"position": "length"}

    def _describe(self, file: Any) -> None:
        """Everything of the H5MD file but the values of positions and velocities."""
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
        for name in self._elements():
            element = group.create_group(name)
            element["step"], element["time"] = edges["step"], edges["time"]

    def _set_unit(self, dataset: Any, quantity: str) -> None:
        unit = _UNITS.get(self._content.units.name, {}).get(quantity)
        if unit:
            dataset.attrs["unit"] = unit


def parts_folder(path: Path) -> Path:
    """The folder of a growing trajectory's parts."""
    return path.with_name(path.name + ".parts")
