"""Which keys of an input file go together: each rule is one sentence for the user."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from clustermark.apps.climate import cells_of
from clustermark.apps.climate.keys import SHALLOW_WATER
from clustermark.core.errors import UsageError, plain


def check_combinations(values: Mapping[str, Any], given: set[str], where: str) -> None:
    """Refuse what cannot go together.

    Parameters
    ----------
    values : key → checked value or default
    given : the keys that stand in the file or on the command line
    where : the file, for the message

    Raises
    ------
    UsageError : the first rule that is broken
    """
    for rule in (_resolution, _equations, _run, _output):
        sentence = rule(values, given)
        if sentence:
            raise UsageError(f"input {where}: {sentence}")


def _resolution(values: Mapping[str, Any], given: set[str]) -> str:
    resolution = values["grid.resolution"]
    if cells_of(resolution):
        return ""
    cells = 90 / resolution
    near = sorted({math.floor(cells), math.ceil(cells)})
    return (
        f"grid.resolution is {resolution:g}°, and 90/{resolution:g} = {cells:.6g} is not whole; "
        f"use {' or '.join(f'{90 / n:.10g}' for n in near)}"
    )


def _equations(values: Mapping[str, Any], given: set[str]) -> str:
    case, precision = values["case"], values["precision"]
    shallow = case in SHALLOW_WATER
    allowed = ("double", "single") if shallow else ("double", "mixed")
    if precision not in allowed:
        kind = "shallow water" if shallow else "the primitive equations"
        return f"precision is '{precision}', and case '{case}' is {kind}; use '{allowed[0]}' or '{allowed[1]}'"
    if shallow and "grid.levels" in given:
        return f"grid.levels is set, and case '{case}' is shallow water with one layer; remove the key"
    if "tc2.angle" in given and case != "tc2":
        return f"tc2.angle is set, and case is '{case}'; remove the key or set case = 'tc2'"
    if values["damping.hours"] == 0 and "damping.every" in given:
        return "damping.every is set and damping.hours is 0, which is no damping; remove one of them"
    return ""


def _run(values: Mapping[str, Any], given: set[str]) -> str:
    days, timestep = values["run.days"], values["run.timestep"]
    if days is not None and timestep is not None and 0 < days * 86400 < timestep:
        return f"run.days is {days * 86400:g} s, less than run.timestep = {timestep:g} s; lengthen the run"
    interval = values["output.interval"] * 3600
    if timestep is not None and interval < timestep:
        return f"output.interval is {interval:g} s, less than run.timestep = {timestep:g} s; lengthen the interval"
    return ""


def _output(values: Mapping[str, Any], given: set[str]) -> str:
    if values["restart.interval"] is not None and not values["restart.write"]:
        return "restart.interval is set and restart.write is not; name the file or remove the interval"
    if "output.lat_lon" in given and not values["output.file"]:
        return "output.lat_lon is set and output.file is empty; name the file or remove the key"
    files = [values[key] for key in ("output.file", "restart.write") if values[key]]
    return f"two outputs have the name '{plain(files[0])}'; rename one" if len(files) != len(set(files)) else ""
