"""The pair formulas and splines, written once for every kind of number.

Only `+ - *` on what is given, no literals, no branches, no calls: so NumPy arrays, the SIMD vectors of the CPU kernels
and the scalars of a GPU thread can all pass through, in any precision. Who compiles a kernel compiles these with it.
"""

from __future__ import annotations

from typing import Any


def lennard_jones(inverse_square: Any, force_12: Any, force_6: Any, energy_12: Any, energy_6: Any) -> tuple[Any, Any]:
    """Lennard-Jones force and energy of a pair, without a root or a division (Allen & Tildesley 2017, 5.2.2).

        V(r)          = 4ε[(σ/r)¹² − (σ/r)⁶]
        −(1/r) dV/dr  = [48ε(σ/r)¹² − 24ε(σ/r)⁶] / r²

    With s = r⁻⁶:

        V(r)          = (A·s − B)·s,          A = 4εσ¹²,  B = 4εσ⁶
        −(1/r) dV/dr  = (12A·s − 6B)·r⁻⁸

    A sum of pairs that shall be "cut" uses this energy, one that shall be "shifted" subtracts V(rc) from it.

    Parameters
    ----------
    inverse_square : 1/r² [1/length²]
    force_12, force_6 : 12A and 6B
    energy_12, energy_6 : A and B (tables.PairTable has all four per pair of types)

    Returns
    -------
    (force_over_r, energy) : the force on i is force_over_r·(r_i − r_j)
    """
    inverse_fourth = inverse_square * inverse_square
    inverse_sixth = inverse_fourth * inverse_square
    force_over_r = (force_12 * inverse_sixth - force_6) * (inverse_fourth * inverse_fourth)
    energy = inverse_sixth * (energy_12 * inverse_sixth - energy_6)
    return force_over_r, energy


def lennard_jones_force_shifted(
    inverse_square: Any,
    inverse_r: Any,
    r: Any,
    force_12: Any,
    force_6: Any,
    energy_12: Any,
    energy_6: Any,
    slope: Any,
    offset: Any,
) -> tuple[Any, Any]:
    """Lennard-Jones whose force and energy both reach zero at the cutoff (Allen & Tildesley 2017, 5.2.4).

        V_sf(r)        = V(r) − V(rc) − (r − rc)·V'(rc)  =  V(r) − slope·r − offset
        −(1/r) dV_sf/dr = −(1/r) dV/dr + slope·r⁻¹

    with slope = V'(rc) and offset = V(rc) − rc·V'(rc). Slope 0 makes it the "shifted" potential, offset 0 too the
    "cut" one, so that one kernel can serve pairs of every style.

    Parameters
    ----------
    inverse_square, inverse_r, r : 1/r², 1/r and r of the pair
    force_12, force_6, energy_12, energy_6 : as in `lennard_jones`
    slope, offset : [energy/length], [energy] (tables.PairTable)

    Returns
    -------
    (force_over_r, energy) : the force on i is force_over_r·(r_i − r_j)
    """
    inverse_fourth = inverse_square * inverse_square
    inverse_sixth = inverse_fourth * inverse_square
    force_over_r = (force_12 * inverse_sixth - force_6) * (inverse_fourth * inverse_fourth) + slope * inverse_r
    energy = inverse_sixth * (energy_12 * inverse_sixth - energy_6) - slope * r - offset
    return force_over_r, energy


def cubic(c0: Any, c1: Any, c2: Any, c3: Any, p: Any) -> Any:
    """Cubic of a spline interval by Horner's rule: c0 + p·(c1 + p·(c2 + p·c3)).

    Parameters
    ----------
    c0, c1, c2, c3 : coefficients of the interval (tables.SplineTable)
    p : place in the interval, 0 … 1
    """
    return c0 + p * (c1 + p * (c2 + p * c3))


def cubic_slope(c1: Any, c2: Any, c3: Any, p: Any, spacing_inverse: Any) -> Any:
    """Derivative of `cubic` by the table's argument: (c1 + 2·c2·p + 3·c3·p²)/spacing.

    Free of literals because 2·c2 + 3·c3·p = u + u + c3·p with u = c2 + c3·p, which `cubic` needs anyway.

    Parameters
    ----------
    c1, c2, c3, p : as in `cubic`
    spacing_inverse : 1/(width of an interval)
    """
    product = p * c3
    inner = c2 + product
    return (c1 + p * (inner + inner + product)) * spacing_inverse
