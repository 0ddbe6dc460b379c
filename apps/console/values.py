"""One value of an input file against the kind its key asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from clustermark.apps.console.keys import LARGEST, SMALLEST, Key
from clustermark.core.errors import UsageError, nearest, plain

Check = Callable[[object, Key, str], Any]

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


def checked(value: object, key: Key, where: str, checks: Mapping[str, Check]) -> Any:
    """The value as the key's kind: text, int, float, bool, or a tuple of them.

    Parameters
    ----------
    value : as the TOML parser returned it
    key : what is asked for
    where : the key's path, for the message
    checks : kind → check; `CHECKS` and those of the application

    Raises
    ------
    UsageError : of another kind, not finite, out of bounds, not one of the choices
    """
    return checks[key.kind](value, key, where)


def shown(value: object) -> str:
    """A value in a message: itself where it is short and plain, else what it is."""
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a number of over 20 digits"  # Python refuses to print the longest ones
    return plain(repr(value), 40) if isinstance(value, bool | int | float | str) else kind_of(value)


def choice(value: object, key: Key, where: str) -> str:
    """One of the key's choices. Raises UsageError."""
    found = text(value, key, where)
    if found not in key.choices:
        raise UsageError(f"{where}: is '{plain(found)}'{nearest(found, key.choices)}; choose one of those names")
    return found


def text(value: object, key: Key, where: str) -> str:
    """One plain line. Raises UsageError."""
    if not isinstance(value, str):
        raise UsageError(f"{where}: is {kind_of(value)} ({shown(value)}), expected text in quotes")
    if not value.isprintable() or len(value) > 1000:
        raise UsageError(f"{where}: holds control characters or over 1000 characters; use one plain line")
    return value


def boolean(value: object, key: Key, where: str) -> bool:
    """True or false. Raises UsageError."""
    if not isinstance(value, bool):
        raise UsageError(f"{where}: is {kind_of(value)} ({shown(value)}), expected true or false")
    return value


def whole(value: object, key: Key, where: str) -> int:
    """A whole number within the key's bounds. Raises UsageError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{where}: is {kind_of(value)} ({shown(value)}), expected a whole number")
    if not key.low <= value <= key.high:
        raise UsageError(f"{where}: is {shown(value)}, expected {int(key.low)} to {int(key.high)}")
    return value


def number(value: object, key: Key, where: str) -> float:
    """A finite number within the key's bounds. Raises UsageError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{where}: is {kind_of(value)} ({shown(value)}), expected a number")
    if not (math.isfinite(value) if isinstance(value, float) else abs(value) <= LARGEST):
        raise UsageError(f"{where}: is {shown(value)}, expected a finite number")
    if not key.low <= value <= key.high:
        least = "above 0" if key.low == SMALLEST else f"of {key.low:g} or more"
        raise UsageError(f"{where}: is {shown(value)}, expected a number {least} and up to {key.high:g}")
    return float(value)


def list_of(one: Check) -> Check:
    """The check of a list whose items pass `one`; a single value is a list of itself."""

    def check(value: object, key: Key, where: str) -> tuple[Any, ...]:
        items = value if isinstance(value, list) else [value]
        if not items:
            raise UsageError(f"{where}: is an empty list; give at least one value or remove the key")
        return tuple(one(item, key, where) for item in items)

    return check


CHECKS: dict[str, Check] = {
    "choice": choice,
    "text": text,
    "path": text,
    "whole": whole,
    "number": number,
    "boolean": boolean,
    "numbers": list_of(number),
    "paths": list_of(text),
}
