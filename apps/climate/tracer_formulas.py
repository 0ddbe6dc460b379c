"""The formulas of a tracer's transport, written once for the vectors of the CPU and for the threads of a GPU.

Equation numbers are those of docs/climate.md, tracer; (CW …) those of Colella & Woodward, J. Comput. Phys. 54, 174
(1984). All numbers are float64 in every precision: a tracer loses its mass, or its sign, to rounding elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from clustermark.apps.climate.transport import EDGE, SLOPE

Formula = Callable[..., Any]


class Formulas(NamedTuple):
    """What `make_formulas` compiles; each is documented there."""

    face_flux: Formula
    limited_slope: Formula
    parabola: Formula
    swept_mean: Formula
    carried: Formula
    moved: Formula
    sunk: Formula
    renewed: Formula


def make_formulas(compiled: Formula, select: Formula, magnitude: Formula) -> Formulas:
    """The formulas, compiled for one processor.

    Parameters
    ----------
    compiled : decorator of a function that others call in their loops
    select : (condition, yes, no) → the one or the other, by lane; either may be a plain number
    magnitude : |x|
    """

    @compiled
    def face_flux(mass, mass_beyond, half, wind):
        """m̄·wind through a face; `half` is ½, or ½cosφ of a north face."""
        return (mass + mass_beyond) * half * wind

    @compiled
    def limited_slope(low, high, low_weight, high_weight):
        """Difference across a cell, no steeper than twice its neighbours' and zero at an extremum (CW 1.7, 1.8).

        `low`, `high`: differences to the cell before, and to the one beyond; weights ½ and ½ for cells of equal width.
        """
        slope = high * high_weight + low * low_weight
        low_bound, high_bound = magnitude(low) * 2.0, magnitude(high) * 2.0
        size = magnitude(slope)
        bound = select(low_bound < high_bound, low_bound, high_bound)
        size = select(size < bound, size, bound)
        return select(low * high > 0.0, select(slope < 0.0, 0.0 - size, size), 0.0)

    @compiled
    def parabola(q_2, q_1, q, q1, q2, slopes, edges):
        """Monotone parabola of a cell: its values at the edge before and at the edge beyond (CW 1.6, 1.10).

        `q_2` … `q2`: means of the cell and of its neighbours; `slopes`: weights of limited_slope of the cells before,
        here and beyond, two each; `edges`: weights of the difference, of the slope beyond and of the slope here, of
        the edges before and beyond.
        """
        before, low, high, beyond = q_1 - q_2, q - q_1, q1 - q, q2 - q1
        slope_before = limited_slope(before, low, slopes[0], slopes[1])
        slope = limited_slope(low, high, slopes[2], slopes[3])
        slope_beyond = limited_slope(high, beyond, slopes[4], slopes[5])
        first = q_1 + low * edges[0] - slope * edges[1] + slope_before * edges[2]
        last = q + high * edges[3] - slope_beyond * edges[4] + slope * edges[5]
        spread = last - first
        bend, bound = spread * (q - (first + last) * 0.5), spread * spread * (1.0 / 6.0)
        steep_first = select(bound < bend, q * 3.0 - last * 2.0, first)
        steep_last = select(bend < 0.0 - bound, q * 3.0 - first * 2.0, last)
        between = (last - q) * (q - first) > 0.0
        return select(between, steep_first, q), select(between, steep_last, q)

    @compiled
    def swept_mean(far, q, out, part):
        """Mean of a parabola over the part of the cell next to its edge `out` (CW 1.12)."""
        bend = (q - (far + out) * 0.5) * 6.0
        return out + part * 0.5 * ((far - out) + (1.0 - part * (2.0 / 3.0)) * bend)

    @compiled
    def carried(flux, q_2, q_1, q, q1, q2, q3, old, old1, mass, mass1, factor):
        """Flux of the tracer through the face between q and q1 (tracer 3 to 5).

        `flux`: of mass, positive towards q1; `q_2` … `q3`: moved sideways for half a step; `old`, `old1`: q and q1
        before that, no more than three times the giver's leaves it; `mass`, `mass1`: of the cells on both sides, such
        that |flux|·factor/mass is the part of the cell that is swept.
        """
        forward = flux > 0.0
        far, out = parabola(
            select(forward, q_2, q3), select(forward, q_1, q2), select(forward, q, q1), select(forward, q1, q),
            select(forward, q2, q_1), SLOPE, EDGE,
        )  # fmt: skip
        part = magnitude(flux) * factor / select(forward, mass, mass1)
        mean, most = swept_mean(far, select(forward, q, q1), out, part), select(forward, old, old1) * 3.0
        return flux * select(most < mean, most, mean)

    @compiled
    def moved(q, low, high, flux_low, flux_high, quarter, mass):
        """A cell half a step later by the flow across the direction of a sweep, upwind (tracer 2).

        `low`, `high`: the neighbours in the direction of that flow; `flux_low`, `flux_high`: of mass through the faces
        to them; `quarter`: ¼Δt/(aΔ cosφ); `mass`: before the step.
        """
        both_fluxes = flux_low + flux_high
        difference = select(both_fluxes > 0.0, q - low, high - q)
        return q - both_fluxes * quarter / mass * difference

    @compiled
    def sunk(sinking, step, mass, thickness, thickness_below, cell, below):
        """Flux of the tracer through an interface (tracer 6).

        `sinking`: of mass, positive downwards; `cell`, `below`: edge above, mean and edge below of the parabolas of
        the levels on both sides; `thickness`, `thickness_below`: Δσ of these.
        """
        down = sinking > 0.0
        part = magnitude(sinking) * step / (mass * select(down, thickness, thickness_below))
        mean = swept_mean(
            select(down, cell[0], below[2]), select(down, cell[1], below[1]), select(down, cell[2], below[0]), part
        )
        return sinking * mean

    @compiled
    def renewed(q, mass_0, mass_new, sides, factor, fall, step):
        """q_new = [m₀q − Δt(∇·F + δW/Δσ)]/m_new (tracer 1)."""
        return (mass_0 * q - (sides * factor + fall) * step) / mass_new

    return Formulas(face_flux, limited_slope, parabola, swept_mean, carried, moved, sunk, renewed)
