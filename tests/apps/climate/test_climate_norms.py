"""Errors, zonal means and eddies against fields whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clustermark.apps.climate.norms import (
    eddy_covariance,
    error_norms,
    global_mean,
    hemisphere_peak,
    hemispheric_difference,
    vector_error_norms,
    zonal_bands,
)

# Two halves of a latitude-longitude grid stand for the panels: what the functions see is points, weights and latitudes.
EDGES = np.linspace(-np.pi / 2, np.pi / 2, 91)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])
LONGITUDES = np.stack([np.linspace(0.0, np.pi, 60, endpoint=False) + half for half in (0.0, np.pi)])[:, None, :]
LATITUDES = np.broadcast_to(CENTRES[None, :, None], (2, 90, 60))
WEIGHTS = np.broadcast_to((np.sin(EDGES[1:]) - np.sin(EDGES[:-1]))[:, None] * np.pi / 60, (90, 60))


def field(function: Any) -> Any:
    return np.array(np.broadcast_to(function(LONGITUDES, LATITUDES), (2, 90, 60)))


def test_norms_are_those_of_the_definition() -> None:
    truth, error = field(lambda _x, y: np.sin(y)), field(lambda _x, y: 0.01 * np.sin(y) ** 2)
    found = error_norms(truth + error, truth, WEIGHTS)
    # Means over the sphere with s = sin φ: |s| ½, s² ⅓, s⁴ ⅕.
    assert found.l1 == pytest.approx(0.01 * (1 / 3) / 0.5, rel=1e-3)
    assert found.l2 == pytest.approx(0.01 * np.sqrt((1 / 5) / (1 / 3)), rel=1e-3)
    assert found.l_infinity == pytest.approx(0.01, rel=1e-3)


def test_norms_of_single_precision_are_summed_in_double() -> None:
    truth = field(lambda _x, y: 1e4 + np.sin(y))
    assert error_norms(truth.astype(np.float32), truth, WEIGHTS).l1 < 6e-8


def test_norms_ignore_cells_without_weight_and_see_an_error_in_any_other() -> None:
    truth = field(lambda _x, y: 1.0 + 0.0 * y)
    weights = WEIGHTS.copy()
    weights[3, 5] = 0.0
    spoiled = truth.copy()
    spoiled[:, 3, 5] = np.nan
    assert error_norms(spoiled, truth, weights).l_infinity == 0.0
    spoiled[1, 4, 5] = 2.0
    assert error_norms(spoiled, truth, weights).l_infinity == 1.0


def test_norms_of_a_wind_are_of_the_length_of_the_error() -> None:
    east, north = field(lambda _x, y: 3.0 + 0.0 * y), field(lambda _x, y: 4.0 + 0.0 * y)
    found = vector_error_norms((east + 0.3, north - 0.4), (east, north), WEIGHTS)
    assert (found.l1, found.l2, found.l_infinity) == pytest.approx((0.1, 0.1, 0.1))


def test_the_mean_over_the_sphere_of_a_constant_is_the_constant() -> None:
    assert global_mean(field(lambda _x, y: 7.0 + 0.0 * y), WEIGHTS) == pytest.approx(7.0)


@pytest.mark.parametrize("bands", [90, 45, 30])
def test_zonal_means_drop_waves_and_keep_the_profile(bands: int) -> None:
    zonal = zonal_bands(LATITUDES, WEIGHTS, bands)
    wave = field(lambda x, y: np.sin(y) + 5.0 * np.cos(3 * x) * np.cos(y))
    levels = np.stack([wave, 2.0 * wave], axis=1)
    found = zonal.mean(levels)
    assert found.shape == (2, bands)
    np.testing.assert_allclose(found[0], np.sin(zonal.latitudes), atol=3.0 / bands**2)
    np.testing.assert_allclose(found[1], 2.0 * found[0])
    assert zonal.areas.sum() == pytest.approx(4.0 * np.pi)
    np.testing.assert_allclose(zonal.latitudes, -zonal.latitudes[::-1], atol=1e-12)


def test_bands_that_hold_no_cell_are_left_out() -> None:
    zonal = zonal_bands(LATITUDES, WEIGHTS, 500)
    assert len(zonal.latitudes) == 90
    np.testing.assert_allclose(zonal.mean(field(lambda _x, y: y)), CENTRES)


def test_eddy_variance_of_a_wave_is_half_its_squared_amplitude() -> None:
    zonal = zonal_bands(LATITUDES, WEIGHTS, 90)
    wave = field(lambda x, y: 280.0 + 20.0 * np.sin(y) + 6.0 * np.cos(5 * x))[:, None]
    mean = zonal.mean(wave)
    np.testing.assert_allclose(eddy_covariance(zonal.mean(wave**2), mean, mean), 18.0, rtol=1e-9)
    turned = field(lambda x, y: 2.0 * np.cos(5 * x - np.pi / 3) + 0.0 * y)[:, None]
    flux = eddy_covariance(zonal.mean(turned * wave), zonal.mean(turned), mean)
    np.testing.assert_allclose(flux, 6.0 * 2.0 * np.cos(np.pi / 3) / 2.0, rtol=1e-9)


def test_peaks_lie_between_the_bands_and_in_their_hemisphere() -> None:
    place = np.radians(41.3)
    zonal = np.stack([np.exp(-(((np.abs(CENTRES) - place) / 0.5) ** 2)) * (30.0 + np.sign(CENTRES)), 0.0 * CENTRES])
    north, south = (hemisphere_peak(zonal, CENTRES, side) for side in (1, -1))
    assert (north.level, south.level) == (0, 0)
    assert (north.value, south.value) == pytest.approx((31.0, 29.0), rel=1e-6)
    assert (north.latitude, south.latitude) == pytest.approx((place, -place), abs=1e-4)


def test_the_difference_of_hemispheres_is_zero_for_a_symmetric_climate_only() -> None:
    areas = WEIGHTS.sum(axis=1)
    even, odd = np.cos(CENTRES)[None], np.sin(CENTRES)[None]
    assert hemispheric_difference(even, areas) == pytest.approx(0.0, abs=1e-15)
    assert hemispheric_difference(odd, areas, odd=True) == pytest.approx(0.0, abs=1e-15)
    assert hemispheric_difference(even + 0.3 * odd, areas) == pytest.approx(0.3 / np.sqrt(3.0), rel=1e-3)
    assert hemispheric_difference(odd, areas) == pytest.approx(1.0 / np.sqrt(3.0), rel=1e-3)
