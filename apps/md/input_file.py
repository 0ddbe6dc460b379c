"""An input file (TOML) as checked, frozen data. Bad input ends in one sentence that names the key."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustermark.apps.md.input_rules import check_combinations
from clustermark.apps.md.input_values import checked, kind_of
from clustermark.apps.md.keys import KEYS, TIMESTEPS
from clustermark.core.errors import UsageError, nearest, plain

# What a word after `--set key=` may hold to be taken as text without quotes.
_BARE_TEXT = re.compile(r"[A-Za-z0-9_./~+-]+")


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
    where = plain(str(path), 200)
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "is not UTF-8 text"
        raise UsageError(f"input {where}: cannot be read ({plain(reason)}); give a TOML file") from None
    return parse_input(text, where, path.absolute().parent, overrides)


def parse_input(text: str, where: str, folder: Path, overrides: Sequence[str] = ()) -> Input:
    """An input from TOML text; `where` names it in messages, paths are relative to `folder`. Raises UsageError."""
    try:
        data = tomllib.loads(text)
    except (RecursionError, ValueError) as error:
        raise UsageError(f"input {where}: is not TOML ({plain(str(error), 200)}); mend that line") from None
    return input_of(data, where, folder, overrides)


def input_of(data: Mapping[str, Any], where: str, folder: Path, overrides: Sequence[str] = ()) -> Input:
    """An input from nested tables as a TOML parser returns them. Raises UsageError."""
    given = _flat(data, where)
    for words in overrides:
        _override(given, words)
    values: dict[str, Any] = {}
    for name, key in KEYS.items():
        value = key.default
        if name in given:
            value = checked(given[name], key, f"input {where}: {name}")
        if key.kind in ("path", "paths") and value:
            value = _absolute(value, folder)
        values[name] = value
    if values["potential.pairs"] is not None:
        values["potential.pairs"] = tuple(PairInput(**pair) for pair in values["potential.pairs"])
    if values["run.timestep"] is None:
        values["run.timestep"] = TIMESTEPS[values["units"]]
    if values["output.per_atom"] is None:
        values["output.per_atom"] = values["units"] == "lj"
    check_combinations(values, set(given), where)
    return _input(values)


def _input(values: Mapping[str, Any]) -> Input:
    def section(name: str) -> dict[str, Any]:
        return {key.partition(".")[2]: value for key, value in values.items() if key.startswith(name + ".")}

    return Input(
        units=values["units"],
        precision=values["precision"],
        overlap=values["overlap"],
        system=SystemInput(**section("system")),
        potential=PotentialInput(**section("potential")),
        list=ListInput(**section("list")),
        ensemble=EnsembleInput(**section("ensemble")),
        run=RunInput(**section("run")),
        output=OutputInput(**section("output")),
        restart=RestartInput(**section("restart")),
    )


def _flat(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Dotted key → value; unknown names end here."""
    sections = {name.partition(".")[0] for name in KEYS if "." in name}
    given: dict[str, Any] = {}
    for name, value in data.items():
        if name in sections:
            if not isinstance(value, Mapping):
                raise UsageError(f"input {where}: {name} is {kind_of(value)}, expected a table; write [{name}]")
            given |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            given[name] = value
    for name in given:
        if name not in KEYS:
            raise _unknown(name, f"input {where}")
    return given


def _unknown(name: str, where: str) -> UsageError:
    return UsageError(
        f"{where}: unknown key '{plain(name)}'{nearest(plain(name), KEYS)}; remove or rename it "
        f"(`python -m clustermark.apps.md keys` lists all)"
    )


def _override(given: dict[str, Any], words: str) -> None:
    """Apply one "key=value" of the command line; paths are then relative to the current folder."""
    name, sign, text = words.partition("=")
    name, text = name.strip(), text.strip()
    if not sign:
        raise UsageError(f"--set {plain(words)}: has no '='; write --set run.steps=1000")
    if name not in KEYS:
        raise _unknown(name, "--set")
    if not text:
        given.pop(name, None)
        return
    try:
        value = _toml_value(text)
    except (RecursionError, ValueError):
        if not _BARE_TEXT.fullmatch(text):
            raise UsageError(
                f"--set {name}: {plain(text)} is no TOML value; quote text, such as {name}='\"…\"'"
            ) from None
        value = text
    if KEYS[name].kind in ("path", "paths"):
        value = _absolute(value, Path.cwd())
    given[name] = value


def _toml_value(text: str) -> Any:
    """The value that stands behind "key =". Raises ValueError, RecursionError."""
    found = tomllib.loads(f"value = {text}")
    if len(found) != 1:
        raise ValueError("several lines")
    return found["value"]


def _absolute(value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return str(folder / value) if value else value
    if isinstance(value, list | tuple):
        return type(value)(_absolute(item, folder) for item in value)
    return value


def as_json(data: Input) -> str:
    """The checked input as one line of JSON, for the files that the run writes."""
    from dataclasses import asdict

    return json.dumps(asdict(data), ensure_ascii=False)
