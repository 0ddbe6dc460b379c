"""Whole steps of the driver on the CUDA kernels: what the CPU does, within the precision's bound.

The driver is the CPU's; in the place of each of its kernels stands the entry of the GPU, which launches on the
interpreter (docs/cuda-without-a-gpu.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")

from climate_cuda_device import DEVICE, in_place_of
from climate_examples import setup_of

from clustermark.apps.climate import (
    damper,
    damping_cpu,
    damping_cuda,
    forcing_core,
    forcing_cpu,
    forcing_cuda,
    halo,
    halo_kernels_cpu,
    halo_kernels_cuda,
    primitive_core,
    primitive_cpu,
    primitive_cuda,
    shallow_core,
    shallow_cpu,
    shallow_cuda,
    sums,
    sums_cuda,
    surface_cpu,
    surface_cuda,
)
from clustermark.apps.climate.driver import Simulation
from clustermark.apps.climate.setup import Setup

FIELDS = ("mass", "u", "v", "theta")
# Of the largest change in the step, and units in the last place of the largest value.
BOUNDS = {"double": (1e-12, 8 * 2.0**-52), "mixed": (2e-5, 4 * 2.0**-23), "single": (2e-5, 4 * 2.0**-23)}
# One step has everything in it: three stages, the seam, damping, forcing, the fixer, and five exchanges.
CASES: dict[str, Setup] = {
    "atmosphere": setup_of("held_suarez", 3, damping_hours=6.0, damping_every=1, overlap=False),
    "atmosphere mixed": setup_of("held_suarez", 3, "mixed", damping_hours=6.0, damping_every=1, overlap=False),
    "water single": setup_of("galewsky", precision="single", damping_hours=6.0, damping_every=1, overlap=True),
}

if os.environ.get("CLUSTERMARK_EVERY_PTX") == "1":
    CASES |= {f"{name}, overlap {not s.overlap}": replace(s, overlap=not s.overlap) for name, s in CASES.items()}


def of_columns(make_work: Callable[..., Any], like: str) -> Callable[[Mapping[str, Any]], Any]:
    """Workspaces that a block's levels, rows and pitch make, from the arguments of an entry."""

    def work(given: Mapping[str, Any]) -> Any:
        levels = given["levels"] if "levels" in given else given["table"].shape[1]
        return make_work(levels, given["rows"], given["pitch"], given[like].dtype)

    return work


def launch_on_the_device(patch: pytest.MonkeyPatch) -> None:
    """Every kernel of a step becomes the GPU's."""
    stage = in_place_of(
        shallow_cpu.shallow_stage,
        shallow_cuda.shallow_stage,
        lambda given: shallow_cuda.make_work(len(given["cos_center"]), given["u"].dtype),
    )
    advance = in_place_of(primitive_cpu.advance, primitive_cuda.advance, of_columns(primitive_cuda.make_work, "u"))
    damp = in_place_of(damping_cpu.damp, damping_cuda.damp, of_columns(damping_cuda.make_work, "u"))
    force = in_place_of(forcing_cpu.force, forcing_cuda.force, of_columns(forcing_cuda.make_work, "theta"))
    surface = in_place_of(surface_cpu.surface_terms, surface_cuda.surface_terms)
    patch.setattr(shallow_core, "shallow_stage", stage)
    patch.setattr(primitive_core, "primitive_cpu", SimpleNamespace(make_work=primitive_cpu.make_work, advance=advance))
    patch.setattr(primitive_core, "surface_cpu", SimpleNamespace(TERMS=surface_cpu.TERMS, surface_terms=surface))
    patch.setattr(damper, "damping_cpu", SimpleNamespace(make_work=damping_cpu.make_work, damp=damp))
    patch.setattr(forcing_core, "forcing_cpu", SimpleNamespace(make_work=forcing_cpu.make_work, force=force))
    patch.setattr(sums, "add_words", in_place_of(sums.add_words, sums_cuda.add_words))
    for name in ("pack_runs", "unpack_runs", "unpack_points", "blend_points", "interpolate_scalar", "interpolate_wind"):
        patch.setattr(halo, name, in_place_of(getattr(halo_kernels_cpu, name), getattr(halo_kernels_cuda, name)))


def windy(saved: dict[str, Any]) -> dict[str, Any]:
    """A state with rough winds and, if it has any, temperatures: every term of every equation counts."""
    random = np.random.default_rng(6)
    rough = {name: saved[name] + 5.0 * random.standard_normal(saved[name].shape) for name in ("u", "v")}
    if "theta" in saved:
        rough["theta"] = saved["theta"] + random.standard_normal(saved["theta"].shape)
    return saved | rough


def after_a_step(setup: Setup, state: Mapping[str, Any]) -> dict[str, Any]:
    simulation = Simulation(setup, None)
    simulation.restore(state)
    simulation.advance(1)
    saved = simulation.save()
    assert saved is not None
    return saved


def differing(
    found: Mapping[str, Any], expected: Mapping[str, Any], start: Mapping[str, Any], setup: Setup
) -> list[str]:
    """Names of fields beyond the bound of the precision."""
    of_change, of_value = BOUNDS[setup.precision]
    wrong = []
    for name in (name for name in FIELDS if name in expected):
        f, e, s = (np.asarray(state[name], np.float64) for state in (found, expected, start))
        ulps = of_value if setup.shallow or name != "mass" else BOUNDS["double"][1]
        bound = of_change * np.abs(e - s).max() + ulps * np.abs(e).max()
        wrong += [] if np.abs(f - e).max() <= bound else [name]
    return wrong


@pytest.mark.parametrize("name", CASES)
def test_a_step_on_the_device_is_a_step_of_the_cpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = CASES[name]
    start = windy(Simulation(setup, None).save() or {})
    expected = after_a_step(setup, start)
    longer = after_a_step(replace(setup, timestep=setup.timestep * 1.001), start)
    launches = len(DEVICE.launches)
    with DEVICE.installed(), monkeypatch.context() as patch:
        launch_on_the_device(patch)
        found = after_a_step(setup, start)
    names = {launched.name for launched in DEVICE.launches[launches:]}
    own = {"advance_cells"} if setup.shallow else {"terms_cells", "advance_columns", "relax_columns"}
    assert {"unpack_point", "blend_point", "scalar_point", "wind_point", "damp_cells", "add_cells", *own} <= names
    assert differing(found, expected, start, setup) == []
    assert set(differing(found, longer, start, setup)) == {name for name in FIELDS if name in expected}
