"""A suite file: what to run, as the cross product of lists. Bad input ends in one sentence."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from clustermark.core.errors import UsageError, nearest, plain

AXES = ("precision", "device", "transport", "fabric", "ranks", "ranks_per_node", "threads")
_NUMBER_AXES = ("ranks", "ranks_per_node", "threads")
_LARGEST = {"ranks": 1_000_000, "ranks_per_node": 4096, "threads": 4096}


SYNCHRONISATIONS = ("barrier", "window")


@dataclass(frozen=True)
class Sampling:
    """How long each case of each launch is sampled.

    Attributes
    ----------
    seconds : [s] cap on the timed samples of one case
    min_samples, max_samples : count limits
    interval : relative half-width of the 95 % interval at which sampling stops (2.5 × that below 10 µs)
    timeout : [s] without news after which a launch is taken for hung
    cold : the device's last cache is flushed before each sample, and a sample is one step; devices with a flush only
    synchronisation : what lines the ranks up before a window: "barrier", or "window" for a time of synchronised clocks
    """

    seconds: float = 0.5
    min_samples: int = 10
    max_samples: int = 1000
    interval: float = 0.02
    timeout: float = 60.0
    cold: bool = False
    synchronisation: str = "barrier"


@dataclass(frozen=True)
class Block:
    """One `[[matrix]]` table: axes and parameters as tuples of values."""

    workload: str
    axes: Mapping[str, tuple[Any, ...]]
    params: Mapping[str, tuple[Any, ...]]
    where: str


@dataclass(frozen=True)
class Suite:
    """A suite file, checked for its form; names are checked against the tables by the plan."""

    name: str
    summary: str
    launches: int
    seed: int
    sampling: Sampling
    blocks: tuple[Block, ...]
    overrides: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


def load_suite(path: Path) -> Suite:
    """Read a suite file.

    Raises
    ------
    UsageError : not there, not readable, not TOML, an unknown key, a value of the wrong kind
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise UsageError(f"suite {path}: cannot be read ({error.strerror}); give a TOML file") from None
    except UnicodeDecodeError:
        raise UsageError(f"suite {path}: is not UTF-8 text; give a TOML file") from None
    return parse_suite(text, str(path), path.stem)


def parse_suite(text: str, where: str, name: str = "suite") -> Suite:
    """A suite from TOML text; `where` names it in messages. Raises UsageError."""
    where = plain(where, 1000)
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"suite {where}: is not TOML ({plain(str(error), 200)}); mend that line") from None
    _only_known(data, ("name", "summary", "launches", "seed", "sampling", "matrix"), f"suite {where}")
    tables = data.get("matrix")
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        raise UsageError(f'suite {where}: has no [[matrix]] table; add one with at least workload = "gemm"')
    return Suite(
        name=_text(data.get("name", name), f"suite {where}: name"),
        summary=_text(data.get("summary", ""), f"suite {where}: summary"),
        launches=_whole(data.get("launches", 1), f"suite {where}: launches", 1, 1000),
        seed=_whole(data.get("seed", 0), f"suite {where}: seed", 0, 2**63 - 1),
        sampling=_sampling(data.get("sampling", {}), f"suite {where}: sampling"),
        blocks=tuple(_block(t, f"suite {where}: matrix {i + 1}") for i, t in enumerate(tables)),
    )


def _block(table: Mapping[str, Any], where: str) -> Block:
    _only_known(table, ("workload", "params", *AXES), where)
    if "workload" not in table:
        raise UsageError(f'{where}: names no workload; add workload = "gemm" or another from `clustermark list`')
    axes = {
        key: check_axis(key, plain_values(table[key], f"{where}: {key}"), f"{where}: {key}")
        for key in AXES
        if key in table
    }
    params = table.get("params", {})
    if not isinstance(params, dict):
        raise UsageError(f"{where}: params is {_kind(params)}, expected a table such as params = {{ n = [512] }}")
    return Block(
        workload=_text(table["workload"], f"{where}: workload"),
        axes=axes,
        params={key: plain_values(value, f"{where}: params.{plain(key)}") for key, value in params.items()},
        where=where,
    )


