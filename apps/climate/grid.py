"""The Yin-Yang grid (Kageyama & Sato 2004): two identical latitude–longitude panels that overlap and have no pole.

Panel 0 (Yin) has true longitude λ and latitude φ, |λ| ≤ 3π/4 and |φ| ≤ π/4; panel 1 (Yang) has the same in coordinates
turned by (x, y, z) → (−x, z, y), which is its own inverse: panel 0 sees panel 1 as panel 1 sees panel 0. Each panel has
BUFFER rows and columns of evolved cells beyond these limits and HALO more that are filled from the other panel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermark.apps.climate.layout import BUFFER, HALO, Floats
from clustermark.core.errors import UsageError

# Half the extent of a panel without its buffer [rad].
HALF_WIDTH = 0.75 * np.pi
HALF_HEIGHT = 0.25 * np.pi
# With fewer cells the padded rows of a panel reach its pole.
FEWEST_CELLS = 2 * (HALO + BUFFER) + 2
PLACES = ("center", "east", "north", "corner")
# Gauss–Legendre points per cell of the meridional integral of `area_weights`.
_QUADRATURE = 16


@dataclass(frozen=True)
class PanelGrid:
    """Cells of one panel, padded by its halo; both panels are alike.

    Index j of padded rows is the cell whose centre has the panel latitude −π/4 + (j − HALO − BUFFER + ½)Δ, index i of
    padded columns the one at longitude −3π/4 + (i − HALO − BUFFER + ½)Δ.

    Attributes
    ----------
    cells : cells per 90°, Δ = (π/2)/cells

    Raises
    ------
    UsageError : too few cells for the halo
    """

    cells: int

    def __post_init__(self) -> None:
        if self.cells < FEWEST_CELLS:
            raise UsageError(
                f"a panel of {self.cells} cells per 90° has a halo that reaches its pole: "
                f"expected {FEWEST_CELLS} or more; use a finer resolution"
            )

    @property
    def rows(self) -> int:
        """Evolved rows."""
        return self.cells + 2 * BUFFER

    @property
    def columns(self) -> int:
        """Evolved columns."""
        return 3 * self.cells + 2 * BUFFER

    @property
    def padded_shape(self) -> tuple[int, int]:
        """Rows and columns with the halo."""
        return self.rows + 2 * HALO, self.columns + 2 * HALO

    @property
    def spacing(self) -> float:
        """Δ [rad], of longitude and latitude."""
        return 0.5 * np.pi / self.cells

    @property
    def center_latitudes(self) -> Floats:
        """(padded rows,) panel latitude of cell centres [rad]."""
        return -HALF_HEIGHT + (_counted(self.padded_shape[0]) - (HALO + BUFFER - 0.5)) * self.spacing

    @property
    def face_latitudes(self) -> Floats:
        """(padded rows,) panel latitude of north faces [rad]."""
        return -HALF_HEIGHT + (_counted(self.padded_shape[0]) - (HALO + BUFFER - 1.0)) * self.spacing

    @property
    def center_longitudes(self) -> Floats:
        """(padded columns,) panel longitude of cell centres [rad]."""
        return -HALF_WIDTH + (_counted(self.padded_shape[1]) - (HALO + BUFFER - 0.5)) * self.spacing

    @property
    def face_longitudes(self) -> Floats:
        """(padded columns,) panel longitude of east faces [rad]."""
        return -HALF_WIDTH + (_counted(self.padded_shape[1]) - (HALO + BUFFER - 1.0)) * self.spacing


def _counted(number: int) -> Floats:
    return np.arange(number, dtype=np.float64)


def other_panel(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    """Coordinates of the same points in the other panel: (x, y, z) → (−x, z, y).

    Parameters
    ----------
    longitude, latitude : any shape [rad], in either panel

    Returns
    -------
    longitude in [−π, π], latitude in [−π/2, π/2] [rad]
    """
    x, y, z = _cartesian(longitude, latitude)
    # z of the other is y; the arc tangent keeps its digits near the poles of the other, where an arc sine does not.
    return np.arctan2(z, -x), np.arctan2(y, np.hypot(x, z))


def _cartesian(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats, Floats]:
    return np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)


def panel_points(grid: PanelGrid, place: str) -> tuple[Floats, Floats]:
    """Panel longitude and latitude of the padded cells' "center", "east" face, "north" face or north-east "corner".

    Returns
    -------
    longitude, latitude : (padded rows, padded columns) [rad]
    """
    if place not in PLACES:
        raise ValueError(f"no place '{place}' in a cell (known: {', '.join(PLACES)})")
    longitudes = grid.face_longitudes if place in ("east", "corner") else grid.center_longitudes
    latitudes = grid.face_latitudes if place in ("north", "corner") else grid.center_latitudes
    longitude, latitude = np.meshgrid(longitudes, latitudes)
    return longitude, latitude


def true_points(grid: PanelGrid, panel: int, place: str) -> tuple[Floats, Floats]:
    """True longitude and latitude of the points of a panel, as `panel_points` lists them."""
    longitude, latitude = panel_points(grid, place)
    return (longitude, latitude) if panel == 0 else other_panel(longitude, latitude)


def turn_between_panels(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """(a, b, c, d) with u = a·u' + b·v' and v = c·u' + d·v' for components u', v' in the other panel.

    The unit vectors e' and n' of the other panel, mapped back by the panels' involution M, are projected on those of
    this one: a = e·Me', b = e·Mn', c = n·Me', d = n·Mn'. The matrix is a rotation: a = d, b = −c.

    Parameters
    ----------
    longitude, latitude : of the points in this panel [rad]
    """
    east, north = _unit_vectors(longitude, latitude)
    other_east, other_north = _unit_vectors(*other_panel(longitude, latitude))
    back_east, back_north = (np.stack([-vector[0], vector[2], vector[1]]) for vector in (other_east, other_north))
    return (
        np.sum(east * back_east, axis=0),
        np.sum(east * back_north, axis=0),
        np.sum(north * back_east, axis=0),
        np.sum(north * back_north, axis=0),
    )


def _unit_vectors(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    """Cartesian unit vectors to the east and to the north."""
    z = np.sin(latitude)
    east = np.stack([-np.sin(longitude), np.cos(longitude), np.zeros_like(longitude)])
    return east, np.stack([-z * np.cos(longitude), -z * np.sin(longitude), np.cos(latitude)])


def rotation(grid: PanelGrid, panel: int, place: str) -> tuple[Floats, Floats, Floats, Floats]:
    """(a, b, c, d) with u = a·east + b·north and v = c·east + d·north, from true components to those of a panel.

    Returns
    -------
    a, b, c, d : (padded rows, padded columns); the inverse is the transpose, east = a·u + c·v and north = b·u + d·v
    """
    longitude, latitude = panel_points(grid, place)
    if panel == 0:
        one, zero = np.ones_like(longitude), np.zeros_like(longitude)
        return one, zero, zero, one
    return turn_between_panels(longitude, latitude)


def cell_areas(grid: PanelGrid, radius: float) -> Floats:
    """a²Δ(sin φ_north − sin φ_south): areas of the evolved cells of a panel.

    Returns
    -------
    areas : (rows, columns) [radius²]
    """
    edges = grid.face_latitudes[HALO - 1 : HALO + grid.rows]
    return np.tile((radius**2 * grid.spacing * np.diff(np.sin(edges)))[:, np.newaxis], (1, grid.columns))


def area_weights(grid: PanelGrid, radius: float) -> Floats:
    """Areas that the evolved cells of a panel stand for in integrals over the sphere: 2·Σ = 4πa².

    The buffer counts nothing; what lies in the cores of both panels (6 % of the sphere) is shared equally. At panel
    latitude φ a point of the core belongs to this panel alone where cos λ > |tan φ| or |sin λ| > 1/(√2 cos φ). The part
    of a cell where that holds is exact in λ and a Gauss–Legendre sum in φ; the sum over the panel is then scaled to
    2πa², by 1 + O(1e-6).

    Returns
    -------
    weights : (rows, columns) [radius²], the same for both panels
    """
    row_edges = grid.face_latitudes[HALO + BUFFER - 1 : HALO + BUFFER + grid.cells]
    column_edges = np.abs(grid.face_longitudes[HALO + BUFFER - 1 : HALO + BUFFER + 3 * grid.cells])
    nodes, quadrature = np.polynomial.legendre.leggauss(_QUADRATURE)
    latitudes = 0.5 * (row_edges[:-1] + row_edges[1:])[:, np.newaxis] + 0.5 * grid.spacing * nodes
    alone = np.diff(_length_alone(latitudes[..., np.newaxis], column_edges) * _signs(grid), axis=-1)
    shares = 0.5 * grid.spacing + 0.5 * alone
    core = 0.5 * grid.spacing * np.einsum("jq,q,jqi->ji", np.cos(latitudes), quadrature, shares)
    weights = np.zeros((grid.rows, grid.columns))
    weights[BUFFER:-BUFFER, BUFFER:-BUFFER] = core
    return weights * (2.0 * np.pi * radius**2 / weights.sum())


def _signs(grid: PanelGrid) -> Floats:
    """−1 for the west and +1 for the east edges of the core's columns, so that lengths from λ = 0 may be subtracted."""
    return np.sign(grid.face_longitudes[HALO + BUFFER - 1 : HALO + BUFFER + 3 * grid.cells])


def _length_alone(latitude: Floats, longitude: Floats) -> Floats:
    """How much of 0…|λ| belongs to this panel alone, at one latitude of the core [rad]."""
    limit = np.arccos(np.minimum(np.abs(np.tan(latitude)), 1.0))
    side = np.arcsin(np.minimum(np.sqrt(0.5) / np.cos(latitude), 1.0))
    begin = np.maximum(side, limit)
    return np.minimum(longitude, limit) + np.clip(longitude - begin, 0.0, np.pi - side - begin)
