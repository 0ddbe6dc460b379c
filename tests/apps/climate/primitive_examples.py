"""Blocks with smooth and rough winds for the tests of the primitive equations, and one stage of them by the kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clustermark.apps.climate.layout import HALO, Array, Floats, Region, pitch_of
from clustermark.apps.climate.planet import HELD_SUAREZ
from clustermark.apps.climate.primitive_cpu import advance, make_work
from clustermark.apps.climate.reference_primitive import Fields, Ground
from clustermark.apps.climate.surface_cpu import TERMS, surface_terms
from clustermark.apps.climate.vertical import level_table, make_levels, power_table
from clustermark.devices.simd import Width

UNEVEN = (0.0, 0.06, 0.2, 0.45, 0.7, 0.9, 1.0)


def ground_of(rows: int, columns: int, interfaces: Any = UNEVEN, mountain: float = 2000.0, seed: int = 1) -> Ground:
    """A block of `rows` × `columns` evolved cells of 2°, with a rough mountain [m]."""
    random = np.random.default_rng(seed)
    spacing = np.deg2rad(2.0)
    shape = (rows + 2 * HALO, columns + 2 * HALO)
    latitude = (np.arange(shape[0]) - HALO + 0.5 - rows / 2) * spacing + 0.1
    corners = np.sin(latitude + 0.5 * spacing)[:, None] + 0.1 * random.random(shape)
    return Ground(
        HELD_SUAREZ,
        make_levels(HELD_SUAREZ, interfaces),
        spacing,
        HELD_SUAREZ.gravity * mountain * random.random(shape),
        2.0 * HELD_SUAREZ.rotation * corners,
        np.cos(latitude),
        np.cos(latitude + 0.5 * spacing),
    )


def rough_fields(ground: Ground, seed: int = 2) -> Fields:
    """p_s, winds and θ that differ from cell to cell, everywhere in the block and its halo."""
    random = np.random.default_rng(seed)
    shape = ground.geopotential.shape
    full = (ground.levels.count, *shape)
    theta = 300.0 + 100.0 * (1.0 - ground.levels.centers[:, None, None]) + 10.0 * random.random(full)
    return Fields(
        9.0e4 + 1.5e4 * random.random(shape),
        40.0 * random.random(full) - 20.0,
        40.0 * random.random(full) - 20.0,
        theta,
    )


@dataclass(frozen=True)
class Stage:
    """A stage of the kernels over a block: its size and its arrays that hold."""

    ground: Ground
    dtype: str
    width: int = 4
    chunks: int = 2

    @property
    def rows(self) -> int:
        return self.ground.geopotential.shape[0]

    @property
    def columns(self) -> int:
        return self.ground.geopotential.shape[1]

    @property
    def pitch(self) -> int:
        return pitch_of(self.columns - 2 * HALO)

    @property
    def whole(self) -> Region:
        """All evolved cells."""
        return Region(HALO, self.rows - HALO, HALO, self.columns - HALO)

    def flat(self, field: Array, dtype: str | None = None) -> Array:
        """A field as it lies in memory; what stands behind a row is not a number."""
        shape = (*field.shape[:-1], self.pitch)
        padded = np.full(shape, np.nan, dtype or self.dtype)
        padded[..., : self.columns] = field
        return padded.ravel()

    def flat_fields(self, fields: Fields) -> tuple[Array, Array, Array, Array]:
        """Surface pressure in float64, and the others."""
        mass = self.flat(fields.mass, "float64")
        return mass, self.flat(fields.u), self.flat(fields.v), self.flat(fields.theta)

    def field(self, flat: Array) -> Floats:
        """The field of a flat array, in float64."""
        full = flat.reshape(-1, self.rows, self.pitch)[..., : self.columns].astype(np.float64)
        return full[0] if len(full) == 1 and self.ground.levels.count > 1 else full

    def run(self, fields: Fields, start: Fields, step: float, regions: list[Region] | None = None) -> Fields:
        """X_new over the regions, one after the other; cells outside of them are not a number or left over."""
        ground, planet = self.ground, self.ground.planet
        size = self.rows * self.pitch
        count = ground.levels.count
        terms = np.zeros(TERMS * size, self.dtype)
        work = make_work(self.chunks, count, self.pitch, self.dtype)
        now, before = self.flat_fields(fields), self.flat_fields(start)
        u, v, theta = np.full((3, count * size), np.nan, self.dtype)
        new = np.full(size, np.nan), u, v, theta
        width = Width(self.width)
        for region in regions or [self.whole]:
            place = (region.first_row, region.last_row, region.first_column, region.last_column)
            surface_terms(
                now[0], ground.cos_face, power_table(planet.kappa), planet.reference_pressure, planet.heat_capacity,
                self.rows, self.pitch, *place, self.chunks, width, np.zeros(size), terms,
            )  # fmt: skip
            advance(
                *now[1:], *before, self.flat(ground.geopotential), self.flat(ground.coriolis), terms, ground.cos_center,
                ground.cos_face, level_table(ground.levels, planet), 1.0 / (planet.radius * ground.spacing), step,
                self.rows, self.pitch, *place, width, work, *new,
            )  # fmt: skip
        return Fields(*(self.field(f) for f in new))


def evolved(field: Floats) -> Floats:
    """Without the halo."""
    return field[..., HALO:-HALO, HALO:-HALO]


def differences(got: Fields, wanted: Fields, start: Fields) -> list[float]:
    """Largest difference of each field over the largest change of it, rounding of float32 θ (half an ulp) left out."""
    found = []
    for g, w, s in zip(got, wanted, start, strict=True):
        found.append(float(np.abs(evolved(g - w)).max() / np.abs(evolved(w - s)).max()))
    return found


def single(fields: Fields) -> Fields:
    """Winds and θ rounded to float32."""
    u, v, theta = (f.astype(np.float32).astype(np.float64) for f in fields[1:])
    return Fields(fields.mass, u, v, theta)


FAULTS: dict[str, Callable[[Ground], Ground]] = {
    "coriolis": lambda g: replace(g, coriolis=g.coriolis * (1 + 1e-9)),
    "cos_center": lambda g: replace(g, cos_center=g.cos_center * (1 + 1e-10)),
    "cos_face": lambda g: replace(g, cos_face=g.cos_face * (1 + 1e-10)),
    "geopotential": lambda g: replace(g, geopotential=g.geopotential * (1 + 1e-9)),
    "spacing": lambda g: replace(g, spacing=g.spacing * (1 + 1e-10)),
    "gas": lambda g: replace(g, planet=replace(g.planet, heat_capacity=g.planet.heat_capacity * (1 + 1e-9))),
}
