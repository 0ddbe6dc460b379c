"""The primitive equations: kernels against the plain reference, and what the discretisation must hold by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from primitive_examples import FAULTS, Stage, differences, evolved, ground_of, rough_fields, single

from clustermark.apps.climate import reference_primitive as reference
from clustermark.apps.climate.layout import HALO, Floats, Region
from clustermark.apps.climate.primitive_cpu import REACH
from clustermark.apps.climate.reference_primitive import Fields, Ground

ROWS, COLUMNS = 9, 21
# The narrowest and the widest that any CPU asks for: each takes a quarter of a minute to compile.
WIDTHS = {"float64": 4, "float32": 16}
STEP = 300.0


@pytest.fixture(scope="module")
def ground() -> Ground:
    return ground_of(ROWS, COLUMNS)


@pytest.fixture(scope="module")
def fields(ground: Ground) -> Fields:
    return rough_fields(ground)


@pytest.fixture(scope="module")
def start(ground: Ground) -> Fields:
    return rough_fields(ground, seed=5)


def test_a_stage_of_double_precision_is_the_reference_to_rounding(ground, fields, start):
    got = Stage(ground, "float64", WIDTHS["float64"]).run(fields, start, STEP)
    assert max(differences(got, reference.advance(fields, start, ground, STEP), start)) < 1e-12


def test_a_stage_of_mixed_precision_is_the_reference_to_single_precision(ground, fields, start):
    """Bounds of the changes, and one unit in the last place of what they are added to."""
    got = Stage(ground, "float32", WIDTHS["float32"]).run(single(fields), single(start), STEP)
    wanted = reference.advance(single(fields), single(start), ground, STEP)
    for g, w, s in zip(got, wanted, start, strict=True):
        bound = 5e-6 * np.abs(evolved(w - s)).max() + 2.0**-23 * np.abs(evolved(w)).max()
        assert np.abs(evolved(g - w)).max() < bound
    assert differences(got, wanted, start)[0] < 1e-6


@pytest.mark.parametrize("fault", FAULTS)
def test_the_comparison_catches_a_constant_that_is_off(ground, fields, start, fault):
    got = Stage(ground, "float64").run(fields, start, STEP)
    wanted = reference.advance(fields, start, FAULTS[fault](ground), STEP)
    assert max(differences(got, wanted, start)) > 1e-12


@pytest.mark.parametrize(("dtype", "width"), WIDTHS.items())
def test_any_regions_in_any_order_and_any_number_of_chunks_give_the_same_bits(ground, fields, start, dtype, width):
    """The interior first and rims later, as beside messages; the whole in one piece; cut unevenly."""
    whole = Stage(ground, dtype, width, chunks=1).run(fields, start, STEP)
    low, top, right = HALO, ROWS + HALO, COLUMNS + HALO
    inner = Region(low + REACH, top - REACH, low + REACH, right - REACH)
    rims = [
        Region(low, low + REACH, low, right),
        Region(top - REACH, top, low, right),
        Region(low + REACH, top - REACH, low, low + REACH),
        Region(low + REACH, top - REACH, right - REACH, right),
    ]
    cut = [Region(low, low + 4, low, low + 11), Region(low, low + 4, low + 11, right), Region(low + 4, top, low, right)]
    for chunks, regions in ((3, None), (ROWS + 2, None), (2, [inner, *rims]), (1, [*rims[::-1], inner]), (2, cut)):
        other = Stage(ground, dtype, width, chunks=chunks).run(fields, start, STEP, regions)
        for a, b in zip(whole, other, strict=True):
            np.testing.assert_array_equal(evolved(a), evolved(b))


def test_the_interior_needs_no_halo_and_what_it_needs_is_seen_to_be_missing(ground, fields, start):
    """A halo that is not a number reaches exactly REACH cells."""
    broken = Fields(*(np.full_like(f, np.nan) for f in fields))
    for f, b in zip(fields, broken, strict=True):
        evolved(b)[...] = evolved(f)
    low, top, right = HALO, ROWS + HALO, COLUMNS + HALO
    inner = Region(low + REACH, top - REACH, low + REACH, right - REACH)
    got = Stage(ground, "float64", 4).run(broken, start, STEP, [inner])
    wanted = Stage(ground, "float64", 4).run(fields, start, STEP, [inner])
    for g, w in zip(got, wanted, strict=True):
        inside = np.s_[..., low + REACH : top - REACH, low + REACH : right - REACH]
        np.testing.assert_array_equal(g[inside], w[inside])
    outer = Stage(ground, "float64", 4).run(broken, start, STEP)
    assert np.isnan(evolved(outer.theta)).any()


def test_the_mass_that_leaves_a_cell_arrives_in_its_neighbour(ground):
    """Σ area·∂p_s/∂t telescopes: with nothing moving near the rim, mass of the block does not change."""
    fields = rough_fields(ground)
    quiet = np.zeros_like(fields.mass)
    quiet[HALO + 1 : -HALO - 1, HALO + 1 : -HALO - 1] = 1.0
    fields = fields._replace(u=fields.u * quiet, v=fields.v * quiet)
    for dtype, bound in (("float64", 1e-11), ("float32", 1e-7)):
        new = Stage(ground, dtype, WIDTHS[dtype]).run(fields, fields, STEP)
        area = ground.cos_center[:, None]
        change = evolved(area * (new.mass - fields.mass))
        assert abs(change.sum()) < bound * np.abs(change).sum()


def test_vertical_mass_flux_vanishes_at_the_ground(ground, fields):
    found = reference.diagnose(fields, ground)
    size = np.abs(evolved(found.vertical)).max()
    assert np.abs(evolved(found.vertical)[-1]).max() < 1e-13 * size
    assert size > 1.0


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 2e-16), ("float32", 1.2e-7)])
def test_constant_theta_stays_constant_under_any_flow(ground, fields, dtype, bound):
    """The flux of θ and the continuity equation are one: θ = 300 K everywhere is a solution."""
    same = fields._replace(theta=np.full_like(fields.theta, 300.0))
    new = Stage(ground, dtype, WIDTHS[dtype]).run(same, same, STEP)
    assert np.abs(evolved(new.theta) / 300.0 - 1.0).max() <= 3 * bound
    uneven = same._replace(theta=same.theta + 1e-3 * fields.theta)
    assert (
        np.abs(evolved(Stage(ground, dtype, WIDTHS[dtype]).run(uneven, uneven, STEP).theta) / 300.3 - 1.0).max()
        > 100 * bound
    )


def isothermal(ground: Ground, temperature: float) -> Fields:
    """An atmosphere at rest at one temperature: p_s = p₀ exp(−Φ_s/(R_d T)), θ = T/P_k."""
    planet = ground.planet
    mass = planet.reference_pressure * np.exp(-ground.geopotential / (planet.gas_constant * temperature))
    exner = ground.levels.exner[:, None, None] * (mass / planet.reference_pressure) ** planet.kappa
    zero = np.zeros_like(exner)
    return Fields(mass, zero, zero.copy(), temperature / exner)


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-11), ("float32", 3e-3)])
def test_an_atmosphere_at_rest_without_mountains_stays_at_rest(dtype, bound):
    """Winds after 300 s [m/s]; in float32 the rounding of Φ, 0.02 m²/s² at the top, pushes."""
    ground = replace(ground_of(ROWS, COLUMNS, 10), coriolis=np.zeros((ROWS + 2 * HALO, COLUMNS + 2 * HALO)))
    ground = replace(ground, geopotential=np.zeros_like(ground.geopotential))
    rest = isothermal(ground, 300.0)
    new = Stage(ground, dtype, WIDTHS[dtype]).run(rest, rest, STEP)
    assert max(np.abs(evolved(new.u)).max(), np.abs(evolved(new.v)).max()) < bound
    np.testing.assert_array_equal(evolved(new.mass), evolved(rest.mass))


def hill(ground: Ground, height: float) -> Floats:
    """Geopotential of a smooth hill of some ten cells [m²/s²]."""
    j, i = np.indices(ground.geopotential.shape)
    distance = (j - 0.5 * j.max()) ** 2 + (i - 0.5 * i.max()) ** 2
    return ground.planet.gravity * height * np.exp(-distance / 18.0)


@pytest.mark.parametrize("levels", [10, 40])
def test_an_isothermal_atmosphere_over_a_hill_is_pushed_as_little_as_sigma_allows(levels):
    """The two terms of the pressure gradient, 0.1 m/s² each over this hill, cancel but for the layers' thickness.

    What is left is largest at the top, where a layer holds many scale heights, and falls with thinner layers.
    """
    ground = ground_of(ROWS, COLUMNS, levels)
    ground = replace(ground, geopotential=hill(ground, 2000.0))
    rest = isothermal(ground, 280.0)
    pushes = np.abs(evolved(reference.wind_tendencies(rest, ground)[0]))
    sizes = pushes.max(axis=(1, 2))
    assert sizes[-1] < 0.3 / levels**2
    new = Stage(ground, "float64").run(rest, rest, STEP)
    assert np.abs(evolved(new.u)).max() == pytest.approx(STEP * sizes.max(), rel=1e-6)


def test_upwind_fluxes_of_third_order_are_exact_for_cubics():
    """Differences of fluxes of point values of x³ in a uniform wind are the derivative 3x², either way; not of x⁴."""
    x = np.arange(-8.0, 9.0)
    for wind in (1.0, -1.0):
        slopes = []
        for power in (3, 4):
            field = x**power
            shifted = np.roll(field, 1), field, np.roll(field, -1), np.roll(field, -2)
            flux = wind * reference.upwind_value(np.full_like(x, wind), *shifted)
            slopes.append((flux - np.roll(flux, 1))[4:-4] / wind)
        inner = x[4:-4]
        np.testing.assert_allclose(slopes[0], 3 * inner**2, atol=1e-9)
        assert np.abs(slopes[1] - 4 * inner**3).max() > 1.0


def test_no_wind_and_no_gradient_mean_no_change_of_theta(ground, fields):
    """θ moves only with mass."""
    still = fields._replace(u=np.zeros_like(fields.u), v=np.zeros_like(fields.v))
    new = Stage(ground, "float64").run(still, still, STEP)
    np.testing.assert_array_equal(evolved(new.theta), evolved(still.theta))
    np.testing.assert_array_equal(evolved(new.mass), evolved(still.mass))
