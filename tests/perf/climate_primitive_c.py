"""climate_damping.c beside the kernels of climate_primitive.py: damping by hand, bare rows of a damping and a stage."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from climate_shallow_data import Array, DisagreementError
from climate_shallow_sides import compile_c
from md_sides import PeerError

# Largest difference of a result over the largest change that the damping makes of its field, rounding left out.
BOUNDS = {"float64": 1e-12, "float32": 5e-6}


def _pointers(*arrays: Array) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(array.ctypes.data) for array in arrays]


def c_calls(
    folder: Path,
    fields: Sequence[Array],
    start: Sequence[Array],
    metric: Sequence[Array],
    strength: float,
    shape: tuple[int, int, int],
    place: tuple[int, int, int, int],
    threads: int,
    new: Sequence[Array],
) -> tuple[dict[str, Callable[[], Any]], str]:
    """Calls of the C side by name, and its compiler.

    Parameters
    ----------
    fields, start, new : u, v, θ flat, read and written; `start` only by the rows of a stage
    metric : cosφ of cells and of north faces
    strength : ν₄Δt/(aΔ)⁴
    shape : levels, padded rows, pitch
    place : region as kernels take it

    Raises
    ------
    PeerError : where gcc does not compile it
    """
    library, version = compile_c(folder, str(fields[0].dtype), "climate_damping")
    longs = [ctypes.c_long(number) for number in (*shape, *place)]
    team = ctypes.c_int(threads)
    ends = *longs, team, *_pointers(*new)
    before = _pointers(*fields), _pointers(*start)

    def damp() -> None:
        if library.damp(*before[0], *_pointers(*metric), ctypes.c_double(strength), *ends):
            raise PeerError("the C side found no memory for its rows")

    return {
        "damping in C": damp,
        "rows of a damping": lambda: library.rows_of_damping(*before[0], *ends),
        "rows of a stage": lambda: library.rows_of_stage(*before[0], *before[1], *ends),
    }, version


def agree_on_damping(ours: Sequence[Array], other: Sequence[Array], before: Sequence[Array]) -> None:
    """Raises DisagreementError unless both dampings of u, v, θ are the same to rounding."""
    for name, mine, its, start in zip(("u", "v", "theta"), ours, other, before, strict=True):
        rounding = float(np.finfo(mine.dtype).eps * np.abs(mine).max())
        error = (float(np.abs(mine - its).max()) - rounding) / float(np.abs(mine - start).max())
        if not error <= BOUNDS[str(mine.dtype)]:
            raise DisagreementError(f"C damps {name} otherwise: {error:.1e} of the largest change beside ours")
