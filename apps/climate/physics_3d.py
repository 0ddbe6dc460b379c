"""The formulas of the primitive equations and of their damping and forcing, written once for every kind of number.

Only `+ - * /` on what is given, no literals, no branches, no calls: NumPy arrays, the SIMD vectors of the CPU kernels
and the scalars of a GPU thread can all pass through, in any precision. The time step is in the coefficients.
"""

from __future__ import annotations

from typing import Any


def divergence(east: Any, west: Any, north: Any, south: Any, factor: Any) -> Any:
    """Divergence of the fluxes through the faces of a cell: [(E − W) + (N − S)]·factor (eq. 1).

    Parameters
    ----------
    east, west : flux densities along rows through the faces
    north, south : flux densities along columns, times cosφ of their faces
    factor : 1/(a Δ cosφ) [1/m], or that times what the sum shall be weighted with
    """
    return ((east - west) + (north - south)) * factor


def kinetic_energy(u: Any, u_west: Any, v: Any, v_south: Any, quarter: Any, north: Any, south: Any) -> Any:
    """Kinetic energy at a cell: K = ¼(u² + u_w²) + ¼(v² cosφ_n + v_s² cosφ_s)/cosφ (Sadourny 1975; eq. 4).

    Parameters
    ----------
    u, u_west, v, v_south : winds on the four faces [m/s]
    quarter, north, south : ¼, ¼cosφ_n/cosφ, ¼cosφ_s/cosφ
    """
    return (u * u + u_west * u_west) * quarter + v * v * north + v_south * v_south * south


def vorticity(u: Any, u_north: Any, v: Any, v_east: Any, lower: Any, upper: Any, factor: Any) -> Any:
    """Relative vorticity at a corner: ζ = [(v_e − v) − (u_n cosφ_n − u cosφ)]·factor (eq. 5).

    Parameters
    ----------
    u, u_north, v, v_east : winds around the corner [m/s]
    lower, upper : cosφ, cosφ_n of the rows of u
    factor : 1/(a Δ cosφ_f) [1/m]
    """
    return ((v_east - v) - (u_north * upper - u * lower)) * factor


def potential_vorticity(relative: Any, coriolis: Any, inverse_mass: Any) -> Any:
    """Mass-weighted potential vorticity at a corner: q = (f + ζ)/p̄_s (Sadourny 1975; eq. 5).

    Parameters
    ----------
    relative, coriolis : ζ and f [1/s]
    inverse_mass : 4/(sum of p_s of the four cells) [1/Pa]
    """
    return (relative + coriolis) * inverse_mass


def geopotential_step(theta: Any, theta_below: Any, exner: Any, step: Any) -> Any:
    """Φ_k − Φ_{k+1} = ½c_p(θ_k + θ_{k+1})(P_{k+1} − P_k) (Arakawa & Suarez 1983, 4.7; eq. 3).

    Parameters
    ----------
    theta, theta_below : θ of the level and of the one below it (its own at the lowest, which ends at the ground) [K]
    exner : (p_s/p₀)^κ
    step : ½c_p(c_{k+1} − c_k) [J/(kg K)]
    """
    return (theta + theta_below) * exner * step


def vertical_mass_flux(sigma: Any, total: Any, above: Any) -> Any:
    """W = p_s σ̇ at an interface = σ Σ_all − Σ_above of ∇·(p_s V)Δσ [Pa/s], positive downwards (eq. 2)."""
    return sigma * total - above


def wind(
    before: Any,
    vorticity: Any,
    flux: Any,
    rotation: Any,
    energy: Any,
    theta: Any,
    exner: Any,
    level: Any,
    gradient: Any,
    vertical: Any,
    weight: Any,
) -> Any:
    """A wind component after a stage: vector-invariant, enstrophy form of Sadourny (1975) (eqs. 6, 7).

        u_new = u₀ + r·q·F − g·[δ(Φ + K) + c_k·θ·δP] − w·Z

    Parameters
    ----------
    before : u₀ at the beginning of the step [m/s]
    vorticity : twice q at the middle of the face, physics.twice_cubic_mean of four corners in its line
    flux : sum of the four mass fluxes of the other component around the face
    rotation : Δt/8, divided by cosφ for u, negative for v
    energy : Φ + K of the cell beyond the face minus that of this cell
    theta : sum of θ of both cells
    exner : ½c_p δ(p_s/p₀)^κ
    level : c_k
    gradient : Δt/(a Δ), divided by cosφ for u
    vertical : sum over the two interfaces of (W of both cells)·(difference of the wind across the interface)
    weight : Δt/(4 Δσ_k p̄_s)
    """
    return before + vorticity * flux * rotation - (energy + theta * exner * level) * gradient - vertical * weight


