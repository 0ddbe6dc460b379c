"""Devito's and GT4Py's side of climate_vs_peers.py, in their own environment.

``python climate_shallow_peers.py ADDRESS CORES SPECIFICATION``: see md_child.serve; the specification names the peer,
rows, columns, dtype and threads. Both get the stage as one would write it for them: the whole formula, whose repeated
parts their compilers find (Devito) or keep as temporaries (GT4Py). Times are those of the compiled loops alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from climate_shallow_data import GRAVITY, HALO, TIMESTEP, Array, Panel, fingerprint, panel
from md_child import Action, serve

INSIDE = slice(HALO, -HALO)


def devito_stage(data: Panel, dtype: str) -> tuple[Callable[[], float], Callable[[], dict[str, Array]], dict[str, str]]:
    """(one stage → seconds of its loops, results, facts) of Devito's operator with opt="advanced" and OpenMP."""
    import devito  # pyright: ignore[reportMissingImports]

    real = np.dtype(dtype).type
    shape = (data.cos_center.size - 2 * HALO, data.fields["h"].shape[1] - 2 * HALO)
    grid = devito.Grid(shape=shape, dtype=real)
    y, x = grid.dimensions
    halo = {"space_order": HALO}
    fields = {name: devito.Function(name=name, grid=grid, **halo) for name in data.fields}
    out = {name: devito.Function(name=f"{name}_new", grid=grid, **halo) for name in ("h", "u", "v")}
    for name, field in fields.items():
        field.data_with_halo[:] = data.fields[name]
    cosines = {}
    for name, values in (("center", data.cos_center), ("face", data.cos_face)):
        cosines[name] = devito.Function(name=name, grid=grid, dimensions=(y,), shape=shape[:1], **halo)
        cosines[name].data_with_halo[:] = values
    constants = {"spacing": data.inverse_spacing, "gravity": GRAVITY, "dt": TIMESTEP}
    spacing, gravity, dt = (devito.Constant(name=name, dtype=real) for name in constants)
    half, quarter = real(0.5), real(0.25)

    def at(name: str, j: int = 0, i: int = 0) -> Any:
        return fields[name][y + j, x + i]

    def center(j: int = 0) -> Any:
        return cosines["center"][y + j]

    def face(j: int = 0) -> Any:
        return cosines["face"][y + j]

    def U(j: int, i: int) -> Any:
        return (at("h", j, i) + at("h", j, i + 1)) * at("u", j, i) * half

    def V(j: int, i: int) -> Any:
        return (at("h", j, i) + at("h", j + 1, i)) * at("v", j, i) * face(j) * half

    def q(j: int, i: int) -> Any:
        curl = at("v", j, i + 1) - at("v", j, i) - (at("u", j + 1, i) * center(j + 1) - at("u", j, i) * center(j))
        depth = at("h", j, i) + at("h", j, i + 1) + at("h", j + 1, i) + at("h", j + 1, i + 1)
        return (curl * spacing / face(j) + at("coriolis", j, i)) / (depth * quarter)

    def B(j: int, i: int) -> Any:
        zonal = at("u", j, i) ** 2 + at("u", j, i - 1) ** 2
        meridional = (at("v", j, i) ** 2 * face(j) + at("v", j - 1, i) ** 2 * face(j - 1)) / center(j)
        return quarter * (zonal + meridional) + gravity * (at("h", j, i) + at("bottom", j, i))

    eighth = half * quarter
    flux_u = eighth * (V(0, 0) + V(0, 1) + V(-1, 0) + V(-1, 1)) / center()
    flux_v = eighth * (U(0, 0) + U(0, -1) + U(1, 0) + U(1, -1))
    divergence = (U(0, 0) - U(0, -1) + V(0, 0) - V(-1, 0)) * spacing / center()
    near, far = real(1.125), real(0.125)
    turn_u = near * (q(0, 0) + q(-1, 0)) - far * (q(-2, 0) + q(1, 0))
    turn_v = near * (q(0, 0) + q(0, -1)) - far * (q(0, -2) + q(0, 1))
    change_u = turn_u * flux_u - (B(0, 1) - B(0, 0)) * spacing / center()
    change_v = turn_v * flux_v + (B(1, 0) - B(0, 0)) * spacing
    operator = devito.Operator(
        [
            devito.Eq(out["h"][y, x], at("h0") - dt * divergence),
            devito.Eq(out["u"][y, x], at("u0") + dt * change_u),
            devito.Eq(out["v"][y, x], at("v0") - dt * change_v),
        ],
        opt="advanced",
    )

    def step() -> float:
        summary = operator.apply(**constants)
        return float(sum(entry.time for entry in summary.values()))

    compiler = operator._compiler
    flags = " ".join(flag for flag in compiler.cflags if flag[:2] in ("-O", "-m", "-f") and flag != "-fPIC")
    facts = {"version": f"Devito {devito.__version__}, opt advanced, OpenMP, {compiler.cc} {compiler.version} {flags}"}
    return step, lambda: {name: np.asarray(field.data) for name, field in out.items()}, facts


def gt4py_stage(data: Panel, dtype: str) -> tuple[Callable[[], float], Callable[[], dict[str, Array]], dict[str, str]]:
    """(one stage → seconds of the call into C++, results, facts) of GT4Py's gt:cpu_ifirst: columns are its I."""
    import gt4py  # pyright: ignore[reportMissingImports]
    from climate_shallow_gt4py import BACKEND, allocate, build

    stencil = build(dtype)
    rows, columns = data.cos_center.size - 2 * HALO, data.fields["h"].shape[1] - 2 * HALO
    arrays = {name: allocate(field.T[:, :, None], dtype) for name, field in data.fields.items()}
    cosines = {"center": allocate(data.cos_center, dtype), "face": allocate(data.cos_face, dtype)}
    out = {f"{name}_new": allocate(np.zeros_like(data.fields[name].T[:, :, None]), dtype) for name in ("h", "u", "v")}
    places = dict.fromkeys(arrays | out, (HALO, HALO, 0)) | dict.fromkeys(cosines, (HALO,))
    real = np.dtype(dtype).type
    scalars = {"spacing": real(data.inverse_spacing), "gravity": real(GRAVITY), "dt": real(TIMESTEP)}

    def step() -> float:
        told: dict[str, float] = {}
        stencil(
            **arrays,
            **cosines,
            **out,
            **scalars,
            origin=places,
            domain=(columns, rows, 1),
            validate_args=False,
            exec_info=told,
        )
        return float(told["run_cpp_end_time"] - told["run_cpp_start_time"])

    def results() -> dict[str, Array]:
        return {name: np.asarray(out[f"{name}_new"])[INSIDE, INSIDE, 0].T for name in ("h", "u", "v")}

    return step, results, {"version": f"GT4Py {gt4py.__version__}, {BACKEND}, g++ -O3 -march=native"}


def prepare(specification: dict[str, Any]) -> dict[str, Action]:
    """Build a peer's stage; the actions are those of md_sides.Process."""
    data = panel(specification["rows"], specification["columns"], specification["dtype"])
    make = {"Devito": devito_stage, "GT4Py": gt4py_stage}[specification["peer"]]
    step, results, facts = make(data, specification["dtype"])
    step()

    def steps(request: dict[str, Any]) -> dict[str, Any]:
        return {"seconds": sum(step() for _ in range(request["steps"]))}

    return {"steps": steps, "facts": lambda _: facts | {"fingerprint": fingerprint(results())}}


if __name__ == "__main__":
    serve(sys.argv[1], lambda: prepare(json.loads(sys.argv[3])))
