"""The deterministic thermostat: a Nosé–Hoover chain."""

from __future__ import annotations

import math
from collections.abc import Mapping

from clustermark.apps.md.model import Floats, Units
from clustermark.apps.md.slots import Slots, blown_up, state_values

# Weights of a fourth-order composition of three second-order steps (Suzuki 1990, Yoshida 1990).
_OUTER = 1.0 / (2.0 - 2.0 ** (1.0 / 3.0))
SUZUKI_YOSHIDA = (_OUTER, 1.0 - 2.0 * _OUTER, _OUTER)
CHAIN = 3
_CHAIN_NAMES = tuple(f"{quantity}_{k + 1}" for quantity in ("position", "velocity") for k in range(CHAIN))


class NoseHoover:
    """Nosé–Hoover chain of three thermostats (Martyna, Klein & Tuckerman 1992), integrated as in Martyna et al. 1996.

    Q₁ = N_f k_B T τ², Q_k = k_B T τ². Conserved: E + Σ Q_k v_k²/2 + N_f k_B T η₁ + k_B T (η₂ + η₃). One h is two
    half steps (the closing and the opening one), each composed of three by Suzuki and Yoshida.
    """

    needs_full_step = True

    def __init__(
        self,
        temperature: float,
        time: float,
        timestep: float,
        degrees_of_freedom: int,
        units: Units,
        masses: Floats,
    ) -> None:
        thermal = units.boltzmann * temperature
        self._weights = (degrees_of_freedom * thermal, *(CHAIN - 1) * (thermal,))
        self._inertias = tuple(weight * time**2 for weight in self._weights)
        self._timestep = timestep
        self._masses, self._mass_velocity2 = masses, units.mass_velocity2
        self._positions = [0.0] * CHAIN
        self._velocities = [0.0] * CHAIN

    def end_of_step(self, slots: Slots, step: int) -> None:
        """Half a chain step that closes this step and half a one that opens the next; one sum over ranks."""
        twice_kinetic = 2.0 * slots.kinetic_energy(self._masses, self._mass_velocity2, step)
        factor = 1.0
        try:
            for weight in 2 * SUZUKI_YOSHIDA:
                factor *= self._advance(twice_kinetic * factor * factor, weight * self._timestep / 2.0)
        except OverflowError:
            raise blown_up(step) from None
        slots.scale(factor)

    def _advance(self, twice_kinetic: float, delta: float) -> float:
        """One symmetric step of the chain over `delta`; returns the factor of the atoms' velocities."""
        v = self._velocities
        for k in reversed(range(CHAIN)):
            self._push(k, twice_kinetic, delta)
        factor = math.exp(-delta * v[0])
        for k in range(CHAIN):
            self._positions[k] += delta * v[k]
        for k in range(CHAIN):
            self._push(k, twice_kinetic * factor * factor, delta)
        return factor

    def _push(self, k: int, twice_kinetic: float, delta: float) -> None:
        """Half a step of thermostat k under the energy of what it holds, damped by thermostat k + 1 on both sides."""
        v, Q = self._velocities, self._inertias
        drag = math.exp(-delta / 4.0 * v[k + 1]) if k + 1 < CHAIN else 1.0
        held = twice_kinetic if k == 0 else Q[k - 1] * v[k - 1] ** 2
        v[k] = (v[k] * drag + delta / 2.0 * (held - self._weights[k]) / Q[k]) * drag

    def conserved(self, total_energy: float) -> float:
        """Energy of the extended system."""
        kinetic = sum(Q * v**2 / 2.0 for Q, v in zip(self._inertias, self._velocities, strict=True))
        return total_energy + kinetic + sum(w * x for w, x in zip(self._weights, self._positions, strict=True))

    def state(self) -> dict[str, float]:
        """As `Thermostat.state`."""
        return dict(zip(_CHAIN_NAMES, self._positions + self._velocities, strict=True))

    def restore(self, state: Mapping[str, float]) -> None:
        """As `Thermostat.restore`."""
        values = state_values("nose-hoover", _CHAIN_NAMES, state)
        self._positions, self._velocities = values[:CHAIN], values[CHAIN:]
