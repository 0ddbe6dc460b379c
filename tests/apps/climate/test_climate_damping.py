"""∇⁴ damping: kernels against the plain reference, waves, rotation, energy."""

from __future__ import annotations

import numpy as np
import pytest
from primitive_examples import Stage, evolved, ground_of, rough_fields

from clustermark.apps.climate import reference_damping as reference
from clustermark.apps.climate.damping_cpu import damp, make_work
from clustermark.apps.climate.layout import HALO, Floats, Region
from clustermark.apps.climate.reference_primitive import Ground
from clustermark.devices.simd import Width, native_width

ROWS, COLUMNS = 10, 19
Winds = tuple[Floats, Floats, Floats]


@pytest.fixture(scope="module")
def ground() -> Ground:
    return ground_of(ROWS, COLUMNS)


def distance_of(ground: Ground) -> float:
    return ground.planet.radius * ground.spacing


def run(stage: Stage, fields: Winds, coefficient: float, regions: list[Region] | None = None) -> Winds:
    """u, v, θ of the kernels; not a number where nothing was written."""
    ground = stage.ground
    inputs = tuple(stage.flat(f) for f in fields)
    u, v, theta = (np.full_like(f, np.nan) for f in inputs)
    for region in regions or [stage.whole]:
        damp(
            inputs[0], inputs[1], inputs[2], ground.cos_center, ground.cos_face, 1.0 / distance_of(ground), coefficient,
            ground.levels.count, stage.rows, stage.pitch, region.first_row, region.last_row, region.first_column,
            region.last_column, Width(stage.width), make_work(stage.chunks, stage.pitch, stage.dtype), u, v, theta,
        )  # fmt: skip
    return stage.field(u), stage.field(v), stage.field(theta)


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-12), ("float32", 5e-6)])
def test_kernels_are_the_reference_to_rounding_and_a_wrong_coefficient_is_seen(ground, dtype, bound):
    fields = rough_fields(ground)[1:]
    strength = distance_of(ground) ** 4 / 200.0
    wanted = reference.damp(*fields, ground.cos_center, ground.cos_face, distance_of(ground), strength)
    stage = Stage(ground, dtype, native_width(dtype))
    largest = 0.0
    for wrong in (0.0, 10 * bound):
        got = run(stage, fields, strength * (1.0 + wrong))
        errors = []
        for g, w, f in zip(got, wanted, fields, strict=True):
            rounding = np.finfo(dtype).eps * np.abs(evolved(w)).max()
            errors.append((np.abs(evolved(g - w)).max() - rounding) / np.abs(evolved(w - f)).max())
        largest = max(errors)
        assert (largest < bound) == (wrong == 0.0)


def test_any_regions_and_chunks_give_the_same_bits(ground):
    fields = rough_fields(ground)[1:]
    strength = distance_of(ground) ** 4 / 200.0
    for dtype, width in (("float64", 4), ("float32", native_width("float32"))):
        whole = run(Stage(ground, dtype, width, 1), fields, strength)
        top, right = ROWS + HALO, COLUMNS + HALO
        cut = [
            Region(HALO, HALO + 3, HALO, right),
            Region(HALO + 3, top, HALO, HALO + 7),
            Region(HALO + 3, top, HALO + 7, right),
        ]
        for chunks, regions in ((7, None), (100, None), (2, cut), (3, cut[::-1])):
            other = run(Stage(ground, dtype, width, chunks), fields, strength, regions)
            for a, b in zip(whole, other, strict=True):
                np.testing.assert_array_equal(evolved(a), evolved(b))


def flat_ground() -> Ground:
    """A patch with cosφ = 1 everywhere: a plane."""
    ground = ground_of(ROWS, COLUMNS)
    one = np.ones(ROWS + 2 * HALO)
    return Ground(ground.planet, ground.levels, ground.spacing, ground.geopotential, ground.coriolis, one, one)


