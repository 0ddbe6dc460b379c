"""One number per slot on the GPU: the entries of slot_numbers.py, same names and arguments, one thread per number."""

from __future__ import annotations

from typing import Any

from clustermark.apps.md.launch_cuda import THREADS, blocks_of
from clustermark.devices.launch_cuda import launch
from clustermark.devices.numba_cuda import cuda


@cuda.jit(cache=True)
def take_numbers(values, slots, taken):
    """One number; see slot_numbers.take."""
    k = cuda.grid(1)
    if k < slots.size:
        taken[k] = values[slots[k]]


@cuda.jit(cache=True)
def put_numbers(numbers, slots, values):
    """One number; see slot_numbers.put."""
    k = cuda.grid(1)
    if k < slots.size:
        values[slots[k]] = numbers[k]


@cuda.jit(cache=True)
def add_numbers(numbers, slots, values):
    """One number; see slot_numbers.add."""
    k = cuda.grid(1)
    if k < slots.size:
        values[slots[k]] += numbers[k]


def take(values: Any, slots: Any, taken: Any) -> None:
    """taken[k] = values[slots[k]]; as slot_numbers.take."""
    if slots.size:
        launch(take_numbers, blocks_of(slots.size), THREADS)(values, slots, taken)


def put(numbers: Any, slots: Any, values: Any) -> None:
    """values[slots[k]] = numbers[k]; as slot_numbers.put."""
    if slots.size:
        launch(put_numbers, blocks_of(slots.size), THREADS)(numbers, slots, values)


def add(numbers: Any, slots: Any, values: Any) -> None:
    """values[slots[k]] += numbers[k]; as slot_numbers.add."""
    if slots.size:
        launch(add_numbers, blocks_of(slots.size), THREADS)(numbers, slots, values)
