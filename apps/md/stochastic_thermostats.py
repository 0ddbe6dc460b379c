"""Thermostats that draw random numbers: Langevin dynamics and stochastic velocity rescaling."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from clustermark.apps.md.model import Floats, Units
from clustermark.apps.md.slots import Slots, state_values
from clustermark.apps.md.velocity_kernels import BLOCK
from clustermark.core.errors import UsageError
from clustermark.devices.counter_rng import RESCALING, normal_pair, random_words, uniform


class Langevin:
    """v ← c v + √((1 − c²) k_B T/m) ξ, c = exp(−h/τ): the exact Ornstein–Uhlenbeck step O(h).

    The whole step is B A B O, which visits the positions of O(h/2) B A B O(h/2) (Bussi & Parrinello 2007; "OBABO" in
    Leimkuhler & Matthews 2013): second order in h for averages over configurations, exact for those over velocities of
    a harmonic system. ξ is keyed by (seed, id, step). Momentum is not conserved: all 3N degrees of freedom take part.
    """

    needs_full_step = True

    def __init__(
        self, temperature: float, time: float, seed: int, timestep: float, units: Units, masses: Floats
    ) -> None:
        self._decay = math.exp(-timestep / time)
        noise = -math.expm1(-2.0 * timestep / time)
        self._amplitudes = np.sqrt(noise * units.boltzmann * temperature / (units.mass_velocity2 * masses))
        self._seed = seed
        self._deviates = np.empty((3, BLOCK))

    def end_of_step(self, slots: Slots, step: int) -> None:
        """O(h) on the local velocities; no communication."""
        amplitudes = slots.memory.kept(self._amplitudes)
        slots.kernels.langevin_kick(
            *(slots.velocities, slots.ids, slots.types, slots.lanes, 0, slots.clusters),
            *(self._decay, amplitudes, self._seed, step, self._deviates),
        )

    def conserved(self, total_energy: float) -> float | None:
        """Not followed: it would cost a sum over all atoms twice a step."""
        return None

    def state(self) -> dict[str, float]:
        """As `Thermostat.state`."""
        return {}

    def restore(self, state: Mapping[str, float]) -> None:
        """As `Thermostat.restore`."""
        state_values("langevin", (), state)


class StochasticRescaling:
    """Stochastic velocity rescaling, the exact solution of (A7) (Bussi, Donadio & Parrinello 2007), called CSVR.

    α² = c + (1 − c) (K̄/(N_f K)) (R₁² + Σ_{i=2}^{N_f} R_i²) + 2 √(c (1 − c) K̄/(N_f K)) R₁,  c = exp(−h/τ)

    with K̄ = N_f k_B T/2; α has the sign of R₁ + √(c N_f K/((1 − c) K̄)) (A8). All ranks draw the same deviates, keyed
    by (seed, step). Conserved: the total energy less all that rescaling has brought in.
    """

    needs_full_step = True

    def __init__(
        self,
        temperature: float,
        time: float,
        seed: int,
        timestep: float,
        degrees_of_freedom: int,
        units: Units,
        masses: Floats,
    ) -> None:
        self._decay = math.exp(-timestep / time)
        self._renewal = -math.expm1(-timestep / time) * units.boltzmann * temperature / 2.0
        self._degrees = degrees_of_freedom
        self._seed = seed
        self._masses, self._mass_velocity2 = masses, units.mass_velocity2
        self._transferred = 0.0

    def end_of_step(self, slots: Slots, step: int) -> None:
        """Rescale all velocities by α; one sum over ranks."""
        kinetic = slots.kinetic_energy(self._masses, self._mass_velocity2, step)
        if kinetic == 0:
            raise UsageError("ensemble csvr: the kinetic energy is 0, nothing to rescale; give a start temperature > 0")
        ratio = self._renewal / kinetic
        first, others = _rescaling_deviates(self._degrees, self._seed, step)
        square = self._decay + ratio * (first * first + others) + 2.0 * math.sqrt(self._decay * ratio) * first
        # (√c + √ratio R₁)² + ratio Σ R²: its square root is real, but rounding may make it a hair negative.
        factor = math.copysign(math.sqrt(max(square, 0.0)), first + math.sqrt(self._decay / ratio))
        slots.scale(factor)
        self._transferred += (factor * factor - 1.0) * kinetic

    def conserved(self, total_energy: float) -> float:
        """Total energy less what rescaling has brought in."""
        return total_energy - self._transferred

    def state(self) -> dict[str, float]:
        """As `Thermostat.state`."""
        return {"transferred": self._transferred}

    def restore(self, state: Mapping[str, float]) -> None:
        """As `Thermostat.restore`."""
        (self._transferred,) = state_values("csvr", ("transferred",), state)


def _rescaling_deviates(degrees: int, seed: int, step: int) -> tuple[float, float]:
    """R₁ and Σ_{i=2}^{degrees} R_i², a doubled gamma deviate of shape (degrees − 1)/2, keyed by (seed, step)."""
    word0, word1, _, _ = random_words(seed, 0, step, RESCALING)
    first, _ = normal_pair(word0, word1)
    return first, 2.0 * gamma_deviate((degrees - 1) / 2.0, seed, step, RESCALING) if degrees > 1 else 0.0


def gamma_deviate(shape: float, seed: int, step: int, purpose: int) -> float:
    """Gamma deviate by Marsaglia & Tsang (2000): d(1 + cξ)³ accepted by a squeeze; attempt k = 1, 2, … has index k.

    Parameters
    ----------
    shape : > 0; below 1 by their note Γ(shape) = Γ(shape + 1) U^(1/shape)
    seed, step, purpose : of the counter-based generator

    Returns
    -------
    float of mean and variance `shape`
    """
    d = (shape if shape >= 1.0 else shape + 1.0) - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    attempt = 0
    while True:
        attempt += 1
        word0, word1, word2, word3 = random_words(seed, attempt, step, purpose)
        deviate, _ = normal_pair(word0, word1)
        volume = (1.0 + c * deviate) ** 3
        if volume > 0.0 and math.log(uniform(word2)) < 0.5 * deviate**2 + d * (1.0 - volume + math.log(volume)):
            return d * volume * (1.0 if shape >= 1.0 else uniform(word3) ** (1.0 / shape))
