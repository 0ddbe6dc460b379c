"""Rank program: halos of the climate model on however many ranks there are, against what one rank makes of them.

Rank 0 prints one line of JSON: what differs on any rank, with a fault planted too, and sums in hexadecimal.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
from halo_examples import (  # pyright: ignore[reportMissingImports]  # on the PYTHONPATH of the launch
    Fields,
    exchanged,
    random_fields,
    wrong_fields,
)

from clustermark.apps.climate.decomposition import Domain, choose
from clustermark.apps.climate.gathering import gather, scatter
from clustermark.apps.climate.grid import PanelGrid, area_weights
from clustermark.apps.climate.layout import HALO
from clustermark.apps.climate.overset import OversetTables, make_tables
from clustermark.apps.climate.sums import AreaSums
from clustermark.runners.launch_world import start_mpi

GRID = PanelGrid(14)


def wrong_on_any_rank(comm: Any, domain: Domain, tables: OversetTables, fields: Fields, dtype: str) -> list[str]:
    """Fields whose bits on some rank are not those of one rank with the right tables."""
    alone = exchanged(Domain(GRID, 1, 1, 1, 0, True), make_tables(GRID), None, fields, dtype)
    panels = [array[..., : GRID.columns + 2 * HALO] for array in alone]
    mine = exchanged(domain, tables, comm, fields, dtype)
    every = comm.allgather(wrong_fields(domain, mine, panels, 0.0))
    return sorted({name for names in every for name in names})


def sums(comm: Any, domain: Domain, fields: Fields) -> list[str]:
    """Area and mass as hexadecimal numbers."""
    weights, pressure = np.zeros(domain.shape), np.zeros(domain.shape)
    whole = area_weights(GRID, 1.0)
    scatter(domain, np.stack([whole, whole]) if comm.rank == 0 else None, weights, comm)
    scatter(domain, fields.pressure if comm.rank == 0 else None, pressure, comm)
    area = AreaSums(comm, weights, domain.blocks[0].columns, float(whole.max()))
    found = area.of({"area": np.ones_like(pressure), "pressure": pressure}, [2.0, 2e5])
    assert len({tuple(row) for row in comm.allgather(found.tolist())}) == 1
    return [value.hex() for value in found.tolist()]


def come_back(comm: Any, domain: Domain, fields: Fields) -> bool:
    """Whether fields are gathered as they were scattered."""
    blocks, rows, pitch = domain.shape
    array = np.zeros((blocks, fields.theta.shape[1], rows, pitch))
    scatter(domain, fields.theta if comm.rank == 0 else None, array, comm)
    found = gather(domain, array, comm)
    return bool(comm.bcast(found is not None and np.array_equal(found, fields.theta), 0))


def domains(ranks: int, rank: int) -> dict[str, Domain]:
    """The chosen decomposition, and others of as many ranks: cut along rows, and with both panels on each rank."""
    found = {"chosen": choose(GRID, ranks, rank=rank), "together": choose(GRID, ranks, 1, ranks, rank)}
    if ranks % 2 == 0:
        found["rows"] = choose(GRID, ranks, ranks // 2, 1, rank)
    return found


def main(fabric: str, ranks: str) -> None:
    """Compare on the ranks of this launch, and print."""
    mpi = start_mpi(fabric, int(ranks))
    comm = mpi.COMM_WORLD
    fields, tables = random_fields(GRID, 3), make_tables(GRID)
    faulty = replace(tables, east=replace(tables.east, from_north=-tables.east.from_north))
    found = {}
    for name, domain in domains(comm.size, comm.rank).items():
        found[name] = {
            "shape": [domain.py, domain.px, domain.panels_together],
            "wrong": {
                dtype: wrong_on_any_rank(comm, domain, tables, fields, dtype) for dtype in ("float64", "float32")
            },
            "planted": wrong_on_any_rank(comm, domain, faulty, fields, "float64"),
            "sums": sums(comm, domain, fields),
            "come back": come_back(comm, domain, fields),
        }
    if comm.rank == 0:
        print(json.dumps(found), flush=True)
    mpi.Finalize()


if __name__ == "__main__":
    main(*sys.argv[1:])
