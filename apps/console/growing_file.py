"""An HDF5 file that grows frame by frame and is readable while it does, and after a kill.

Appending to an HDF5 file in place can destroy it, so nothing is ever written in place. Frames go into parts,
`<file>.parts/<k>.h5`, each an image that is whole or absent; the file itself is a small image, replaced at each
flush, whose series are virtual datasets over the parts. Closing makes one ordinary file of it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.apps.console.files import cannot_write, write_image
from clustermark.core.errors import StoreError
from clustermark.core.files import sync_folder

# A file, group or dataset: h5py types each item as a union of all it might be.
H5 = Any
Array = npt.NDArray[Any]

# A part that has reached this size is left as it is; the last one is written anew until then.
PART_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Series:
    """A dataset with one entry per frame.

    Attributes
    ----------
    shape, dtype : of one entry
    unlimited : its first axis can be extended by other programs, one frame per chunk
    """

    shape: tuple[int, ...]
    dtype: str
    unlimited: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of one entry."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


# Makes the dataset of a series at a place of the file.
Make = Callable[[str, str], H5]


@dataclass
class _Part:
    """Name, first frame and number of frames of a part."""

    name: str
    first: int
    frames: int


class GrowingFile:
    """Writes frames; used on one rank. Frames are on the disk after `flush`, which happens by itself every few
    seconds and whenever a part is full."""

    def __init__(
        self,
        path: Path,
        series: Mapping[str, Series],
        fill: Callable[[H5, Make], None],
        remedy: str,
        seconds: float = 5.0,
    ) -> None:
        """Replace what is at `path`.

        Parameters
        ----------
        series : name → what every frame has of it
        fill : fills an empty file with everything of it; calls `make(name, place)` once for each series
        remedy : what to do where the parts cannot be made one file, for the message
        seconds : frames wait at most so long, if another one comes, before they are flushed
        """
        self._path, self._series, self._fill, self._remedy, self._seconds = path, dict(series), fill, remedy, seconds
        self._folder = parts_folder(path)
        self._parts: list[_Part] = []
        self._waiting: list[dict[str, Array]] = []  # frames of the last part, on the disk or not
        self._frames, self._flushed, self._last = 0, 0, -float("inf")
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir()
        except OSError as error:
            raise cannot_write(self._folder, error) from error

    def add(self, frame: Mapping[str, Array]) -> None:
        """Add a frame with every series. Raises StoreError: it was time to flush; frames flushed before stay."""
        self._waiting.append({name: np.array(frame[name], dtype=one.dtype) for name, one in self._series.items()})
        self._frames += 1
        size = len(self._waiting) * self._frame_bytes()
        if size >= PART_BYTES or time.monotonic() - self._last >= self._seconds:
            self.flush()
            if size >= PART_BYTES:
                self._waiting = []

    def flush(self) -> None:
        """Put all frames so far on the disk. Raises StoreError."""
        if self._flushed == self._frames:
            return
        first = self._frames - len(self._waiting)
        if not self._parts or self._parts[-1].first != first:
            self._parts.append(_Part(f"{len(self._parts):06d}.h5", first, 0))
        part = self._parts[-1]
        part.frames = len(self._waiting)
        write_image(self._folder / part.name, self._fill_part)
        write_image(self._path, lambda file: self._fill(file, lambda name, place: self._virtual(file, name, place)))
        self._flushed, self._last = self._frames, time.monotonic()

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
            self._write_whole(temporary)
            temporary.replace(self._path)
        except (OSError, RuntimeError) as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise StoreError(
                f"{self._path}: all frames are there and stay readable together with the folder {self._folder.name}, "
                f"but cannot be made one file ({error}); {self._remedy}"
            ) from error
        sync_folder(self._path.parent)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _frame_bytes(self) -> int:
        return sum(one.nbytes for one in self._series.values())

    def _reserve(self, path: Path) -> None:
        """Find out before HDF5 does, which ends the process, that the disk is full. Raises OSError."""
        # What stands beside the series is small: it was written with every flush, as the virtual file.
        size = self._frames * (self._frame_bytes() + 64 * len(self._series)) + self._path.stat().st_size + 2**20
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)

    def _fill_part(self, file: H5) -> None:
        for name in self._series:
            file.create_dataset(name, data=np.stack([frame[name] for frame in self._waiting]))

    def _virtual(self, file: H5, name: str, place: str) -> H5:
        """A series as a view of the parts."""
        import h5py

        one = self._series[name]
        shape = (self._frames, *one.shape)
        layout = h5py.VirtualLayout(shape, one.dtype, (None, *one.shape) if one.unlimited else None)
        for part in self._parts:
            # One frame more than there is: a selection that is less than all stays one when the last part grows.
            source = h5py.VirtualSource(f"{self._folder.name}/{part.name}", name, (part.frames + 1, *one.shape))
            layout[part.first : part.first + part.frames] = source[: part.frames]
        # NaN where a part is missing: nobody takes lost frames for zeros.
        lost = np.nan if np.dtype(one.dtype).kind == "f" else -1
        return file.create_virtual_dataset(place, layout, fillvalue=lost)

    def _ordinary(self, file: H5, name: str, place: str) -> H5:
        """A series with its own data, to be copied from the parts."""
        one = self._series[name]
        more = {"maxshape": (None, *one.shape), "chunks": (1, *one.shape)} if one.unlimited else {}
        return file.create_dataset(place, (self._frames, *one.shape), one.dtype, **more)

    def _write_whole(self, path: Path) -> None:
        import h5py

        file: H5
        with h5py.File(path, "w", libver=("v110", "v110"), track_order=True) as file:
            made: dict[str, H5] = {}

            def make(name: str, place: str) -> H5:
                made[name] = self._ordinary(file, name, place)
                return made[name]

            self._fill(file, make)
            for part in self._parts:
                source: H5
                with h5py.File(self._folder / part.name, "r", locking=False) as source:
                    for name, dataset in made.items():
                        dataset[part.first : part.first + part.frames] = source[name][: part.frames]
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def parts_folder(path: Path) -> Path:
    """The folder of a growing file's parts."""
    return path.with_name(path.name + ".parts")
