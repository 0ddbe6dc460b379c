"""What an arithmetic instruction is to the linker: types of its operands, and a function of arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ptx.exact import MODES, flushed
from ptx.faults import UnsupportedInstructionError
from ptx.formats import FORMATS, PACKED, Format
from ptx.syntax import Instruction


@dataclass(frozen=True)
class Operation:
    """One decoded arithmetic instruction.

    Attributes
    ----------
    result : type of the destination
    sources : types of the sources
    compute : arrays of the sources → array of the result; with `carry_in` the flags come first, with `carry_out` it
        returns (array, flags)
    transparent : "copy" or "select" where an unwritten source may pass through
    """

    result: Format
    sources: tuple[Format, ...]
    compute: Callable[..., Any]
    carry_in: bool = False
    carry_out: bool = False
    transparent: str = ""


class Shape:
    """The modifiers of an instruction, sorted into types and the rest."""

    def __init__(self, instruction: Instruction) -> None:
        self.instruction = instruction
        self.forms = [FORMATS[name] for name in instruction.modifiers if name in FORMATS]
        self.rest = tuple(name for name in instruction.modifiers if name not in FORMATS)

    @property
    def form(self) -> Format:
        """The only, or last, type."""
        if not self.forms:
            raise self.unsupported("it has no type")
        return self.forms[-1]

    def allow(self, *names: str) -> None:
        """Refuse what is not in the list."""
        unknown = [name for name in self.rest if name not in names]
        if unknown:
            raise self.unsupported(f"the interpreter does not know .{unknown[0]} here")

    def has(self, name: str) -> bool:
        """Whether a modifier stands there."""
        return name in self.rest

    @property
    def mode(self) -> str:
        """Rounding mode."""
        return next((name for name in self.rest if name in MODES), "rn")

    def kinds(self, *allowed: str) -> Format:
        """The type, refused where its kind is not allowed: "i" any integer, "f", "p", or names of types."""
        form = self.form
        kind = "i" if form.kind in "bus" and form.name not in PACKED else form.kind
        if kind not in allowed and form.name not in allowed:
            raise self.unsupported(f"the interpreter does not know it for .{form.name}")
        return form

    def unsupported(self, why: str) -> UnsupportedInstructionError:
        """A refusal that names line and instruction."""
        line, text = self.instruction.line, self.instruction.text
        return UnsupportedInstructionError(f"PTX line {line}: instruction not supported, {why}: {text}")

    def flushing(self, compute: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        """`compute` with .ftz (float32) and .sat as the modifiers ask."""
        flush = self.has("ftz") and self.form.bits == 32
        saturate = self.has("sat")
        if not flush and not saturate:
            return compute

        def wrapped(*arrays: np.ndarray) -> np.ndarray:
            result = compute(*(flushed(array) for array in arrays)) if flush else compute(*arrays)
            if flush:
                result = flushed(result)
            if saturate:
                result = np.where(np.isnan(result), 0, np.clip(result, 0, 1)).astype(result.dtype)
            return result

        return wrapped


Builder = Callable[[Shape], Operation]


def alike(shape: Shape, number: int, compute: Callable[..., np.ndarray]) -> Operation:
    """An operation whose result and `number` sources have one type."""
    return Operation(shape.form, (shape.form,) * number, compute)
