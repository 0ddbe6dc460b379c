"""Initial states against the equations that they shall balance, by finite differences of the analytic functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from clustermark.apps.climate.cases import CASES, PrimitiveCase, ShallowCase, galewsky, held_suarez, polvani, williamson
from clustermark.apps.climate.cases.case import half_turn, integral
from clustermark.apps.climate.cases.noise import noise

SHALLOW = {name: case for name, case in CASES.items() if isinstance(case, ShallowCase)}
PRIMITIVE = {name: case for name, case in CASES.items() if isinstance(case, PrimitiveCase)}
BALANCED = [case for case in SHALLOW.values() if case.exact]
# Without its bump; polvani is judged by its zonal mean through `unbumped`.
ALOFT = [PRIMITIVE["baroclinic_steady"], PRIMITIVE["polvani"]]

LONGITUDES, LATITUDES = np.meshgrid(np.linspace(-3.0, 3.1, 13), np.linspace(-1.45, 1.4, 40))
STEP = 1e-4


def slope(function: Callable[[Any], Any], at: Any, step: float = STEP) -> Any:
    """Central difference of fourth order; its rounding is about 1e-16/step of the function."""
    near, far = function(at + step) - function(at - step), function(at + 2.0 * step) - function(at - 2.0 * step)
    return (8.0 * near - far) / (12.0 * step)


def shallow_tendencies(case: ShallowCase) -> tuple[Any, Any, Any]:
    """∂u/∂t, ∂v/∂t [m/s²] and ∂h/∂t [m/s] of the initial state, from the advective form of the equations."""
    a, lon, lat = case.planet.radius, LONGITUDES, LATITUDES
    u, v = case.wind(lon, lat)
    c, t = np.cos(lat), np.tan(lat)

    def surface(x: Any, y: Any) -> Any:
        return case.planet.gravity * (case.depth(x, y) + case.bottom(x, y))

    def along(function: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
        return slope(lambda x: function(x, lat), lon) / (a * c), slope(lambda y: function(lon, y), lat) / a

    f = case.coriolis(lon, lat)
    ux, uy = along(lambda x, y: case.wind(x, y)[0])
    vx, vy = along(lambda x, y: case.wind(x, y)[1])
    px, py = along(surface)
    fluxes = along(lambda x, y: case.depth(x, y) * case.wind(x, y)[0])[0]
    fluxes += along(lambda x, y: case.depth(x, y) * case.wind(x, y)[1] * np.cos(y))[1] / c
    return f * v + u * v * t / a - u * ux - v * uy - px, -f * u - u * u * t / a - u * vx - v * vy - py, -fluxes


def largest_tendency(case: ShallowCase) -> float:
    """Of the winds, over the largest Coriolis force, and of the depth per day over the depth: the larger."""
    east, north, depth = shallow_tendencies(case)
    force = np.abs(case.coriolis(LONGITUDES, LATITUDES) * np.hypot(*case.wind(LONGITUDES, LATITUDES))).max()
    winds = np.hypot(east, north).max() / force
    return float(max(winds, 86400.0 * np.abs(depth).max() / case.depth(LONGITUDES, LATITUDES).mean()))


def unbumped(case: PrimitiveCase) -> PrimitiveCase:
    """Only the balanced part of a case."""
    if case.name != "polvani":
        return case
    return replace(case, temperature=lambda _lon, lat, sigma: polvani.balanced_temperature(lat, sigma))


def balance_aloft(case: PrimitiveCase) -> float:
    """Largest imbalance of wind and temperature, over the largest Coriolis force.

    At the ground u(f + u·tan φ/a) + ∂Φ_s/∂φ/a; aloft, times a, ∂/∂ln σ of the same with ∂Φ/∂ln σ = −R·T.
    """
    case, lat, planet = unbumped(case), LATITUDES[:, 0], case.planet
    lon, f, t = np.zeros_like(lat), 2.0 * planet.rotation * np.sin(lat), np.tan(lat)
    ground = case.wind(lon, lat, 1.0)[0]
    at_ground = planet.radius * f * ground + ground**2 * t + slope(lambda y: case.surface_geopotential(lon, y), lat)

    def aloft(sigma: float) -> tuple[float, float]:
        u = case.wind(lon, lat, sigma)[0]
        shear = slope(lambda s: case.wind(lon, lat, np.exp(s))[0], np.log(sigma))
        thermal = planet.gas_constant * slope(lambda y: case.temperature(lon, y, sigma), lat)
        off = (planet.radius * f + 2.0 * u * t) * shear - thermal
        return np.abs(off).max(), np.abs(planet.radius * f * u).max()

    off, force = zip(*(aloft(sigma) for sigma in np.linspace(0.025, 0.975, 20)), strict=True)
    return float(max(np.abs(at_ground).max(), *off) / max(force))


# --- the table ----------------------------------------------------------------------------------------------


def test_cases_stand_under_their_names_and_say_where_they_are_from() -> None:
    assert all(name == case.name and case.summary and case.source and case.days > 0 for name, case in CASES.items())


@pytest.mark.parametrize("case", SHALLOW.values(), ids=SHALLOW)
def test_fields_of_shallow_cases_are_finite_periodic_and_of_the_shape_of_the_points(case: ShallowCase) -> None:
    lon = np.array([[0.3, -2.0, np.pi], [1.0, -np.pi / 2, 0.0]])
    lat = np.array([[np.pi / 2, -np.pi / 2, 0.0], [0.7, np.pi / 6, -0.4]])

    def fields(x: Any) -> list[Any]:
        return [case.depth(x, lat), *case.wind(x, lat), case.bottom(x, lat), case.coriolis(x, lat)]

    for value, turned in zip(fields(lon), fields(lon + 2.0 * np.pi), strict=True):
        assert value.shape == lon.shape
        assert np.isfinite(value).all()
        np.testing.assert_allclose(turned, value, rtol=1e-11, atol=1e-10)
    assert (case.depth(lon, lat) > 0).all()


@pytest.mark.parametrize("case", PRIMITIVE.values(), ids=PRIMITIVE)
def test_fields_of_primitive_cases_are_finite_and_their_levels_cover_the_column(case: PrimitiveCase) -> None:
    sigma = np.array(case.interfaces)
    assert sigma[0] == 0.0
    assert sigma[-1] == 1.0
    assert (np.diff(sigma) > 0).all()
    for middle in 0.5 * (sigma[1:] + sigma[:-1]):
        values = [case.temperature(LONGITUDES, LATITUDES, middle), *case.wind(LONGITUDES, LATITUDES, middle)]
        assert all(value.shape == LONGITUDES.shape and np.isfinite(value).all() for value in values)
        assert 150.0 < values[0].min() <= values[0].max() < 330.0
    assert case.surface_pressure(LONGITUDES, LATITUDES).shape == LONGITUDES.shape
    assert case.surface_geopotential(LONGITUDES, LATITUDES).shape == LONGITUDES.shape


@pytest.mark.parametrize("case", PRIMITIVE.values(), ids=PRIMITIVE)
def test_atmospheres_are_statically_stable(case: PrimitiveCase) -> None:
    levels = np.linspace(0.03, 0.99, 60)
    kappa = case.planet.kappa
    theta = np.array([case.temperature(LONGITUDES, LATITUDES, sigma) / sigma**kappa for sigma in levels])
    assert (np.diff(theta, axis=0) < 0.0).all()


# --- balance ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", BALANCED, ids=lambda case: case.name)
def test_exact_shallow_states_do_not_move(case: ShallowCase) -> None:
    assert largest_tendency(case) < 1e-7


def faults(case: ShallowCase) -> dict[str, ShallowCase]:
    """The same case with a mistake in it."""
    planet = case.planet
    without_rotation = {
        "tc2": lambda lon, lat: (
            (williamson.STEADY_GEOPOTENTIAL - 0.5 * williamson.STEADY_WIND**2 * np.sin(lat) ** 2) / planet.gravity
        ),
        "galewsky_steady": lambda lon, lat: (
            case.depth(lon, lat)
            + integral(lambda y: np.tan(y) * galewsky.jet(y) ** 2, galewsky.SOUTH, np.maximum(lat, galewsky.SOUTH), 64)
            / planet.gravity
        ),
    }
    return {
        "wind of the wrong sign": replace(case, wind=lambda x, y: tuple(-w for w in case.wind(x, y))),
        "a term of the balance left out": replace(case, depth=without_rotation[case.name]),
        "Coriolis force of an untilted axis": replace(case, coriolis=williamson.TC2_TILTED.coriolis),
    }


@pytest.mark.parametrize("case", [SHALLOW["tc2"], SHALLOW["galewsky_steady"]], ids=lambda case: case.name)
def test_mistakes_in_a_shallow_balance_are_found(case: ShallowCase) -> None:
    assert {name: largest_tendency(fault) > 1e-4 for name, fault in faults(case).items()} == dict.fromkeys(
        faults(case), True
    )


@pytest.mark.parametrize("case", ALOFT, ids=lambda case: case.name)
def test_jets_aloft_are_in_gradient_wind_balance_with_the_temperature(case: PrimitiveCase) -> None:
    assert balance_aloft(case) < 1e-8


@pytest.mark.parametrize("case", ALOFT, ids=lambda case: case.name)
def test_mistakes_in_a_balance_aloft_are_found(case: PrimitiveCase) -> None:
    right = unbumped(case)
    backwards = replace(right, name="backwards", wind=lambda x, y, s: tuple(-w for w in right.wind(x, y, s)))
    faster = replace(right, name="faster", planet=replace(case.planet, rotation=1.001 * case.planet.rotation))
    warm = replace(right, name="warm", temperature=lambda x, y, s: right.temperature(x, y, s) + 0.01 * np.sin(y))
    assert [balance_aloft(fault) > 1e-5 for fault in (backwards, faster, warm)] == [True] * 3


# --- what the papers say of each ----------------------------------------------------------------------------


def test_the_steady_flow_goes_round_in_twelve_days_and_has_the_depths_of_the_paper() -> None:
    case = SHALLOW["tc2"]
    equator, pole = np.zeros(1), np.full(1, np.pi / 2)
    assert case.wind(equator, equator)[0][0] * 12 * 86400.0 == pytest.approx(2.0 * np.pi * case.planet.radius)
    assert case.depth(equator, equator)[0] == pytest.approx(2998.115, abs=1e-3)
    assert case.depth(equator, pole)[0] == pytest.approx(1092.833, abs=1e-3)


def test_a_tilt_turns_the_steady_flow_as_a_whole() -> None:
    """Depth, speed and Coriolis parameter are those of the untilted flow at the latitude about the axis."""
    tilted, flat = SHALLOW["tc2_tilted"], SHALLOW["tc2"]
    about = np.arcsin((-np.cos(LONGITUDES) * np.cos(LATITUDES) + np.sin(LATITUDES)) / np.sqrt(2.0))
    np.testing.assert_allclose(tilted.depth(LONGITUDES, LATITUDES), flat.depth(LONGITUDES, about), rtol=1e-13)
    np.testing.assert_allclose(tilted.coriolis(LONGITUDES, LATITUDES), flat.coriolis(LONGITUDES, about), atol=1e-18)
    speeds = [np.hypot(*case.wind(LONGITUDES, y)) for case, y in ((tilted, LATITUDES), (flat, about))]
    np.testing.assert_allclose(*speeds, rtol=1e-10)


def test_the_mountain_stands_at_30_north_90_west_and_the_fluid_is_thinner_over_it() -> None:
    case = SHALLOW["tc5"]
    lon, lat = np.radians([-90.0, 270.0, -90.0, -90.0, -71.0, 90.0]), np.radians([30.0, 30.0, 40.0, 49.9, 30.0, 30.0])
    heights = case.bottom(lon, lat)
    np.testing.assert_allclose(heights, [2000.0, 2000.0, 1000.0, 10.0, 100.0, 0.0], atol=1e-9)
    surface = case.depth(lon, lat) + heights
    assert surface[0] == pytest.approx(surface[5])
    assert case.depth(np.zeros(1), np.zeros(1))[0] == 5960.0
    flat = replace(case, bottom=lambda x, y: np.zeros_like(x), depth=lambda x, y: case.depth(x, y) + case.bottom(x, y))
    assert largest_tendency(flat) < 1e-7


def test_the_rossby_haurwitz_wave_has_four_lobes_no_divergence_and_8_km_at_the_pole() -> None:
    case = SHALLOW["tc6"]
    for turned in (case.depth, lambda x, y: case.wind(x, y)[0], lambda x, y: case.wind(x, y)[1]):
        np.testing.assert_allclose(
            turned(LONGITUDES + np.pi / 2, LATITUDES), turned(LONGITUDES, LATITUDES), rtol=1e-11, atol=1e-11
        )
        assert not np.allclose(turned(LONGITUDES + np.pi / 4, LATITUDES), turned(LONGITUDES, LATITUDES))
    pole = np.array([np.pi / 2, -np.pi / 2])
    np.testing.assert_allclose(case.depth(np.zeros(2), pole), 8000.0)
    c = np.cos(LATITUDES)
    divergence = slope(lambda x: case.wind(x, LATITUDES)[0], LONGITUDES)
    divergence += slope(lambda y: case.wind(LONGITUDES, y)[1] * np.cos(y), LATITUDES)
    assert np.abs(divergence / c).max() < 1e-6


def test_the_depth_of_the_rossby_haurwitz_wave_solves_its_balance_equation() -> None:
    """Divergence of the tendency of the wind is zero: what the paper derives the depth from."""
    case = SHALLOW["tc6"]
    a = case.planet.radius

    wide = 1e-3

    def tendency(x: Any, y: Any) -> tuple[Any, Any]:
        (u, v), f, t, c = case.wind(x, y), case.coriolis(x, y), np.tan(y), a * np.cos(y)
        ux, uy = slope(lambda p: case.wind(p, y)[0], x, wide) / c, slope(lambda p: case.wind(x, p)[0], y, wide) / a
        vx, vy = slope(lambda p: case.wind(p, y)[1], x, wide) / c, slope(lambda p: case.wind(x, p)[1], y, wide) / a
        px = slope(lambda p: case.depth(p, y), x, wide) * case.planet.gravity / c
        py = slope(lambda p: case.depth(x, p), y, wide) * case.planet.gravity / a
        return f * v + u * v * t / a - u * ux - v * uy - px, -f * u - u * u * t / a - u * vx - v * vy - py

    def spread(y: Any) -> Any:
        along = slope(lambda x: tendency(x, y)[0], LONGITUDES, wide)
        across = slope(lambda p: tendency(LONGITUDES, p)[1] * np.cos(p), y, wide)
        return (along + across) / np.cos(y)

    inner = np.clip(LATITUDES, -1.3, 1.3)
    force = np.abs(case.coriolis(LONGITUDES, inner) * case.wind(LONGITUDES, inner)[0]).max()
    assert np.abs(spread(inner)).max() < 1e-5 * force


def test_the_barotropic_jet_is_80_at_45_north_and_nothing_outside() -> None:
    lat = np.radians(np.linspace(-90.0, 90.0, 18001))
    wind = galewsky.jet(lat)
    assert wind.max() == pytest.approx(80.0)
    assert np.degrees(lat[wind.argmax()]) == pytest.approx(45.0)
    assert (wind[(lat < np.pi / 7) | (lat > np.pi / 2 - np.pi / 7)] == 0.0).all()


def test_the_barotropic_jet_has_10_km_in_the_mean_and_the_fall_of_its_balance() -> None:
    abscissas, weights = np.polynomial.legendre.leggauss(500)
    depth = galewsky.balanced_depth(np.arcsin(abscissas))
    assert 0.5 * (weights * depth).sum() == pytest.approx(10e3, rel=1e-9)
    lat = np.linspace(galewsky.SOUTH, galewsky.NORTH, 20001)
    wind, planet = galewsky.jet(lat), SHALLOW["galewsky"].planet
    steep = planet.radius * wind * 2.0 * planet.rotation * np.sin(lat) + wind**2 * np.tan(lat)
    assert depth[0] - depth[-1] == pytest.approx(np.trapezoid(steep, lat) / planet.gravity, rel=1e-10)
    peak = SHALLOW["galewsky"].depth(np.zeros(1), np.full(1, np.pi / 4)) - galewsky.balanced_depth(
        np.full(1, np.pi / 4)
    )
    assert peak[0] == pytest.approx(120.0 * np.cos(np.pi / 4))


def test_the_baroclinic_jets_blow_35_at_45_degrees_and_252_hpa_over_the_bump_at_20_east_40_north() -> None:
    steady, wave = PRIMITIVE["baroclinic_steady"], PRIMITIVE["baroclinic_wave"]
    lon, lat = np.radians([20.0, 20.0, 20.0, -160.0]), np.radians([45.0, -45.0, 40.0, 40.0])
    np.testing.assert_allclose(steady.wind(lon, lat, 0.252)[0][:2], 35.0)
    bump = wave.wind(lon, lat, 0.7)[0] - steady.wind(lon, lat, 0.7)[0]
    np.testing.assert_allclose(bump[2:], [1.0, 0.0], atol=1e-9)
    ground = steady.temperature(lon, lat, 1.0)
    assert ((ground > 240.0) & (ground < 310.0)).all()
    np.testing.assert_array_equal(steady.surface_pressure(lon, lat), 1e5)


def test_the_mean_temperature_of_both_baroclinic_states_is_their_papers() -> None:
    abscissas, weights = np.polynomial.legendre.leggauss(400)
    lat = np.arcsin(abscissas)
    for sigma, expected in ((0.6, 288.0 * 0.6 ** (287.0 * 0.005 / 9.80616)), (0.1, None)):
        mean = 0.5 * (weights * PRIMITIVE["baroclinic_steady"].temperature(0.0 * lat, lat, sigma)).sum()
        expected = expected or 288.0 * 0.1 ** (287.0 * 0.005 / 9.80616) + 4.8e5 * 0.1**5
        assert mean == pytest.approx(expected, rel=1e-9)
        mean = 0.5 * (weights * polvani.balanced_temperature(lat, sigma)).sum()
        z = 7340.0 * -np.log(sigma)
        assert mean == pytest.approx(288.15 - 0.0065 * z if z < 11e3 else 216.65, rel=1e-9)


def test_the_jet_of_polvani_is_in_the_north_only_and_its_bump_at_45_north() -> None:
    case = PRIMITIVE["polvani"]
    lat = np.radians(np.linspace(-90, 90, 181))
    lon = np.zeros_like(lat)
    speeds = np.array([case.wind(lon, lat, sigma)[0] for sigma in np.linspace(0.02, 1.0, 99)])
    assert (speeds[:, lat <= 0] == 0.0).all()
    assert 45.0 < speeds.max() < 50.0
    assert np.degrees(lat[np.unravel_index(speeds.argmax(), speeds.shape)[1]]) == pytest.approx(45.0)
    bump = case.temperature(lon, lat, 0.5) - polvani.balanced_temperature(lat, 0.5)
    assert bump.max() == pytest.approx(1.0)
    assert np.degrees(lat[bump.argmax()]) == pytest.approx(45.0)


def test_the_dry_climate_starts_at_rest_with_one_temperature_a_level() -> None:
    case = held_suarez.HELD_SUAREZ
    assert case.forcing == "held_suarez"
    for sigma in (0.025, 0.5, 0.975):
        assert np.ptp(case.temperature(LONGITUDES, LATITUDES, sigma)) == 0.0
        assert not np.any(case.wind(LONGITUDES, LATITUDES, sigma))


# --- helpers ------------------------------------------------------------------------------------------------


def test_quadrature_to_many_ends_is_exact_for_polynomials() -> None:
    end = np.array([[0.5, 2.0], [-1.0, 0.0]])
    np.testing.assert_allclose(integral(lambda x: 5.0 * x**4, -1.0, end, 3), end**5 + 1.0, atol=1e-14)


def test_half_turns_are_at_most_pi() -> None:
    np.testing.assert_allclose(
        half_turn(np.array([0.0, 4.0, -4.0, 9.0 * np.pi])), [0.0, 4 - 2 * np.pi, 2 * np.pi - 4, -np.pi]
    )


def test_noise_is_a_function_of_the_cell_and_not_of_the_block_that_holds_it() -> None:
    rows, columns = np.arange(24)[:, None], np.arange(64)[None, :]
    whole = noise(rows, columns, 1, 3, seed=7)
    block = noise(rows[5:9], columns[:, 10:30], 1, 3, seed=7)
    np.testing.assert_array_equal(block, whole[5:9, 10:30])
    others = [noise(rows, columns, *place) for place in ((0, 3, 7), (1, 2, 7), (1, 3, 8))]
    assert all(abs(np.corrcoef(whole.ravel(), other.ravel())[0, 1]) < 0.1 for other in others)
    assert len(np.unique(whole)) == whole.size
    assert abs(whole.mean()) < 0.1
    assert abs(whole.std() - 1.0) < 0.07
