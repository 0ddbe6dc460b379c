"""Hosts of the FMA chains on the GPU: what each precision's words hold, the launch, and what must come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.core.number_formats import bf16_bits, bf16_values
from clustermark.devices.cuda_c import compiled, multiprocessors

Words = npt.NDArray[Any]
SOURCE = Path(__file__).with_name("peak.cu")
# Of the kernels: chains of a thread, steps between two branches.
CHAINS, UNROLLED = 8, 16
THREADS, BLOCKS = 256, 8
# x ← ⅞ x + ⅜, whose numbers and fixed point 3 every format holds exactly.
MULTIPLIER, ADDEND, FIXED_POINT = 0.875, 0.375, 3.0
# Four int8 each; their scalar product is added to every chain.
BYTES, OTHER_BYTES = (127, -128, -1, 3), (5, -2, -128, 1)
# Operations of a step on one word: a multiplication and an addition for each number, or byte, in it.
OPERATIONS = {"fp64": 2, "fp32": 2, "fp16": 4, "bf16": 4, "int8": 8}


@dataclass(frozen=True)
class Chains:
    """Chains made ready.

    Attributes
    ----------
    step : one launch
    error : largest relative error of a chain (int8: how many are wrong), and one line about it
    operations : of a step
    """

    step: Callable[[], object]
    error: Callable[[], tuple[float, str]]
    operations: float
    counters: dict[str, float]


def words(precision: str, numbers: npt.ArrayLike) -> Words:
    """Numbers as the kernel's words: each twice, side by side, where a word holds two."""
    if precision in ("fp64", "fp32"):
        return np.asarray(numbers, "float64" if precision == "fp64" else "float32")
    if precision == "fp16":
        return np.repeat(np.asarray(numbers, np.float16).reshape(-1), 2).view(np.uint32)
    return np.repeat(bf16_bits(np.asarray(numbers, np.float32)).reshape(-1), 2).view(np.uint32)


def numbers_of(precision: str, found: Words) -> npt.NDArray[np.float64]:
    """The numbers in words of floats."""
    if precision == "fp16":
        return found.view(np.float16).astype(np.float64)
    return bf16_values(found.view(np.uint16)) if precision == "bf16" else found.astype(np.float64)


def chains(precision: str, iterations: int, device: Any) -> Chains:
    """CHAINS chains on each thread of a full GPU, at least `iterations` steps long; begun at 1, 2, … CHAINS."""
    groups = -(-iterations // UNROLLED)
    blocks = BLOCKS * multiprocessors(device)
    if precision == "int8":
        factors = [np.array(four, np.int8).view(np.uint32)[0] for four in (BYTES, OTHER_BYTES)]
        start = np.arange(CHAINS, dtype=np.uint32)
    else:
        factors = [words(precision, [number])[0] for number in (MULTIPLIER, ADDEND)]
        start = words(precision, np.arange(1.0, CHAINS + 1))
    begun = device.from_host(start)
    out = device.empty((CHAINS, blocks * THREADS), start.dtype.name)
    kernel = compiled(SOURCE, f"peak_{precision}")
    step = partial(kernel, (blocks,), (THREADS,), (np.int32(groups), *factors, begun, out))

    def error() -> tuple[float, str]:
        found = device.to_host(out)
        if precision == "int8":
            dot = sum(a * b for a, b in zip(BYTES, OTHER_BYTES, strict=True))
            wanted = ((start.astype(np.int64) + groups * UNROLLED * dot) % 2**32).astype(np.uint32)
            wrong = float((found != wanted[:, None]).sum())
            return wrong, f"chain 0 is {found[0, 0]}, should be {wanted[0]}"
        values = numbers_of(precision, found)
        return float(np.abs(values / FIXED_POINT - 1).max()), f"a chain is {values.flat[0]:.9g}, should be 3"

    operations = float(OPERATIONS[precision]) * groups * UNROLLED * CHAINS * blocks * THREADS
    return Chains(step, error, operations, {"threads": float(blocks * THREADS)})
