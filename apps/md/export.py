"""An H5MD trajectory as extended XYZ, for OVITO and ASE."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.apps.console.files import cannot_write, damaged
from clustermark.apps.md.model import Atoms
from clustermark.apps.md.structures import extxyz_lines
from clustermark.apps.md.trajectory import GROUP
from clustermark.core.errors import UsageError, plain


def export_extxyz(source: Path, target: Path, overwrite: bool = False) -> int:
    """Write every frame of an H5MD file to an extended XYZ file; whole or absent. Returns the number of frames.

    Raises
    ------
    UsageError : the source is missing, damaged or no trajectory of clustermark; the target exists or has another ending
    StoreError : the disk is full
    """
    if target.suffix.lower() not in (".xyz", ".extxyz"):
        raise UsageError(
            f"{plain(str(target), 200)}: has the ending '{plain(target.suffix)}', expected .extxyz; rename it"
        )
    if target.exists() and not overwrite:
        raise UsageError(f"{plain(str(target), 200)}: exists already; name another file, or add --overwrite")
    what = "H5MD trajectory of clustermark"
    file = damaged(source, what, lambda: _opened(source))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    frames = 0
    try:
        with file, temporary.open("w", encoding="utf-8") as out:
            reading = _frames(file)
            while (lines := damaged(source, what, lambda: next(reading, None))) is not None:
                out.writelines(lines)
                frames += 1
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return frames


def _opened(path: Path) -> Any:
    import h5py

    with path.open("rb") as file:  # so that a missing file is told from a damaged one
        file.read(1)
    return h5py.File(path, "r", locking=False)


def _frames(file: Any) -> Iterator[list[str]]:
    """The lines of each frame."""
    import h5py

    group = file[GROUP]
    species = group["species"]
    names = {number: name for name, number in (h5py.check_enum_dtype(species.dtype) or {}).items()}
    types = species[()].astype(np.int64)
    elements = tuple(names.get(number, f"T{number}") for number in range(int(types.max()) + 1))
    for k, step in enumerate(group["position/step"][()]):
        positions = group["position/value"][k].astype(np.float64)
        if np.isnan(positions).any():
            raise ValueError(f"frame {k} is missing: the folder of parts beside the file is not complete")
        velocities = group["velocity/value"][k].astype(np.float64) if "velocity" in group else np.zeros_like(positions)
        box = np.array(group["box/edges/value"][k], dtype=np.float64)
        atoms = Atoms(positions, velocities, group["id"][()], types.astype(np.int32), box)
        yield list(extxyz_lines(atoms, elements, {"Step": str(step), "Time": f"{group['position/time'][k]:.17g}"}))
