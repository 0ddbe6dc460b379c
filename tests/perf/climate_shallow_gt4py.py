"""The stage of shallow water for GT4Py. Its compiler reads this file's text, so there are no postponed annotations."""

# pyright: reportInvalidTypeForm=false, reportMissingImports=false

from typing import Any

import gt4py.cartesian.gtscript as gtscript
import gt4py.storage
import numpy as np
from gt4py.cartesian.gtscript import PARALLEL, Field, J, computation, interval

BACKEND = "gt:cpu_ifirst"


def allocate(values: Any, dtype: str) -> Any:
    """A copy of an array, laid out and aligned as the backend likes it."""
    axes = "IJK" if values.ndim == 3 else "J"
    return gt4py.storage.from_array(
        np.ascontiguousarray(values), dtype=np.dtype(dtype), backend=BACKEND, dimensions=axes
    )


def build(dtype: str) -> Any:
    """The compiled stencil: I are columns, J rows, K has one layer."""
    real = np.dtype(dtype).type

    @gtscript.stencil(backend=BACKEND)
    def stage(
        h: Field[real],
        u: Field[real],
        v: Field[real],
        h0: Field[real],
        u0: Field[real],
        v0: Field[real],
        bottom: Field[real],
        coriolis: Field[real],
        center: Field[J, real],
        face: Field[J, real],
        h_new: Field[real],
        u_new: Field[real],
        v_new: Field[real],
        *,
        spacing: real,
        gravity: real,
        dt: real,
    ):
        with computation(PARALLEL), interval(...):
            U = (h + h[1, 0, 0]) * u * 0.5
            V = (h + h[0, 1, 0]) * v * face * 0.5
            curl = v[1, 0, 0] - v - (u[0, 1, 0] * center[1] - u * center)
            q = (curl * spacing / face + coriolis) / ((h + h[1, 0, 0] + h[0, 1, 0] + h[1, 1, 0]) * 0.25)
            meridional = (v * v * face + v[0, -1, 0] * v[0, -1, 0] * face[-1]) / center
            B = 0.25 * (u * u + u[-1, 0, 0] * u[-1, 0, 0] + meridional) + gravity * (h + bottom)
            turn_u = 1.125 * (q + q[0, -1, 0]) - 0.125 * (q[0, -2, 0] + q[0, 1, 0])
            turn_v = 1.125 * (q + q[-1, 0, 0]) - 0.125 * (q[-2, 0, 0] + q[1, 0, 0])
            flux_u = 0.125 * (V + V[1, 0, 0] + V[0, -1, 0] + V[1, -1, 0]) / center
            flux_v = 0.125 * (U + U[-1, 0, 0] + U[0, 1, 0] + U[-1, 1, 0])
            h_new = h0 - dt * (U - U[-1, 0, 0] + V - V[0, -1, 0]) * spacing / center  # noqa: F841
            u_new = u0 + dt * (turn_u * flux_u - (B[1, 0, 0] - B) * spacing / center)  # noqa: F841
            v_new = v0 - dt * (turn_v * flux_v + (B[0, 1, 0] - B) * spacing)  # noqa: F841

    return stage
