"""An input file (TOML) as checked, frozen data. Bad input ends in one sentence that names the key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clustermark.apps.climate.input_rules import check_combinations
from clustermark.apps.climate.keys import AUTO, KEYS
from clustermark.apps.console.input_file import Language, Values, parsed, read_text, shown_path, values_of
from clustermark.apps.console.keys import Key
from clustermark.apps.console.values import Check, number, shown
from clustermark.core.errors import UsageError


@dataclass(frozen=True)
class GridInput:
    """`[grid]`: width of a cell [degrees] and levels; None: those of the case."""

    resolution: float
    levels: int | None


@dataclass(frozen=True)
class LayoutInput:
    """`[layout]`: blocks of a panel; 0: chosen."""

    py: int
    px: int


@dataclass(frozen=True)
class RunInput:
    """`[run]`: how long [days], None: as the case; and in which steps [s], None: the longest stable one."""

    days: float | None
    timestep: float | None


@dataclass(frozen=True)
class Tc2Input:
    """`[tc2]`: options of that case; angle [degrees]."""

    angle: float


@dataclass(frozen=True)
class DampingInput:
    """`[damping]`: ∇⁴ of the fields; hours 0: none, None: as the case suggests."""

    hours: float | None
    every: int


@dataclass(frozen=True)
class OutputInput:
    """`[output]`: what is written and how often [hours]; "": not at all."""

    file: str
    interval: float
    lat_lon: bool


@dataclass(frozen=True)
class RestartInput:
    """`[restart]`: going on, and what is needed for going on later, how often [hours]."""

    write: str
    interval: float | None
    read: str


@dataclass(frozen=True)
class Input:
    """An input file, checked; paths of files to read are relative to the input file's folder, made absolute."""

    case: str
    precision: str
    device: str
    overlap: bool
    threads: int
    fixer: bool
    flux_matching: bool
    tracer: str
    grid: GridInput
    layout: LayoutInput
    run: RunInput
    tc2: Tc2Input
    damping: DampingInput
    output: OutputInput
    restart: RestartInput


def _timestep(value: object, key: Key, where: str) -> float | None:
    """Seconds, or None for "auto"."""
    if value == AUTO:
        return None
    if isinstance(value, str):
        raise UsageError(f"{where}: is {shown(value)}, expected seconds or '{AUTO}'")
    return number(value, key, where)


CHECKS: dict[str, Check] = {"timestep": _timestep}
LANGUAGE = Language("python -m clustermark.apps.climate", KEYS, CHECKS, "run.days=30")


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
    if found.values["run.timestep"] == AUTO:
        found.values["run.timestep"] = None
    check_combinations(found.values, found.given, where)
    return _input(found)


def _input(found: Values) -> Input:
    section = found.section
    return Input(
        case=found.values["case"],
        precision=found.values["precision"],
        device=found.values["device"],
        overlap=found.values["overlap"],
        threads=found.values["threads"],
        fixer=found.values["fixer"],
        flux_matching=found.values["flux_matching"],
        tracer=found.values["tracer"],
        grid=GridInput(**section("grid")),
        layout=LayoutInput(**section("layout")),
        run=RunInput(**section("run")),
        tc2=Tc2Input(**section("tc2")),
        damping=DampingInput(**section("damping")),
        output=OutputInput(**section("output")),
        restart=RestartInput(**section("restart")),
    )


def as_json(data: Input) -> str:
    """The checked input as one line of ASCII JSON, for the files that the run writes."""
    return json.dumps(asdict(data))
