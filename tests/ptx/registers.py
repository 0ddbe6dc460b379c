"""Registers: one value per thread, and whether the thread has written it."""

from __future__ import annotations

import numpy as np

from ptx.faults import UninitialisedRegisterError
from ptx.formats import FORMATS, Format, bits_of

Lanes = slice | np.ndarray
# All threads of the wave: a slice is much faster than a list of all numbers.
EVERY = slice(None)


def numbers(lanes: Lanes, threads: int) -> np.ndarray:
    """Numbers of the threads that lanes stand for."""
    return np.arange(threads) if isinstance(lanes, slice) else lanes


class Register:
    """One register of all threads of a wave: bits, and which threads have written it."""

    def __init__(self, name: str, form: Format, threads: int) -> None:
        self.name = name
        self.form = form
        self.bits = np.zeros(threads, form.raw)
        self.defined = np.zeros(threads, np.bool_)
        self.complete = False
        # The lanes that were last seen to have written it: a straight run of code asks for the same again and again.
        self.known_for: Lanes | None = None

    def need(self, lanes: Lanes) -> None:
        """Complain where a thread has not written it."""
        if self.complete or self.known_for is lanes:
            return
        known = self.defined[lanes]
        if not known.all():
            first = numbers(lanes, self.bits.size)[np.flatnonzero(~known)[0]]
            raise UninitialisedRegisterError(
                f"register {self.name} is used but was never written by this thread", int(first)
            )
        self.known_for = lanes

    def read(self, lanes: Lanes, form: Format) -> np.ndarray:
        """Values in a type; the lower bits where the register is wider."""
        self.need(lanes)
        return self.peek(lanes, form)

    def peek(self, lanes: Lanes, form: Format) -> np.ndarray:
        """As `read`, also where nothing was written."""
        bits = self.bits[lanes]
        if bits.dtype != form.raw:
            bits = bits.astype(form.raw)
        return bits.view(form.values)

    def write(self, lanes: Lanes, values: np.ndarray, form: Format) -> None:
        """Store values of a type; narrower ones are extended by their kind."""
        bits = bits_of(values) if form.kind in "fp" or form.bits >= self.form.bits else values
        if bits.dtype != self.bits.dtype:
            if form.kind == "s" and form.bits < self.form.bits:
                bits = bits.view(form.values).astype(FORMATS[f"s{self.form.bits}"].values)
            bits = bits.astype(self.bits.dtype)
        self.bits[lanes] = bits
        self._mark(lanes)

    def _mark(self, lanes: Lanes) -> None:
        if self.complete:
            return
        if isinstance(lanes, slice):
            self.complete = True
        else:
            self.defined[lanes] = True
            self.known_for = lanes

    def write_partly(self, lanes: Lanes, values: np.ndarray, form: Format, defined: np.ndarray | None) -> None:
        """As `write`; `defined` says which of the values are values at all (None: all of them)."""
        if defined is None or defined.all():
            self.write(lanes, values, form)
            return
        was = np.ones_like(self.defined) if self.complete else self.defined.copy()
        self.write(lanes, values, form)
        was[lanes] = defined
        self.complete, self.defined, self.known_for = False, was, None

    def definedness(self, lanes: Lanes) -> np.ndarray | None:
        """Which threads have written it; None for all."""
        if self.complete:
            return None
        return self.defined[lanes]
