"""Input files (TOML) and `--set KEY=VALUE`: key → checked value. Bad input ends in one sentence that names the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustermark.apps.console.keys import Key
from clustermark.apps.console.values import CHECKS, Check, checked, kind_of
from clustermark.core.errors import UsageError, nearest, plain

# What a word after `--set key=` may hold to be taken as text without quotes.
_BARE_TEXT = re.compile(r"[A-Za-z0-9_./~+-]+")


@dataclass(frozen=True)
class Values:
    """What an input gives.

    Attributes
    ----------
    values : every key → its checked value, or its default
    given : keys that stand in the file or on the command line
    """

    values: dict[str, Any]
    given: set[str]

    def section(self, name: str) -> dict[str, Any]:
        """The values of one table of the file, by the part of their keys behind the dot."""
        return {key.partition(".")[2]: value for key, value in self.values.items() if key.startswith(name + ".")}


@dataclass(frozen=True)
class Language:
    """What a program's input files may hold.

    Attributes
    ----------
    program : how it is started, for the advice to list all keys: "python -m clustermark.apps.md"
    keys : "table.key" or "key" → what it is; paths of kind "path" and "paths" are made absolute
    checks : kinds of keys beside the general ones
    example : a "key=value", for the advice on `--set`
    """

    program: str
    keys: Mapping[str, Key]
    checks: Mapping[str, Check]
    example: str


def read_text(path: Path) -> str:
    """The text of an input file. Raises UsageError."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "is not UTF-8 text"
        raise UsageError(f"input {shown_path(path)}: cannot be read ({plain(reason)}); give a TOML file") from None


def shown_path(path: Path) -> str:
    """A path as part of a sentence."""
    return plain(str(path), 200)


def parsed(text: str, where: str) -> dict[str, Any]:
    """The nested tables of TOML text; `where` names it in messages. Raises UsageError."""
    try:
        return tomllib.loads(text)
    except (RecursionError, ValueError) as error:
        raise UsageError(f"input {where}: is not TOML ({plain(str(error), 200)}); mend that line") from None


def values_of(
    data: Mapping[str, Any], language: Language, where: str, folder: Path, overrides: Sequence[str] = ()
) -> Values:
    """Check the tables of an input against the keys.

    Parameters
    ----------
    data : nested tables as a TOML parser returns them
    where : the file, for messages
    folder : paths of the file are relative to it
    overrides : "key=value" with a value as in TOML; text needs no quotes; an empty value removes the key; paths
        are relative to the current folder

    Raises
    ------
    UsageError : an unknown key, or a value that its key does not allow
    """
    given = _flat(data, language, where)
    for words in overrides:
        _override(given, words, language)
    checks = {**CHECKS, **language.checks}
    values: dict[str, Any] = {}
    for name, key in language.keys.items():
        value = key.default
        if name in given:
            value = checked(given[name], key, f"input {where}: {name}", checks)
        if key.kind in ("path", "paths") and value:
            value = _absolute(value, folder)
        values[name] = value
    return Values(values, set(given))


def _flat(data: Mapping[str, Any], language: Language, where: str) -> dict[str, Any]:
    """Dotted key → value; unknown names end here."""
    tables = {name.partition(".")[0] for name in language.keys if "." in name}
    given: dict[str, Any] = {}
    for name, value in data.items():
        if name in tables:
            if not isinstance(value, Mapping):
                raise UsageError(f"input {where}: {name} is {kind_of(value)}, expected a table; write [{name}]")
            given |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            given[name] = value
    for name in given:
        if name not in language.keys:
            raise _unknown(name, f"input {where}", language)
    return given


def _unknown(name: str, where: str, language: Language) -> UsageError:
    return UsageError(
        f"{where}: unknown key '{plain(name)}'{nearest(plain(name), language.keys)}; remove or rename it "
        f"(`{language.program} keys` lists all)"
    )


def _override(given: dict[str, Any], words: str, language: Language) -> None:
    """Apply one "key=value" of the command line; paths are then relative to the current folder."""
    name, sign, text = words.partition("=")
    name, text = name.strip(), text.strip()
    if not sign:
        raise UsageError(f"--set {plain(words)}: has no '='; write --set {language.example}")
    if name not in language.keys:
        raise _unknown(name, "--set", language)
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
    if language.keys[name].kind in ("path", "paths"):
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
