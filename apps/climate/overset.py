"""Donors of a panel's halo: where each halo point lies in the other panel, and the weights that interpolate it there.

Both components of a wind are interpolated where they stand in the other panel and then turned: the interpolation is
of fourth order for the wind as for scalars. The tables are the same for both panels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clustermark.apps.climate.grid import PanelGrid, other_panel, panel_points, turn_between_panels
from clustermark.apps.climate.layout import HALO, Floats
from clustermark.core.errors import UsageError

Indices = npt.NDArray[np.int32]
# Points of a stencil along a row and along a column.
POINTS = 4
# How far [cells] beyond a line of points a position on it may seem to lie.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Stencil:
    """Bicubic interpolation at n points: Σ_p Σ_q row_weights[:, p]·column_weights[:, q]·f[row + p, column + q].

    Attributes
    ----------
    row, column : (n,) lower left of the 4 × 4 points, padded indices of the other panel
    row_weights, column_weights : (n, 4) float64
    """

    row: Indices
    column: Indices
    row_weights: Floats
    column_weights: Floats


@dataclass(frozen=True)
class ScalarDonors:
    """Halo points of cell centres: value = interpolation of the other panel's field.

    Attributes
    ----------
    rows, columns : (n,) padded indices of the halo points, in the order of `halo_points`
    stencil : in the other panel, among cell centres
    """

    rows: Indices
    columns: Indices
    stencil: Stencil


@dataclass(frozen=True)
class VectorDonors:
    """Halo points of one wind component: value = from_east·(interpolated u) + from_north·(interpolated v).

    Attributes
    ----------
    rows, columns : (n,) padded indices of the halo points, in the order of `halo_points`
    east, north : stencils in the other panel among east faces (of its u) and north faces (of its v)
    from_east, from_north : (n,) float64, the row of the rotation that belongs to the component
    """

    rows: Indices
    columns: Indices
    east: Stencil
    north: Stencil
    from_east: Floats
    from_north: Floats


@dataclass(frozen=True)
class OversetTables:
    """Donors of cell centres, of u on east faces and of v on north faces."""

    scalar: ScalarDonors
    east: VectorDonors
    north: VectorDonors


def cubic_weights(fraction: Floats) -> Floats:
    """Lagrange's cubic weights at nodes −1, 0, 1, 2 for a point between 0 and 1.

    Parameters
    ----------
    fraction : (n,)

    Returns
    -------
    weights : (n, 4); they sum to 1
    """
    f = fraction
    return np.stack(
        [
            -f * (f - 1.0) * (f - 2.0) / 6.0,
            (f + 1.0) * (f - 1.0) * (f - 2.0) / 2.0,
            -(f + 1.0) * f * (f - 2.0) / 2.0,
            (f + 1.0) * f * (f - 1.0) / 6.0,
        ],
        axis=-1,
    )


def stencil_at(grid: PanelGrid, place: str, longitude: Floats, latitude: Floats) -> Stencil:
    """Bicubic stencils among the points of a `place` that surround the given points of the same panel.

    Parameters
    ----------
    longitude, latitude : (n,) panel coordinates [rad]

    Raises
    ------
    UsageError : a stencil would need a point that the panel does not evolve
    """
    longitudes, latitudes = panel_points(grid, place)
    row, row_fraction = _cells_of((latitude - latitudes[0, 0]) / grid.spacing, grid.rows)
    column, column_fraction = _cells_of((longitude - longitudes[0, 0]) / grid.spacing, grid.columns)
    outside = np.maximum(np.abs(row_fraction - 0.5), np.abs(column_fraction - 0.5)) > 0.5 + _ROUNDING
    if outside.any():
        first = np.flatnonzero(outside)[0]
        raise UsageError(
            f"{np.count_nonzero(outside)} interpolations at the {place} points of a panel of {grid.cells} cells per "
            f"90° need points that it does not evolve (the first next to row {row[first]}, column {column[first]}); "
            f"use a finer resolution"
        )
    return Stencil(row - 1, column - 1, cubic_weights(row_fraction), cubic_weights(column_fraction))


def _cells_of(position: Floats, evolved: int) -> tuple[Indices, Floats]:
    """The padded point before each position, such that all four of a stencil are evolved, and the fraction from there.

    A position on a line of points may be rounded to either side of it; at the last line that has a stencil only one
    side will do, and the fraction is 0 or 1 to rounding.
    """
    cell = np.clip(np.floor(position), HALO + 1, HALO + evolved - POINTS + 1)
    return cell.astype(np.int32), position - cell


def halo_points(grid: PanelGrid, rings: int = 0) -> tuple[Indices, Indices]:
    """Padded rows and columns of the points around the evolved ones, and of these so many rings, along the sides.

    The rings of a side take turns, and so the donors of points that follow each other are neighbours too, which keeps
    them in a cache: the sides in the south and the north first, then those in the west and the east.
    """
    rim = HALO + rings
    high, wide = grid.padded_shape
    rows, columns = np.arange(high), np.arange(wide)
    inner = rows[rim:-rim]
    lines = [np.repeat(columns, rim), np.tile(rows[:rim], wide)], [np.repeat(columns, rim), np.tile(rows[-rim:], wide)]
    stacks = [(np.repeat(inner, rim), np.tile(side, len(inner))) for side in (columns[:rim], columns[-rim:])]
    row = np.concatenate([*(row for _, row in lines), *(row for row, _ in stacks)])
    column = np.concatenate([*(column for column, _ in lines), *(column for _, column in stacks)])
    return row.astype(np.int32), column.astype(np.int32)


def make_tables(grid: PanelGrid, rings: int = 0) -> OversetTables:
    """Donors of every halo point of a panel, in the other, and of so many rings of its outermost evolved points.

    Raises
    ------
    UsageError : the resolution is too coarse for donors to be evolved points
    """
    rows, columns = halo_points(grid, rings)

    def here(place: str) -> tuple[Floats, Floats]:
        longitude, latitude = panel_points(grid, place)
        return longitude[rows, columns], latitude[rows, columns]

    def wind(place: str) -> VectorDonors:
        points = here(place)
        there = other_panel(*points)
        a, b, c, d = turn_between_panels(*points)
        from_east, from_north = (a, b) if place == "east" else (c, d)
        east, north = (stencil_at(grid, name, *there) for name in ("east", "north"))
        return VectorDonors(rows, columns, east, north, from_east, from_north)

    center = stencil_at(grid, "center", *other_panel(*here("center")))
    return OversetTables(ScalarDonors(rows, columns, center), wind("east"), wind("north"))
