"""Every key of an input file, once: its kind, default, unit and meaning. Documentation and checks are made from it."""

from __future__ import annotations

from clustermark.apps.console.devices import DEVICE_KEY
from clustermark.apps.console.keys import SMALLEST, Key

# Default step per unit system [τ], [ps].
TIMESTEPS: dict[str, float] = {"lj": 0.005, "metal": 0.001}
MOST_STEPS = 10**15


def _whole(default: int | None, text: str, low: int = 0, high: int = MOST_STEPS) -> Key:
    return Key("whole", default, "", text, low=low, high=high)


def _number(default: float | None, unit: str, text: str, low: float = SMALLEST) -> Key:
    return Key("number", default, unit, text, low=low)


# Kinds beside the general ones (`input_values.CHECKS`): "cells" (a whole number or three), "names" (one text or a list
# of types), "pairs" (a list of tables). Lists have one item or one per type; a unit is a quantity of `Units.names`.
KEYS: dict[str, Key] = {
    "units": Key("choice", "lj", "", "reduced units, or Å, eV, ps, g/mol, K, bar", ("lj", "metal")),
    "precision": Key(
        "choice",
        "double",
        "",
        "of pairs and integration; mixed: float32 pairs, float64 integration",
        ("double", "mixed", "single"),
    ),
    "device": DEVICE_KEY,
    "overlap": Key("boolean", True, "", "compute local pairs while the halo moves"),
    "system.lattice": Key("choice", None, "", "atoms on a lattice", ("fcc",)),
    "system.cells": Key("cells", None, "", "cubic cells of the lattice: one number or three", low=1, high=100_000),
    "system.density": _number(None, "density", "number of atoms per volume of the lattice"),
    "system.constant": _number(None, "length", "edge of the cubic cell of the lattice, instead of the density"),
    "system.file": Key("path", "", "", "instead of a lattice: extended XYZ, or any format that ASE reads"),
    "system.elements": Key("names", None, "", "names of the types in their order; default: of the potential, or X"),
    "system.masses": Key("numbers", None, "mass", "per type; default: of the potential, 1 in reduced units"),
    "system.fractions": Key("numbers", None, "", "share of each type on the lattice, drawn at random; sum 1"),
    "system.temperature": _number(
        None,
        "temperature",
        "draw velocities for it; default: at rest, or those of the file",
        low=0.0,
    ),
    "system.seed": _whole(1, "of the random velocities and types", high=2**63 - 1),
    "potential.kind": Key("choice", "lj", "", "which potential", ("lj", "eam", "sutton-chen")),
    "potential.style": Key("choice", "cut", "", "lj: what happens at the cutoff", ("cut", "shifted", "force-shifted")),
    "potential.tail": Key("boolean", False, "", "lj: add the long-range correction of energy and virial"),
    "potential.cutoff": _number(None, "length", "lj: of all pairs without one of their own; sutton-chen: range"),
    "potential.epsilon": Key("numbers", None, "energy", "lj: well depth, per type; default 1 in reduced units"),
    "potential.sigma": Key("numbers", None, "length", "lj: diameter, per type; default 1 in reduced units"),
    "potential.pairs": Key(
        "pairs",
        None,
        "",
        "lj: pairs with values of their own, [{types = ['A', 'B'], epsilon, sigma, cutoff}]; "
        "the others are mixed by Lorentz and Berthelot",
    ),
    "potential.files": Key("paths", None, "", "eam: one setfl file (.eam.alloy), or one funcfl file (.eam) per type"),
    "potential.elements": Key("names", None, "", "eam: elements of the file, one per type; sutton-chen: the element"),
    "list.skin": _number(0.3, "length", "added to the cutoff of the pair list", low=0.0),
    "list.every": _whole(1, "look at the pair list every so many steps", low=1),
    "list.check": Key("boolean", True, "", "rebuild only where an atom moved more than half the skin; false: always"),
    "ensemble.kind": Key(
        "choice", "nve", "", "constant energy, or which thermostat", ("nve", "langevin", "csvr", "nose-hoover")
    ),
    "ensemble.temperature": _number(None, "temperature", "of the thermostat"),
    "ensemble.time": _number(None, "time", "damping time of the thermostat"),
    "ensemble.seed": _whole(1, "of the thermostat's random numbers", high=2**63 - 1),
    "run.steps": _whole(0, "steps to make; 0: energy, virial and forces of the configuration"),
    "run.timestep": _number(
        None, "time", f"default {TIMESTEPS['lj']} in reduced units, {TIMESTEPS['metal']} in metal units"
    ),
    "output.interval": _whole(100, "steps from one row of thermodynamic output to the next", low=1),
    "output.per_atom": Key("boolean", None, "", "energies on the terminal per atom; default: in reduced units"),
    "output.thermo": Key("text", "thermo.h5", "", "HDF5 file of the thermodynamic output; empty: none"),
    "output.trajectory": Key("text", "", "", "H5MD file of the trajectory; empty: none"),
    "output.trajectory_interval": _whole(None, "steps from one frame to the next", low=1),
    "output.velocities": Key("boolean", False, "", "velocities in the trajectory too"),
    "output.final": Key("text", "", "", "extended XYZ file of the last configuration with forces; empty: none"),
    "restart.write": Key("text", "", "", "file for going on later, written at the end too; empty: none"),
    "restart.interval": _whole(None, "steps from one restart file to the next", low=1),
    "restart.read": Key("path", "", "", "go on from this restart file; [system] gives only elements and masses then"),
    "restart.redistribute": Key(
        "boolean",
        False,
        "",
        "take only atoms and step from the restart file: other rank counts and other physics are allowed, "
        "the trajectory is not continued bit by bit",
    ),
}
