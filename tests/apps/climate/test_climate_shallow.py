"""The shallow-water stage: reference against theory, kernel against reference, the same bits however it is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from shallow_examples import (
    COLUMNS,
    FAULTS,
    INSIDE,
    ROWS,
    TIMESTEP,
    TOLERANCE,
    WHOLE,
    Layer,
    faulty,
    layer,
    nothing,
    same,
    truth,
    worst,
)

from clustermark.apps.climate import physics
from clustermark.apps.climate.layout import HALO, Array, Region
from clustermark.apps.climate.planet import WILLIAMSON
from clustermark.apps.climate.reference_shallow import shallow_tendencies
from clustermark.apps.climate.shallow_cpu import make_work, shallow_stage
from clustermark.devices.simd import Width, native_width


def stage(
    given: Layer,
    old: tuple[Array, Array, Array],
    region: Region = WHOLE,
    lanes: int = 0,
    chunks: int = 1,
    fill: Any = 0,
) -> tuple[Array, Array, Array]:
    """Whole new arrays (rows, pitch) of h, u, v; what is not written is `fill`. Lanes 0: those of this CPU."""
    pitch, dtype = given.h.shape[1], given.h.dtype
    new = tuple(np.full(given.h.size, fill, dtype) for _ in range(3))
    state = (given.h, given.u, given.v, *old, given.bottom, given.coriolis)
    arguments = (
        *(field.ravel() for field in state),
        given.cos_center,
        given.cos_face,
        given.inverse_spacing,
        WILLIAMSON.gravity,
        TIMESTEP,
        pitch,
        region.first_row,
        region.last_row,
        region.first_column,
        region.last_column,
        Width(lanes or native_width(str(dtype))),
        make_work(chunks, pitch, str(dtype)),
        *new,
    )
    shallow_stage(*arguments)
    h, u, v = (field.reshape(given.h.shape) for field in new)
    return h, u, v


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_kernel_gives_the_tendencies_of_the_reference(dtype: str) -> None:
    given = layer(dtype)
    assert worst(stage(given, nothing(given)), truth(given)) < TOLERANCE[dtype]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_reference_catches_a_planted_fault(fault: str) -> None:
    given = layer("float32")
    assert worst(stage(faulty(given, fault), nothing(given)), truth(given)) > 10 * TOLERANCE["float32"]


def test_the_old_state_is_added_to() -> None:
    given = layer()
    old = (layer(seed=1).h, layer(seed=1).u, layer(seed=1).v)
    change, new = stage(given, nothing(given)), stage(given, old)
    for before, difference, after in zip(old, change, new, strict=True):
        # a − b·c may be fused, so the sum is right to half a unit of either.
        np.testing.assert_allclose(after[INSIDE], (before + difference)[INSIDE], rtol=3e-16, atol=0)


@pytest.mark.parametrize("lanes", [4, 16])  # the narrowest and the widest
def test_every_width_of_vector_gives_the_same_bits(lanes: int) -> None:
    given = layer()
    assert same(stage(given, nothing(given), lanes=lanes), stage(given, nothing(given)))


@pytest.mark.parametrize("chunks", [2, 3, ROWS, 2 * ROWS])
def test_every_number_of_chunks_gives_the_same_bits(chunks: int) -> None:
    given = layer()
    assert same(stage(given, nothing(given), chunks=chunks), stage(given, nothing(given)))


@pytest.mark.parametrize("row", [HALO + 1, HALO + 6])
@pytest.mark.parametrize("column", [HALO + 1, HALO + 5, HALO + 18])
def test_a_block_in_four_regions_has_the_bits_of_the_whole(row: int, column: int) -> None:
    given = layer()
    whole = stage(given, nothing(given))
    for rows in ((HALO, row), (row, HALO + ROWS)):
        for columns in ((HALO, column), (column, HALO + COLUMNS)):
            part = stage(given, nothing(given), Region(*rows, *columns), chunks=2)
            box = (slice(*rows), slice(*columns))
            assert all(a[box].tobytes() == b[box].tobytes() for a, b in zip(whole, part, strict=True))


def test_only_two_cells_around_a_region_are_read_and_only_a_vector_behind_it_is_written() -> None:
    given, lanes = layer(), 4
    region = Region(HALO + 2, HALO + ROWS - 2, HALO + 5, HALO + 26)
    needed = np.zeros(given.h.shape, bool)
    needed[region.first_row - 2 : region.last_row + 2, region.first_column - 2 : region.last_column + 2] = True
    poisoned = {name: np.where(needed, getattr(given, name), np.nan) for name in ("h", "u", "v", "bottom", "coriolis")}
    found = stage(replace(given, **poisoned), nothing(given), region, lanes, fill=7.0)
    box = (slice(region.first_row, region.last_row), slice(region.first_column, region.last_column))
    touched = np.zeros(given.h.shape, bool)
    touched[box[0], region.first_column : region.last_column + lanes - 1] = True
    for new, expected in zip(found, stage(given, nothing(given)), strict=True):
        assert new[box].tobytes() == expected[box].tobytes()
        assert (new[~touched] == 7.0).all()


def test_a_layer_at_rest_over_mountains_stays_at_rest() -> None:
    given = layer()
    rest = replace(given, h=6000 - given.bottom, u=np.zeros_like(given.u), v=np.zeros_like(given.v))
    h, u, v = stage(rest, nothing(rest))
    steepest = WILLIAMSON.gravity * 6000 * given.inverse_spacing / float(given.cos_center.min())
    assert not h.any()
    assert max(float(abs(u[INSIDE]).max()), float(abs(v[INSIDE]).max())) <= 4e-16 * steepest * TIMESTEP
    tilted = stage(replace(rest, bottom=rest.bottom * 1.001), nothing(rest))
    assert float(abs(tilted[1][INSIDE]).max()) > 1e-6 * steepest * TIMESTEP


def walled(given: Layer, open_face: bool = False) -> Layer:
    """No flow through the rim of the evolved cells, but for one face if asked."""
    u, v = given.u.copy(), given.v.copy()
    u[:, [HALO - 1, HALO + COLUMNS - 1]] = 0
    v[[HALO - 1, HALO + ROWS - 1]] = 0
    if open_face:
        u[HALO + 4, HALO - 1] = 1.0
    return replace(given, u=u, v=v)


@pytest.mark.parametrize("open_face", [False, True])
def test_mass_is_conserved_between_walls_and_only_there(open_face: bool) -> None:
    given = walled(layer(), open_face)
    gained = (stage(given, nothing(given))[0] * given.cos_center[:, None])[INSIDE]
    assert (abs(gained.sum()) < 1e-14 * abs(gained).sum()) is not open_face


def test_the_reference_conserves_mass_and_of_rough_potential_enstrophy_all_but_a_hundredth_on_a_plane() -> None:
    """With the mean of two corners it would be all of it; the cubic through four gives that up."""
    given = layer()
    flat = replace(given, cos_center=np.ones_like(given.cos_center), cos_face=np.ones_like(given.cos_face))
    rate = truth(flat)

    def corner(a: Array) -> Array:
        return (a + np.roll(a, -1, 0) + np.roll(a, -1, 1) + np.roll(a, (-1, -1), (0, 1))) / 4

    def curl(u: Array, v: Array) -> Array:
        return ((np.roll(v, -1, 1) - v) - (np.roll(u, -1, 0) - u)) * flat.inverse_spacing

    q = (curl(flat.u, flat.v) + flat.coriolis) / corner(flat.h)
    change = q * curl(rate.u, rate.v) - q * q / 2 * corner(rate.depth)
    assert abs(change.sum()) < 0.01 * abs(change).sum()
    assert abs(rate.depth.sum()) < 1e-13 * abs(rate.depth).sum()


def steady_error(cells: int) -> np.ndarray:
    """Root-mean-square tendencies of Williamson's case 2 with α = π/4, which should vanish."""
    spacing, alpha = np.pi / 2 / cells, np.pi / 4
    latitude = -np.pi / 4 + np.arange(-2, cells + 2) * spacing
    longitude, center = np.meshgrid(np.arange(-2, 3 * cells + 2) * spacing, latitude)
    wind = 2 * np.pi * WILLIAMSON.radius / (12 * 86400)

    def sine(east: Any, north: Any) -> Any:
        """Of the latitude seen from the axis of the flow."""
        return -np.cos(east) * np.cos(north) * np.sin(alpha) + np.sin(north) * np.cos(alpha)

    east, north = longitude + spacing / 2, center + spacing / 2
    drop = WILLIAMSON.radius * WILLIAMSON.rotation * wind + wind**2 / 2
    rate = shallow_tendencies(
        (2.94e4 - drop * sine(longitude, center) ** 2) / WILLIAMSON.gravity,
        wind * (np.cos(center) * np.cos(alpha) + np.cos(east) * np.sin(center) * np.sin(alpha)),
        -wind * np.sin(longitude) * np.sin(alpha),
        np.zeros_like(center),
        2 * WILLIAMSON.rotation * sine(east, north),
        np.cos(latitude),
        np.cos(latitude + spacing / 2),
        1 / (WILLIAMSON.radius * spacing),
        WILLIAMSON.gravity,
    )
    fields = (rate.depth, rate.u, rate.v)
    return np.array([np.sqrt((field[2:-2, 2:-2] ** 2).mean()) for field in fields])


def test_a_steady_flow_of_the_sphere_becomes_steady_at_second_order() -> None:
    order = np.log2(steady_error(20) / steady_error(40))
    assert ((order > 1.85) & (order < 2.15)).all(), order


def test_the_formulas_serve_arrays_as_they_serve_vectors() -> None:
    given = layer()
    h, u, v, x = given.h, given.u, given.v, given.inverse_spacing
    depth_north, flux = np.roll(h, -1, 0), physics.double_flux(h, np.roll(h, -1, 1), u)
    north = physics.double_flux(h, depth_north, v * given.cos_face[:, None])
    factor = 0.5 * x / given.cos_center[:, None]
    change = physics.depth_change(flux, np.roll(flux, 1, 1), north, np.roll(north, 1, 0), factor)
    np.testing.assert_allclose(-change[INSIDE], truth(given).depth[INSIDE], rtol=1e-10, atol=1e-18)
