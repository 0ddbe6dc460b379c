"""Fields on the ranks of a domain, their halos after an exchange, and the halos as they must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clustermark.apps.climate.backend import Backend
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.gathering import scatter
from clustermark.apps.climate.grid import PanelGrid
from clustermark.apps.climate.halo import Exchange
from clustermark.apps.climate.layout import HALO, Array
from clustermark.apps.climate.overset import OversetTables, Stencil, VectorDonors
from clustermark.apps.climate.routes import Routes


@dataclass(frozen=True)
class Fields:
    """(2, [levels,] rows, columns) evolved values of both panels, float64."""

    pressure: Array
    theta: Array
    u: Array
    v: Array

    @property
    def all(self) -> tuple[Array, ...]:
        """In the order of `exchanged`."""
        return self.pressure, self.theta, self.u, self.v


def random_fields(grid: PanelGrid, levels: int, seed: int = 1) -> Fields:
    """Nothing smooth, so that every wrong point shows."""
    random = np.random.default_rng(seed)
    shape = (2, levels, grid.rows, grid.columns)
    return Fields(random.normal(1e5, 1e3, (2, *shape[2:])), *(random.standard_normal(shape) for _ in range(3)))


def exchanged(
    domain: Domain,
    tables: OversetTables,
    comm: Any,
    fields: Fields,
    dtype: str,
    routes: Routes | None = None,
    threads: int = 1,
    backend: Backend | None = None,
) -> list[Array]:
    """Padded blocks of this rank after an exchange: pressure in float64, the others in `dtype`; halos begin as NaN."""
    arrays = []
    for values, kind in zip(fields.all, ("float64", dtype, dtype, dtype), strict=True):
        blocks, rows, pitch = domain.shape
        arrays.append(np.full((blocks, *values.shape[1:-2], rows, pitch), np.nan, kind))
        scatter(domain, values if domain.rank == 0 else None, arrays[-1], comm)
    pressure, theta, u, v = arrays
    exchange = Exchange(domain, tables, comm, [pressure, theta], [(u, v)], routes, threads, backend=backend)
    exchange.start()
    exchange.finish()
    return arrays


def evaluate(stencil: Stencil, field: Array) -> Array:
    """Σ_p Σ_q r_p c_q f[row + p, column + q] on every level of a padded field."""
    total = np.zeros((*field.shape[:-2], len(stencil.row)))
    for p in range(4):
        for q in range(4):
            weights = stencil.row_weights[:, p] * stencil.column_weights[:, q]
            total += weights * field[..., stencil.row + p, stencil.column + q]
    return total


def padded_panels(tables: OversetTables, fields: Fields) -> list[Array]:
    """Both panels with their halos, from the formulas of the tables, point by point in float64."""
    wide = [np.pad(a, [(0, 0)] * (a.ndim - 2) + [(HALO, HALO)] * 2) for a in fields.all]
    pressure, theta, u, v = (a.copy() for a in wide)

    def wind(donors: VectorDonors, other: int) -> Array:
        east, north = evaluate(donors.east, wide[2][other]), evaluate(donors.north, wide[3][other])
        return donors.from_east * east + donors.from_north * north

    for panel in (0, 1):
        rows, columns = tables.scalar.rows, tables.scalar.columns
        pressure[panel][..., rows, columns] = evaluate(tables.scalar.stencil, wide[0][1 - panel])
        theta[panel][..., rows, columns] = evaluate(tables.scalar.stencil, wide[1][1 - panel])
        u[panel][..., tables.east.rows, tables.east.columns] = wind(tables.east, 1 - panel)
        v[panel][..., tables.north.rows, tables.north.columns] = wind(tables.north, 1 - panel)
    return [pressure, theta, u, v]


def wrong_fields(domain: Domain, arrays: list[Array], panels: list[Array], relative: float) -> list[str]:
    """Names of fields whose padded blocks are not the padded panels', NaN included; relative 0 compares bits."""
    wrong = []
    for name, array, whole in zip(("pressure", "theta", "u", "v"), arrays, panels, strict=True):
        for slot, block in enumerate(domain.blocks):
            found = array[slot][..., : block.columns + 2 * HALO]
            expected = whole[block.panel][(..., *block.padded)]
            scale = np.abs(whole).max()
            if not (np.abs(found - expected) <= relative * scale).all() and name not in wrong:
                wrong.append(name)
    return wrong
