"""Everything an engine is made from, and the facts of it that a restart must share to go on bit by bit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from clustermark.apps.md.engine import State
from clustermark.apps.md.model import Atoms, EmbeddedAtom, Floats, LennardJones, ListRule, Potential, Units


@dataclass(frozen=True)
class Ensemble:
    """Constant energy or a thermostat.

    Attributes
    ----------
    kind : "nve", "langevin", "csvr", "nose-hoover"
    temperature, time : of the thermostat [temperature], [time]; 0 for "nve"
    seed : of its random numbers
    """

    kind: str = "nve"
    temperature: float = 0.0
    time: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Setup:
    """A simulation before its first step.

    Attributes
    ----------
    atoms : on rank 0; None elsewhere, and everywhere where `state` is given
    state : this rank's state of a restart with the same number of ranks, else None
    masses : (t,) float64, per type [mass]
    elements : (t,) names of the types
    potential, units, cutoff, rule : of the interaction and the pair list; cutoff [length] without the skin
    timestep : [time]
    ensemble, precision, overlap : as the input file has them
    first_step : number of the step that `atoms` are of
    device : "cpu", or "cuda": the GPU that is bound to this rank
    direct_messages : the MPI is given messages in the memory of the device; else they are staged through the host
    """

    atoms: Atoms | None
    state: State | None
    masses: Floats
    elements: tuple[str, ...]
    potential: Potential
    units: Units
    cutoff: float
    rule: ListRule
    timestep: float
    ensemble: Ensemble
    precision: str
    overlap: bool
    first_step: int = 0
    device: str = "cpu"
    direct_messages: bool = False

    @property
    def box(self) -> Floats | None:
        """(3,) edges [length]; None on a rank that has neither atoms nor a state."""
        atoms = self.atoms if self.state is None else self.state.atoms
        return None if atoms is None else atoms.box


def physics(setup: Setup) -> dict[str, str]:
    """What decides the numbers of a run besides its atoms and ranks, by name of the input's key, as text.

    Arrays are given by the first 16 digits of their SHA-256.
    """
    rule, ensemble = setup.rule, setup.ensemble
    return {
        "units": setup.units.name,
        "precision": setup.precision,
        "overlap": str(setup.overlap).lower(),
        "system.elements": " ".join(setup.elements),
        "system.masses": _digest(setup.masses),
        "potential": _potential_facts(setup.potential),
        "list": f"skin {rule.skin!r} every {rule.every} check {str(rule.check).lower()}",
        "run.timestep": repr(setup.timestep),
        "ensemble": f"{ensemble.kind} {ensemble.temperature!r} {ensemble.time!r} {ensemble.seed}",
        **({} if setup.device == "cpu" else {"device": setup.device}),  # older files are of the CPU and do not say so
    }


def _potential_facts(potential: Potential) -> str:
    if isinstance(potential, LennardJones):
        arrays = _digest(potential.epsilon, potential.sigma, potential.cutoff)
        return f"lj {potential.style} tail {str(potential.tail).lower()} {arrays}"
    assert isinstance(potential, EmbeddedAtom)
    grid = f"{potential.rho_spacing!r} {potential.r_spacing!r} {potential.cutoff!r}"
    return f"eam {grid} {_digest(potential.embedding, potential.density, potential.pair)}"


def _digest(*arrays: Floats) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return digest.hexdigest()[:16]
