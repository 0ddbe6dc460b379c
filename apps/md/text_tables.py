"""Reading tables of numbers from text that may be damaged: every complaint names the file and the line."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from clustermark.apps.md.model import Floats
from clustermark.core.errors import UsageError, plain

# Fortran writes exponents with D too. Python's float() would also take inf, nan, 1_000 and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"\+?\d{1,9}", re.ASCII)

# Far beyond any table of physics, but products of two and quotients are still finite.
_LARGEST, _SMALLEST = 1e100, 1e-100

_WHERE_TO_GET = "give the path of the file (Debian's package lammps-data has some in /usr/share/lammps/potentials)"


class TextTable:
    """A text file read line after line; a record of numbers starts on a line of its own and may take several."""

    def __init__(self, name: str, lines: list[str]) -> None:
        """Take the lines of the file called `name`."""
        self.name = name
        self._lines = lines
        self._next = 0

    @classmethod
    def read(cls, path: str | Path) -> TextTable:
        """Open a file; bytes that are no UTF-8 are allowed, they stand in comments.

        Raises
        ------
        UsageError : no such file, or it cannot be read
        """
        name = plain(str(path), 200)
        try:
            return cls(name, Path(path).read_text(encoding="utf-8", errors="replace").splitlines())
        except FileNotFoundError:
            raise UsageError(f"{name} does not exist; {_WHERE_TO_GET}") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"{name} cannot be read ({plain(str(reason))}); {_WHERE_TO_GET}") from None

    def wrong(self, what: str) -> UsageError:
        """The error that the line read last `what`: "has …"."""
        return UsageError(f"{self.name}, line {self._next}, {what}; give an undamaged file in funcfl or setfl format")

    def peek(self, line: int) -> str:
        """A line by its number from 0 on; empty beyond the end."""
        return self._lines[line] if line < len(self._lines) else ""

    def skip(self, lines: int) -> None:
        """Pass over lines of comment."""
        self._next += lines

    def words(self, what: str) -> list[str]:
        """Words of the next line that is not empty.

        Raises
        ------
        UsageError : the file ends before
        """
        while self._next < len(self._lines):
            self._next += 1
            words = self._lines[self._next - 1].split()
            if words:
                return words
        raise UsageError(f"{self.name} ends after {len(self._lines)} lines, before {what}; get the whole file")

    def finish(self) -> None:
        """Look for values beyond what was announced.

        Raises
        ------
        UsageError : the file goes on
        """
        while self._next < len(self._lines):
            self._next += 1
            if self._lines[self._next - 1].split():
                raise self.wrong("goes on beyond the last of the tables that the file announces")

    def numbers(self, count: int, what: str) -> Floats:
        """The next `count` numbers.

        Raises
        ------
        UsageError : too few or too many on their lines, or something that is no number
        """
        found: list[float] = []
        while len(found) < count:
            found += [self.number(word, what) for word in self.words(f"value {len(found) + 1} of {count} of {what}")]
        if len(found) > count:
            raise self.wrong(f"has {len(found) - count} more than the {count} values of {what}")
        return np.array(found)

    def number(self, word: str, what: str, positive: bool = False) -> float:
        """A number below 1e100; Fortran's exponents are understood."""
        value = float(word.replace("D", "e").replace("d", "e")) if _NUMBER.fullmatch(word) else math.nan
        if not abs(value) < _LARGEST or (positive and value < _SMALLEST):
            raise self.wrong(f"has '{plain(word, 20)}' as {what}, expected a {'positive ' if positive else ''}number")
        return value

    def integer(self, word: str, what: str, least: int) -> int:
        """A whole number that is not below `least`."""
        if not _INTEGER.fullmatch(word) or int(word) < least:
            raise self.wrong(f"has '{plain(word, 20)}' as {what}, expected a whole number from {least} on")
        return int(word)
