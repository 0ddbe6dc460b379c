"""Maps and zonal means of panel fields."""

from __future__ import annotations

import numpy as np
import pytest

from clustermark.apps.climate.grid import PanelGrid, true_points
from clustermark.apps.climate.layout import HALO
from clustermark.apps.climate.regrid import LatLonMap
from clustermark.core.errors import UsageError


def smooth(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    return np.cos(latitude) ** 2 * np.sin(2 * longitude) + np.sin(latitude)


def on_panels(grid: PanelGrid) -> np.ndarray:
    """(2, 2 levels, rows, columns); the second level is three times the first."""
    fields = [smooth(*true_points(grid, panel, "center"))[HALO:-HALO, HALO:-HALO] for panel in (0, 1)]
    return np.stack([np.stack([field, 3.0 * field]) for field in fields])


def map_error(grid: PanelGrid, field: np.ndarray) -> float:
    chart = LatLonMap(grid, 3.0)
    exact = smooth(*np.meshgrid(np.deg2rad(chart.longitudes), np.deg2rad(chart.latitudes)))
    found = chart.of(field)
    assert found.shape == (2, 60, 120)
    return float(max(np.abs(found[0] - exact).max(), np.abs(found[1] / 3.0 - exact).max()))


def test_a_map_is_of_fourth_order_from_pole_to_pole() -> None:
    errors = [map_error(PanelGrid(cells), on_panels(PanelGrid(cells))) for cells in (20, 40)]
    assert 3.6 < np.log2(errors[0] / errors[1]) < 4.5 and errors[1] < 1e-5


def test_panels_that_have_changed_places_are_caught() -> None:
    grid = PanelGrid(20)
    assert map_error(grid, on_panels(grid)[::-1]) > 0.1


def test_a_field_without_levels_keeps_its_dtype() -> None:
    grid = PanelGrid(12)
    assert LatLonMap(grid, 2.5).of(np.ones((2, grid.rows, grid.columns), np.float32)).dtype == np.float32


@pytest.mark.parametrize("degrees", [0.0, -1.0, 7.0, 400.0])
def test_a_map_that_does_not_fit_the_sphere_is_refused(degrees: float) -> None:
    with pytest.raises(UsageError, match=r"does not divide 180°: expected 180/n degrees"):
        LatLonMap(PanelGrid(12), degrees)
