"""The forcing of Held & Suarez (1994): its constants, its rates, and the temperature it relaxes to, in NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.planet import Planet
from clustermark.apps.climate.vertical import Levels

# Rows of the table of `forcing_table`, one number per level in each.
INVERSE_EXNER, LOG_SIGMA, BOUNDARY, FRICTION = range(4)


@dataclass(frozen=True)
class HeldSuarez:
    """Constants of Held & Suarez 1994, p. 1826.

    Attributes
    ----------
    warmest, coldest : 315 K and 200 K
    meridional, vertical : ΔT_y = 60 K and Δθ_z = 10 K
    boundary : σ_b = 0.7
    friction, slow, fast : k_f, k_a, k_s [1/s] = 1, 1/40 and 1/4 per day
    """

    warmest: float = 315.0
    coldest: float = 200.0
    meridional: float = 60.0
    vertical: float = 10.0
    boundary: float = 0.7
    friction: float = 1.0 / 86400.0
    slow: float = 1.0 / (40.0 * 86400.0)
    fast: float = 1.0 / (4.0 * 86400.0)

    @property
    def constants(self) -> tuple[float, float, float, float, float, float]:
        """What forcing_cpu.force takes: warmest, coldest, ΔT_y, Δθ_z, k_a, k_s."""
        return self.warmest, self.coldest, self.meridional, self.vertical, self.slow, self.fast


def boundary_factor(forcing: HeldSuarez, sigma: Floats) -> Floats:
    """max(0, (σ − σ_b)/(1 − σ_b))."""
    return np.maximum(0.0, (sigma - forcing.boundary) / (1.0 - forcing.boundary))


def equilibrium_temperature(forcing: HeldSuarez, planet: Planet, latitude: Floats, pressure: Floats) -> Floats:
    """T_eq = max{200 K, [315 K − ΔT_y sin²φ − Δθ_z ln(p/p₀) cos²φ] (p/p₀)^κ} (Held & Suarez 1994; eq. 13) [K].

    Parameters
    ----------
    latitude : φ [rad]
    pressure : p [Pa], of a shape that goes with the latitude's
    """
    ratio = pressure / planet.reference_pressure
    square = np.sin(latitude) ** 2
    theta = forcing.warmest - forcing.meridional * square - forcing.vertical * np.log(ratio) * (1.0 - square)
    return np.maximum(forcing.coldest, theta * ratio**planet.kappa)


def relaxation_rate(forcing: HeldSuarez, latitude: Floats, sigma: Floats) -> Floats:
    """k_T = k_a + (k_s − k_a) max(0, (σ − σ_b)/(1 − σ_b)) cos⁴φ (eq. 14) [1/s]."""
    return forcing.slow + (forcing.fast - forcing.slow) * boundary_factor(forcing, sigma) * np.cos(latitude) ** 4


def friction_rate(forcing: HeldSuarez, sigma: Floats) -> Floats:
    """k_v = k_f max(0, (σ − σ_b)/(1 − σ_b)) (eq. 14) [1/s]."""
    return forcing.friction * boundary_factor(forcing, sigma)


def forcing_table(forcing: HeldSuarez, levels: Levels) -> Floats:
    """(4, K) float64 for the kernels: 1/c_k, ln σ_k, the boundary factor, and k_v [1/s]."""
    sigma = levels.centers
    return np.stack([1.0 / levels.exner, np.log(sigma), boundary_factor(forcing, sigma), friction_rate(forcing, sigma)])
