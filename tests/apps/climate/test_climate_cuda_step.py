"""Whole steps of the driver on device cuda: what the CPU does, within the precision's bound, and what travels.

The kernels launch on the interpreter, on a device whose memory the host cannot touch (docs/cuda-without-a-gpu.md).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")

from climate_cuda_device import DEVICE
from climate_examples import setup_of
from ptx.faults import UninitialisedMemoryError
from ptx.resident import TO_DEVICE, TO_HOST, ResidentDevice
from thread_ranks import Request, ThreadComm, on_ranks

from clustermark.apps.climate import damping_cuda, halo_kernels_cuda
from clustermark.apps.climate.driver import Simulation
from clustermark.apps.climate.flux_matching import FluxMatching
from clustermark.apps.climate.halo import Exchange
from clustermark.apps.climate.setup import Setup
from clustermark.core.errors import ClustermarkError
from clustermark.devices import memory_cuda

RESIDENT = ResidentDevice(like=DEVICE)
FIELDS = ("mass", "u", "v", "theta", "tracer")
# Of the largest change in the step, and units in the last place of the largest value.
BOUNDS = {"double": (1e-12, 8 * 2.0**-52), "mixed": (2e-5, 4 * 2.0**-23), "single": (2e-5, 4 * 2.0**-23)}
# One step has everything in it: three stages, the seam, damping, forcing, the fixer, and five exchanges.
CASES: dict[str, Setup] = {
    "atmosphere": setup_of("held_suarez", 3, damping_hours=6.0, damping_every=1, overlap=False),
    "atmosphere mixed": setup_of(
        "held_suarez", 3, "mixed", damping_hours=6.0, damping_every=1, overlap=False, tracer="slotted_cylinder"
    ),
    "water single": setup_of("galewsky", precision="single", damping_hours=6.0, damping_every=1, overlap=True),
}

if os.environ.get("CLUSTERMARK_EVERY_PTX") == "1":
    CASES |= {f"{name}, overlap {not s.overlap}": replace(s, overlap=not s.overlap) for name, s in CASES.items()}


def windy(saved: dict[str, Any]) -> dict[str, Any]:
    """A state with rough winds and, if it has any, temperatures: every term of every equation counts."""
    random = np.random.default_rng(6)
    rough = {name: saved[name] + 5.0 * random.standard_normal(saved[name].shape) for name in ("u", "v")}
    if "theta" in saved:
        rough["theta"] = saved["theta"] + random.standard_normal(saved["theta"].shape)
    return saved | rough


@cache
def start_of(setup: Setup) -> dict[str, Any]:
    """The state that steps begin with."""
    return windy(Simulation(setup, None).save() or {})


def after_a_step(
    setup: Setup, ranks: int = 1, communicator: type[ThreadComm] = ThreadComm
) -> tuple[dict[str, Any], list[tuple[str, int]], Any]:
    """The state after a step of a simulation on some ranks, what rank 0 has moved in the step, and its simulation."""

    def main(comm: Any) -> Any:
        comm = None if comm is None else communicator(comm.world, comm.rank)
        simulation = Simulation(setup, comm)
        simulation.restore(start_of(replace(setup, device="cpu")) if simulation.rank == 0 else None)
        me, before = threading.get_ident(), len(RESIDENT.transfers)
        simulation.advance(1)
        moved = [(t.kind, t.bytes) for t in RESIDENT.transfers[before:] if t.thread == me]
        return simulation.save(), moved, simulation

    with RESIDENT.installed():
        return main(None) if ranks == 1 else on_ranks(ranks, main)[0]


@cache
def on_cpu(setup: Setup) -> dict[str, Any]:
    """The same step on the CPU."""
    return after_a_step(setup)[0]


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


WORDS = (TO_HOST, 24)
"""The sum of the mass, for the fixer."""


@pytest.mark.parametrize("name", CASES)
def test_a_step_on_the_device_is_a_step_of_the_cpu_and_brings_one_sum_to_the_host(name: str) -> None:
    setup = CASES[name]
    start, expected = start_of(setup), on_cpu(setup)
    launches = len(DEVICE.launches)
    found, moved, _ = after_a_step(replace(setup, device="cuda"))
    names = {launched.name for launched in DEVICE.launches[launches:]}
    own = {"advance_cells"} if setup.shallow else {"terms_cells", "advance_columns", "relax_columns"}
    own |= {"column_flux", "piece_flux", "correct_cell", "copy_cell", "scale_cell"}
    own |= set() if setup.tracer == "none" else {"move_cells", "carry_cells", "renew_columns", "take_cell", "cut_cell"}
    assert {"unpack_point", "blend_point", "scalar_point", "wind_point", "damp_cells", "add_cells", *own} <= names
    assert differing(found, expected, start, setup) == []
    longer = on_cpu(replace(setup, timestep=setup.timestep * 1.001))
    assert set(differing(found, longer, start, setup)) == {name for name in FIELDS if name in expected}
    assert moved == [WORDS]


WATER = CASES["water single"]


def test_a_step_on_two_ranks_moves_the_halo_and_nothing_else() -> None:
    """Two exchanges between stages and one at the end, the blending, and the fluxes through the seam."""
    found, moved, simulation = after_a_step(replace(WATER, device="cuda"), 2)
    assert differing(found, on_cpu(WATER), start_of(WATER), WATER) == []
    exchange, blending = (next(iter(table.values())) for table in (simulation._exchanges, simulation._blendings))
    messages = [exchange._points] * 3 + [blending._points, simulation._matching._messages]
    out = [(TO_HOST, part.wire.nbytes) for message in messages for part in message._outgoing.values()]
    into = [(TO_DEVICE, part.wire.nbytes) for message in messages for part in message._incoming.values()]
    assert len(into) == 5 and sum(size for _, size in out) == 3 * exchange.bytes_sent + blending.bytes_sent
    assert sorted(moved) == sorted([*out, *into, WORDS])


class CudaAware(ThreadComm):
    """A communicator that reads and writes the memory of the device, when its kernels have been waited for."""

    def Isend(self, array: Any, target: int, tag: int) -> Any:
        assert threading.get_ident() not in RESIDENT.busy
        return super().Isend(np.array(array.memory, subok=False), target, tag)

    def Irecv(self, array: Any, source: int, tag: int) -> Any:
        assert threading.get_ident() not in RESIDENT.busy

        def wait() -> None:
            self.Recv(np.asarray(array.memory), source, tag)
            array.memory.mark()

        return Request(wait)

    def Send(self, array: Any, target: int, tag: int) -> None:
        super().Send(array.memory if hasattr(array, "memory") else array, target, tag)


@pytest.mark.parametrize("waits", [True, False])
def test_messages_in_the_memory_of_the_device_are_given_to_mpi_when_kernels_have_been_waited_for(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = replace(WATER, device="cuda", direct_messages=True)
    if not waits:
        monkeypatch.setattr(RESIDENT, "wait", lambda: None)
        with pytest.raises(AssertionError):
            after_a_step(setup, 2, CudaAware)
        return
    found, moved, _ = after_a_step(setup, 2, CudaAware)
    assert differing(found, on_cpu(WATER), start_of(WATER), WATER) == []
    assert moved == [WORDS]


def stale_wire(buffer: Any) -> Any:
    return buffer.wire


@pytest.mark.parametrize(
    ("owner", "name", "mistake", "ranks"),
    [
        pytest.param(memory_cuda.StagedBuffer, "to_wire", stale_wire, 2, id="a copy to the host forgotten"),
        pytest.param(memory_cuda.StagedBuffer, "from_wire", lambda b: b.array, 2, id="a copy to the device forgotten"),
        pytest.param(Exchange, "finish", lambda exchange: None, 1, id="a halo forgotten"),
        pytest.param(FluxMatching, "finish", lambda matching, step, state: None, 1, id="the seam forgotten"),
        pytest.param(damping_cuda, "copy_cells", lambda *arguments: None, 1, id="the mass left in the wrong state"),
        pytest.param(halo_kernels_cuda, "unpack_points", None, 1, id="a kernel that writes the wrong place"),
    ],
)
def test_a_planted_fault_of_a_step_is_found(
    owner: Any, name: str, mistake: Any, ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack = halo_kernels_cuda.unpack_points

    def shifted(buffer: Any, segments: Any, places: Any, plane: int, levels: int, field: Any) -> None:
        unpack(buffer, segments, places, plane, levels, field.reshape(-1)[1:])

    monkeypatch.setattr(owner, name, mistake or shifted)
    try:
        found, _, _ = after_a_step(replace(WATER, device="cuda"), ranks)
    except (ClustermarkError, UninitialisedMemoryError):
        return
    assert differing(found, on_cpu(WATER), start_of(WATER), WATER)
