"""The operations and bytes that applications declare, against those that their kernels' source holds."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from counted_kernels import Trace, each, random_array, traced

from clustermark.apps.climate import counted_work as climate
from clustermark.apps.climate import primitive_cpu, primitive_rows_cpu, shallow_cpu, surface_cpu
from clustermark.apps.climate.surface_cpu import TERMS
from clustermark.apps.md import counted_work as md
from clustermark.apps.md import integrate_cpu, kernels_cpu, pair_terms_cpu
from clustermark.apps.md.interactions import Embedded, OneType
from clustermark.apps.md.layout import PRECISIONS

RNG = np.random.default_rng(1)
# Rows and columns around a region, and the first of it.
RIM, FIRST = 8, 3
ATOMS = 12


# --- the tool ----------------------------------------------------------------------------------------------------


def test_an_operation_counts_once_a_turn_and_only_where_something_stored_needs_it() -> None:
    trace, x = Trace(), random_array(RNG, 4)
    for _ in trace.turns(2):
        a, b = trace.load(x, 0), trace.load(x, 1)
        trace.number("/", a, b)
        trace.store(x, 2, (a + b) * (b + a) - (0 - a * b))
    assert trace.flops() == 2 * 4
    assert trace.traffic([x]) == 3 * 8


# --- climate -----------------------------------------------------------------------------------------------------


def water_of(rows: int, columns: int, patch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Operations of a stage of water on a region, and bytes of the fields."""
    pitch, height = columns + RIM, rows + RIM
    fields = [random_array(RNG, pitch * height) for _ in range(11)]
    cosines = [random_array(RNG, height) for _ in range(2)]
    work = np.zeros((1, shallow_cpu.ROLLING_ROWS, pitch))
    region = (FIRST, FIRST + rows, FIRST, FIRST + columns)

    def stage(_: Trace) -> None:
        kernels: Any = shallow_cpu
        kernels.shallow_stage(*fields[:8], *cosines, 0.3, 9.8, 0.1, pitch, *region, None, work, *fields[8:])

    trace = traced(patch, [shallow_cpu], {}, stage)
    return trace.flops(), trace.traffic(fields)