def check_axis(axis: str, values: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    """The values of an axis if each is of its kind: whole numbers for ranks and threads, names elsewhere.

    Raises UsageError.
    """
    if axis in _NUMBER_AXES:
        return tuple(_whole(value, where, 1, _LARGEST[axis]) for value in values)
    return tuple(_text(value, where) for value in values)


def _sampling(table: object, where: str) -> Sampling:
    if not isinstance(table, dict):
        raise UsageError(f"{where} is {_kind(table)}, expected a table such as [sampling] seconds = 0.5")
    _only_known(table, [f.name for f in fields(Sampling)], where)
    default = Sampling()
    least = _whole(table.get("min_samples", default.min_samples), f"{where}.min_samples", 1, 10**6)
    most = _whole(table.get("max_samples", default.max_samples), f"{where}.max_samples", 1, 10**6)
    if most < least:
        raise UsageError(f"{where}: max_samples is {most}, below min_samples = {least}; raise max_samples")
    return Sampling(
        seconds=_number(table.get("seconds", default.seconds), f"{where}.seconds", 1e-6, 86400.0),
        min_samples=least,
        max_samples=most,
        interval=_number(table.get("interval", default.interval), f"{where}.interval", 1e-6, 1.0),
        timeout=_number(table.get("timeout", default.timeout), f"{where}.timeout", 1.0, 864000.0),
        cold=_switch(table.get("cold", default.cold), f"{where}.cold"),
        synchronisation=_one_of(
            table.get("synchronisation", default.synchronisation), SYNCHRONISATIONS, f"{where}.synchronisation"
        ),
    )


def _only_known(table: Mapping[str, Any], known: Any, where: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"{where}: unknown key '{plain(key)}'{nearest(key, known)}; remove or rename it")


def _kind(value: object) -> str:
    names = {
        bool: "true/false",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def plain_values(value: object, where: str) -> tuple[Any, ...]:
    """A value or a list of them as a tuple of booleans, 64-bit integers, finite numbers, lines of text.

    Raises
    ------
    UsageError : an empty list, or anything that cannot be the value of a parameter
    """
    values = value if isinstance(value, list | tuple) else [value]
    if not values:
        raise UsageError(f"{where}: is an empty list, so the block has no case; give at least one value")
    for item in values:
        if not isinstance(item, bool | int | float | str):
            raise UsageError(f"{where}: holds {_kind(item)}, expected plain values")
        if isinstance(item, int) and not -(2**63) <= item < 2**63:
            raise UsageError(f"{where}: holds a whole number of more than 64 bits; give a smaller one")
        if isinstance(item, float) and not math.isfinite(item):
            raise UsageError(f"{where}: is {item}, expected a finite number")
        if isinstance(item, str):
            _text(item, where)
    return tuple(values)


def _short(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of over 20 digits"  # Python refuses to print the longest ones
    return plain(repr(value) if isinstance(value, bool | int | float | str) else _kind(value), 40)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where}: is {_kind(value)}, expected text in quotes")
    if not value.isprintable() or len(value) > 1000:
        raise UsageError(f"{where}: holds control characters or over 1000 characters; use one plain line")
    return value


def _one_of(value: Any, known: tuple[str, ...], where: str) -> str:
    if value not in known:
        raise UsageError(f"{where}: is {plain(repr(value))}, expected {' or '.join(repr(name) for name in known)}")
    return value


def _switch(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{where}: is {_kind(value)} ({_short(value)}), expected true or false")
    return value


def _whole(value: object, where: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{where}: is {_kind(value)} ({_short(value)}), expected a whole number")
    if not low <= value <= high:
        raise UsageError(f"{where}: is {_short(value)}, expected {low} to {high}")
    return value


def _number(value: object, where: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{where}: is {_kind(value)} ({_short(value)}), expected a number")
    if not low <= value <= high:
        raise UsageError(f"{where}: is {_short(value)}, expected {low:g} to {high:g}")
    return float(value)
