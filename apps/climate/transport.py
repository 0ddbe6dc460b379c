"""Weights of piecewise parabolas (Colella & Woodward 1984), for cells of equal width and for the levels of a model."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.layout import Floats

# Cells of equal width: weights of the two differences in a slope, for three cells (CW 1.7); weights of the difference,
# of the slope beyond and of the slope here at two edges (CW 1.6).
SLOPE = (0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
EDGE = (0.5, 1.0 / 6.0, 1.0 / 6.0, 0.5, 1.0 / 6.0, 1.0 / 6.0)
# Largest sum of the parts of a cell that leave it through all its faces for which the transport stays positive.
MOST_OUTFLOW = 1.0 / 3.0
# Columns of `level_weights`.
THICKNESS, INTERFACE, WEIGHTS = 0, 1, 2


def level_weights(interfaces: Floats) -> Floats:
    """Weights of the vertical parabolas by level: Δσ, σ of the lower interface, six of slopes and six of edges.

    Beyond the first and the last level their thickness is repeated; as their values are too, these two are constant.

    Parameters
    ----------
    interfaces : (levels + 1,) σ

    Returns
    -------
    weights : (levels, 14), row k for the parabola of level k
    """
    d = np.pad(np.diff(interfaces), 3, mode="edge")
    low, here, high = d[:-2], d[1:-1], d[2:]
    scale = here / (low + here + high)
    slopes = np.stack([scale * (here + 2.0 * high) / (low + here), scale * (2.0 * low + here) / (high + here)], axis=1)
    before, left, right, beyond = d[:-3], d[1:-2], d[2:-1], d[3:]
    whole, two = before + left + right + beyond, left + right
    near, far = (before + left) / (left + two), (right + beyond) / (right + two)
    difference = left / two + 2.0 * left * right / (two * whole) * (near - far)
    edges = np.stack([difference, left * near / whole, right * far / whole], axis=1)
    count = len(interfaces) - 1
    found = np.zeros((count, 14))
    found[:, THICKNESS], found[:, INTERFACE] = np.diff(interfaces), interfaces[1:]
    # Row n of `slopes` belongs to level n − 2, row n of `edges` to the edge between levels n − 2 and n − 1.
    for cell in range(3):
        found[:, WEIGHTS + 2 * cell : WEIGHTS + 2 * cell + 2] = slopes[1 + cell : 1 + cell + count]
    for side in range(2):
        start = WEIGHTS + 6 + 3 * side
        found[:, start : start + 3] = edges[1 + side : 1 + side + count]
    return found