@pytest.mark.parametrize("fault", [False, True])
def test_a_cell_of_water_does_what_is_declared(fault: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: a term more in one formula."""
    if fault:
        monkeypatch.setattr(shallow_cpu, "_depth_change", lambda e, w, n, s, factor: (e - w + (n - s)) * factor + e)
    flops, moved = each(lambda rows, columns: water_of(rows, columns, monkeypatch))
    assert (flops == climate.CELL_FLOPS["shallow"]) is not fault
    assert moved == 8 * climate.STAGE_WORDS["shallow"]


def air_of(rows: int, columns: int, levels: int, patch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Operations of a stage of an atmosphere on a region, and bytes of its three-dimensional fields."""
    pitch, height = columns + RIM, rows + RIM
    plane = pitch * height
    fields = [random_array(RNG, levels * plane) for _ in range(9)]
    mass, mass_new, exner, ground, coriolis = (random_array(RNG, plane) for _ in range(5))
    terms, powers = random_array(RNG, TERMS * plane), random_array(RNG, 100)
    center, face = (random_array(RNG, height) for _ in range(2))
    table = random_array(RNG, 8 * levels).reshape(8, levels)
    work = primitive_cpu.make_work(1, levels, pitch, "float64")
    region = (FIRST, FIRST + rows, FIRST, FIRST + columns)

    def stage(_: Trace) -> None:
        kernels: Any = primitive_cpu
        surface_cpu.surface_terms(mass, face, powers, 1e5, 1e3, height, pitch, *region, 1, None, exner, terms)
        kernels.advance(
            *fields[:3], mass, *fields[3:6], ground, coriolis, terms, center, face, table, 0.3, 0.1, height, pitch,
            *region, None, work, mass_new, *fields[6:],
        )  # fmt: skip

    trace = traced(patch, [primitive_cpu, primitive_rows_cpu, surface_cpu], {}, stage)
    return trace.flops(), trace.traffic(fields)


def test_a_cell_and_a_column_of_air_do_what_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    of_two, of_three = (each(partial(air_of, levels=levels, patch=monkeypatch)) for levels in (2, 3))
    cell = of_three[0] - of_two[0]
    assert cell == climate.CELL_FLOPS["primitive"]
    assert of_two[0] - 2 * cell == climate.COLUMN_FLOPS["primitive"]
    assert of_two[0] == pytest.approx(2 * climate.stage_flops("primitive", 2))
    assert of_three[1] == 3 * 8 * climate.STAGE_WORDS["primitive"]


# --- molecular dynamics ------------------------------------------------------------------------------------------


def interaction_of(potential: str) -> Any:
    """Numbers that mean nothing, of one type of atom."""
    if potential == "lj":
        return OneType(1.0, *random_array(RNG, 6))
    density, pair = (random_array(RNG, 4 * ATOMS) for _ in range(2))
    return Embedded(1.0, np.zeros(ATOMS, np.int32), 1, 3.0, 2.0, 5, density, pair, random_array(RNG, ATOMS))


def run_of(potential: str, kernel: str, pairs: int, patch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Operations of one run with so many pairs, and bytes of the atoms' fields."""
    interaction = interaction_of(potential)
    positions, forces = (random_array(RNG, 3 * ATOMS) for _ in range(2))
    density, shifts = random_array(RNG, ATOMS), random_array(RNG, 3 * 28)
    runs, entries = np.array([[0, 2, 0, pairs]]), np.array([*range(1, pairs + 1), -1])
    slope = getattr(interaction, "embedding_slope", density)
    formulas = {
        "own_data": lambda interaction, slot, width: (0, slope[slot]),
        "terms_of_pair": pair_terms_cpu._one_type if potential == "lj" else pair_terms_cpu._embedded,
        "density_of_pair": pair_terms_cpu._embedded_density,
        "_no_sums": lambda totals, zero: None,
    }
    where = (interaction, positions, runs, entries, shifts, 0, 1, None)

    def call(_: Trace) -> None:
        if kernel == "forces":
            kernels_cpu.pair_forces(*where, forces, None)
        else:
            kernels_cpu.densities(*where, density)

    trace = traced(patch, [kernels_cpu, pair_terms_cpu], formulas, call)
    return trace.flops(), trace.traffic([positions, forces, density, slope])


def more(count: Any) -> np.ndarray:
    """What a fourth adds to three."""
    return np.subtract(count(4), count(3))


def drift_of(atoms: int, patch: pytest.MonkeyPatch, precision: str = "double") -> tuple[int, int]:
    """Operations and bytes of kick and drift."""
    master, kernel = PRECISIONS[precision]
    forces, velocities, masters = (random_array(RNG, 3 * atoms, kind) for kind in (kernel, master, master))
    kicks = random_array(RNG, atoms, master)
    positions = masters if master == kernel else random_array(RNG, 3 * atoms, kernel)
    arguments = (forces, kicks, 2, 0.005, atoms, None, velocities, masters, positions)
    kernels: Any = integrate_cpu
    trace = traced(patch, [integrate_cpu], {}, lambda _: kernels.kick_drift(*arguments))
    read_for_its_type = 12 if precision == "mixed" else 0
    moved = trace.traffic([forces, velocities, masters, kicks])
    copied = trace.traffic([positions]) - read_for_its_type * atoms if precision == "mixed" else 0
    return trace.flops(), moved + copied


class Traced:
    """An array whose elements are written down without an intrinsic."""

    def __init__(self, array: Any, trace: Trace) -> None:
        self.array, self.trace = array, trace

    def __getitem__(self, index: int) -> Any:
        return self.trace.load(self.array, index)

    def __setitem__(self, index: int, value: Any) -> None:
        self.trace.store(self.array, index, value)


def embedding_of(atoms: int, patch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Operations and bytes of the embedding energy of so many atoms and of its slopes."""
    ids, kinds = np.arange(atoms), np.zeros(atoms, np.int32)
    density, slope, table = (random_array(RNG, size) for size in (atoms, atoms, 40))

    def call(trace: Trace) -> None:
        arrays = [Traced(array, trace) for array in (density, table, slope)]
        energy = kernels_cpu.embed(ids, kinds, arrays[0], arrays[1], 5, 2.0, 3.0, arrays[2])
        trace.store(np.zeros(1), 0, energy)

    chosen = {"float": lambda x: x, "int": lambda x: 0, "min": lambda x, y: x, "max": lambda x, y: y}
    trace = traced(patch, [kernels_cpu], chosen, call)
    return trace.flops(), trace.traffic([density, slope])


@pytest.mark.parametrize("potential", ["lj", "eam"])
def test_a_pair_and_an_atom_do_what_is_declared(potential: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = ("forces",) if potential == "lj" else ("densities", "forces")
    pair = np.sum([more(partial(run_of, potential, name, patch=monkeypatch)) for name in kernels], axis=0)
    atom = more(lambda atoms: drift_of(atoms, monkeypatch))
    if potential == "eam":
        atom = atom + more(lambda atoms: embedding_of(atoms, monkeypatch))
    assert pair[0] == md.PAIR_FLOPS[potential]
    assert atom[0] == md.ATOM_FLOPS[potential]
    cleared = 3 * 8 + (8 if potential == "eam" else 0)
    assert pair[1] + atom[1] + cleared == md.step_bytes(potential, "double")


@pytest.mark.parametrize(("precision", "cleared_and_pairs"), [("double", 96), ("mixed", 48), ("single", 48)])
def test_bytes_follow_the_formats(precision: str, cleared_and_pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    atom = more(lambda atoms: drift_of(atoms, monkeypatch, precision))
    assert atom[1] + cleared_and_pairs == md.step_bytes("lj", precision)
