"""Formulas and tables: against the textbook, and that every kind of number can pass through them."""

from __future__ import annotations

import ast
import inspect
import math
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from physics_examples import one_type, two_metals, two_types

from clustermark.apps.md import physics
from clustermark.apps.md.interactions import bound_to, make_interaction
from clustermark.apps.md.model import LennardJones, Potential
from clustermark.apps.md.physics import cubic, cubic_slope, lennard_jones, lennard_jones_force_shifted
from clustermark.apps.md.tables import (
    STYLES,
    embed,
    evaluate,
    lorentz_berthelot,
    pair_table,
    spline_coefficients,
    spline_table,
    tail_corrections,
)
from clustermark.core.errors import UsageError

ALLOWED = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Assign, ast.Return, ast.BinOp, ast.Tuple, ast.Name,
    ast.Load, ast.Store, ast.Add, ast.Sub, ast.Mult,
)  # fmt: skip


def beyond_arithmetic(text: str) -> list[str]:
    """What stands in function bodies besides names, + - * and their assignment."""
    found = []
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef):
            body = [line for line in function.body if not isinstance(line, ast.Expr)]
            nodes = (node for line in body for node in ast.walk(line))
            found += [type(node).__name__ for node in nodes if not isinstance(node, ALLOWED)]
            found += ["decorator"] * len(function.decorator_list)
    return found


def test_formulas_are_nothing_but_sums_and_products() -> None:
    assert beyond_arithmetic(inspect.getsource(physics)) == []


@pytest.mark.parametrize(
    "line", ["return 2 * a", "return a / b", "return a**b", "return f(a)", "return a if b else b", "return -a"]
)
def test_a_planted_formula_that_vectors_cannot_take_is_found(line: str) -> None:
    assert beyond_arithmetic(f"def g(a, b):\n    {line}\n")


@given(st.floats(0.5, 10.0), st.floats(0.1, 5.0), st.floats(0.5, 2.0))
def test_lennard_jones_is_the_textbooks(r: float, epsilon: float, sigma: float) -> None:
    one = np.ones((1, 1))
    table = pair_table(LennardJones(epsilon * one, sigma * one, 3.0 * one))
    arguments = (float(a[0, 0]) for a in (table.force_12, table.force_6, table.energy_12, table.energy_6))
    force_over_r, energy = lennard_jones(1 / r**2, *arguments)
    twelve, six = (sigma / r) ** 12, (sigma / r) ** 6
    assert math.isclose(energy, 4 * epsilon * (twelve - six), rel_tol=1e-12, abs_tol=1e-12 * epsilon * (twelve + six))
    derivative = 4 * epsilon * (-12 * twelve + 6 * six) / r
    size = 48 * epsilon * (twelve + six) / r**2
    assert math.isclose(force_over_r, -derivative / r, rel_tol=1e-12, abs_tol=1e-12 * size)


@pytest.mark.parametrize("style", STYLES)
def test_each_style_meets_zero_at_the_cutoff_as_it_should(style: str) -> None:
    table = pair_table(two_types(style))
    r = table.cutoff
    force_over_r, energy = lennard_jones_force_shifted(
        1 / r**2, 1 / r, r, table.force_12, table.force_6, table.energy_12, table.energy_6, table.slope, table.offset
    )
    assert (np.abs(energy) < 1e-15).all() == (style != "cut")
    assert (np.abs(force_over_r) < 1e-15).all() == (style == "force-shifted")
    assert np.array_equal(table.cutoff_square, r * r)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_formulas_compile_and_keep_the_precision_they_are_given(dtype: type[np.floating]) -> None:
    compiled: list[Any] = [
        numba.njit(f, error_model="numpy") for f in (lennard_jones, lennard_jones_force_shifted, cubic, cubic_slope)
    ]
    pair, shifted, value, slope = compiled
    numbers = [dtype(x) for x in (0.8, 0.9, 1.1, 48, 24, 4, 4, 0.04, 0.1)]
    results = [*pair(numbers[0], *numbers[3:7]), *shifted(*numbers), value(*numbers[:5]), slope(*numbers[:5])]
    expected = [
        *lennard_jones(numbers[0], *numbers[3:7]),
        *lennard_jones_force_shifted(*numbers),
        cubic(*numbers[:5]),
        cubic_slope(*numbers[:5]),
    ]
    assert results == pytest.approx(expected, rel=4 * float(np.finfo(dtype).eps))
    single = numba.float32 if dtype is np.float32 else numba.float64
    assert pair.nopython_signatures[0].return_type == numba.types.UniTuple(single, 2)