def test_a_plane_wave_is_damped_by_its_own_eigenvalue():
    """∇⁴ of a wave of k, m per cell is [2(cos k − 1) + 2(cos m − 1)]²/(aΔ)⁴, for winds of both kinds and θ."""
    ground = flat_ground()
    k, m = 0.7, 0.4
    j, i = np.indices(ground.geopotential.shape)
    levels = np.ones((ground.levels.count, 1, 1))
    potential = np.cos(k * i + m * j) * levels
    stream = np.cos(k * (i + 0.5) + m * (j + 0.5)) * levels
    u = np.cos(k * (i + 1) + m * j) - np.cos(k * i + m * j) - (stream - np.cos(k * (i + 0.5) + m * (j - 0.5)))
    v = np.cos(k * i + m * (j + 1)) - np.cos(k * i + m * j) + (stream - np.cos(k * (i - 0.5) + m * (j + 0.5)))
    fields = (u * levels, v * levels, 300.0 * potential)
    share = 1.0 / 100.0
    eigenvalue = (2 * (np.cos(k) - 1) + 2 * (np.cos(m) - 1)) ** 2
    got = run(Stage(ground, "float64", 4), fields, share * distance_of(ground) ** 4)
    for g, f in zip(got, fields, strict=True):
        np.testing.assert_allclose(evolved(g), (1.0 - share * eigenvalue) * evolved(f), atol=1e-12 * np.abs(f).max())


def test_the_shortest_wave_is_gone_at_one_64th_of_the_fourth_power_of_the_cell():
    """2Δ both ways: the eigenvalue is 64, so ν₄Δt = (aΔ)⁴/64 removes it in one step."""
    ground = flat_ground()
    j, i = np.indices(ground.geopotential.shape)
    checkers = (-1.0) ** (i + j) * np.ones((ground.levels.count, 1, 1))
    got = run(Stage(ground, "float64", 4), (checkers, -checkers, checkers), distance_of(ground) ** 4 / 64.0)
    for g in got:
        assert np.abs(evolved(g)).max() < 1e-13


def test_solid_rotation_is_left_nearly_untouched(ground):
    """u = cosφ: its vorticity is 2 sinφ/a, so ∇²u is −2u/a², and ∇⁴u some 10⁻⁶ of what is done to 2Δ."""
    u = np.broadcast_to(ground.cos_center[:, None], (ground.levels.count, *ground.geopotential.shape)).copy()
    zero = np.zeros_like(u)
    got = run(Stage(ground, "float64", 4), (u, zero, zero + 300.0), distance_of(ground) ** 4 / 64.0)
    assert np.abs(evolved(got[0] - u)).max() < 1e-6
    assert np.abs(evolved(got[1])).max() < 1e-12
    assert np.abs(evolved(got[2]) - 300.0).max() < 1e-9


def energy(ground: Ground, fields: Winds) -> tuple[float, float]:
    """Σ of u² and v², and of θ², over the areas of their cells."""
    center, face = ground.cos_center[:, None], ground.cos_face[:, None]
    u, v, theta = (np.nan_to_num(f) for f in fields)
    return float((u**2 * center + v**2 * face).sum()), float((theta**2 * center).sum())


def test_energy_never_grows(ground):
    """Noise in the middle of a block that is quiet around: nothing leaves, and every step takes energy."""
    stage = Stage(ground, "float64", 4)
    inside = np.zeros_like(ground.geopotential)
    inside[HALO + 2 : -HALO - 2, HALO + 2 : -HALO - 2] = 1.0
    fields: Winds = tuple(f * inside for f in rough_fields(ground)[1:])  # pyright: ignore[reportAssignmentType]
    before = energy(ground, fields)
    after = energy(ground, run(stage, fields, distance_of(ground) ** 4 / 100.0))
    assert after[0] < before[0] and after[1] < before[1]
    # With the sign turned round it grows, and this is seen.
    grown = energy(ground, run(stage, fields, -(distance_of(ground) ** 4) / 100.0))
    assert grown[0] > before[0] and grown[1] > before[1]
