"""The pair lists: every pair within reach stands in them once, whatever the box, the bricks and the lanes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from engine_examples import BENCHMARK, LANES, engine, on_bricks, setup_of
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from physics_examples import atoms_of, disturbed, fcc, one_type

from clustermark.apps.md.bricks import choose_grid
from clustermark.apps.md.clusters import PADDING, PLACES, padding_distances
from clustermark.apps.md.driver import Simulation
from clustermark.apps.md.evaluation import Evaluation, Sums
from clustermark.apps.md.model import Atoms
from clustermark.apps.md.pair_list import END, FIRST
from clustermark.apps.md.reference import pair_energy_forces
from clustermark.core.errors import UsageError

CUTOFF, SKIN = 2.5, 0.3
REACH = CUTOFF + SKIN
# Nothing is felt while the engine is made, so that atoms may overlap; then the list is measured with WHOLE.
NOTHING = replace(one_type(CUTOFF), epsilon=np.zeros((1, 1)))
WHOLE = one_type(REACH)


def random_atoms(seed: int, atoms: int, edges: tuple[float, float, float], clumped: bool = False) -> Atoms:
    """Atoms anywhere, a third of their coordinates on planes where bricks and columns may end."""
    random, box = np.random.RandomState(seed), np.array(edges)
    positions = random.uniform(0.0, 0.3 if clumped else 1.0, (atoms, 3)) * box
    snapped = np.arange(atoms) % 3
    rows = np.arange(atoms)
    positions[rows, snapped] = np.rint(positions[rows, snapped] / box[snapped] * 8) / 8 * box[snapped]
    return atoms_of(positions, box)


def sums_within(simulation: Simulation, cutoff: float = REACH) -> Sums:
    """Energy, virial and pairs of this rank within a cutoff, by the list that the engine has made."""
    simulation.evaluation = Evaluation(one_type(cutoff), simulation.setup.overlap, simulation.clock)
    simulation.evaluation.prepare(simulation.layout)
    sums = simulation.evaluation.forces(simulation.layout, simulation.halo, True, True)
    assert sums is not None
    return sums


def whole_energy(simulation: Simulation) -> tuple[int, float, Any]:
    """Pairs and energy over all ranks, and all forces, within the reach of the list."""
    sums = sums_within(simulation)
    world = simulation.world
    return int(world.total(sums.pairs)), world.total(sums.energy), simulation.gather_forces()


def assert_all_pairs(found: tuple[int, float, Any], atoms: Atoms) -> None:
    """The number of pairs, the energy and the forces of the sum over all pairs."""
    expected = pair_energy_forces(atoms, WHOLE)
    assert found[0] == expected.pairs
    assert found[1] == pytest.approx(expected.potential_energy, rel=1e-10, abs=1e-10)
    assert np.abs(found[2] - expected.forces).max() <= 1e-10 * max(1.0, np.abs(expected.forces).max())


# At an edge of exactly the cutoff, rounding decides whether an atom sees its own image: the list reaches further.
NARROWEST = REACH * (1 + 1e-9)
edge = st.sampled_from([NARROWEST, 2 * REACH, 3 * REACH, 4 * REACH]) | st.floats(NARROWEST, 20.0)
boxes = st.tuples(edge, edge, edge)
seeds = st.integers(0, 2**31)


@settings(max_examples=150)
@given(seeds, st.integers(1, 60), boxes, st.sampled_from(LANES))
@example(1, 11, (4 * REACH,) * 3, 8)  # padding shifted by an edge once met padding here
@example(1, 5, (12.0,) * 3, 16)
def test_every_pair_within_reach_is_listed_once(
    seed: int, atoms: int, edges: tuple[float, float, float], lanes: int
) -> None:
    system = random_atoms(seed, atoms, edges)
    assert_all_pairs(whole_energy(engine(system, NOTHING, lanes)), system)


@settings(max_examples=60)
@given(seeds, st.integers(2, 40), st.permutations([NARROWEST, 4.0, 60.0]), st.sampled_from(LANES))
def test_elongated_boxes_lose_no_pair(seed: int, atoms: int, edges: list[float], lanes: int) -> None:
    system = random_atoms(seed, atoms, (edges[0], edges[1], edges[2]))
    assert_all_pairs(whole_energy(engine(system, NOTHING, lanes)), system)


@settings(max_examples=100)
@given(seeds, st.integers(1, 60), boxes, st.sampled_from(LANES), st.sampled_from([2, 3, 4, 6, 8, 12]), st.booleans())
@example(3, 60, (12.0,) * 3, 8, 4, True)  # empty bricks once left their neighbours waiting
def test_bricks_list_every_pair_on_one_rank(
    seed: int, atoms: int, edges: tuple[float, float, float], lanes: int, ranks: int, clumped: bool
) -> None:
    system = random_atoms(seed, atoms, edges, clumped)
    try:
        choose_grid(ranks, system.box, REACH)
    except UsageError:
        assume(False)
    found = on_bricks(ranks, setup_of(system, NOTHING, rule=BENCHMARK), lanes, whole_energy)
    assert_all_pairs(found[0], system)


@settings(max_examples=60)
@given(seeds, st.integers(1, 60), boxes, st.sampled_from(LANES))
def test_lists_in_float32_lose_no_pair_that_is_not_at_the_edge(
    seed: int, atoms: int, edges: tuple[float, float, float], lanes: int
) -> None:
    system = random_atoms(seed, atoms, edges)
    found = sums_within(engine(system, NOTHING, lanes, precision="mixed"), CUTOFF).pairs
    most, fewest = (pair_energy_forces(system, one_type(CUTOFF * factor)).pairs for factor in (1 + 1e-5, 1 - 1e-5))
    assert fewest <= found <= most


@pytest.mark.parametrize("lanes", LANES)
def test_an_entry_that_is_taken_from_the_list_is_missed(lanes: int) -> None:
    """Every entry is there for at least one pair, so that none can go unnoticed, and none can stand there twice."""
    simulation = engine(disturbed(fcc((4, 4, 4), 1.7), 0.1), NOTHING, lanes)
    complete = sums_within(simulation)
    runs = simulation.layout.local_list.runs[: simulation.layout.local_list.size]
    entries = simulation.layout.local_list.entries
    assert (entries[runs[:, END]] == -1).all()
    longer = [row for row in runs if row[END] - row[FIRST] >= 2]
    assert len(longer) > 10
    for row in longer[:100]:
        row[FIRST] += 1
        assert sums_within(simulation).pairs <= complete.pairs - 1
        row[FIRST] -= 1
        last = entries[row[END] - 1]
        entries[row[END] - 1] = -1
        assert sums_within(simulation).pairs <= complete.pairs - 1
        entries[row[END] - 1] = last
    entries[longer[0][FIRST]] = entries[longer[0][FIRST] + 1]
    assert sums_within(simulation).energy != pytest.approx(complete.energy, rel=1e-10), "an entry stands there twice"


def sparse() -> Atoms:
    """A wide and flat box whose columns hold one atom or two atoms each."""
    corners = 100.0 * np.stack(np.meshgrid(np.arange(8), np.arange(4), indexing="ij"), axis=-1).reshape(-1, 2)
    first = np.column_stack([corners * (1, 2), np.full(32, 1.5)]) + 30.0
    second = first[:24] + np.array([1.2, 0.4, -0.9])
    return atoms_of(np.concatenate([first, second]), np.array([800.0, 800.0, 6.0]))


@pytest.mark.parametrize("lanes", LANES)
def test_padding_never_counts_where_a_cluster_has_one_atom(lanes: int) -> None:
    system = sparse()
    simulation = engine(system, NOTHING, lanes)
    slots = simulation.layout.local * lanes
    atoms_in_clusters = (simulation.layout.ids[:slots].reshape(-1, lanes) != PADDING).sum(axis=1)
    assert atoms_in_clusters.max() <= 2 and (atoms_in_clusters == 1).any()
    assert_all_pairs(whole_energy(simulation), system)
    assert not simulation.layout.forces[: 3 * slots].reshape(-1, 3, lanes)[:, :, 2:].any(), "force on padding"


def test_padding_in_a_place_of_an_atom_is_noticed() -> None:
    simulation = engine(sparse(), NOTHING, 8)
    complete = sums_within(simulation).pairs
    cluster = simulation.layout.positions.reshape(-1, 3, 8)[0]
    cluster[:, 7] = cluster[:, 0] + 0.7
    assert sums_within(simulation).pairs > complete


@given(st.lists(st.floats(1.0, 50.0), min_size=3, max_size=3), st.floats(0.5, 10.0))
def test_no_two_paddings_meet_by_a_shift(reaches: list[float], reach: float) -> None:
    box = np.array(reaches) * reach
    apart = padding_distances(box, reach)
    assert (apart >= 2 * reach * (1 - 1e-12)).all()
    multiples = np.arange(PLACES)[:, None] * apart
    assert (np.abs(multiples - box) >= reach * (1 - 1e-12)).all()
    assert PLACES * apart.max() <= 7.5 * PLACES * reach


def test_paddings_four_reaches_apart_would_meet() -> None:
    multiples = np.arange(PLACES) * 4 * REACH
    assert np.abs(multiples - 12.0).min() < REACH


def test_the_same_atoms_in_any_order_have_the_same_pairs() -> None:
    system = random_atoms(9, 50, (7.0, 8.0, 9.0))
    order = np.random.RandomState(1).permutation(50)
    mixed = replace(system, positions=system.positions[order], ids=system.ids[order])
    first, second = (whole_energy(engine(atoms, NOTHING, 8)) for atoms in (system, mixed))
    assert first[0] == second[0]
    assert np.allclose(first[2], second[2], rtol=1e-9, atol=1e-9), "forces are gathered in the order of ids"
