"""Text for people, aligned and without colour, and the frame of every JSON document."""

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SCHEMA_VERSION = 1
WIDTH = 110


def columns(rows: Iterable[Sequence[str]], header: Sequence[str] = (), indent: str = "  ") -> list[str]:
    """Lines of a table: every column as wide as its widest cell, the last one as long as it likes.

    Parameters
    ----------
    rows : of equal length
    header : names of the columns, () for none
    indent : before every line
    """
    table = [[str(cell) for cell in row] for row in ([header] if header else []) + list(rows)]
    if not table:
        return []
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)]
    return [
        indent + "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in table
    ]


def wrapped(text: str, indent: str, width: int = WIDTH) -> list[str]:
    """A sentence in lines of at most `width`; words, and with them paths and commands, stay whole."""
    lines = textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return lines or [indent.rstrip()]


def section(title: str, lines: Iterable[str]) -> list[str]:
    """A title, its lines and an empty line; nothing at all without lines."""
    body = list(lines)
    return [title, *body, ""] if body else []


def print_lines(lines: Iterable[str]) -> None:
    """To stdout, without an empty line at the end."""
    print("\n".join(lines).rstrip("\n"), flush=True)


def print_json(verb: str, data: Mapping[str, Any]) -> None:
    """The one JSON document of a verb to stdout."""
    print(json.dumps({"schema_version": SCHEMA_VERSION, "verb": verb, **data}, indent=1, allow_nan=False), flush=True)


def cannot_draw(error: ImportError) -> str:
    """That a package which draws charts is not there, with the command that mends it."""
    return f"{error.name or error} is not installed; `pip install altair vl-convert-python`"
