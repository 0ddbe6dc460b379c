"""Sums over the sphere that do not depend on the decomposition: fixed-point numbers in two 64-bit integer words.

With every term smaller than 2^E, a term is the whole number nearest to t·2^(31 − E), the upper word, plus the whole
number nearest to 2^32 times what is left, the lower word. Whole numbers are added exactly in any order, so that ranks,
blocks and threads change no bit. A term keeps its bits down to 2^(E − 63), and the sum of n terms is off by at most
n·2^(E − 64) before it is rounded to float64. Hallberg & Adcroft 2014 (Parallel Computing 40, 140) use such words, of
another length, in an ocean model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np

from clustermark.apps.climate.backend import Backend, make_backend
from clustermark.apps.climate.layout import HALO, Array, Floats
from clustermark.core.errors import ClustermarkError

# Bits of a word that one term takes; the others hold the carries of MOST_TERMS terms.
_TERM_BITS = 31
MOST_TERMS = 2**31
# Terms below 2^-900 all count as nothing beside it: their scale would be beyond float64.
_LEAST_EXPONENT = -900


@numba.njit(nogil=True, cache=True, error_model="numpy")
def add_words(values, weights, rows, columns, scale, words):
    """Σ weight·value of the evolved cells of one block in two words.

    Parameters
    ----------
    values, weights : (rows + 2·HALO, …) float64; the halo is not looked at
    rows, columns : evolved ones
    scale : 2^(31 − E)
    words : (3,) int64, added to: upper word, lower word, terms that are no number below 2^E and are left out
    """
    upper, lower, refused = np.int64(0), np.int64(0), np.int64(0)
    for j in range(HALO, HALO + rows):
        for i in range(HALO, HALO + columns):
            scaled = weights[j, i] * values[j, i] * scale
            if abs(scaled) < 2147483648.0:
                whole = np.rint(scaled)
                upper += np.int64(whole)
                lower += np.int64(np.rint((scaled - whole) * 4294967296.0))
            else:
                refused += 1
    words[0] += upper
    words[1] += lower
    words[2] += refused


def scale_cells(values: Array, rows: int, columns: int, factor: float) -> None:
    """Multiply the evolved cells of one block, (rows + 2·HALO, …), by a factor in their dtype."""
    values[HALO : HALO + rows, HALO : HALO + columns] *= values.dtype.type(factor)


def total_of(upper: int, lower: int, exponent: int) -> float:
    """The float64 nearest to (upper·2^32 + lower)·2^(E − 63)."""
    return math.ldexp(float(upper * 2**32 + lower), exponent - _TERM_BITS - 32)


class AreaSums:
    """Σ weight·value over the evolved cells of all ranks, for several fields in one message; collective."""

    def __init__(
        self, comm: Any, weights: Floats, columns: int, largest_weight: float, backend: Backend | None = None
    ) -> None:
        """Sums over this rank's cells and those of the others.

        Parameters
        ----------
        comm : mpi4py communicator, or None for one rank
        weights : (blocks, rows, pitch) float64, padded as fields are
        columns : evolved columns of a block
        largest_weight : of all ranks
        backend : kernels, and the memory that summed fields lie in; None: those of the CPU

        Raises
        ------
        ClustermarkError : so many cells that a word may overflow
        """
        self.comm, self.columns, self.largest_weight = comm, columns, largest_weight
        backend = backend or make_backend("cpu")
        self._kernels, self._memory = backend.sums, backend.memory
        self._words = self._memory.empty((3,), np.int64)
        self._weights = [self._memory.from_host(block) for block in weights]
        self.rows = weights.shape[1] - 2 * HALO
        ranks = 1 if comm is None else comm.size
        # A block more on each side than an even cut gives: blocks of one domain differ by a row and a column.
        terms = ranks * len(weights) * (self.rows + 1) * (self.columns + 1)
        if terms > MOST_TERMS:
            raise ClustermarkError(
                f"a global sum of {terms} terms may overflow its words: expected {MOST_TERMS} or fewer; "
                f"use a coarser grid"
            )

    def of(self, fields: dict[str, Array], bounds: Sequence[float]) -> Floats:
        """One sum per field.

        Parameters
        ----------
        fields : name → (blocks, rows, pitch), float32 or float64
        bounds : (fields,) what |value| stays below, the same on all ranks; each factor of 2 too much costs a bit of 63

        Returns
        -------
        sums : (fields,) float64, the same bits on every rank and on any number of ranks

        Raises
        ------
        ClustermarkError : a value is no finite number or not below its bound, on every rank
        """
        exponents = [max(math.frexp(self.largest_weight * bound)[1], _LEAST_EXPONENT) for bound in bounds]
        words = np.zeros((len(fields), 3), np.int64)
        for field, exponent, sums in zip(fields.values(), exponents, words, strict=True):
            scale = math.ldexp(1.0, _TERM_BITS - exponent)
            self._memory.clear(self._words, 3)
            for block, weights in enumerate(self._weights):
                self._kernels.add_words(field[block], weights, self.rows, self.columns, scale, self._words)
            sums[:] = self._memory.to_host(self._words)
        totals = words
        if self.comm is not None:
            totals = np.empty_like(words)
            self.comm.Allreduce(words, totals)
        for name, bound, refused in zip(fields, bounds, totals[:, 2], strict=True):
            if refused:
                raise ClustermarkError(
                    f"the global sum of {name} meets {refused} cells that are no finite number or beyond ±{bound:.3g}: "
                    f"the run has become unstable; use a shorter time step or more damping"
                )
        pairs = zip(totals, exponents, strict=True)
        return np.array([total_of(int(sums[0]), int(sums[1]), exponent) for sums, exponent in pairs])


def sum_of(terms: Floats, bound: float, comm: Any = None, name: str = "terms") -> float:
    """Σ t_i, the same bits however terms are ordered and spread over ranks.

    Parameters
    ----------
    terms : (n,) float64 of this rank; n may differ
    bound : what |t_i| stays below
    """
    field = np.pad(np.asarray(terms, np.float64).reshape(1, 1, -1), ((0, 0), (HALO, HALO), (HALO, HALO)))
    return float(AreaSums(comm, np.ones_like(field), field.shape[2] - 2 * HALO, 1.0).of({name: field}, [bound])[0])
