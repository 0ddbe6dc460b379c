"""An input file (TOML) as checked, frozen data. Bad input ends in one sentence that names the key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustermark.apps.console.input_file import Language, Values, parsed, read_text, shown_path, values_of
from clustermark.apps.md.input_rules import check_combinations
from clustermark.apps.md.input_values import CHECKS
from clustermark.apps.md.keys import KEYS, TIMESTEPS

LANGUAGE = Language("python -m clustermark.apps.md", KEYS, CHECKS, "run.steps=1000")


@dataclass(frozen=True)
class PairInput:
    """Lennard-Jones values of one pair of types; `cutoff` None: that of the potential."""

    types: tuple[str, str]
    epsilon: float
    sigma: float
    cutoff: float | None


@dataclass(frozen=True)
class SystemInput:
    """`[system]`: where the atoms come from."""

    lattice: str | None
    cells: tuple[int, int, int] | None
    density: float | None
    constant: float | None
    file: str
    elements: tuple[str, ...] | None
    masses: tuple[float, ...] | None
    fractions: tuple[float, ...] | None
    temperature: float | None
    seed: int


@dataclass(frozen=True)
class PotentialInput:
    """`[potential]`: how they interact."""

    kind: str
    style: str
    tail: bool
    cutoff: float | None
    epsilon: tuple[float, ...] | None
    sigma: tuple[float, ...] | None
    pairs: tuple[PairInput, ...] | None
    files: tuple[str, ...] | None
    elements: tuple[str, ...] | None


@dataclass(frozen=True)
class ListInput:
    """`[list]`: the rule of the pair list."""

    skin: float
    every: int
    check: bool


@dataclass(frozen=True)
class EnsembleInput:
    """`[ensemble]`: constant energy or a thermostat."""

    kind: str
    temperature: float | None
    time: float | None
    seed: int


@dataclass(frozen=True)
class RunInput:
    """`[run]`: how long."""

    steps: int
    timestep: float


@dataclass(frozen=True)
class OutputInput:
    """`[output]`: what is written and how often; "" and None: not at all."""

    interval: int
    per_atom: bool
    thermo: str
    trajectory: str
    trajectory_interval: int | None
    velocities: bool
    final: str


@dataclass(frozen=True)
class RestartInput:
    """`[restart]`: going on, and what is needed for going on later."""

    write: str
    interval: int | None
    read: str
    redistribute: bool


@dataclass(frozen=True)
class Input:
    """An input file, checked; paths of files to read are relative to the input file's folder, made absolute."""

    units: str
    precision: str
    device: str
    overlap: bool
    system: SystemInput
    potential: PotentialInput
    list: ListInput
    ensemble: EnsembleInput
    run: RunInput
    output: OutputInput
    restart: RestartInput


def load_input(path: Path, overrides: Sequence[str] = ()) -> Input:
    """Read an input file.

    Parameters
    ----------
    path : the file
    overrides : "key=value" with a value as in TOML; text needs no quotes; an empty value removes the key

    Raises
    ------
    UsageError : not there, not TOML, an unknown key, a bad value, a combination that cannot be
    """
    return parse_input(read_text(path), shown_path(path), path.absolute().parent, overrides)


def parse_input(text: str, where: str, folder: Path, overrides: Sequence[str] = ()) -> Input:
    """An input from TOML text; `where` names it in messages, paths are relative to `folder`. Raises UsageError."""
    return input_of(parsed(text, where), where, folder, overrides)


def input_of(data: Mapping[str, Any], where: str, folder: Path, overrides: Sequence[str] = ()) -> Input:
    """An input from nested tables as a TOML parser returns them. Raises UsageError."""
    found = values_of(data, LANGUAGE, where, folder, overrides)
    values = found.values
    if values["potential.pairs"] is not None:
        values["potential.pairs"] = tuple(PairInput(**pair) for pair in values["potential.pairs"])
    if values["run.timestep"] is None:
        values["run.timestep"] = TIMESTEPS[values["units"]]
    if values["output.per_atom"] is None:
        values["output.per_atom"] = values["units"] == "lj"
    check_combinations(values, found.given, where)
    return _input(found)


def _input(found: Values) -> Input:
    section = found.section
    return Input(
        units=found.values["units"],
        precision=found.values["precision"],
        device=found.values["device"],
        overlap=found.values["overlap"],
        system=SystemInput(**section("system")),
        potential=PotentialInput(**section("potential")),
        list=ListInput(**section("list")),
        ensemble=EnsembleInput(**section("ensemble")),
        run=RunInput(**section("run")),
        output=OutputInput(**section("output")),
        restart=RestartInput(**section("restart")),
    )


def as_json(data: Input) -> str:
    """The checked input as one line of JSON, for the files that the run writes."""
    from dataclasses import asdict

    return json.dumps(asdict(data), ensure_ascii=False)
