"""Memory whose rows begin where loads of whole vectors like it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clustermark.apps.climate.layout import HALO

# A cache line, and the widest vector [bytes].
LINE = 64


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """Zeros whose element HALO is at the start of a cache line: the first evolved cell of every row, given `pitch_of`.

    Parameters
    ----------
    shape : of the array; C-contiguous
    dtype : of its elements
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    raw = np.zeros(size + LINE, np.uint8)
    start = -(raw.ctypes.data + HALO * kind.itemsize) % LINE
    return raw[start : start + size].view(kind).reshape(shape)
