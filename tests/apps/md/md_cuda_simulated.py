"""The CUDA kernels executed by numba's simulator; test_md_cuda.py runs this file in a process of its own.

Compared with the CPU's kernels and with the O(N²) reference, on few atoms whose number fits neither clusters nor
blocks. Each comparison is shown a fault that it must find.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cuda_helpers.turns import threads_taking_turns
from physics_examples import disturbed, fcc, one_type, two_metals, two_types

from clustermark.apps.md import (
    clusters,
    clusters_cuda,
    driver,
    halo,
    halo_cuda,
    integrate_cpu,
    integrate_cuda,
    kernels_cuda,
    layout,
    pair_list_cuda,
    scan_cuda,
    velocity_cuda,
    velocity_kernels,
)
from clustermark.apps.md.interactions import Embedded, make_interaction
from clustermark.apps.md.model import UNITS, Atoms, EmbeddedAtom, ListRule, Potential
from clustermark.apps.md.pair_list import END, FIRST, ITSELF, RUN_COLUMNS, SHIFT
from clustermark.apps.md.pair_list_cuda import CLUSTER
from clustermark.apps.md.reference import pair_energy_forces
from clustermark.apps.md.setup import Ensemble, Setup
from clustermark.apps.md.sutton_chen import sutton_chen
from clustermark.apps.md.tables import evaluate, spline_table
from clustermark.devices.numba_cuda import cuda

REACH, SKIN = 2.2, 0.3
# Of the largest force, or of the energy: rounding of sums of some fifty terms.
BOUND = {"float64": 1e-12, "float32": 2e-5}
POTENTIALS: dict[str, Potential] = {
    "one type, cut": one_type(REACH - SKIN),
    "one type, shifted": one_type(REACH - SKIN, "shifted"),
    "one type, force-shifted": one_type(REACH - SKIN, "force-shifted"),
    "two types": replace(two_types(), cutoff=np.array([[1.9, 1.7], [1.7, 1.5]])),
    "copper": sutton_chen("Cu", cutoff=4.4, points=400),
    "copper and silver": two_metals(),
}


@pytest.fixture(autouse=True)
def in_turns() -> Iterator[None]:
    assert hasattr(cuda, "simulator"), "this file is for NUMBA_ENABLE_CUDASIM=1"
    with threads_taking_turns():
        yield


def host(array: Any) -> Any:
    """What stands in an array of the device."""
    return array.copy_to_host() if hasattr(array, "copy_to_host") else array


def agree(found: Any, expected: Any, bound: float = 0.0) -> bool:
    """Whether two arrays differ by no more than `bound` of the largest expected number; NaN never agrees."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    scale = max(float(np.abs(expected).max(initial=0.0)), 1e-300)
    return found.shape == expected.shape and bool((np.abs(found - expected) <= bound * scale).all())


def some_atoms(potential: Potential, left_out: int = 3) -> Atoms:
    """A small, odd number of atoms in disorder, with velocities."""
    metal = isinstance(potential, EmbeddedAtom)
    kinds = len(potential.elements) if isinstance(potential, EmbeddedAtom) else len(potential.epsilon)
    crystal = disturbed(fcc((2, 2, 2), 3.61 if metal else 1.68), 0.2 if metal else 0.1, kinds)
    kept = slice(left_out, None)
    velocities = np.random.RandomState(7).normal(size=crystal.positions.shape)
    return replace(
        crystal,
        **{name: getattr(crystal, name)[kept] for name in ("positions", "types", "ids")},
        velocities=velocities[kept],
    )


