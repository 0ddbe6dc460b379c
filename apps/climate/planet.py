"""Constants of a planet and its dry air; each test case names those of its paper."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Planet:
    """Constants of a planet and its dry air.

    Attributes
    ----------
    radius : a [m]
    rotation : Ω [1/s]
    gravity : g [m/s²]
    gas_constant : R_d [J/(kg K)]
    heat_capacity : c_p [J/(kg K)]
    reference_pressure : p₀ [Pa], where potential temperature equals temperature
    """

    radius: float
    rotation: float
    gravity: float
    gas_constant: float = 287.0
    heat_capacity: float = 1004.5
    reference_pressure: float = 1e5

    @property
    def kappa(self) -> float:
        """κ = R_d/c_p."""
        return self.gas_constant / self.heat_capacity


# Williamson et al. 1992, table 1; Galewsky et al. 2004 use the same radius and rotation.
WILLIAMSON = Planet(radius=6.37122e6, rotation=7.292e-5, gravity=9.80616)
# Jablonowski & Williamson 2006, table 1.
JABLONOWSKI_WILLIAMSON = Planet(radius=6.371229e6, rotation=7.29212e-5, gravity=9.80616)
# Held & Suarez 1994: κ = 2/7, c_p = 1004 J/(kg K).
HELD_SUAREZ = Planet(
    radius=6.371e6, rotation=7.292e-5, gravity=9.8, gas_constant=1004.0 * 2.0 / 7.0, heat_capacity=1004.0
)
