"""One value of an input file against the kind its key asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from clustermark.apps.md.keys import LARGEST, SMALLEST, Key
from clustermark.core.errors import UsageError, nearest, plain

_KINDS: dict[type, str] = {
    bool: "true/false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
}


def kind_of(value: object) -> str:
    """What a TOML value is, in words: "a list"."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def checked(value: object, key: Key, where: str) -> Any:
    """The value as the key's kind: text, int, float, bool, or a tuple of them.

    Parameters
    ----------
    value : as the TOML parser returned it
    key : what is asked for
    where : the key's path, for the message

    Raises
    ------
    UsageError : of another kind, not finite, out of bounds, not one of the choices
    """
    return _CHECKS[key.kind](value, key, where)


def _short(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of over 20 digits"  # Python refuses to print the longest ones
    return plain(repr(value), 40) if isinstance(value, bool | int | float | str) else kind_of(value)


def _choice(value: object, key: Key, where: str) -> str:
    text = _text(value, key, where)
    if text not in key.choices:
        raise UsageError(f"{where}: is '{plain(text)}'{nearest(text, key.choices)}; choose one of those names")
    return text


def _text(value: object, key: Key, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where}: is {kind_of(value)} ({_short(value)}), expected text in quotes")
    if not value.isprintable() or len(value) > 1000:
        raise UsageError(f"{where}: holds control characters or over 1000 characters; use one plain line")
    return value


def _boolean(value: object, key: Key, where: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{where}: is {kind_of(value)} ({_short(value)}), expected true or false")
    return value


def _whole(value: object, key: Key, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{where}: is {kind_of(value)} ({_short(value)}), expected a whole number")
    if not key.low <= value <= key.high:
        raise UsageError(f"{where}: is {_short(value)}, expected {int(key.low)} to {int(key.high)}")
    return value


def _number(value: object, key: Key, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{where}: is {kind_of(value)} ({_short(value)}), expected a number")
    if not (math.isfinite(value) if isinstance(value, float) else abs(value) <= LARGEST):
        raise UsageError(f"{where}: is {_short(value)}, expected a finite number")
    if not key.low <= value <= key.high:
        least = "above 0" if key.low == SMALLEST else f"of {key.low:g} or more"
        raise UsageError(f"{where}: is {_short(value)}, expected a number {least} and up to {key.high:g}")
    return float(value)


def _cells(value: object, key: Key, where: str) -> tuple[int, ...]:
    items = value if isinstance(value, list) else [value] * 3
    if len(items) != 3:
        raise UsageError(f"{where}: has {len(items)} numbers, expected one or three, such as [20, 20, 20]")
    cells = tuple(_whole(item, key, where) for item in items)
    if math.prod(cells) > 10**11:
        raise UsageError(f"{where}: makes {4 * math.prod(cells)} atoms; choose fewer cells")
    return cells


def _list_of(one: Callable[[object, Key, str], Any]) -> Callable[[object, Key, str], tuple[Any, ...]]:
    def check(value: object, key: Key, where: str) -> tuple[Any, ...]:
        items = value if isinstance(value, list) else [value]
        if not items:
            raise UsageError(f"{where}: is an empty list; give at least one value or remove the key")
        return tuple(one(item, key, where) for item in items)

    return check


def _name(value: object, key: Key, where: str) -> str:
    text = _text(value, key, where)
    if not text or len(text) > 16 or any(c.isspace() or c in "\"'=," for c in text):
        raise UsageError(f"{where}: '{plain(text)}' is no name of a type; use up to 16 letters and digits")
    return text


def _pair(value: object, key: Key, where: str) -> dict[str, Any]:
    known = ("types", "epsilon", "sigma", "cutoff")
    if not isinstance(value, Mapping):
        raise UsageError(
            f"{where}: holds {kind_of(value)}, expected tables {{types = ['A', 'B'], epsilon = 1, sigma = 1}}"
        )
    for name in value:
        if name not in known:
            raise UsageError(f"{where}: unknown key '{plain(name)}'{nearest(plain(name), known)}; remove or rename it")
    missing = [name for name in known[:3] if name not in value]
    if missing:
        raise UsageError(f"{where}: a pair has no {' and no '.join(missing)}; add it")
    types = _list_of(_name)(value["types"], key, f"{where}.types")
    if len(types) != 2:
        raise UsageError(f"{where}.types: names {len(types)} types, expected two, such as ['A', 'B']")
    return {
        "types": types,
        "epsilon": _number(value["epsilon"], Key("number", None, "", "", low=0.0), f"{where}.epsilon"),
        "sigma": _number(value["sigma"], key, f"{where}.sigma"),
        "cutoff": _number(value["cutoff"], key, f"{where}.cutoff") if "cutoff" in value else None,
    }


_CHECKS: dict[str, Callable[[object, Key, str], Any]] = {
    "choice": _choice,
    "text": _text,
    "path": _text,
    "whole": _whole,
    "number": _number,
    "boolean": _boolean,
    "cells": _cells,
    "numbers": _list_of(_number),
    "names": _list_of(_name),
    "paths": _list_of(_text),
    "pairs": _list_of(_pair),
}