def setup_of(potential: Potential, precision: str, **changes: Any) -> Setup:
    metal = isinstance(potential, EmbeddedAtom)
    atoms = some_atoms(potential)
    types = int(atoms.types.max()) + 1
    values: dict[str, Any] = {
        "atoms": atoms,
        "state": None,
        "masses": np.linspace(1.0, 2.0, types) * (60.0 if metal else 1.0),
        "elements": ("A", "B")[:types],
        "potential": potential,
        "units": UNITS["metal" if metal else "lj"],
        "cutoff": potential.largest_cutoff,
        "rule": ListRule(SKIN, 2, check=False),
        "timestep": 0.001 if metal else 0.005,
        "ensemble": Ensemble(),
        "precision": precision,
        "overlap": False,
        "device": "cuda",
    }
    return Setup(**(values | changes))


# --- sorting, clusters, list ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 63, 64, 65, 4097])
def test_running_totals_are_sums_of_all_before(n: int) -> None:
    values = np.random.RandomState(n).randint(0, 9, n).astype(np.int32)
    totals = scan_cuda.running_totals(cuda.to_device(values)).copy_to_host()
    assert agree(totals, np.concatenate([[0], np.cumsum(values)]))
    assert not agree(totals, np.concatenate([[0], np.cumsum(values + (np.arange(n) == n - 1))]))


def sorted_slots(kernels: Any, positions: Any, lanes: int, low: Any) -> tuple[Any, ...]:
    """Atoms 5 to n − 1 sorted into 3 × 4 columns, clusters from number 2 on."""
    n = len(positions)
    starts, order, slots_ = np.zeros(13, np.int32), np.zeros(n - 5, np.int32), np.full(n, -7, np.int32)
    count = kernels.sort_into_columns(positions, 5, n, low, 0.6, 0.7, 3, 4, lanes, 2, starts, order, slots_)
    return count, starts, order, slots_


@pytest.mark.parametrize("lanes", [4, 8])
def test_atoms_get_the_slots_that_the_cpu_gives_them(lanes: int) -> None:
    positions = np.random.RandomState(3).uniform(-1, 6, (151, 3))
    positions[::3, 2] = 1.0  # many at one height: the number of the atom decides
    low = np.array([-0.5, 0.1, 0.0])
    expected, found = (sorted_slots(kernels, positions, lanes, low) for kernels in (clusters, clusters_cuda))
    assert all(agree(a, b) for a, b in zip(found, expected, strict=True))
    positions[77, 2] += 3.0
    moved = sorted_slots(clusters_cuda, positions, lanes, low)
    assert not all(agree(a, b) for a, b in zip(moved, expected, strict=True))


def test_sorting_nothing_gives_no_cluster() -> None:
    count, starts, _, _ = sorted_slots(clusters_cuda, np.zeros((5, 3)), 8, np.zeros(3))
    assert count == 0
    assert (starts == 2).all()


def filled(kernels: Any, dtype: str, rows: Any) -> tuple[Any, ...]:
    """29 of 40 slots filled, read back, boxed."""
    lanes, number = 8, 5
    ids, types = np.zeros(40, np.int64), np.ones(40, np.int32)
    flat, boxes, back = np.zeros(120, dtype), np.zeros((6, number), np.float32), np.zeros((29, 3))
    place = np.array([slot for slot in range(38) if slot % 8 < 6][:29], np.int32)
    origin = np.array([0.5, -0.25, 2.0])
    kernels.fill_padding(0, number, lanes, 9.0, np.full(3, 3.0), ids, types, flat)
    ids[place] = 1
    kernels.scatter(rows, 0, 29, place, lanes, origin, flat)
    kernels.collect(flat, place, lanes, origin, back)
    kernels.bounding_boxes(flat, ids, 1, number - 1, lanes, boxes)
    return ids, types, flat, back, boxes


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_padding_scatter_collect_and_boxes_are_those_of_the_cpu(dtype: str) -> None:
    rows = np.random.RandomState(5).uniform(0, 7, (29, 3))
    expected, found = (filled(kernels, dtype, rows) for kernels in (clusters, clusters_cuda))
    assert all(agree(a, b) for a, b in zip(found, expected, strict=True))
    rows[11, 1] += 1e-3
    assert not all(agree(a, b) for a, b in zip(filled(clusters_cuda, dtype, rows), expected, strict=True))


