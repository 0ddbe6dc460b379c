"""Writes frames until it is killed, and says after each what is safely on the disk.

Usage: writing_frames.py safe|unsafe FILE; frame k holds the number k everywhere.
"""

import sys
from pathlib import Path

import h5py
import numpy as np

from clustermark.apps.md.model import UNITS, Atoms
from clustermark.apps.md.trajectory import Content, TrajectoryWriter

ATOMS = 2000
FRAMES = 3000


def frame(k: int) -> Atoms:
    """Frame k."""
    ids = np.arange(1, ATOMS + 1)
    return Atoms(np.full((ATOMS, 3), float(k)), np.zeros((ATOMS, 3)), ids, np.zeros(ATOMS, np.int32), np.full(3, 1e4))


def main(way: str, path: Path) -> None:
    """Write frames, safely or by appending to one file in place."""
    first = frame(0)
    content = Content(first.ids, first.types, np.ones(ATOMS), ("Ar",), UNITS["metal"])
    print("ready", flush=True)
    if way == "safe":
        writer = TrajectoryWriter(path, content, seconds=0.0)
        for k in range(FRAMES):
            writer.write(k, 0.1 * k, frame(k))
            print(k, flush=True)
        return
    with h5py.File(path, "w") as file:
        value = file.create_dataset("particles/trajectory/position/value", (0, ATOMS, 3), maxshape=(None, ATOMS, 3))
        for k in range(FRAMES):
            value.resize(k + 1, 0)
            value[k] = frame(k).positions
            print(k, flush=True)
        sys.stdin.read()  # the unsafe way is fast: wait here for the kill


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
