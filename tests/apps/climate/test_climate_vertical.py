"""Levels of σ, their Exner coefficients, and the polynomial that stands for a power."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from clustermark.apps.climate.planet import HELD_SUAREZ, WILLIAMSON
from clustermark.apps.climate.surface_cpu import power
from clustermark.apps.climate.vertical import (
    EXNER,
    HYDROSTATIC,
    INVERSE_THICKNESS,
    LOWER_INTERFACE,
    THICKNESS,
    level_table,
    make_levels,
    power_table,
)
from clustermark.core.errors import UsageError
from clustermark.devices.simd import Width, load, store


@numba.njit(error_model="numpy")
def powers(x, table, width, out):
    for i in range(0, x.size, 4):
        store(out, i, power(load(x, i, width), table, width))


def test_thicknesses_add_up_to_the_atmosphere_and_interfaces_end_at_the_ground():
    levels = make_levels(HELD_SUAREZ, 7)
    table = level_table(levels, HELD_SUAREZ)
    assert levels.count == 7
    assert levels.interfaces[0] == 0 and levels.interfaces[-1] == 1
    assert table[THICKNESS].sum() == pytest.approx(1.0, abs=1e-15)
    assert table[LOWER_INTERFACE, -1] == 1.0
    np.testing.assert_allclose(table[INVERSE_THICKNESS] * table[THICKNESS], 1.0, rtol=1e-15)


def test_exner_of_a_layer_is_the_mean_of_sigma_to_the_kappa():
    """∫ σ^κ dσ / Δσ by many midpoints."""
    levels = make_levels(HELD_SUAREZ, [0.0, 0.1, 0.35, 0.7, 1.0])
    for k in range(4):
        low, high = levels.interfaces[k : k + 2]
        points = low + (high - low) * (np.arange(20000) + 0.5) / 20000
        assert levels.exner[k] == pytest.approx((points**levels.kappa).mean(), rel=1e-5)


def test_hydrostatic_steps_climb_from_the_ground_to_each_level():
    levels = make_levels(HELD_SUAREZ, 5)
    table = level_table(levels, HELD_SUAREZ)
    climbed = 2.0 * np.cumsum(table[HYDROSTATIC, ::-1])[::-1] / HELD_SUAREZ.heat_capacity
    np.testing.assert_allclose(climbed, 1.0 - table[EXNER], rtol=1e-14)


@pytest.mark.parametrize(
    "interfaces", [0, [0.0, 0.5], [0.1, 1.0], [0.0, 0.6, 0.4, 1.0], [0.0, 0.5, 0.5, 1.0], [1.0], [0.0, np.nan, 1.0]]
)
def test_levels_that_are_none_are_refused_in_a_sentence(interfaces):
    with pytest.raises(UsageError, match="levels"):
        make_levels(HELD_SUAREZ, interfaces)


@pytest.mark.parametrize("planet", [HELD_SUAREZ, WILLIAMSON])
def test_power_is_right_to_rounding_over_its_whole_range(planet):
    x = np.exp(np.random.default_rng(1).uniform(np.log(2.0**-7.5), np.log(2.0**1.5), 4000))
    out = np.empty_like(x)
    powers(x, power_table(planet.kappa), Width(4), out)
    assert np.abs(out / x**planet.kappa - 1.0).max() < 3e-15


def test_power_with_a_wrong_coefficient_is_seen():
    x = np.linspace(0.71, 1.4, 400)
    table = power_table(HELD_SUAREZ.kappa)
    table[-8] += 1e-11
    out = np.empty_like(x)
    powers(x, table, Width(4), out)
    assert np.abs(out / x**HELD_SUAREZ.kappa - 1.0).max() > 3e-15
