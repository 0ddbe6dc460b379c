"""The line between the panels: the boundary of Yin's core, cut where it crosses Yang's lines (docs/climate.md).

Mass is measured on a partition of the sphere: all cells of Yin's core, and of Yang's cells the part that Yin's core
does not cover. What leaves the one through the line must enter the other. The flux through a piece of the line is a
linear combination of the fluxes through faces of the Yang cell that it lies in and of that cell's neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermark.apps.climate.grid import HALF_HEIGHT, HALF_WIDTH, PanelGrid, other_panel
from clustermark.apps.climate.layout import BUFFER, HALO, Array, Floats

# Padded index of the first cell of a core.
FIRST = HALO + BUFFER
# Ends of pieces closer to a line of cells, and to each other, than this are on it, and are one [cells].
_CLOSE = 1e-9
EAST, NORTH = range(2)
# Faces that the flux through a piece is made of: kind, row and column beside the piece's cell. First the four of the
# cell, then their neighbours along the faces' own direction, which give the slope of the flux along a face.
STENCIL: tuple[tuple[int, int, int], ...] = (
    (EAST, 0, -1),
    (EAST, 0, 0),
    (NORTH, -1, 0),
    (NORTH, 0, 0),
    (EAST, -1, -1),
    (EAST, 1, -1),
    (EAST, -1, 0),
    (EAST, 1, 0),
    (NORTH, -1, -1),
    (NORTH, -1, 1),
    (NORTH, 0, -1),
    (NORTH, 0, 1),
)


@dataclass(frozen=True)
class Seam:
    """Faces of Yin along the boundary of its core, counterclockwise, and their pieces in cells of Yang.

    Attributes
    ----------
    rows, columns : (n,) padded indices of Yin's cells inside the line, one per face
    kinds : (n,) EAST or NORTH: faces of u or of v
    face_rows, face_columns : (n,) padded indices of the faces
    signs : (n,) +1.0 where the positive wind leaves the core, else −1.0
    starts : (n + 1,) pieces of face f are starts[f] … starts[f + 1] − 1, in their order along the line
    piece_rows, piece_columns : (m,) padded indices of Yang's cells
    coefficients : (m, len(STENCIL)) float64; times ū and v̄ cosφ of the STENCIL's faces and aΔ: flux out of Yin's core
    """

    rows: Array
    columns: Array
    kinds: Array
    face_rows: Array
    face_columns: Array
    signs: Floats
    starts: Array
    piece_rows: Array
    piece_columns: Array
    coefficients: Floats


def make_seam(grid: PanelGrid) -> Seam:
    """The seam of a grid."""
    sides = _faces(grid)
    pieces = [_pieces(grid, side) for side in range(4)]
    offsets = np.cumsum([0] + [len(side[0]) for side in sides[:-1]])
    face = np.concatenate([found[0] + offset for found, offset in zip(pieces, offsets, strict=True)])
    rows, columns, kinds, face_rows, face_columns, signs = (np.concatenate(parts) for parts in zip(*sides, strict=True))
    x0, y0, x1, y1 = (np.concatenate([found[n] for found in pieces]) for n in range(1, 5))
    starts = np.searchsorted(face, np.arange(len(rows) + 1))
    piece_rows, piece_columns, coefficients = _coefficients(grid, x0, y0, x1, y1)
    return Seam(rows, columns, kinds, face_rows, face_columns, signs, starts, piece_rows, piece_columns, coefficients)


def _faces(grid: PanelGrid) -> list[tuple[Array, ...]]:
    """Rows, columns, kinds, face rows and columns, and signs of the faces of the south, east, north and west sides."""
    n = grid.cells
    along, up = FIRST + np.arange(3 * n), FIRST + np.arange(n)
    last_row, last_column = FIRST + n - 1, FIRST + 3 * n - 1

    def side(rows: Array, columns: Array, kind: int, down: int, left: int, sign: float) -> tuple[Array, ...]:
        rows, columns = np.broadcast_arrays(rows, columns)
        return rows, columns, np.full(len(rows), kind), rows - down, columns - left, np.full(len(rows), sign)

    return [
        side(np.array([FIRST]), along, NORTH, 1, 0, -1.0),
        side(up, np.array([last_column]), EAST, 0, 0, 1.0),
        side(np.array([last_row]), along[::-1], NORTH, 0, 0, 1.0),
        side(up[::-1], np.array([FIRST]), EAST, 0, 1, -1.0),
    ]


def _pieces(grid: PanelGrid, side: int) -> tuple[Array, Floats, Floats, Floats, Floats]:
    """Faces of a side cut into pieces: face of each, and its ends in cells of Yang (x along rows, y in latitude)."""
    along = side % 2 == 0
    half = HALF_WIDTH if along else HALF_HEIGHT
    corners = np.linspace(-half, half, (3 if along else 1) * grid.cells + 1)
    fixed = (-HALF_HEIGHT, HALF_WIDTH, HALF_HEIGHT, -HALF_WIDTH)[side]
    crossings = _crossings_of_a_row(grid, fixed) if along else _crossings_of_a_column(grid, fixed)
    crossings = crossings[np.abs(crossings) < half]
    # A crossing at a corner, or two at a corner of Yang's cells, are one.
    crossings = np.unique(crossings)
    crossings = crossings[np.diff(crossings, prepend=-np.inf) > _CLOSE * grid.spacing]
    near = np.abs(crossings[:, np.newaxis] - corners).min(axis=1) <= _CLOSE * grid.spacing
    ends = np.sort(np.concatenate([corners, crossings[~near]]))
    face = np.searchsorted(corners, 0.5 * (ends[1:] + ends[:-1])) - 1
    x, y = _cells_of_yang(grid, *((ends, np.full_like(ends, fixed)) if along else (np.full_like(ends, fixed), ends)))
    if side >= 2:
        return len(corners) - 2 - face[::-1], x[:0:-1], y[:0:-1], x[-2::-1], y[-2::-1]
    return face, x[:-1], y[:-1], x[1:], y[1:]


def _lines(grid: PanelGrid) -> tuple[Floats, Floats]:
    """Longitudes and latitudes of the lines between cells of a core."""
    last = FIRST + 3 * grid.cells
    return grid.face_longitudes[FIRST - 1 : last], grid.face_latitudes[FIRST - 1 : FIRST + grid.cells]


def _crossings_of_a_row(grid: PanelGrid, latitude: float) -> Floats:
    """Longitudes where a parallel of Yin meets Yang's lines: sin λ = sin φ'/cos φ, and cos λ = −tan φ cot λ'."""
    longitudes, latitudes = _lines(grid)
    sines = np.sin(latitudes) / np.cos(latitude)
    direct = np.arcsin(sines[np.abs(sines) <= 1.0])
    seen = longitudes[np.sign(longitudes) == np.sign(latitude)]
    cosines = -np.tan(latitude) / np.tan(seen)
    meridians = np.arccos(cosines[np.abs(cosines) <= 1.0])
    return np.concatenate([direct, np.pi - direct, -np.pi - direct, meridians, -meridians])


