"""The reproducible sum on the GPU, by CuPy: all chunks at once, and nothing between its parts waits for the host."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from clustermark.core.context import Transport


class DeviceReproducibleSum:
    """As benchmarks.reproducible_sum.ReproducibleSum, whose bits it has; contributions and sum on the GPU.

    One all-gather of the largest magnitudes of all chunks, one all-reduce of the rounded contributions: a GPU has its
    numbers in memory in any case, and each wait of the host would cost more than it.
    """

    def __init__(
        self, transport: Transport, contributions: Sequence[Any], receive: Any, terms_bits: int, chunk: int
    ) -> None:
        """Everything that is not as large as a chunk's magnitudes is allocated, and every call prepared, here.

        Parameters
        ----------
        contributions, receive : (count,) float64 on the GPU
        chunk : elements that share a grid
        """
        self._cupy: Any = importlib.import_module("cupy")
        zeros, count = self._cupy.zeros, receive.size
        chunks = -(-count // chunk)
        self.terms_bits = terms_bits
        # In whole chunks: what is behind the end is zero.
        self._terms = []
        for term in contributions:
            padded = zeros((chunks, chunk))
            padded.reshape(-1)[:count] = term
            self._terms.append(padded)
        self._mine, self._everyone = zeros(chunks), zeros((transport.size, chunks))
        self._half = self._cupy.full(chunks, 1.5)
        self._partial_sum, self._rounded = zeros((chunks, chunk)), zeros((chunks, chunk))
        self._gather = transport.prepare_allgather(self._mine, self._everyone.reshape(-1))
        self._reduce = transport.prepare_allreduce(self._partial_sum.reshape(-1)[:count], receive)

    def __call__(self) -> None:
        """One sum."""
        cupy, rounded = self._cupy, self._rounded
        self._mine.fill(0)
        for term in self._terms:
            cupy.abs(term, out=rounded)
            cupy.maximum(self._mine, rounded.max(axis=1), out=self._mine)
        self._gather()
        rounding = self._rounders()
        if not self._terms:
            self._partial_sum.fill(0)
        for number, term in enumerate(self._terms):
            target = rounded if number else self._partial_sum
            cupy.add(term, rounding, out=target)
            cupy.subtract(target, rounding, out=target)
            if number:
                cupy.add(self._partial_sum, rounded, out=self._partial_sum)
        self._reduce()

    def _rounders(self) -> Any:
        """(chunks, 1) R = 1.5·2^(e + terms_bits - 1), NaN where a number is none; see grid_cpu.rounder."""
        cupy = self._cupy
        most = self._everyone.max(axis=0)
        _, exponent = cupy.frexp(most)
        found = cupy.ldexp(self._half, exponent + (self.terms_bits - 1))
        return cupy.where(most < np.inf, found, np.nan).reshape(-1, 1)
