"""A layer of water with rough fields for the tests of its kernels, and how far tendencies are from the reference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from clustermark.apps.climate.layout import HALO, Array, Region, pitch_of
from clustermark.apps.climate.planet import WILLIAMSON
from clustermark.apps.climate.reference_shallow import Tendencies, shallow_tendencies

ROWS, COLUMNS = 13, 37
TIMESTEP = 0.5
WHOLE = Region(HALO, HALO + ROWS, HALO, HALO + COLUMNS)
INSIDE = (slice(HALO, HALO + ROWS), slice(HALO, HALO + COLUMNS))
# Of the largest tendency: rounding of the Bernoulli function, some 10⁵ m²/s², seen through a difference.
TOLERANCE = {"float64": 1e-13, "float32": 2e-5}


@dataclass(frozen=True)
class Layer:
    """Inputs of a stage; fields (rows, pitch), cosines (rows,)."""

    h: Array
    u: Array
    v: Array
    bottom: Array
    coriolis: Array
    cos_center: Array
    cos_face: Array
    inverse_spacing: float


def layer(dtype: str = "float64", seed: int = 0) -> Layer:
    """Rough fields on a panel that reaches from 40° south to 40° north; nothing in them is zero or smooth."""
    shape, rng = (ROWS + 2 * HALO, pitch_of(COLUMNS)), np.random.default_rng(seed)
    latitude = np.linspace(-0.7, 0.7, shape[0])
    spacing = float(latitude[1] - latitude[0])

    def rough(mean: float, size: float) -> Array:
        return (mean + size * rng.standard_normal(shape)).astype(dtype)

    return Layer(
        rough(5000, 100),
        rough(10, 20),
        rough(0, 20),
        rough(500, 100),
        np.broadcast_to((1.4e-4 * np.sin(latitude + spacing / 2))[:, None], shape).astype(dtype),
        np.cos(latitude).astype(dtype),
        np.cos(latitude + spacing / 2).astype(dtype),
        1 / (WILLIAMSON.radius * spacing),
    )


def nothing(given: Layer) -> tuple[Array, Array, Array]:
    """An old state of zeros, so that the new one is the tendency times the step, without its rounding."""
    return np.zeros_like(given.h), np.zeros_like(given.h), np.zeros_like(given.h)


def truth(given: Layer) -> Tendencies:
    """The reference's tendencies."""
    fields = (given.h, given.u, given.v, given.bottom, given.coriolis, given.cos_center, given.cos_face)
    return shallow_tendencies(*fields, given.inverse_spacing, WILLIAMSON.gravity)


def worst(found: tuple[Array, Array, Array], expected: Tendencies) -> float:
    """Largest difference of a tendency from the reference, in units of that field's largest."""
    pairs = zip(found, (expected.depth, expected.u, expected.v), strict=True)
    return max(float(abs(new[INSIDE] / TIMESTEP - rate[INSIDE]).max() / abs(rate[INSIDE]).max()) for new, rate in pairs)


def same(first: tuple[Array, ...], second: tuple[Array, ...]) -> bool:
    """Bit for bit, in the evolved cells."""
    return all(a[INSIDE].tobytes() == b[INSIDE].tobytes() for a, b in zip(first, second, strict=True))


FAULTS = ("sign of f", "metric of faces", "metric of cells", "ground", "gravity waves")


def faulty(given: Layer, fault: str) -> Layer:
    """The layer with one of FAULTS."""
    return {
        "sign of f": replace(given, coriolis=-given.coriolis),
        "metric of faces": replace(given, cos_face=given.cos_center),
        "metric of cells": replace(given, cos_center=given.cos_face),
        "ground": replace(given, bottom=np.zeros_like(given.bottom)),
        "gravity waves": replace(given, h=given.h * given.h.dtype.type(1.001)),
    }[fault]