def test_mixing_is_geometric_for_energies_and_arithmetic_for_lengths() -> None:
    epsilon, sigma = lorentz_berthelot([1.0, 4.0], [1.0, 2.0])
    assert epsilon.tolist() == [[1.0, 2.0], [2.0, 4.0]]
    assert sigma.tolist() == [[1.0, 1.5], [1.5, 2.0]]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"style": "shiftd"}, "style 'shiftd' is not known .did you mean 'shifted'"),
        ({"sigma": np.ones((1, 2))}, r"sigma has the shape \(1, 2\), expected \(2, 2\)"),
        ({"cutoff": np.array([[1.0, 0.0], [0.0, 1.0]])}, "cutoff of types 0 and 1 is 0, expected a positive number"),
        ({"sigma": np.array([[1.0, 2.0], [1.0, 1.0]])}, "sigma of types 0 and 1 is 2, of types 1 and 0 1"),
        ({"epsilon": np.array([[math.nan, 1.0], [1.0, 1.0]])}, "epsilon of types 0 and 0 is nan"),
    ],
)
def test_a_wrong_potential_is_one_sentence(change: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        pair_table(replace(two_types(), **change))


def mean_field(potential: LennardJones, counts: list[int], volume: float) -> tuple[float, float]:
    """The tail by Gauss-Legendre quadrature of V − V_s, in u = rc/r beyond the cutoff."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    unit, weights = 0.5 * (nodes + 1), 0.5 * weights
    energy = virial = 0.0
    for a, b in np.ndindex(2, 2):
        e, s, rc = potential.epsilon[a, b], potential.sigma[a, b], potential.cutoff[a, b]
        v = lambda r: 4 * e * ((s / r) ** 12 - (s / r) ** 6)  # noqa: E731, B023
        dv = lambda r: 4 * e * (-12 * (s / r) ** 12 + 6 * (s / r) ** 6) / r  # noqa: E731, B023
        slope = dv(rc) if potential.style == "force-shifted" else 0.0
        value = v(rc) if potential.style != "cut" else 0.0
        outside, inside = rc / unit, rc * unit
        twice = 2 * math.pi * counts[a] * counts[b] / volume
        energy += twice * np.sum(weights * (v(outside) * outside**2 * rc / unit**2))
        energy += twice * np.sum(weights * ((value + (inside - rc) * slope) * inside**2 * rc))
        virial -= twice * np.sum(weights * (dv(outside) * outside**3 * rc / unit**2))
        virial -= twice * np.sum(weights * (slope * inside**3 * rc))
    return energy, virial


@pytest.mark.parametrize("style", STYLES)
def test_tail_is_the_mean_field_of_what_the_sum_leaves_out(style: str) -> None:
    potential, counts = two_types(style, tail=True), [300, 200]
    found = tail_corrections(potential, counts, 600.0)
    assert found == pytest.approx(mean_field(potential, counts, 600.0), rel=1e-12)
    if style != "cut":
        assert found[1] == pytest.approx(3 * found[0], rel=1e-12)


def test_no_tail_where_none_is_asked_for_and_none_for_metals() -> None:
    assert tail_corrections(one_type(2.5), [100], 100.0) == (0.0, 0.0)
    assert tail_corrections(two_metals(), [100, 1], 100.0) == (0.0, 0.0)


def values_of(coefficients: np.ndarray, x: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    return evaluate(coefficients[None], 1 / spacing, x, np.zeros(len(x), dtype=np.int64))


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.integers(8, 30))
def test_splines_reproduce_cubic_polynomials_away_from_the_ends(polynomial: list[float], points: int) -> None:
    spacing = 0.25
    grid = spacing * np.arange(points)
    coefficients = spline_coefficients(np.polyval(polynomial[::-1], grid).astype(np.float64))
    x = np.linspace(grid[2], grid[-3], 57)
    values, slopes = values_of(coefficients, x, spacing)
    size = 1 + sum(abs(c) * grid[-1] ** k for k, c in enumerate(polynomial))
    assert np.allclose(values, np.polynomial.polynomial.polyval(x, polynomial), rtol=0, atol=1e-12 * size)
    derivative = np.polynomial.polynomial.polyder(polynomial)
    assert np.allclose(slopes, np.polynomial.polynomial.polyval(x, derivative), rtol=0, atol=1e-10 * size)


@given(st.lists(st.floats(-10, 10), min_size=5, max_size=20))
def test_splines_pass_through_their_points_with_continuous_slopes(points: list[float]) -> None:
    coefficients = spline_coefficients(np.array(points))
    c0, c1, c2, c3 = coefficients.T
    assert np.array_equal(c0, points[:-1])
    assert np.allclose(cubic(c0, c1, c2, c3, 1.0), points[1:], rtol=0, atol=1e-12)
    assert np.allclose(cubic_slope(c1, c2, c3, 1.0, 1.0)[:-1], c1[1:], rtol=0, atol=1e-12)


def test_slopes_are_of_fourth_order_inside_and_as_documented_at_the_ends() -> None:
    y = np.array([1.0, 4.0, 2.0, 7.0, 3.0, 9.0, 5.0])
    c1 = spline_coefficients(y)[:, 1]
    assert c1[0] == y[1] - y[0]
    assert c1[1] == (y[2] - y[0]) / 2
    assert c1[3] == ((y[1] - y[5]) + 8 * (y[4] - y[2])) / 12
    assert c1[5] == (y[6] - y[4]) / 2


def test_beyond_the_grid_functions_stay_and_the_embedding_goes_on_linearly() -> None:
    potential = two_metals()
    table = spline_table(potential)
    types = np.array([0, 1])
    end = np.full(2, potential.r_spacing * (potential.density.shape[1] - 1))
    at_end, beyond = (evaluate(table.density, table.r_spacing_inverse, end + d, types) for d in (0.0, 3.0))
    assert np.allclose(at_end, beyond, rtol=0, atol=1e-15)
    largest = np.full(2, table.largest_density)
    (energy, slope), (further, same) = (embed(table, largest + d, types) for d in (0.0, 250.0))
    assert energy == pytest.approx(potential.embedding[:, -1], rel=1e-12)
    assert further == pytest.approx(energy + 250.0 * slope, rel=1e-12)
    assert np.array_equal(slope, same)


def test_the_layout_is_one_row_of_four_per_interval() -> None:
    potential = two_metals(points=120)
    table = spline_table(potential)
    assert table.density.shape == table.embedding.shape == (2, 119, 4)
    assert table.pair.shape == (2, 2, 119, 4)
    assert all(a.flags.c_contiguous and a.dtype == np.float64 for a in (table.density, table.pair, table.embedding))
    assert table.cutoff_square == potential.cutoff**2


def test_a_table_too_short_to_interpolate_is_one_sentence() -> None:
    with pytest.raises(UsageError, match="has 4 points, expected 5 or more"):
        spline_table(replace(two_metals(), embedding=np.zeros((2, 4))))


@pytest.mark.parametrize("potential", [one_type(2.5), two_types("cut"), two_metals()])
def test_an_interaction_bound_to_other_slots_reads_those_and_keeps_its_tables(potential: Potential) -> None:
    old, new = (np.zeros(8, np.int32), np.zeros(8)), (np.ones(16, np.int32), np.ones(16))
    first = make_interaction(potential, "float64", *old)
    second = bound_to(first, *new)
    expected = make_interaction(potential, "float64", *new)
    assert type(second) is type(expected)
    for name, value, wanted in zip(first._fields, second, expected, strict=True):
        assert np.array_equal(value, wanted), name
        assert name not in ("types", "embedding_slope") or value is wanted
