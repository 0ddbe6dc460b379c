"""The CUDA kernels of the molecular dynamics, as the PTX that a GPU would get, against the CPU and the O(N²) reference.

The comparisons are those that numba's simulator goes through (tests/apps/md/md_cuda_simulated.py), each with its
planted fault. There the Python of a kernel runs; here the machine code does, with its float32, its fused
multiplications and fast reciprocals, and every access is checked for bounds, races and memory that nothing wrote.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "apps" / "md"))
pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")
pytest.importorskip("md_cuda_simulated", reason="apps/md has no CUDA kernels here (*_cuda.py)")

from cuda_helpers.counts import LADDER
from cuda_helpers.offline import Launch, compile_offline, kernels_in

from clustermark.apps.md import halo_cuda, integrate_cpu
from clustermark.apps.md.evaluation import Evaluation
from clustermark.apps.md.layout import Layout
from clustermark.apps.md.model import UNITS, ListRule
from clustermark.apps.md.setup import Ensemble, Setup
from clustermark.apps.md.sutton_chen import sutton_chen
from clustermark.core.errors import ClustermarkError
from clustermark.devices import memory_cuda
from ptx.device import InterpretedDevice, to_device
from ptx.faults import PtxError, SharedRaceError, UninitialisedMemoryError
from ptx.launching import Options
from ptx.linker import load_program
from ptx.mutants import planted_faults
from ptx.resident import ELEMENT, TO_DEVICE, TO_HOST, ResidentDevice

integrate_cuda: Any = importlib.import_module("clustermark.apps.md.integrate_cuda")
pytestmark = pytest.mark.timeout(900)
simulated: Any = importlib.import_module("md_cuda_simulated")
engines: Any = importlib.import_module("engine_examples")
examples: Any = importlib.import_module("physics_examples")
agree = simulated.agree
DEVICE = InterpretedDevice((9, 0), Options(budget=200_000))
RESIDENT = ResidentDevice(like=DEVICE)
# Compiling takes most of the time: the rows of all precisions and potentials are for the patient.
EVERYTHING = os.environ.get("CLUSTERMARK_EVERY_PTX") == "1"
# Part of the machine code that must have run, averaged over the kernels.
LEAST_COVERED = 0.85


def rows(short: list[Any], others: list[Any]) -> list[Any]:
    """What is run always, and what is run with CLUSTERMARK_EVERY_PTX=1."""
    return short + (others if EVERYTHING else [])


@pytest.fixture(autouse=True)
def on_the_interpreter() -> Iterator[InterpretedDevice]:
    with DEVICE.installed() as device:
        yield device


@pytest.mark.parametrize("n", rows([4097], [1, 65]))
def test_running_totals(n: int) -> None:
    simulated.test_running_totals_are_sums_of_all_before(n)


@pytest.mark.parametrize(("master", "kernel"), rows([("float64", "float32")], [("float64",) * 2, ("float32",) * 2]))
def test_kicks_drifts_and_displacements(master: str, kernel: str) -> None:
    simulated.test_kicks_drifts_and_displacements_are_those_of_the_cpu(master, kernel)


@pytest.mark.parametrize("dtype", rows(["float32"], ["float64"]))
def test_messages_of_the_halo(dtype: str) -> None:
    simulated.test_messages_are_packed_and_unpacked_as_on_the_cpu(dtype)


@pytest.mark.parametrize("dtype", rows(["float64"], ["float32"]))
def test_langevin_kicks_and_kinetic_energy(dtype: str) -> None:
    simulated.test_langevin_kicks_and_kinetic_energy_are_those_of_the_cpu(dtype)


@pytest.mark.parametrize(
    ("name", "precision"),
    rows(
        [("copper and silver", "mixed")],
        [(n, p) for n in simulated.POTENTIALS for p in ("double", "mixed") if (n, p) != ("copper and silver", "mixed")],
    ),
)
def test_forces_energy_and_virial(name: str, precision: str) -> None:
    simulated.test_forces_energy_and_virial_are_those_of_the_reference(name, precision)


# --- the whole engine, its arrays apart from the host's ------------------------------------------------------------

# Of the largest number: double, and the float32 forces of "mixed" seen through a few steps of float64 integration.
BOUNDS = {
    "double": {
        "positions": 1e-14,
        "velocities": 1e-12,
        "forces": 1e-11,
        "energy": 1e-11,
        "virial": 1e-11,
        "pairs": 0.0,
    },
    "mixed": {"positions": 2e-9, "velocities": 4e-7, "forces": 4e-5, "energy": 4e-6, "virial": 4e-5, "pairs": 0.0},
}


def copper() -> Setup:
    atoms = examples.disturbed(examples.fcc((3, 2, 2), 3.61), 0.2)
    units = {"units": UNITS["metal"], "masses": np.array([63.5]), "timestep": 0.001}
    return engines.setup_of(
        atoms, sutton_chen("Cu", cutoff=3.7, points=400), rule=ListRule(0.3, 2, check=False), **units
    )


def liquid(every: int = 2, **changes: Any) -> Setup:
    atoms, rule = engines.warm_crystal((3, 2, 2), 1.68), ListRule(0.3, every, check=False)
    return engines.setup_of(atoms, examples.one_type(1.3), rule=rule, precision="mixed", **changes)


RUNS: dict[str, tuple[int, Setup]] = {
    "copper, two ranks, double": (2, copper()),
    "liquid, one rank, mixed": (1, liquid(ensemble=Ensemble("csvr", 1.0, 0.5, 3))),
    "liquid, two ranks, mixed": (2, liquid()),
}


def after_steps(ranks: int, setup: Setup, first: int, then: int) -> dict[str, Any]:
    """What rank 0 knows of all atoms after some steps, and the sizes of its transfers in the first of them."""

    def action(simulation: Any) -> dict[str, Any]:
        me, before = threading.get_ident(), len(RESIDENT.transfers)
        simulation.march(first)
        moved = [(t.kind, t.bytes) for t in RESIDENT.transfers[before:] if t.thread == me]
        ways = [way for message in simulation.halo.messages for way in (message.forward, message.back)]
        halo = [(kind, b.wire.nbytes) for w in ways for kind, b in ((TO_HOST, w.outgoing), (TO_DEVICE, w.incoming))]
        simulation.advance(then)
        atoms, forces, row = simulation.gather(), simulation.gather_forces(), simulation.thermo()
        if atoms is None:
            return {}
        found = {"positions": atoms.positions, "velocities": atoms.velocities, "forces": forces}
        found |= {"energy": row.total_energy, "virial": row.virial, "pairs": simulation.pairs}
        return {"rows": found, "moved": moved, "halo": halo, "rebuilds": simulation.rebuilds}

    with RESIDENT.installed():
        return engines.on_bricks(ranks, setup, 4, action)[0]


@cache
def three_steps(name: str, device: str, longer: float = 1.0) -> dict[str, Any]:
    """Of a run, with a new list before the second step."""
    ranks, setup = RUNS[name]
    return after_steps(ranks, replace(setup, device=device, timestep=longer * setup.timestep), 1, 2)


def wrong(found: dict[str, Any], expected: dict[str, Any], precision: str) -> list[str]:
    """Names of what differs by more than the bound."""
    rows = found["rows"], expected["rows"]
    return [name for name, bound in BOUNDS[precision].items() if not agree(rows[0][name], rows[1][name], bound)]


@pytest.mark.parametrize("name", RUNS)
def test_steps_of_the_engine_on_the_device_are_those_of_the_cpu(name: str) -> None:
    precision = RUNS[name][1].precision
    found, expected = three_steps(name, "cuda"), three_steps(name, "cpu")
    assert wrong(found, expected, precision) == []
    assert found["rebuilds"] == expected["rebuilds"] == 2
    assert {"positions", "velocities"} <= set(wrong(found, three_steps(name, "cpu", 1.001), precision))


def test_a_step_on_one_rank_brings_the_kinetic_energy_to_its_thermostat_and_nothing_else() -> None:
    assert three_steps("liquid, one rank, mixed", "cuda")["moved"] == [(TO_HOST, 8)]


def test_a_step_on_two_ranks_moves_the_halo_and_nothing_else() -> None:
    """Three coordinates of each ghost and its force; of embedded atoms also a density home and a slope out."""
    liquids, metal = (three_steps(name, "cuda") for name in ("liquid, two ranks, mixed", "copper, two ranks, double"))
    assert sorted(liquids["moved"]) == sorted(liquids["halo"])
    numbers = [(kind, size // 3) for kind, size in metal["halo"]]
    assert sorted(metal["moved"]) == sorted([*metal["halo"], *numbers])


def test_a_new_list_on_one_rank_brings_no_atoms_to_the_host_and_a_restart_has_them_all() -> None:
    def action(simulation: Any) -> tuple[int, int, Any, Any]:
        largest = []
        for work in (simulation.rebuild, lambda: simulation.layout.empty_into(simulation.staging, simulation.bricks)):
            before = len(RESIDENT.transfers)
            work()
            largest.append(max(t.bytes for t in RESIDENT.transfers[before:] if t.kind in (TO_HOST, ELEMENT)))
        return *largest, simulation.state().atoms, simulation.gather()

    with RESIDENT.installed():
        setup = replace(RUNS["liquid, one rank, mixed"][1], device="cuda")
        rebuilt, emptied, kept, atoms = engines.on_bricks(1, setup, 4, action)[0]
    assert rebuilt <= 8
    assert emptied == atoms.positions.nbytes
    order = np.argsort(kept.ids)
    for name in ("positions", "velocities", "ids", "types"):
        assert agree(getattr(kept, name)[order], getattr(atoms, name), 1e-15)


def beside_its_place() -> Any:
    @simulated.cuda.jit
    def unpack_rows(buffer, offsets, lanes, values):
        k = simulated.cuda.grid(1)
        if k < offsets.size:
            for d in range(3):
                values[offsets[k] + d * lanes] = buffer[3 * k + (d + 1) % 3]

    return unpack_rows


def forgetting_home(layout: Any, pairs: Any, *others: Any) -> None:
    if pairs is not layout.home_list:
        list_pairs(layout, pairs, *others)


list_pairs = Layout._list
FAULTS: dict[str, tuple[Any, str, Any]] = {
    "a copy to the host forgotten": (memory_cuda.StagedBuffer, "to_wire", lambda buffer: buffer.wire),
    "a copy to the device forgotten": (memory_cuda.StagedBuffer, "from_wire", lambda buffer: buffer.array),
    "a kernel that writes the wrong place": (halo_cuda, "unpack_rows", beside_its_place()),
    "a halo forgotten": (Evaluation, "_positions_forward", lambda evaluation, layout, halo: []),
    "forces not sent home": (halo_cuda, "unpack_add", lambda *arguments: None),
    "ghosts in no list of their own": (Layout, "_list", forgetting_home),
}


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_a_planted_fault_of_the_engine_is_found(fault: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = liquid(every=20)
    expected = after_steps(2, setup, 0, 1)
    if fault is not None:
        owner, name, mistake = FAULTS[fault]
        monkeypatch.setattr(owner, name, mistake, raising=False)
    try:
        found = after_steps(2, replace(setup, device="cuda"), 0, 1)
    except (ClustermarkError, UninitialisedMemoryError) as error:
        assert fault is not None, error
        return
    assert bool(wrong(found, expected, "mixed")) == (fault is not None)


if EVERYTHING:

    @pytest.mark.parametrize("precision", ["double", "single"])
    def test_three_steps(precision: str) -> None:
        simulated.test_three_steps_with_a_new_list_between_are_those_of_the_cpu(
            "one type, cut", precision, simulated.Ensemble()
        )

    @pytest.mark.parametrize("lanes", [4, 8])
    def test_slots_of_atoms(lanes: int) -> None:
        simulated.test_atoms_get_the_slots_that_the_cpu_gives_them(lanes)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_padding_scatter_collect_and_boxes(dtype: str) -> None:
        simulated.test_padding_scatter_collect_and_boxes_are_those_of_the_cpu(dtype)

    @pytest.mark.parametrize("precision", ["double", "mixed"])
    def test_pair_list(precision: str) -> None:
        simulated.test_the_list_holds_every_pair_within_reach_once_for_each_of_its_atoms(precision)

    @pytest.mark.parametrize("kernel", ["float64", "float32"])
    def test_forces_on_ghosts(kernel: str) -> None:
        simulated.test_three_lists_give_the_forces_on_atoms_and_ghosts_and_count_each_pair_once(kernel)


def test_a_barrier_left_out_of_a_sum_is_found(on_the_interpreter: InterpretedDevice) -> None:
    velocity_cuda = importlib.import_module("clustermark.apps.md.velocity_cuda")
    kernel = velocity_cuda.sum_of_squares
    arguments = (np.zeros(3 * 128), np.zeros(128, np.int32), np.ones(1), 128, (0,) * 8, np.zeros((1, 1)))
    types = tuple(map(kernel.typeof_pyval, arguments))
    text = compile_offline(Launch(kernel, types), [(9, 0)])[(9, 0)]
    on_the_interpreter.programs[kernel.py_func, types] = load_program(text.replace("bar.sync", "// bar.sync", 1))
    with pytest.raises(SharedRaceError, match="no barrier between"):
        kernel[1, 128](*arguments)
    on_the_interpreter.programs[kernel.py_func, types] = load_program(text)
    kernel[1, 128](*arguments)


def test_values_by_type_are_spread_over_slots() -> None:
    generator = np.random.default_rng(4)
    ids, types = generator.integers(-1, 3, 131), generator.integers(0, 3, 131).astype(np.int32)
    by_type, expected = generator.random(3), np.zeros(131)
    integrate_cpu.per_slot(ids, types, by_type, expected)
    found = to_device(np.full(131, np.nan))
    integrate_cuda.per_slot(*map(to_device, (ids, types, by_type)), found)
    assert (found.copy_to_host() == expected).all()


# Comparison → kernels of which the store must not be left out.
COMPARED: list[tuple[Any, tuple[Any, ...], tuple[str, ...]]] = [
    (test_values_by_type_are_spread_over_slots, (), ("spread_by_type",)),
    (
        simulated.test_messages_are_packed_and_unpacked_as_on_the_cpu,
        ("float32",),
        ("pack_rows", "unpack_rows", "add_rows"),
    ),
    (
        simulated.test_kicks_drifts_and_displacements_are_those_of_the_cpu,
        ("float64", "float32"),
        ("kick_and_drift", "kick_slots", "displacements"),
    ),
    (
        simulated.test_atoms_get_the_slots_that_the_cpu_gives_them,
        (4,),
        (
            *("clear", "count_in_columns", "clusters_in_columns", "start_columns"),
            *("place_in_columns", "rank_in_columns"),
        ),
    ),
    (
        simulated.test_atoms_leave_their_slots_in_order_and_wrapped_as_on_the_cpu,
        ("float32",),
        ("mark_filled", "take_filled"),
    ),
    (
        simulated.test_padding_scatter_collect_and_boxes_are_those_of_the_cpu,
        ("float32",),
        ("pad_slots", "scatter_rows", "collect_rows", "box_clusters"),
    ),
]


@pytest.mark.parametrize(
    ("comparison", "arguments", "kernel"),
    [(comparison, arguments, kernel) for comparison, arguments, kernels in COMPARED for kernel in kernels],
    ids=[kernel for _, _, kernels in COMPARED for kernel in kernels],
)
def test_a_store_left_out_of_a_kernel_is_noticed(
    comparison: Any, arguments: tuple[Any, ...], kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, planted = DEVICE.program, list[str]()

    def program(dispatcher: Any, types: tuple[Any, ...]) -> Any:
        if dispatcher.py_func.__name__ != kernel:
            return whole(dispatcher, types)
        text = compile_offline(Launch(dispatcher, types), [(9, 0)])[(9, 0)]
        (fault,) = (fault for fault in planted_faults(text) if fault.kind == "store left out")
        planted.append(fault.before)
        return load_program(fault.text)

    monkeypatch.setattr(DEVICE, "program", program)
    with LADDER.judgement(), pytest.raises((AssertionError, PtxError)):
        comparison(*arguments)
    assert planted
    LADDER.caught_a_fault()


def test_every_kernel_was_run_and_most_of_its_machine_code(request: pytest.FixtureRequest) -> None:
    here = {item.name.split("[")[0] for item in request.session.items if item.path == request.path}
    if here < {name for name in globals() if name.startswith("test_")} or request.config.getoption("keyword"):
        pytest.skip("the coverage of this file is asked for only where the whole file is run")
    modules = [
        importlib.import_module(f"clustermark.apps.md.{path.stem}")
        for path in sorted(Path(simulated.layout.__file__).parent.glob("*_cuda.py"))
    ]
    wanted = {kernel.py_func.__name__ for kernel in kernels_in(modules).values()}
    assert wanted <= {launched.name for launched in DEVICE.launches}
    ran: dict[int, tuple[str, np.ndarray]] = {}
    for launched in DEVICE.launches:
        name, before = ran.get(id(launched.report.program), (launched.name, launched.report.executed))
        ran[id(launched.report.program)] = (name, before | launched.report.executed)
    covered = [float(done.mean()) for _, done in ran.values()]
    lowest = sorted((round(float(done.mean()), 3), name) for name, done in ran.values())[:3]
    print(f"machine code run: {np.mean(covered):.1%} on average of {len(covered)} kernels; the lowest: {lowest}")
    assert np.mean(covered) > LEAST_COVERED