def taken_out(kernels: Any, masters: Any, ids: Any) -> tuple[Any, ...]:
    """Atoms of 4 of 5 clusters of 8 in a box of unequal edges, and the row that is lost."""
    number = int((ids[:32] >= 0).sum())
    types, origin, box = (ids % 3).astype(np.int32), np.array([0.5, -0.25, 2.0]), np.array([3.0, 3.5, 5.0])
    rows, moving = np.zeros((number, 3)), np.zeros((number, 3))
    id_rows, type_rows = np.zeros(number, np.int64), np.zeros(number, np.int32)
    lost = kernels.take_atoms(
        *(masters, -0.5 * masters, ids, types, 4, 8, origin, box, rows, moving, id_rows, type_rows)
    )
    return lost, rows, moving, id_rows, type_rows


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_atoms_leave_their_slots_in_order_and_wrapped_as_on_the_cpu(dtype: str) -> None:
    random = np.random.RandomState(8)
    ids = np.where(random.random_sample(40) < 0.7, np.arange(40) + 100, -1)
    first = int(np.flatnonzero(ids >= 0)[0])
    masters = random.uniform(-9, 9, 120).astype(dtype)
    masters[first] = 2.5  # with the origin just the edge of the box
    masters[first + 8] = 0.25 - 1e-17 if dtype == "float64" else 0.25
    expected, found = (taken_out(kernels, masters, ids) for kernels in (clusters, clusters_cuda))
    assert expected[0] == found[0] == -1
    assert expected[1][0, 0] == 0.0
    assert all(agree(a, b, 1e-15) for a, b in zip(found, expected, strict=True))
    masters[first + 16] += 1e-3
    assert not agree(taken_out(clusters_cuda, masters, ids)[1], expected[1], 1e-15)
    second, third = np.flatnonzero(ids >= 0)[[12, 5]]
    for slot, nowhere in ((second, np.nan), (third, 3e10)):
        masters[slot // 8 * 24 + slot % 8 + 8] = nowhere
        lost = [taken_out(kernels, masters, ids)[0] for kernels in (clusters, clusters_cuda)]
        assert lost == [12 if slot == second else 5] * 2


def listed(simulation: Any) -> list[tuple[int, int, int]]:
    """(id i, id j, shift) of every entry of the local list, an atom with itself left out."""
    arrays = simulation.layout
    ids, runs, entries = map(host, (arrays.ids, arrays.local_list.runs, arrays.local_list.entries))
    ids = ids.reshape(-1, arrays.lanes)
    found = []
    for row in runs[: arrays.local_list.size]:
        for j in entries[row[FIRST] : row[END]]:
            found += [
                (int(a), int(b), 13 if row[SHIFT] == ITSELF else int(row[SHIFT]))
                for a in ids[row[CLUSTER]]
                for b in ids[j]
                if a >= 0 and b >= 0 and (a != b or row[SHIFT] != ITSELF)
            ]
    return found


def within_reach(atoms: Atoms, reach: float) -> set[tuple[int, int, int]]:
    """The same of every pair nearer than the reach, by brute force."""
    found = set()
    for number in range(27):
        shift = (np.array([number % 3, number // 3 % 3, number // 9]) - 1) * atoms.box
        vectors = atoms.positions[:, None] + shift - atoms.positions[None]
        for i, j in np.argwhere(np.einsum("ijd,ijd->ij", vectors, vectors) < reach * reach):
            if i != j:
                found.add((int(atoms.ids[i]), int(atoms.ids[j]), number))
    return found


@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_the_list_holds_every_pair_within_reach_once_for_each_of_its_atoms(precision: str) -> None:
    setup = setup_of(POTENTIALS["one type, cut"], precision)
    simulation = driver.Simulation(setup, None, 4)
    pairs, expected = listed(simulation), within_reach(simulation.gather(), REACH)  # pyright: ignore[reportArgumentType]
    assert len(pairs) == len(set(pairs))
    assert len(expected) > 400
    assert expected <= set(pairs)
    simulation.layout.local_list.size -= 1
    assert not expected <= set(listed(simulation))


def test_a_list_too_long_for_its_arrays_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = driver.Simulation(setup_of(POTENTIALS["one type, cut"], "double"), None, 4)
    arrays, needed = simulation.layout, (simulation.layout.local_list.size, simulation.layout.local_list.used)
    for rows, room in ((needed[0] - 1, needed[1]), (needed[0], needed[1] - 1), needed):
        empty = cuda.device_array((rows, RUN_COLUMNS), np.int32), cuda.device_array(room, np.int32)
        monkeypatch.setattr(arrays, "local_list", layout.PairList(*empty))
        asked: list[tuple[int, int]] = []

        def build(*arguments: Any, asked: list[tuple[int, int]] = asked) -> tuple[int, int]:
            asked.append(pair_list_cuda.build_list(*arguments))
            return asked[-1]

        monkeypatch.setattr(arrays, "backend", replace(arrays.backend, lists=SimpleNamespace(build_list=build)))
        arrays.list_pairs(simulation.bricks, simulation.reach)
        assert asked[-1] == needed
        assert asked[:-1] == ([] if (rows, room) == needed else [(-needed[0], -needed[1])])


# --- forces --------------------------------------------------------------------------------------------------


# The simulator promotes float32: mixed precision there is a matter of types alone, which one of each kind has.
MIXED = ("two types", "copper and silver")


@pytest.mark.parametrize(
    ("name", "precision"), [*((name, "double") for name in POTENTIALS), *((name, "mixed") for name in MIXED)]
)
def test_forces_energy_and_virial_are_those_of_the_reference(name: str, precision: str) -> None:
    bound = BOUND["float64" if precision == "double" else "float32"]
    simulation = driver.Simulation(setup_of(POTENTIALS[name], precision), None, 4)
    atoms = simulation.gather()
    assert atoms is not None
    exact = pair_energy_forces(atoms, POTENTIALS[name])
    row = simulation.thermo()
    assert agree(simulation.gather_forces(), exact.forces, bound)
    assert agree(row.potential_energy, exact.potential_energy, bound)
    assert agree(row.virial, exact.virial, 10 * bound)
    assert simulation.pairs == exact.pairs
    step = 1e-3 if precision == "double" else 0.1
    farther = replace(atoms, positions=atoms.positions + step * (np.arange(len(atoms.ids)) == 4)[:, None])
    fault = pair_energy_forces(farther, POTENTIALS[name])
    assert not agree(simulation.gather_forces(), fault.forces, bound)
    assert not agree(row.potential_energy, fault.potential_energy, bound)
    assert not agree(row.virial, fault.virial, 10 * bound)


@pytest.mark.parametrize("name", ["one type, cut", "copper"])
def test_the_rows_may_be_done_in_pieces_and_the_order_of_threads_does_not_matter(name: str) -> None:
    """A piece may end inside the rows of a cluster; blocks and threads run backwards give the same bits."""
    simulation = driver.Simulation(setup_of(POTENTIALS[name], "mixed"), None, 4)
    arrays, pairs = simulation.layout, simulation.layout.local_list
    interaction = simulation.evaluation.interaction

    def evaluated(*bounds: int) -> Any:
        forces, density = (np.zeros(a.shape, a.dtype) for a in (arrays.forces, arrays.electron_density))
        totals = np.zeros(3)
        listed_pairs = (arrays.positions, pairs.runs, pairs.entries, arrays.shifts)
        for first, last in pairwise(bounds):
            kernels_cuda.pair_forces(interaction, *listed_pairs, first, last, arrays.width, forces, totals)
            if isinstance(interaction, Embedded):
                kernels_cuda.densities(interaction, *listed_pairs, first, last, arrays.width, density)
        return np.concatenate([forces, density])

    expected = evaluated(0, pairs.size)
    assert agree(expected[: arrays.forces.size], host(arrays.forces))
    with threads_taking_turns(backwards=True):
        assert agree(evaluated(0, pairs.size), expected)
    assert agree(evaluated(0, 5, 5, 6, 20, pairs.size), expected, BOUND["float32"])
    assert not agree(evaluated(1, pairs.size), expected, BOUND["float32"])


def open_halves(kernel: str) -> tuple[Any, Any, Any, Any]:
    """Atoms in empty space, those of the left half local, those of the right half ghosts: layout, lists, positions."""
    lanes, low, high = 4, np.zeros(3), np.full(3, 3.4)
    atoms = some_atoms(POTENTIALS["one type, cut"])
    order = np.argsort(atoms.positions[:, 0] > 1.9, kind="stable")
    positions, n = np.ascontiguousarray(atoms.positions[order]), int((atoms.positions[:, 0] <= 1.9).sum())
    total, columns = len(positions), 2
    slot = np.zeros(total, np.int32)
    starts = [np.zeros(columns * columns + 1, np.int32) for _ in range(2)]
    common = (low, columns / high[0], columns / high[1], columns, columns, lanes)
    order_ = np.zeros(total, np.int32)
    local = clusters_cuda.sort_into_columns(positions, 0, n, *common, 0, starts[0], order_, slot)
    every = local + clusters_cuda.sort_into_columns(positions, n, total, *common, local, starts[1], order_, slot)
    ids, types = np.zeros(every * lanes, np.int64), np.zeros(every * lanes, np.int32)
    flat, boxes = np.zeros(3 * every * lanes, kernel), np.zeros((6, every), np.float32)
    clusters_cuda.fill_padding(0, every, lanes, 20.0, np.full(3, 9.0), ids, types, flat)
    ids[slot] = np.arange(total)
    clusters_cuda.scatter(positions, 0, total, slot, lanes, np.zeros(3), flat)
    clusters_cuda.bounding_boxes(flat, ids, 0, every, lanes, boxes)
    grid = (0.0, 0.0, high[0] / columns, high[1] / columns, columns, columns)
    shifts, lists = np.zeros((28, 3), kernel), []
    for first, count, target, number in (
        (0, local, starts[0], ITSELF),
        (0, local, starts[1], 13),
        (local, every - local, starts[0], 13),
    ):
        runs, entries = np.zeros((every, RUN_COLUMNS), np.int32), np.zeros(every * every, np.int32)
        size, _ = pair_list_cuda.build_list(
            *(flat, first, count, boxes, target, grid, REACH, shifts, np.array([number]), lanes, runs, entries)
        )
        lists.append((runs, entries, size))
    return positions, n, (ids, types, flat, slot, shifts), lists


@pytest.mark.parametrize("kernel", ["float64", "float32"])
def test_three_lists_give_the_forces_on_atoms_and_ghosts_and_count_each_pair_once(kernel: str) -> None:
    positions, n, (ids, types, flat, slot, shifts), lists = open_halves(kernel)
    potential = one_type(REACH - SKIN)
    interaction = make_interaction(potential, kernel, types, np.zeros(len(ids), kernel))
    forces, totals, back = np.zeros_like(flat), np.zeros(3), np.zeros_like(positions)

    def evaluate(chosen: Any) -> None:
        forces[:] = totals[:] = 0
        for runs, entries, size in chosen:
            kernels_cuda.pair_forces(interaction, flat, runs, entries, shifts, 0, size, 4, forces, totals)
        clusters_cuda.collect(forces, slot, 4, np.zeros(3), back)

    space = Atoms(
        positions, positions, np.arange(1, len(positions) + 1), np.zeros(len(positions), np.int32), np.full(3, 99.0)
    )
    ghosts = {name: getattr(space, name)[n:] for name in ("positions", "velocities", "ids", "types")}
    everything, among_ghosts = (
        pair_energy_forces(space, potential),
        pair_energy_forces(replace(space, **ghosts), potential),
    )
    expected = everything.forces.copy()
    expected[n:] -= among_ghosts.forces
    bound = BOUND[kernel]
    evaluate(lists)
    assert agree(back, expected, bound)
    assert agree(totals[0], everything.potential_energy - among_ghosts.potential_energy, bound)
    assert agree(totals[1], everything.virial - among_ghosts.virial, 10 * bound)
    assert totals[2] == everything.pairs - among_ghosts.pairs
    evaluate(lists[:2])
    assert not agree(back, expected, bound)
    assert totals[2] != everything.pairs - among_ghosts.pairs


def test_three_lists_give_the_electron_density_at_atoms_and_that_of_atoms_at_ghosts() -> None:
    positions, n, (ids, types, flat, slot, shifts), lists = open_halves("float64")
    copper = sutton_chen("Cu", cutoff=2 * (REACH - SKIN), points=400)
    potential = replace(copper, cutoff=copper.cutoff / 2, r_spacing=copper.r_spacing / 2)
    interaction: Any = make_interaction(potential, "float64", types, np.zeros(len(ids)))
    table = spline_table(potential)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    given, _ = evaluate(table.density, table.r_spacing_inverse, distances.ravel(), np.zeros(distances.size, np.int64))
    given = np.where((distances > 0) & (distances < potential.cutoff), given.reshape(distances.shape), 0.0)
    expected = np.concatenate([given[:n].sum(axis=1), given[n:, :n].sum(axis=1)])
    for chosen, complete in ((lists, True), (lists[:2], False)):
        density = np.zeros(len(ids))
        for runs, entries, size in chosen:
            kernels_cuda.densities(interaction, flat, runs, entries, shifts, 0, size, 4, density)
        assert agree(density[slot], expected, 1e-13) == complete


# --- steps ---------------------------------------------------------------------------------------------------


def flat_arrays(dtype: str, number: int, seed: int) -> list[Any]:
    random = np.random.RandomState(seed)
    return [random.normal(size=3 * 8 * 5).astype(dtype) for _ in range(number)]


@pytest.mark.parametrize(("master", "kernel"), [("float64", "float64"), ("float64", "float32"), ("float32", "float32")])
def test_kicks_drifts_and_displacements_are_those_of_the_cpu(master: str, kernel: str) -> None:
    bound = 4 * float(np.finfo(master).eps)
    half_kicks = np.random.RandomState(2).uniform(0, 0.1, 40).astype(master)

    def integrated(kernels: Any, width: Any, factor: float) -> tuple[Any, ...]:
        (forces, positions), (velocities, masters) = flat_arrays(kernel, 2, 1), flat_arrays(master, 2, 4)
        reference = positions.copy()
        step = np.dtype(master).type(0.005)
        kernels.kick_drift(forces, half_kicks, factor, step, 4, width, velocities, masters, positions)
        kernels.kick(forces, half_kicks, 3, width, velocities)
        moved = kernels.largest_displacement_square(positions, reference, 4, 8)
        return velocities, masters, positions, moved

    from clustermark.devices.simd import Width

    expected, found = integrated(integrate_cpu, Width(8), 2.0), integrated(integrate_cuda, 8, 2.0)
    narrow = 4 * float(np.finfo(kernel).eps)
    bounds = (bound, bound, narrow, narrow)
    assert all(agree(a, b, limit) for a, b, limit in zip(found, expected, bounds, strict=True))
    other = integrated(integrate_cuda, 8, 1.0)
    assert not any(agree(a, b, limit) for a, b, limit in zip(other[:2], expected, bounds, strict=False))
    assert integrate_cuda.largest_displacement_square(np.zeros(0), np.zeros(0), 0, 8) == 0.0


def test_a_position_that_is_no_number_does_not_hide_how_far_others_have_moved() -> None:
    positions, reference = flat_arrays("float64", 2, 3)
    expected = integrate_cpu.largest_displacement_square(positions, reference, 5, 8)
    positions[8] = np.nan  # y of the atom in slot 0, which has not moved farthest
    for kernels in (integrate_cpu, integrate_cuda):
        assert kernels.largest_displacement_square(positions, reference, 5, 8) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_messages_are_packed_and_unpacked_as_on_the_cpu(dtype: str) -> None:
    places = np.random.RandomState(9).permutation(40)[:37]
    offsets = (places // 8 * 24 + places % 8).astype(np.int32)
    shift = np.array([1.5, 0.0, -2.25], dtype)

    def passed_on(kernels: Any, moved: Any) -> tuple[Any, ...]:
        (values, target, sums), buffer = flat_arrays(dtype, 3, 8), np.zeros(3 * 37, dtype)
        kernels.pack(values, offsets, 8, moved, buffer)
        kernels.unpack(buffer, offsets, 8, target)
        kernels.unpack_add(buffer, offsets, 8, sums)
        return buffer, target, sums

    expected, found = passed_on(halo, shift), passed_on(halo_cuda, shift)
    assert all(agree(a, b) for a, b in zip(found, expected, strict=True))
    other = passed_on(halo_cuda, shift + np.array([0, 0, 1e-3], dtype))
    assert not any(agree(a, b) for a, b in zip(other, expected, strict=True))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_langevin_kicks_and_kinetic_energy_are_those_of_the_cpu(dtype: str) -> None:
    ids = np.where(np.arange(40) % 8 < 7, np.arange(40), -1)
    types = np.where(ids < 0, -1, ids % 2).astype(np.int32)

    def kicked(kernels: Any, step: int) -> tuple[Any, float]:
        (velocities,) = flat_arrays(dtype, 1, 6)
        velocities.reshape(5, 3, 8)[:, :, 7] = 0
        amplitudes, masses = np.array([0.5, 0.7]), np.array([1.0, 3.0])
        kernels.langevin_kick(velocities, ids, types, 8, 1, 4, 0.9, amplitudes, 11, step, np.zeros((3, 256)))
        return velocities, kernels.kinetic_energy(velocities, types, masses, 8, 5, 1.5)

    expected, found = kicked(velocity_kernels, 5), kicked(velocity_cuda, 5)
    assert agree(found[0], expected[0], 2 * float(np.finfo(dtype).eps))
    assert agree(found[1], expected[1], 1e-14 if dtype == "float64" else 1e-7)
    other = kicked(velocity_cuda, 6)
    assert not agree(other[0], expected[0], 1e-3)
    assert not agree(other[1], expected[1], 1e-3)


@pytest.mark.parametrize(
    ("name", "precision", "ensemble"),
    [
        ("two types", "double", Ensemble("langevin", 1.0, 0.5, 3)),
        ("one type, cut", "single", Ensemble()),
    ],
)
def test_three_steps_with_a_new_list_between_are_those_of_the_cpu(
    name: str, precision: str, ensemble: Ensemble
) -> None:
    setup = setup_of(POTENTIALS[name], precision, ensemble=ensemble)
    simulation = driver.Simulation(setup, None, 4)
    simulation.advance(3)
    found = simulation.gather()
    expected = []
    for timestep in (setup.timestep, 1.01 * setup.timestep):
        start = replace(setup, timestep=timestep, device="cpu")
        reference = driver.Simulation(start, None, 4)
        reference.advance(3)
        expected.append((reference.gather(), reference.thermo()))
    bound = BOUND["float64" if precision == "double" else "float32"]

    def same(atoms: Any, row: Any) -> bool:
        return (
            agree(found.positions, atoms.positions, bound)  # pyright: ignore[reportOptionalMemberAccess]
            and agree(found.velocities, atoms.velocities, 10 * bound)  # pyright: ignore[reportOptionalMemberAccess]
            and agree(simulation.thermo().total_energy, row.total_energy, 10 * bound)
        )

    assert same(*expected[0])
    assert not same(*expected[1])
