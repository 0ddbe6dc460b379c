"""The panels of the Yin-Yang grid: points, components and areas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.apps.climate.grid import (
    PLACES,
    PanelGrid,
    area_weights,
    cell_areas,
    other_panel,
    panel_points,
    rotation,
    true_points,
)
from clustermark.apps.climate.layout import BUFFER, HALO
from clustermark.core.errors import UsageError

ANGLES = st.floats(-3.0, 3.0)


@given(longitude=ANGLES, latitude=st.floats(-1.5, 1.5))
def test_the_other_panel_of_the_other_panel_is_this_one(longitude: float, latitude: float) -> None:
    back = other_panel(*other_panel(np.array([longitude]), np.array([latitude])))
    assert np.allclose(np.concatenate(back), [longitude, latitude], rtol=0.0, atol=1e-13)


def test_the_poles_lie_inside_panel_1() -> None:
    longitude, latitude = other_panel(np.array([0.0, 0.0]), np.array([0.5, -0.5]) * np.pi)
    assert np.allclose(latitude, 0.0) and np.allclose(longitude, [np.pi / 2, -np.pi / 2])


def test_points_follow_the_formula_of_the_layout() -> None:
    grid = PanelGrid(18)
    longitude, latitude = panel_points(grid, "center")
    assert longitude.shape == grid.padded_shape == (18 + 2 * BUFFER + 2 * HALO, 54 + 2 * BUFFER + 2 * HALO)
    first = HALO + BUFFER
    assert np.isclose(latitude[first, first], -np.pi / 4 + 0.5 * grid.spacing)
    assert np.isclose(longitude[first, first], -3 * np.pi / 4 + 0.5 * grid.spacing)
    half = 0.5 * grid.spacing
    for place, east, north in (("east", half, 0.0), ("north", 0.0, half), ("corner", half, half)):
        moved = panel_points(grid, place)
        assert np.allclose(moved[0] - longitude, east) and np.allclose(moved[1] - latitude, north)


@pytest.mark.parametrize("panel", [0, 1])
@pytest.mark.parametrize("place", PLACES)
def test_components_of_a_solid_rotation_turn_into_those_of_the_panel(panel: int, place: str) -> None:
    """Ω × r about a tilted axis, once from true components and the rotation, once in Cartesian coordinates."""
    grid, axis = PanelGrid(12), np.array([0.3, -0.5, 0.8])
    east, north = _solid_rotation(*true_points(grid, panel, place), axis)
    a, b, c, d = rotation(grid, panel, place)
    panel_axis = axis if panel == 0 else np.array([-axis[0], axis[2], axis[1]])
    # The panels' map has determinant +1 (a half turn), so that it turns the axis as it turns points.
    u, v = _solid_rotation(*panel_points(grid, place), panel_axis)
    assert np.allclose(a * east + b * north, u, atol=1e-14) and np.allclose(c * east + d * north, v, atol=1e-14)
    assert np.allclose(a * u + c * v, east, atol=1e-14) and np.allclose(b * u + d * v, north, atol=1e-14)


def _solid_rotation(longitude: np.ndarray, latitude: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    point = np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])
    wind = np.cross(axis, point, axisb=0, axisc=0)
    east = np.stack([-np.sin(longitude), np.cos(longitude), 0 * longitude])
    north = np.stack([-point[2] * np.cos(longitude), -point[2] * np.sin(longitude), np.cos(latitude)])
    return (wind * east).sum(0), (wind * north).sum(0)


@pytest.mark.parametrize("cells", [12, 13, 30])
def test_weights_of_both_panels_cover_the_sphere_once(cells: int) -> None:
    grid, radius = PanelGrid(cells), 6.4e6
    weights, areas = area_weights(grid, radius), cell_areas(grid, radius)
    assert weights.shape == areas.shape == (grid.rows, grid.columns)
    assert abs(2 * weights.sum() / (4 * np.pi * radius**2) - 1) < 1e-14
    share = (weights / areas)[BUFFER:-BUFFER, BUFFER:-BUFFER]
    assert abs(share.max() - 1) < 2e-6 and abs(share.min() - 0.5) < 2e-6  # the scaling of `area_weights`
    assert weights[:BUFFER].max() == weights[:, -BUFFER:].max() == 0.0
    assert np.allclose(weights, weights[::-1, ::-1], rtol=1e-12)


def test_integrals_over_the_sphere_converge_with_the_second_order() -> None:
    errors = []
    for cells in (16, 32):
        grid = PanelGrid(cells)
        total = 0.0
        for panel in (0, 1):
            longitude, latitude = (a[HALO:-HALO, HALO:-HALO] for a in true_points(grid, panel, "center"))
            x, z = np.cos(latitude) * np.cos(longitude), np.sin(latitude)
            total += float(np.sum(area_weights(grid, 1.0) * (z**4 + x**2 * z + 3.0 * x**2)))
        errors.append(abs(total / (4 * np.pi / 5 + 4 * np.pi) - 1))
    assert errors[1] < 1e-4 and np.log2(errors[0] / errors[1]) > 1.7


def test_a_grid_whose_halo_reaches_the_pole_is_refused() -> None:
    assert np.cos(PanelGrid(12).face_latitudes).min() > 0.0
    with pytest.raises(UsageError, match=r"a panel of 11 cells per 90° has a halo that reaches its pole"):
        PanelGrid(11)
