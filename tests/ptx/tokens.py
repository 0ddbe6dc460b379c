"""PTX text cut into tokens with their lines (PTX ISA, 4 "Syntax")."""

from __future__ import annotations

import re
from typing import NamedTuple

from ptx.faults import UnreadablePtxError

_TOKEN = re.compile(
    r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/|\#[^\n]*)
  | (?P<text>"(?:[^"\\\n]|\\.)*")
  | (?P<number>0[fF][0-9a-fA-F]{8}\b|0[dD][0-9a-fA-F]{16}\b|0[xX][0-9a-fA-F]+U?|\d+\.\d+(?:[eE][-+]?\d+)?|\d+U?)
  | (?P<word>[.%$_A-Za-z][\w$.]*(?:::[\w.]+)*)
  | (?P<mark>[{}()\[\],;:@!|+\-=<>*~])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)


class Token(NamedTuple):
    """A piece of text: kind "text", "number", "word", "mark" or "end", and the line it stands in."""

    kind: str
    text: str
    line: int


def tokenise(text: str) -> list[Token]:
    """All tokens of a PTX text, a token of kind "end" last.

    Raises
    ------
    UnreadablePtxError : at a character that no token begins with
    """
    found: list[Token] = []
    place, line = 0, 1
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise UnreadablePtxError(f"PTX line {line}: {text[place]!r} begins no PTX token; is this the whole file?")
        kind = str(match.lastgroup)
        if kind != "skip":
            found.append(Token(kind, match[0], line))
        line += match[0].count("\n")
        place = match.end()
    found.append(Token("end", "", line))
    return found
