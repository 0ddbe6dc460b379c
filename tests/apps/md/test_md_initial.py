"""Lattices and first velocities, whole and in bricks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.apps.md.initial import (
    center_and_scale,
    draw_velocities,
    exact_sum,
    fcc_lattice,
    fcc_sites_in_brick,
    maxwell_velocities,
)
from clustermark.apps.md.model import UNITS
from clustermark.core.errors import UsageError

LJ, METAL = UNITS["lj"], UNITS["metal"]


class Ranks:
    """Communicators of threads of this process, with the two calls that initial.py makes."""

    def __init__(self, size: int) -> None:
        self._slots: list[Any] = [None] * size
        self._barrier = threading.Barrier(size)

    def run(self, function: Callable[[Any, int], Any]) -> list[Any]:
        """function(communicator, rank) on all ranks."""
        found: list[Any] = [None] * len(self._slots)

        def body(rank: int) -> None:
            found[rank] = function(_Rank(self._slots, self._barrier, rank), rank)

        threads = [threading.Thread(target=body, args=(rank,)) for rank in range(len(found))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        return found


class _Rank:
    def __init__(self, slots: list[Any], barrier: threading.Barrier, rank: int) -> None:
        self._slots, self._barrier, self._rank = slots, barrier, rank

    def allgather(self, value: Any) -> list[Any]:
        self._slots[self._rank] = value
        self._barrier.wait(timeout=60)
        values = list(self._slots)
        self._barrier.wait(timeout=60)
        return values

    def allreduce(self, value: Any) -> Any:
        return sum(self.allgather(value))


def temperature(velocities: Any, masses: Any, units: Any) -> float:
    twice_kinetic = units.mass_velocity2 * (masses[:, None] * velocities**2).sum()
    return float(twice_kinetic / (3 * (len(masses) - 1) * units.boltzmann))


def test_an_fcc_lattice_has_twelve_nearest_neighbours_and_no_atom_twice() -> None:
    positions, box = fcc_lattice((4, 3, 5), 1.6)
    assert positions.shape == (4 * 60, 3)
    assert (box == np.array([4, 3, 5]) * 1.6).all()
    assert ((positions >= 0) & (positions < box)).all()
    delta = positions[:, None] - positions[None]
    delta -= box * np.rint(delta / box)
    distance = np.sqrt((delta**2).sum(axis=2))
    np.fill_diagonal(distance, np.inf)
    assert distance.min() == pytest.approx(1.6 / np.sqrt(2), rel=1e-14)
    assert (np.count_nonzero(distance < 1.6 * 0.72, axis=1) == 12).all()


def test_ids_follow_the_cells_along_x_and_the_four_atoms_of_each() -> None:
    positions, _ = fcc_lattice((2, 2, 2), 2.0)
    assert positions[:5].tolist() == [[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1], [2, 0, 0]]
    assert positions[8].tolist() == [0, 2, 0]
    assert positions[16].tolist() == [0, 0, 2]


@given(
    cells=st.tuples(*[st.integers(1, 5)] * 3),
    constant=st.floats(0.1, 10),
    cut=st.lists(st.floats(0, 1), min_size=3, max_size=3),
)
def test_bricks_tile_the_lattice_bit_by_bit(cells: tuple[int, int, int], constant: float, cut: list[float]) -> None:
    positions, box = fcc_lattice(cells, constant)
    edges = [(0.0, float(cut[d] * box[d]), float(box[d])) for d in range(3)]
    found = np.full_like(positions, np.nan)
    count = 0
    for x, y, z in np.ndindex(2, 2, 2):
        low = np.array([edges[0][x], edges[1][y], edges[2][z]])
        high = np.array([edges[0][x + 1], edges[1][y + 1], edges[2][z + 1]])
        ids, sites = fcc_sites_in_brick(cells, constant, low, high)
        assert ((sites >= low) & (sites < high)).all()
        assert (np.diff(ids) > 0).all()
        found[ids - 1] = sites
        count += len(ids)
    assert count == len(positions)
    assert (found == positions).all()


def test_a_brick_with_a_closed_upper_face_would_count_sites_twice() -> None:
    _, box = fcc_lattice((2, 2, 2), 2.0)
    middle = np.array([2.0, 4.0, 4.0])
    left, _ = fcc_sites_in_brick((2, 2, 2), 2.0, np.zeros(3), np.nextafter(middle, 9.0))
    right, _ = fcc_sites_in_brick((2, 2, 2), 2.0, np.array([2.0, 0, 0]), box)
    assert len(set(left) & set(right)) == 8


@pytest.mark.parametrize(
    ("cells", "constant", "named"),
    [((0, 1, 1), 1.0, "cells = [0, 1, 1]"), ((1, 1, 1), 0.0, "constant = 0.0"), ((1, 1, 1), float("nan"), "nan")],
)
def test_an_impossible_lattice_is_refused_in_a_sentence(cells: Any, constant: float, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        fcc_lattice(cells, constant)
    assert named in str(caught.value)


@pytest.mark.parametrize("units", [LJ, METAL], ids=["lj", "metal"])
def test_velocities_have_exactly_the_temperature_and_no_momentum(units: Any) -> None:
    masses = np.where(np.arange(5000) % 3 == 0, 63.55, 27.0)
    velocities = draw_velocities(np.arange(1, 5001), masses, 300.0, units, 11)
    assert temperature(velocities, masses, units) == pytest.approx(300.0, rel=1e-13)
    momentum = np.abs((masses[:, None] * velocities).sum(axis=0))
    assert (momentum < 1e-13 * (masses[:, None] * np.abs(velocities)).sum(axis=0)).all()


def test_each_type_has_the_temperature_and_each_direction_half_of_its_kt() -> None:
    masses = np.where(np.arange(90_000) % 3 == 0, 10.0, 1.0)
    velocities = draw_velocities(np.arange(1, 90_001), masses, 1.5, LJ, 5)
    for mass in (1.0, 10.0):
        squares = (mass * velocities[masses == mass] ** 2).mean(axis=0)
        assert squares == pytest.approx(1.5, rel=5 * np.sqrt(2 / 30_000))


def test_an_atoms_velocity_depends_on_its_id_and_not_on_its_place() -> None:
    ids = np.random.default_rng(1).permutation(1000) + 1
    masses = np.where(ids % 2 == 0, 1.0, 2.0)
    shuffled = draw_velocities(ids, masses, 1.44, LJ, 3)
    order = np.argsort(ids)
    assert (draw_velocities(ids[order], masses[order], 1.44, LJ, 3) == shuffled[order]).all()
    assert not (draw_velocities(ids, masses, 1.44, LJ, 4) == shuffled).any()


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_any_number_of_ranks_draws_the_same_velocities_bit_by_bit(ranks: int) -> None:
    ids = np.arange(1, 1001)
    masses = np.where(ids % 2 == 0, 1.0, 2.0)
    whole = draw_velocities(ids, masses, 1.44, LJ, 3)

    def share(comm: Any, rank: int) -> Any:
        mine = slice(rank, None, ranks)
        drawn = maxwell_velocities(ids[mine], masses[mine], 1.44, LJ, 3)
        return center_and_scale(drawn, masses[mine], 1.44, LJ, comm)

    for rank, velocities in enumerate(Ranks(ranks).run(share)):
        assert (velocities == whole[rank::ranks]).all()


def test_a_rank_without_atoms_takes_part() -> None:
    def share(comm: Any, rank: int) -> Any:
        ids = np.arange(1, 11) if rank == 0 else np.arange(0)
        masses = np.ones(len(ids))
        return center_and_scale(maxwell_velocities(ids, masses, 1.0, LJ, 3), masses, 1.0, LJ, comm)

    first, second = Ranks(2).run(share)
    assert (first == draw_velocities(np.arange(1, 11), np.ones(10), 1.0, LJ, 3)).all()
    assert second.shape == (0, 3)


@given(st.lists(st.floats(-1e6, 1e6), max_size=40), st.randoms(use_true_random=False))
def test_exact_sum_does_not_depend_on_order(terms: list[float], random: Any) -> None:
    first = exact_sum(np.array(terms, dtype=np.float64), None)
    assert first == pytest.approx(float(np.sum(terms)), rel=1e-12, abs=1e-9)
    random.shuffle(terms)
    assert exact_sum(np.array(terms, dtype=np.float64), None) == first


def test_a_plain_sum_depends_on_order_where_the_exact_one_does_not() -> None:
    terms = np.random.default_rng(2).normal(size=1000)
    assert float(np.cumsum(terms)[-1]) != float(np.cumsum(terms[::-1])[-1])
    assert exact_sum(terms, None) == exact_sum(terms[::-1], None)


def test_no_temperature_is_rest_and_one_atom_cannot_have_one() -> None:
    assert not draw_velocities(np.arange(1, 5), np.ones(4), 0.0, LJ, 1).any()
    assert not draw_velocities(np.array([1]), np.ones(1), 0.0, LJ, 1).any()
    with pytest.raises(UsageError, match="one atom"):
        draw_velocities(np.array([1]), np.ones(1), 1.0, LJ, 1)
    with pytest.raises(UsageError, match="temperature = -1"):
        draw_velocities(np.arange(1, 5), np.ones(4), -1.0, LJ, 1)
    with pytest.raises(UsageError, match="same velocity"):
        center_and_scale(np.ones((4, 3)), np.ones(4), 1.0, LJ, None)
