"""Rank program: short climate runs with every cut of the panels for these ranks; rank 0 writes their last fields."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from climate_examples import SCENARIOS, cuts, fields_of  # pyright: ignore[reportMissingImports]  # on the PYTHONPATH

from clustermark.runners.launch_world import start_mpi


def main(fabric: str, ranks: str, folder: str) -> None:
    """Rank 0 writes fields.npz to `folder`: "scenario/py x px/field" → array."""
    mpi = start_mpi(fabric, int(ranks))
    comm = mpi.COMM_WORLD
    arrays: dict[str, Any] = {}
    for name in SCENARIOS:
        for py, px in cuts(comm.size):
            found = fields_of(name, comm if comm.size > 1 else None, py, px)
            arrays |= {f"{name}/{py}x{px}/{field}": values for field, values in found.items()}
    if comm.rank == 0:
        np.savez(Path(folder) / "fields.npz", **arrays)
    mpi.Finalize()


if __name__ == "__main__":
    main(*sys.argv[1:])
