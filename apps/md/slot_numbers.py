"""One number per slot: taken out of some slots, put there, added there. No slot stands twice."""

from __future__ import annotations

from typing import Any


def take(values: Any, slots: Any, taken: Any) -> None:
    """taken[k] = values[slots[k]].

    Parameters
    ----------
    values : one number per slot
    slots : (n,) int32
    taken : (n,), out
    """
    taken[: slots.size] = values[slots]


def put(numbers: Any, slots: Any, values: Any) -> None:
    """values[slots[k]] = numbers[k]; others stay."""
    values[slots] = numbers[: slots.size]


def add(numbers: Any, slots: Any, values: Any) -> None:
    """values[slots[k]] += numbers[k]; others stay."""
    values[slots] += numbers[: slots.size]