def upwind_flux(flux: Any, size: Any, before: Any, here: Any, beyond: Any, far: Any, seven: Any, three: Any) -> Any:
    """Twelve times the flux of a cell-centred field through a face, upwind of third order (Wicker & Skamarock 2002, 4).

        12F = U·[7(θ_i + θ_{i+1}) − (θ_{i−1} + θ_{i+2})] + |U|·[(θ_{i+2} − θ_{i−1}) − 3(θ_{i+1} − θ_i)]

    Parameters
    ----------
    flux, size : mass flux U through the face, and |U|
    before, here, beyond, far : θ_{i−1}, θ_i, θ_{i+1}, θ_{i+2}; the face is between the middle two
    seven, three : 7 and 3
    """
    return flux * ((here + beyond) * seven - (before + far)) + size * ((far - before) - (beyond - here) * three)


def theta(
    before: Any,
    change: Any,
    inverse_mass: Any,
    horizontal: Any,
    horizontal_weight: Any,
    vertical: Any,
    vertical_weight: Any,
) -> Any:
    """θ after a stage, from its flux form (eq. 8), as an increment.

        p_s_new·θ_new = p_s₀·θ₀ − Δt·G    ⇔    θ_new = θ₀ + [(p_s₀ − p_s_new)·θ₀ − Δt·G]/p_s_new

    The second form rounds the increment, not p_s·θ: in float32 a constant θ stays what it is.

    Parameters
    ----------
    before : θ₀ at the beginning of the step [K]
    change : p_s₀ − p_s_new [Pa]
    inverse_mass : 1/p_s_new [1/Pa]
    horizontal, horizontal_weight : sum of twelvefold fluxes (E − W) + (N − S), and Δt/(12 a Δ cosφ)
    vertical, vertical_weight : W(θ_k + θ_{k+1}) below minus above, and Δt/(2 Δσ_k)
    """
    return before + (change * before - horizontal * horizontal_weight - vertical * vertical_weight) * inverse_mass


def vector_laplacian(ahead: Any, behind: Any, left: Any, right: Any, along: Any, across: Any) -> Any:
    """One component of ∇²V = ∇(∇·V) − ∇×(ζ k) (eq. 10): ∂D along the component, −∂ζ (+∂ζ for v) across it.

    Parameters
    ----------
    ahead, behind : divergence of the two cells that share the face
    left, right : vorticity at the corners to the north and south of a face of u, to the west and east of one of v
    along, across : 1/(aΔ) for each difference, divided by cosφ where it is taken along a row
    """
    return (ahead - behind) * along - (left - right) * across


def scalar_laplacian(
    here: Any, east: Any, west: Any, north: Any, south: Any, along: Any, upper: Any, lower: Any
) -> Any:
    """∇²θ at a cell from fluxes through its faces (eq. 11).

    Parameters
    ----------
    here, east, west, north, south : the cell and its neighbours
    along : 1/(aΔ cosφ)²
    upper, lower : cosφ of the north and the south face, divided by (aΔ)² cosφ
    """
    return ((east - here) - (here - west)) * along + ((north - here) * upper - (here - south) * lower)


def damped(before: Any, twice: Any, coefficient: Any) -> Any:
    """x − ν₄Δt ∇⁴x (eq. 12)."""
    return before - twice * coefficient


def warm_equilibrium(base: Any, slope: Any, log_pressure: Any) -> Any:
    """θ towards which the troposphere relaxes (Held & Suarez 1994; eq. 13): base − slope·ln(p/p₀).

    Parameters
    ----------
    base : 315 K − ΔT_y sin²φ [K]
    slope : Δθ_z cos²φ [K]
    log_pressure : ln(p/p₀)
    """
    return base - slope * log_pressure


def relaxed(before: Any, target: Any, rate: Any, one: Any) -> Any:
    """Implicit relaxation x_new = x + Δt·k·(target − x_new), solved: x + (target − x)·Δt·k/(1 + Δt·k) (eq. 15).

    Parameters
    ----------
    before, target : x and what it relaxes to
    rate : Δt·k
    one : 1
    """
    return before + (target - before) * (rate / (one + rate))
