"""What the primitive equations multiply with, per row and per level: in float64, then cast to the fields' precision."""

from __future__ import annotations

from clustermark.apps.climate import vertical
from clustermark.apps.climate.launch_cuda import load, store
from clustermark.devices.numba_cuda import cuda

# Factors of a row, (ROW_FACTORS, rows) flat: 1/(aΔ cosφ); ¼cosφ of the north and of the south face over that of the
# cell; cosφ of the cell; 1/(aΔ cosφ_f) of its north face; ⅛Δt/cosφ; Δt/(aΔ cosφ); Δt/(12 aΔ cosφ).
(
    DIVERGENCE, NORTH_QUARTER, SOUTH_QUARTER, COS_CENTER, CURL, TURN, PULL, HEAT, ROW_FACTORS,
) = range(9)  # fmt: skip
# Factors of a level, (LEVEL_FACTORS, levels) flat: Δσ; σ of its lower interface; c; that of Φ; Δt/Δσ; ½Δt/Δσ.
THICKNESS, LOWER_INTERFACE, LEVEL_EXNER, HYDROSTATIC, WIND_WEIGHT, THETA_WEIGHT, LEVEL_FACTORS = range(7)


@cuda.jit(cache=True)
def primitive_factors(
    cos_center, cos_face, table, scale, step, levels, first_row, last_row, row_factors, level_factors
):  # fmt: skip
    """Factors of the rows `first_row` − 2 to `last_row` + 1 and of all levels.

    Parameters
    ----------
    cos_center, cos_face : (rows,) float64
    table : vertical.level_table, flat
    scale, step : float64, 1/(aΔ) [1/m] and Δt [s]
    row_factors, level_factors : (ROW_FACTORS·rows,) and (LEVEL_FACTORS·levels,), out
    """
    thread = cuda.grid(1)
    j = first_row - 2 + thread
    if j <= last_row + 1:
        rows = cos_center.size
        center, face, face_south = load(cos_center, j), load(cos_face, j), load(cos_face, j - 1)
        store(row_factors, DIVERGENCE * rows + j, scale / center)
        store(row_factors, NORTH_QUARTER * rows + j, 0.25 * face / center)
        store(row_factors, SOUTH_QUARTER * rows + j, 0.25 * face_south / center)
        store(row_factors, COS_CENTER * rows + j, center)
        store(row_factors, CURL * rows + j, scale / face)
        store(row_factors, TURN * rows + j, 0.125 * step / center)
        store(row_factors, PULL * rows + j, scale * step / center)
        store(row_factors, HEAT * rows + j, step * scale / (12.0 * center))
    k = thread
    if k < levels:
        per_thickness = step * load(table, vertical.INVERSE_THICKNESS * levels + k)
        store(level_factors, THICKNESS * levels + k, load(table, vertical.THICKNESS * levels + k))
        store(level_factors, LOWER_INTERFACE * levels + k, load(table, vertical.LOWER_INTERFACE * levels + k))
        store(level_factors, LEVEL_EXNER * levels + k, load(table, vertical.EXNER * levels + k))
        store(level_factors, HYDROSTATIC * levels + k, load(table, vertical.HYDROSTATIC * levels + k))
        store(level_factors, WIND_WEIGHT * levels + k, per_thickness)
        store(level_factors, THETA_WEIGHT * levels + k, 0.5 * per_thickness)
