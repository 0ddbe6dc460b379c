"""Random numbers of cells that depend on the global index alone, and so not on the decomposition."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.climate.layout import Floats
from clustermark.devices.counter_rng import CELL_NOISE, normal_pair, random_words

# Rows and columns below 2²⁴ each: a cell of 2 metres.
INDEX_BITS = 24


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _fill(deviates: Any, rows: Any, columns: Any, panel: int, level: int, seed: int) -> None:
    for k in range(deviates.size):
        index = (np.int64(panel) << (2 * INDEX_BITS)) | (rows[k] << INDEX_BITS) | columns[k]
        word0, word1, _, _ = random_words(seed, index, level, CELL_NOISE)
        deviates[k], _ = normal_pair(word0, word1)


def noise(global_row: Any, global_column: Any, panel: int, level: int, seed: int) -> Floats:
    """Normal deviates of mean 0 and variance 1, each a function of its cell and the seed (Salmon et al. 2011).

    Parameters
    ----------
    global_row, global_column : integers or arrays of them that fit each other; evolved rows and columns of the panel,
        0 ≤ … < 2²⁴
    panel, level : ≥ 0
    seed : 0 ≤ seed < 2⁶³

    Returns
    -------
    of the common shape, float64
    """
    rows, columns = np.broadcast_arrays(
        np.asarray(global_row, dtype=np.int64), np.asarray(global_column, dtype=np.int64)
    )
    deviates = np.empty(rows.size)
    _fill(deviates, rows.ravel(), columns.ravel(), panel, level, seed)
    return deviates.reshape(rows.shape)
