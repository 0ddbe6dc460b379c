"""The seam between the panels: a partition of the sphere, and fluxes through it that the panels share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clustermark.apps.climate.grid import PanelGrid
from clustermark.apps.climate.layout import BUFFER, HALO
from clustermark.apps.climate.seam import (
    EAST,
    NORTH,
    STENCIL,
    Seam,
    coefficients_of_faces,
    make_seam,
    partition_weights,
    uncovered,
)

# Odd and even, the fewest, and one whose lines meet the corners of the other panel's core.
CELLS = (12, 13, 20, 30)
ROUNDING = 1e-14


def gap_of_paths(grid: PanelGrid, seam: Seam) -> float:
    """How far the free part of a cell depends on the path on which it is summed: along rows, then along columns."""
    free = uncovered(grid, seam)
    return float(np.abs(np.diff(free, axis=0) - coefficients_of_faces(grid, seam)[NORTH][:-1]).max())


def fluxes_of(grid: PanelGrid, panel: int, place: int) -> np.ndarray:
    """u at east faces, or v cosφ at north faces, of the flow with the stream function xy + z²/2 + x of this panel.

    Panel 1 sees the same flow: x is −x there, y is z and z is y.
    """
    from clustermark.apps.climate.grid import panel_points

    def stream(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
        x, y, z = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)
        if panel == 1:
            x, y, z = -x, z, y
        return x * y + 0.5 * z * z + x

    longitude, latitude = panel_points(grid, ("east", "north")[place])
    step = 1e-5
    if place == EAST:
        return (stream(longitude, latitude + step) - stream(longitude, latitude - step)) / (2.0 * step)
    return (stream(longitude - step, latitude) - stream(longitude + step, latitude)) / (2.0 * step)


def mismatch(cells: int, stencil: int = len(STENCIL)) -> float:
    """Largest difference of Yin's flux through a face and Yang's through its pieces, of the largest flux."""
    grid = PanelGrid(cells)
    seam = make_seam(grid)
    own_east, own_north = (fluxes_of(grid, 0, place) for place in (EAST, NORTH))
    yang = [fluxes_of(grid, 1, place) for place in (EAST, NORTH)]
    faces = seam.face_rows, seam.face_columns
    own = seam.signs * np.where(seam.kinds == EAST, own_east[faces], own_north[faces])
    through = sum(
        seam.coefficients[:, n] * yang[kind][seam.piece_rows + down, seam.piece_columns + left]
        for n, (kind, down, left) in enumerate(STENCIL[:stencil])
    )
    return float(np.abs(own - np.add.reduceat(through, seam.starts[:-1])).max() / np.abs(own).max())


@pytest.mark.parametrize("cells", CELLS)
def test_what_is_free_of_yang_does_not_depend_on_the_path(cells: int) -> None:
    grid = PanelGrid(cells)
    assert gap_of_paths(grid, make_seam(grid)) < ROUNDING


def test_a_wrong_coefficient_shows_in_the_paths() -> None:
    grid = PanelGrid(12)
    seam = make_seam(grid)
    wrong = seam.coefficients.copy()
    wrong[40, 1] += 1e-6
    assert gap_of_paths(grid, replace(seam, coefficients=wrong)) > 1e-7


@pytest.mark.parametrize("cells", CELLS)
def test_free_parts_lie_between_none_and_all_and_are_exact_away_from_the_line(cells: int) -> None:
    grid = PanelGrid(cells)
    free = uncovered(grid, make_seam(grid))
    assert free.min() == 0.0 and free.max() == 1.0
    rim = np.ones(grid.padded_shape, bool)
    rim[HALO + BUFFER : -HALO - BUFFER, HALO + BUFFER : -HALO - BUFFER] = False
    assert not free[rim].any()
    middle = free[grid.padded_shape[0] // 2, grid.padded_shape[1] // 2 - 3 : grid.padded_shape[1] // 2 + 3]
    assert (middle == 1.0).all()


def test_the_parts_make_up_the_sphere() -> None:
    """Areas by cosφ instead of differences of sines, and a line that is straight within cells: of second order."""
    missing = []
    for cells in (20, 40):
        grid = PanelGrid(cells)
        parts = uncovered(grid, make_seam(grid)) * np.cos(grid.center_latitudes)[:, np.newaxis]
        core = 3 * cells * np.cos(grid.center_latitudes)[HALO + BUFFER : -HALO - BUFFER].sum()
        missing.append((parts.sum() + core) * grid.spacing**2 / (4.0 * np.pi) - 1.0)
    assert abs(missing[1]) < 2e-5 and abs(missing[0]) > 3.0 * abs(missing[1])
    weights = partition_weights(PanelGrid(20), make_seam(PanelGrid(20)), 2.0)
    assert weights.sum() == pytest.approx(16.0 * np.pi, rel=1e-14)


@pytest.mark.parametrize("cells", CELLS)
def test_the_line_is_closed_and_every_piece_lies_in_one_cell(cells: int) -> None:
    """Slopes along faces add a stream function, which a closed line does not see: each face's share sums to zero."""
    grid = PanelGrid(cells)
    seam = make_seam(grid)
    assert len(seam.rows) == 8 * cells and seam.starts[-1] == len(seam.piece_rows)
    assert (np.diff(seam.starts) > 0).all()
    sums = np.zeros((2, *grid.padded_shape))
    for n, (kind, down, left) in enumerate(STENCIL[4:], 4):
        np.add.at(sums[kind], (seam.piece_rows + down, seam.piece_columns + left), seam.coefficients[:, n])
    assert np.abs(sums).max() < ROUNDING


def test_the_panels_agree_on_a_flux_with_second_order() -> None:
    coarse, fine = mismatch(20), mismatch(40)
    assert fine < 5e-4 and coarse > 3.4 * fine
    assert mismatch(40, stencil=4) > 5.0 * fine  # without the slopes: of first order
