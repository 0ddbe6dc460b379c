"""A matrix product that a device has made ready for the workload."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Made:
    """A product made ready, and what its check must know.

    Attributes
    ----------
    step, result : one product, C as numbers
    a, b : what is multiplied, as float64, after rounding to the input format
    bound, own_bound : on the error beside A and B as they were made, and as they were rounded
    least : below it the error would be another precision's
    stored_bytes : of A, B and C
    words : the arithmetic, for people
    timed : whether a speed of it is one of the precision
    wrong : what a probe found, or ""
    """

    step: Callable[[], object]
    result: Callable[[], Matrix]
    a: Matrix
    b: Matrix
    bound: float
    own_bound: float
    stored_bytes: int
    words: str
    least: float = 0.0
    timed: bool = True
    wrong: str = ""
    counters: dict[str, float] = field(default_factory=dict)
