"""Metric terms of a rank's blocks, cut from those of the whole panel so that every cut has the same bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.layout import Floats
from clustermark.devices.memory import Memory


@dataclass(frozen=True)
class Metric:
    """Metric of the blocks.

    Attributes
    ----------
    cos_center, cos_face : (blocks, rows) cos φ of cell centres and of north faces, with halos
    inverse_spacing : 1/(aΔ) [1/m]
    """

    cos_center: Floats
    cos_face: Floats
    inverse_spacing: float

    def rows_of(self, memory: Memory) -> list[tuple[Floats, Floats]]:
        """cos_center and cos_face of each block, as kernels read them."""
        pairs = zip(self.cos_center, self.cos_face, strict=True)
        return [(memory.from_host(center), memory.from_host(face)) for center, face in pairs]


def make_metric(domain: Domain, radius: float) -> Metric:
    """The metric of a rank's blocks on a sphere of a radius [m]."""
    grid = domain.grid
    centers, faces = (domain.cut_rows(np.cos(lat)) for lat in (grid.center_latitudes, grid.face_latitudes))
    return Metric(centers, faces, 1.0 / (radius * grid.spacing))
