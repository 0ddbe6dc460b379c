"""The forcing of Held & Suarez 1994: values of the paper's formulas, and the kernel against them."""

from __future__ import annotations

import numpy as np
import pytest
from forcing_examples import latitudes, wanted
from primitive_examples import Stage, evolved, ground_of, rough_fields

from clustermark.apps.climate.forcing import (
    HeldSuarez,
    boundary_factor,
    equilibrium_temperature,
    forcing_table,
    friction_rate,
    relaxation_rate,
)
from clustermark.apps.climate.forcing_cpu import force, make_work
from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.planet import HELD_SUAREZ
from clustermark.apps.climate.reference_primitive import Fields, Ground
from clustermark.devices.simd import Width

DAY = 86400.0
ROWS, COLUMNS = 7, 18


@pytest.fixture(scope="module")
def ground() -> Ground:
    return ground_of(ROWS, COLUMNS)


def run(stage: Stage, fields: Fields, latitude: Floats, step: float, forcing: HeldSuarez | None = None) -> Fields:
    forcing = forcing or HeldSuarez()
    mass, u, v, theta = stage.flat_fields(fields)
    region = stage.whole
    force(
        mass, u, v, theta, stage.flat(np.sin(latitude) ** 2), forcing_table(forcing, stage.ground.levels),
        forcing.constants, HELD_SUAREZ.kappa, HELD_SUAREZ.reference_pressure, step, stage.rows, stage.pitch,
        region.first_row, region.last_row, region.first_column, region.last_column, Width(stage.width),
        make_work(stage.chunks, stage.pitch, stage.dtype),
    )  # fmt: skip
    return Fields(fields.mass, stage.field(u), stage.field(v), stage.field(theta))


@pytest.mark.parametrize(
    ("degrees", "pressure", "temperature"),
    [
        (0.0, 1e5, 315.0),
        (90.0, 1e5, 255.0),
        (45.0, 1e5, 285.0),
        (0.0, 5e4, (315.0 + 10.0 * np.log(2.0)) * 0.5 ** (2.0 / 7.0)),
        (60.0, 1e4, 200.0),
        (0.0, 5e3, 200.0),
    ],
)
def test_equilibrium_temperature_at_some_points(degrees, pressure, temperature):
    found = equilibrium_temperature(HeldSuarez(), HELD_SUAREZ, np.deg2rad(degrees), np.array(pressure))
    assert found == pytest.approx(temperature, rel=1e-12)


def test_rates_at_some_points():
    forcing = HeldSuarez()
    assert boundary_factor(forcing, np.array([0.3, 0.7, 0.85, 1.0])) == pytest.approx([0.0, 0.0, 0.5, 1.0])
    assert friction_rate(forcing, np.array([0.5, 0.85, 1.0])) * DAY == pytest.approx([0.0, 0.5, 1.0])
    sigma = np.array([0.5, 1.0, 1.0])
    latitude = np.deg2rad([0.0, 0.0, 60.0])
    expected = [1 / 40, 1 / 4, 1 / 40 + (1 / 4 - 1 / 40) / 16]
    assert relaxation_rate(forcing, latitude, sigma) * DAY == pytest.approx(expected)


@pytest.mark.parametrize(("dtype", "width", "bound"), [("float64", 4, 1e-13), ("float32", 16, 3e-7)])
def test_the_kernel_is_the_formula_on_any_number_of_chunks(ground, dtype, width, bound):
    fields, latitude = rough_fields(ground), latitudes(ground)
    right = wanted(ground, fields, latitude, 7200.0)
    got = run(Stage(ground, dtype, width, 1), fields, latitude, 7200.0)
    for g, w in zip(got, right, strict=True):
        assert np.abs(evolved(g - w)).max() < bound * np.abs(evolved(w)).max()
    for chunks in (2, 5, 30):
        other = run(Stage(ground, dtype, width, chunks), fields, latitude, 7200.0)
        for g, o in zip(got, other, strict=True):
            np.testing.assert_array_equal(evolved(g), evolved(o))


@pytest.mark.parametrize(
    "fault",
    [HeldSuarez(warmest=315.001), HeldSuarez(coldest=200.001), HeldSuarez(boundary=0.701), HeldSuarez(slow=2.9e-7)],
)
def test_the_comparison_catches_a_constant_that_is_off(ground, fault):
    fields, latitude = rough_fields(ground), latitudes(ground)
    right = wanted(ground, fields, latitude, 7200.0)
    got = run(Stage(ground, "float64", 4), fields, latitude, 7200.0, fault)
    assert max(np.abs(evolved(g - w)).max() / np.abs(evolved(w)).max() for g, w in zip(got, right, strict=True)) > 1e-13


def test_theta_goes_to_equilibrium_and_surface_winds_to_rest_however_long_the_step(ground):
    fields, latitude = rough_fields(ground), latitudes(ground)
    got = run(Stage(ground, "float64", 4), fields, latitude, 1e9 * DAY)
    end = wanted(ground, fields, latitude, 1e18)
    np.testing.assert_allclose(evolved(got.theta), evolved(end.theta), rtol=1e-7)
    assert np.abs(evolved(got.u)[-1]).max() < 1e-7
    np.testing.assert_array_equal(evolved(got.u)[0], evolved(fields.u)[0])
