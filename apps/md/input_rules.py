"""Which keys of an input file go together: each rule is one sentence for the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clustermark.core.errors import UsageError, plain

# Keys of [potential] that belong to some kinds only.
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "potential.style": ("lj",),
    "potential.tail": ("lj",),
    "potential.epsilon": ("lj",),
    "potential.sigma": ("lj",),
    "potential.pairs": ("lj",),
    "potential.cutoff": ("lj", "sutton-chen"),
    "potential.files": ("eam",),
    "potential.elements": ("eam", "sutton-chen"),
}


def check_combinations(values: Mapping[str, Any], given: set[str], where: str) -> None:
    """Refuse what cannot go together.

    Parameters
    ----------
    values : key → checked value or default, the timestep filled in
    given : the keys that stand in the file or on the command line
    where : the file, for the message

    Raises
    ------
    UsageError : the first rule that is broken
    """
    rules = (_system, _lattice, _types, _potential, _lennard_jones, _ensemble, _output, _restart)
    for rule in rules:
        sentence = rule(values, given)
        if sentence:
            raise UsageError(f"input {where}: {sentence}")


def _system(values: Mapping[str, Any], given: set[str]) -> str:
    lattice, file, read = values["system.lattice"], values["system.file"], values["restart.read"]
    if lattice and file:
        return "system.lattice and system.file are both set; keep one of them"
    if not (lattice or file or read):
        return "has no atoms; set system.lattice, system.file or restart.read"
    return ""


def _lattice(values: Mapping[str, Any], given: set[str]) -> str:
    keys = ("system.cells", "system.density", "system.constant", "system.fractions")
    if not values["system.lattice"]:
        stray = next((key for key in keys if key in given), "")
        return f"{stray} belongs to a lattice; set system.lattice = 'fcc' or remove the key" if stray else ""
    if values["system.cells"] is None:
        return "system.cells is missing; give the number of cells of the lattice, such as 20"
    if (values["system.density"] is None) == (values["system.constant"] is None):
        return "give one of system.density and system.constant, not both or none"
    return ""


def _types(values: Mapping[str, Any], given: set[str]) -> str:
    elements = values["system.elements"]
    if elements is not None and len(set(elements)) != len(elements):
        return (
            f"system.elements names '{next(e for e in elements if elements.count(e) > 1)}' twice; name each type once"
        )
    named = len(elements) if elements is not None else 1
    if values["potential.kind"] != "lj":
        eam = values["potential.elements"]
        if elements is not None and eam is not None and elements != eam:
            return "system.elements and potential.elements differ; remove system.elements"
        named = len(eam) if eam is not None else named
    for key in ("system.masses", "system.fractions", "potential.epsilon", "potential.sigma"):
        count = len(values[key]) if values[key] is not None else named
        if count not in (1, named) or (key == "system.fractions" and count != named):
            return f"{key} has {count} values for {named} type(s); give one per type, named by system.elements"
    fractions = values["system.fractions"]
    if fractions is not None and abs(sum(fractions) - 1) > 1e-9:
        return f"system.fractions sums to {sum(fractions):g}, expected 1; mend the shares"
    if named > 1 and values["system.lattice"] and fractions is None and not values["restart.read"]:
        return f"system.fractions is missing; give the shares of the {named} types on the lattice"
    return ""


def _potential(values: Mapping[str, Any], given: set[str]) -> str:
    kind = values["potential.kind"]
    for key, kinds in _ONLY_FOR.items():
        if key in given and kind not in kinds:
            return f"{key} belongs to potential.kind '{kinds[0]}', not '{kind}'; remove it or choose that kind"
    if kind != "lj" and values["units"] != "metal":
        return f"potential.kind '{kind}' needs units = 'metal', the file has '{values['units']}'; set units"
    if kind == "eam" and not (values["potential.files"] and values["potential.elements"]):
        return "potential.kind 'eam' needs potential.files and potential.elements; name the file and its elements"
    if kind == "sutton-chen" and (values["potential.elements"] is None or len(values["potential.elements"]) != 1):
        return "potential.kind 'sutton-chen' needs one element; set potential.elements = 'Cu'"
    return ""


def _lennard_jones(values: Mapping[str, Any], given: set[str]) -> str:
    if values["potential.kind"] != "lj":
        return ""
    elements = values["system.elements"] or ("X",)
    pairs = values["potential.pairs"] or ()
    described: set[frozenset[str]] = set()
    for pair in pairs:
        stray = next((name for name in pair.types if name not in elements), None)
        if stray is not None:
            return f"potential.pairs names type '{plain(stray)}', system.elements has {', '.join(elements)}; rename it"
        if frozenset(pair.types) in described:
            return f"potential.pairs has {' and '.join(pair.types)} twice; remove one"
        described.add(frozenset(pair.types))
    complete = len(described) == len(elements) * (len(elements) + 1) // 2
    for key in ("potential.epsilon", "potential.sigma"):
        if values[key] is None and values["units"] != "lj" and not complete:
            return f"{key} is missing; in metal units there is no default"
    if values["potential.cutoff"] is None and not (complete and all(pair.cutoff is not None for pair in pairs)):
        return "potential.cutoff is missing; give the range of the potential, such as 2.5"
    if values["system.masses"] is None and values["units"] != "lj":
        return "system.masses is missing; give g/mol per type"
    if values["potential.tail"] and values["potential.style"] == "force-shifted":
        return "potential.tail corrects a plain cutoff, potential.style is 'force-shifted'; remove one of them"
    return ""


def _ensemble(values: Mapping[str, Any], given: set[str]) -> str:
    kind = values["ensemble.kind"]
    own = ("ensemble.temperature", "ensemble.time")
    if kind == "nve":
        stray = next((key for key in (*own, "ensemble.seed") if key in given), "")
        return f"{stray} belongs to a thermostat, ensemble.kind is 'nve'; remove it or choose langevin" if stray else ""
    missing = next((key for key in own if values[key] is None), "")
    if missing:
        return f"{missing} is missing; ensemble.kind '{kind}' needs it"
    time, timestep = values["ensemble.time"], values["run.timestep"]
    if time < timestep:
        return f"ensemble.time is {time:g}, below run.timestep = {timestep:g}; lengthen it"
    return ""


def _output(values: Mapping[str, Any], given: set[str]) -> str:
    for file, interval in (("output.trajectory", "output.trajectory_interval"), ("restart.write", "restart.interval")):
        if values[interval] is not None and not values[file]:
            return f"{interval} is set and {file} is not; name the file or remove the interval"
    if values["output.trajectory"] and values["output.trajectory_interval"] is None:
        return "output.trajectory_interval is missing; give the steps from one frame to the next"
    if values["output.velocities"] and not values["output.trajectory"]:
        return "output.velocities is set and output.trajectory is not; name the file or remove the key"
    files = [values[k] for k in ("output.thermo", "output.trajectory", "output.final", "restart.write") if values[k]]
    twice = next((name for name in files if files.count(name) > 1), "")
    return f"two outputs have the name '{plain(twice)}'; rename one" if twice else ""


def _restart(values: Mapping[str, Any], given: set[str]) -> str:
    if values["restart.redistribute"] and not values["restart.read"]:
        return "restart.redistribute is set and restart.read is not; name the restart file or remove the key"
    return ""
