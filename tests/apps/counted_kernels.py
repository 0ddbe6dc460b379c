"""Counts what a CPU kernel does from its own source: its Python runs on numbers that write down their arithmetic.

The intrinsics of `devices/simd*.py` are replaced by stand-ins of one lane, compiled functions by their Python. Of one
turn of a loop an operation counts once however often it is written, and only where something stored needs it, as in
compiled code. Operations on plain numbers, such as the factors of a row, are no work on cells or pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ARITHMETIC = ("+", "-", "*", "/", "root")


class Number:
    """A value by the operation that makes it; equal operations of one turn are one object."""

    __slots__ = ("arguments", "operation", "trace")

    def __init__(self, trace: Trace, operation: Any, arguments: tuple[Any, ...]) -> None:
        """Made by Trace.number alone."""
        self.trace, self.operation, self.arguments = trace, operation, arguments

    def __add__(self, other: Any) -> Number:
        return self.trace.plus(self, other)

    def __radd__(self, other: Any) -> Number:
        return self.trace.plus(other, self)

    def __sub__(self, other: Any) -> Number:
        return self.trace.minus(self, other)

    def __rsub__(self, other: Any) -> Number:
        return self.trace.minus(other, self)

    def __mul__(self, other: Any) -> Number:
        return self.trace.times(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Number:
        return self.trace.number("/", self, other)

    def __rtruediv__(self, other: Any) -> Number:
        return self.trace.number("/", other, self)

    def __lt__(self, other: Any) -> Number:
        return self.trace.number("less", self, other)


@dataclass
class Trace:
    """What a kernel loaded, made and stored.

    Attributes
    ----------
    turn : of any loop; a value that is loaded in a later one is another number
    results : numbers that were stored
    loaded, stored : address → bytes of the elements
    """

    turn: int = 0
    known: dict[Any, Number] = field(default_factory=dict)
    results: list[Number] = field(default_factory=list)
    loaded: dict[int, int] = field(default_factory=dict)
    stored: dict[int, int] = field(default_factory=dict)

    def number(self, operation: Any, *arguments: Any) -> Number:
        """The number of an operation; a + b is b + a."""
        names = [id(one) if isinstance(one, Number) else repr(one) for one in arguments]
        key = (operation, *(sorted(names, key=str) if operation in ("+", "*") else names))
        if key not in self.known:
            self.known[key] = Number(self, operation, arguments)
        return self.known[key]

    def plus(self, left: Any, right: Any) -> Number:
        """left + right; a negative is subtracted."""
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Number) and one.operation == "negative":
                return self.minus(other, one.arguments[0])
        return self.number("+", left, right)

    def minus(self, left: Any, right: Any) -> Number:
        """left − right; a negative is added, and 0 − x is a negative, which costs nothing where it is used."""
        if isinstance(right, Number) and right.operation == "negative":
            return self.plus(left, right.arguments[0])
        if not isinstance(left, Number) and left == 0:
            return self.number("negative", right)
        return self.number("-", left, right)

    def times(self, left: Any, right: Any) -> Number:
        """left · right, the sign outside."""
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Number) and one.operation == "negative":
                return self.number("negative", self.times(one.arguments[0], other))
        return self.number("*", left, right)

    def load(self, array: Any, index: Any) -> Any:
        """An element; of arrays of whole numbers, which are places, the number itself."""
        if array.dtype.kind != "f":
            return int(array[index])
        address = array.ctypes.data + int(index) * array.itemsize
        self.loaded[address] = array.itemsize
        return self.number("element", address, self.turn)

    def store(self, array: Any, index: Any, value: Any) -> None:
        """What is stored must have been made."""
        self.stored[array.ctypes.data + int(index) * array.itemsize] = array.itemsize
        if isinstance(value, Number):
            self.results.append(value)

    def turns(self, *bounds: Any) -> Iterator[int]:
        """`range`; each turn is a new one."""
        for index in range(*(int(bound) for bound in bounds)):
            self.turn += 1
            yield index

    def flops(self) -> int:
        """Operations that the stored numbers need, each once."""
        seen: set[int] = set()
        waiting = list(self.results)
        total = 0
        while waiting:
            one = waiting.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            total += one.operation in ARITHMETIC
            waiting += [other for other in one.arguments if isinstance(other, Number)]
        return total

    def traffic(self, arrays: Iterable[Any]) -> int:
        """[B] of the elements of some arrays that were loaded, and of those that were stored, each once."""
        spans = [(array.ctypes.data, array.ctypes.data + array.nbytes) for array in arrays]
        places = [*self.loaded.items(), *self.stored.items()]
        return sum(size for address, size in places if any(first <= address < last for first, last in spans))

    def stand_ins(self) -> dict[str, Any]:
        """Name → what takes the place of the intrinsic of that name, vectors of one lane."""

        def add_to_element(array: Any, index: Any, value: Any) -> None:
            self.store(array, index, self.load(array, index) + value)

        def rows(table: Any, index: Any) -> tuple[Any, ...]:
            return tuple(self.load(table, 4 * index + column) for column in range(4))

        return {
            "load": lambda array, index, width: self.load(array, index),
            "store": self.store,
            "store_first": lambda array, index, value, count: self.store(array, index, value) if count > 0 else None,
            "element": self.load,
            "add_to_element": add_to_element,
            "rows": rows,
            "lanes": lambda width: 1,
            "ordered": lambda width: width,
            "splat": lambda value, width: value if isinstance(value, Number) else self.number("constant", value),
            "zeros_like": lambda value: 0,
            "converted": lambda value, like: value,
            "total": lambda value: value,
            "select": lambda mask, yes, no: self.number("select", mask, yes, no),
            "both": lambda one, other: self.number("both", one, other),
            "magnitude": lambda value: self.number("magnitude", value),
            "truncated": lambda value, most: 0,
            "square_root": lambda value: self.number("root", value),
            "multiply_add": lambda a, b, c: a * b + c,
            "ask_for": lambda array, index: None,
            "ask_to_write": lambda array, index: None,
            "range": self.turns,
        }


def traced(
    monkeypatch: pytest.MonkeyPatch, modules: Iterable[ModuleType], replacements: Mapping[str, Any], call: Callable
) -> Trace:
    """The trace of a call of Python functions of kernels, in whose modules everything compiled is replaced.

    Parameters
    ----------
    replacements : more names of those modules, and what stands in for them
    """
    trace = Trace()
    stand_ins = {**trace.stand_ins(), **replacements}
    with monkeypatch.context() as patch:
        for module in modules:
            for name, value in list(vars(module).items()):
                if name not in stand_ins and hasattr(value, "py_func"):
                    patch.setattr(module, name, value.py_func)
            for name, value in stand_ins.items():
                if hasattr(module, name) or name in ("range", "float", "int", "min", "max"):
                    patch.setattr(module, name, value, raising=False)
        call(trace)
    return trace


def each(count: Callable[[int, int], tuple[int, ...]]) -> list[int]:
    """What one more of each of two sizes adds to every count: a cell, with no rim and no beginning."""
    parts = zip(count(4, 4), count(4, 3), count(3, 4), count(3, 3), strict=True)
    return [both - high - wide + small for both, high, wide, small in parts]


def random_array(rng: np.random.Generator, size: int, dtype: str = "float64") -> Any:
    """Numbers that no formula makes equal by chance."""
    return (1.0 + rng.random(size)).astype(dtype)
