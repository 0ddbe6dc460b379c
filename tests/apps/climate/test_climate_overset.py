"""Interpolation between the panels: exact where it must be, of fourth order elsewhere, and faults that show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.apps.climate import overset
from clustermark.apps.climate.grid import PanelGrid, panel_points, rotation, true_points
from clustermark.apps.climate.layout import HALO
from clustermark.apps.climate.overset import OversetTables, Stencil, VectorDonors, make_tables, stencil_at
from clustermark.core.errors import UsageError

Field = np.ndarray
AXIS = np.array([0.3, -0.5, 0.8])


def interpolate(stencil: Stencil, field: Field) -> Field:
    """The formula of `Stencil`, point by point."""
    value = np.zeros(len(stencil.row))
    for p in range(4):
        for q in range(4):
            weight = stencil.row_weights[:, p] * stencil.column_weights[:, q]
            value += weight * field[stencil.row + p, stencil.column + q]
    return value


def wind(donors: VectorDonors, u: Field, v: Field) -> Field:
    """The formula of `VectorDonors`."""
    return donors.from_east * interpolate(donors.east, u) + donors.from_north * interpolate(donors.north, v)


def smooth_scalar(grid: PanelGrid, panel: int) -> Field:
    longitude, latitude = true_points(grid, panel, "center")
    return np.sin(3 * longitude) * np.cos(latitude) ** 3 + np.sin(latitude) ** 2


def tilted_rotation(grid: PanelGrid, panel: int, place: str) -> tuple[Field, Field]:
    """Components in the panel of the solid rotation about AXIS."""
    longitude, latitude = true_points(grid, panel, place)
    x, y, z = AXIS
    east = z * np.cos(latitude) - np.sin(latitude) * (x * np.cos(longitude) + y * np.sin(longitude))
    north = x * np.sin(longitude) - y * np.cos(longitude)
    a, b, c, d = rotation(grid, panel, place)
    return a * east + b * north, c * east + d * north


def scalar_error(grid: PanelGrid, tables: OversetTables, panel: int) -> float:
    donors = tables.scalar
    expected = smooth_scalar(grid, panel)[donors.rows, donors.columns]
    return float(np.abs(interpolate(donors.stencil, smooth_scalar(grid, 1 - panel)) - expected).max())


def wind_error(grid: PanelGrid, tables: OversetTables, panel: int) -> float:
    u, v = tilted_rotation(grid, 1 - panel, "east")[0], tilted_rotation(grid, 1 - panel, "north")[1]
    east, north = tables.east, tables.north
    errors = (
        wind(east, u, v) - tilted_rotation(grid, panel, "east")[0][east.rows, east.columns],
        wind(north, u, v) - tilted_rotation(grid, panel, "north")[1][north.rows, north.columns],
    )
    return max(float(np.abs(error).max()) for error in errors)


@given(
    numbers=st.lists(st.floats(-1.0, 1.0), min_size=16, max_size=16),
    place=st.sampled_from(["center", "east", "north", "corner"]),
)
def test_cubics_in_panel_coordinates_are_reproduced_to_rounding(numbers: list[float], place: str) -> None:
    grid = PanelGrid(12)
    longitude, latitude = panel_points(grid, place)
    random = np.random.default_rng(1)
    points = random.uniform(-2.2, 2.2, 50), random.uniform(-0.7, 0.7, 50)

    def cubic(x: Field, y: Field) -> Field:
        return sum(c * x ** (k % 4) * y ** (k // 4) for k, c in enumerate(numbers)) + np.zeros_like(x)

    found = interpolate(stencil_at(grid, place, *points), cubic(longitude, latitude))
    assert np.allclose(found, cubic(*points), rtol=0.0, atol=1e-12)


def test_every_halo_point_has_donors_once() -> None:
    grid = PanelGrid(14)
    seen = np.zeros(grid.padded_shape, dtype=int)
    seen[HALO:-HALO, HALO:-HALO] = 1
    tables = make_tables(grid)
    for donors in (tables.scalar, tables.east, tables.north):
        count = seen.copy()
        np.add.at(count, (donors.rows, donors.columns), 1)
        assert (count == 1).all()


def test_constants_come_through_to_rounding() -> None:
    tables = make_tables(PanelGrid(12))
    assert np.abs(interpolate(tables.scalar.stencil, np.full((22, 46), 300.0)) - 300.0).max() < 3e-13


@pytest.mark.parametrize("panel", [0, 1])
@pytest.mark.parametrize("error", [scalar_error, wind_error])
def test_smooth_fields_arrive_with_an_error_of_fourth_order(error, panel: int) -> None:
    errors = [error(grid, make_tables(grid), panel) for grid in (PanelGrid(24), PanelGrid(48))]
    assert 3.6 < np.log2(errors[0] / errors[1]) < 4.4
    assert errors[1] < 5e-5


def test_a_wrong_sign_of_the_rotation_is_caught() -> None:
    grid = PanelGrid(24)
    tables = make_tables(grid)
    east = replace(tables.east, from_north=-tables.east.from_north)
    assert wind_error(grid, replace(tables, east=east), 0) > 0.1


def test_a_stencil_off_by_one_is_caught() -> None:
    grid = PanelGrid(24)
    tables = make_tables(grid)
    stencil = replace(tables.scalar.stencil, column=tables.scalar.stencil.column + 1)
    shifted = replace(tables, scalar=replace(tables.scalar, stencil=stencil))
    assert scalar_error(grid, shifted, 0) > 100 * scalar_error(grid, tables, 0)


@given(cells=st.integers(12, 200), rings=st.sampled_from([0, 2]))
def test_donors_are_evolved_points_at_any_resolution(cells: int, rings: int) -> None:
    """With 45 cells and two rings, points lie on the last line of donors and may be rounded to its wrong side."""
    for number in (cells, 45):
        grid = PanelGrid(number)
        tables = make_tables(grid, rings)
        winds = (tables.east.east, tables.east.north, tables.north.east, tables.north.north)
        for stencil in (tables.scalar.stencil, *winds):
            assert stencil.row.min() >= HALO and stencil.row.max() + 4 <= HALO + grid.rows
            assert stencil.column.min() >= HALO and stencil.column.max() + 4 <= HALO + grid.columns


def test_donors_beyond_the_evolved_points_are_refused() -> None:
    grid = PanelGrid(12)
    longitude, latitude = panel_points(grid, "center")
    with pytest.raises(UsageError, match=r"1 interpolations at the center points of a panel of 12 cells per 90° need"):
        stencil_at(grid, "center", longitude[10, HALO : HALO + 1] + 0.01, latitude[10, HALO : HALO + 1] + 0.01)
    assert overset.POINTS == 4