def _crossings_of_a_column(grid: PanelGrid, longitude: float) -> Floats:
    """Latitudes where a meridian of Yin meets Yang's lines: cos φ = sin φ'/sin λ, and tan φ = −cos λ tan λ'."""
    longitudes, latitudes = _lines(grid)
    cosines = np.sin(latitudes) / np.sin(longitude)
    parallels = np.arccos(cosines[(cosines > 0.0) & (cosines <= 1.0)])
    seen = longitudes[np.abs(longitudes) < 0.5 * np.pi]
    return np.concatenate([parallels, -parallels, np.arctan(-np.cos(longitude) * np.tan(seen))])


def _cells_of_yang(grid: PanelGrid, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    """Places of points of Yin in Yang, counted in padded cells from the corner of the first."""
    x, y = other_panel(longitude, latitude)
    return FIRST + (x + HALF_WIDTH) / grid.spacing, FIRST + (y + HALF_HEIGHT) / grid.spacing


def _coefficients(grid: PanelGrid, x0: Floats, y0: Floats, x1: Floats, y1: Floats) -> tuple[Array, Array, Floats]:
    """Cells and coefficients of pieces from (x0, y0) to (x1, y1) (docs/climate.md, flux matching 2 and 3)."""
    column, row = (np.floor(0.5 * (a + b)).astype(np.int64) for a, b in ((x0, x1), (y0, y1)))
    south = grid.face_latitudes[row - 1]
    height = np.sin(grid.face_latitudes[row]) - np.sin(south)

    def fractions(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        latitude = -HALF_HEIGHT + (y - FIRST) * grid.spacing
        return _on_lines(x - column), _on_lines((np.sin(latitude) - np.sin(south)) / height)

    begin, end = fractions(x0, y0), fractions(x1, y1)
    xi, eta = (0.5 * (b + e) for b, e in zip(begin, end, strict=True))
    along, up = (e - b for b, e in zip(begin, end, strict=True))
    four = np.stack([up * (1.0 - xi), up * xi, -along * (1.0 - eta), -along * eta], axis=1)
    cosine = np.cos(grid.center_latitudes)
    below, above = cosine[row] / cosine[row - 1], cosine[row] / cosine[row + 1]
    slopes = _bubbles(*end) - _bubbles(*begin)
    west, east, low, high = (0.5 * slopes[:, n] for n in range(4))
    more = np.stack([-below * west, above * west, -below * east, above * east, -low, low, -high, high], axis=1)
    return row, column, np.concatenate([four, more], axis=1)


def _bubbles(xi: Floats, eta: Floats) -> Floats:
    """What slopes along west, east, south and north faces add to the stream function: zero in the cell's corners."""
    upright, flat = -0.5 * eta * (1.0 - eta), 0.5 * xi * (1.0 - xi)
    return np.stack([upright * (1.0 - xi), upright * xi, flat * (1.0 - eta), flat * eta], axis=1)


def _on_lines(fraction: Floats) -> Floats:
    """Fractions within a cell; next to 0 and 1 exactly these."""
    nearest = np.round(fraction)
    return np.clip(np.where(np.abs(fraction - nearest) < _CLOSE, nearest, fraction), 0.0, 1.0)


def uncovered(grid: PanelGrid, seam: Seam) -> Floats:
    """What part of each Yang cell Yin's core leaves free (docs/climate.md, flux matching 4).

    W = 0 west of the line; from a cell to its eastern neighbour W grows by the sum of the coefficients of the face
    between them. Then the flux through that face drops out of the mass of both panels.

    Returns
    -------
    fractions : (padded rows, padded columns)
    """
    grown = np.cumsum(coefficients_of_faces(grid, seam)[EAST], axis=1)
    free = np.pad(grown[:, :-1], ((0, 0), (1, 0)))
    nearest = np.round(free)
    return np.where(np.abs(free - nearest) < _CLOSE, nearest, free)


def coefficients_of_faces(grid: PanelGrid, seam: Seam) -> Floats:
    """Sums of the coefficients of the east and of the north faces over all pieces: (2, padded rows, padded columns)."""
    found = np.zeros((2, *grid.padded_shape))
    for n, (kind, down, left) in enumerate(STENCIL[:4]):
        np.add.at(found[kind], (seam.piece_rows + down, seam.piece_columns + left), seam.coefficients[:, n])
    return found


def partition_weights(grid: PanelGrid, seam: Seam, radius: float) -> Floats:
    """Areas of the partition: Yin's core, and of Yang what it leaves free; in proportion to cosφ, as fluxes diverge.

    Returns
    -------
    weights : (2, rows, columns) [radius²], scaled to sum to 4πa²
    """
    inside = np.zeros(grid.padded_shape)
    inside[FIRST : FIRST + grid.cells, FIRST : FIRST + 3 * grid.cells] = 1.0
    parts = np.stack([inside, uncovered(grid, seam)])[:, HALO:-HALO, HALO:-HALO]
    weights = parts * np.cos(grid.center_latitudes)[HALO:-HALO, np.newaxis]
    return weights * (4.0 * np.pi * radius**2 / weights.sum())
