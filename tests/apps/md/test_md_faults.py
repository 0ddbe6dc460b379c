"""What a user gets wrong, and what goes wrong in a run: one sentence that names the atom, the numbers, the remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from engine_examples import BENCHMARK, atoms_of_engine, engine, on_bricks, setup_of, warm_crystal
from hypothesis import given, settings
from hypothesis import strategies as st
from physics_examples import atoms_of, disturbed, fcc, melt, one_type, two_metals

from clustermark.apps.md.bricks import Bricks, choose_grid
from clustermark.apps.md.driver import Simulation
from clustermark.apps.md.model import UNITS, Atoms, ListRule
from clustermark.apps.md.overlaps import worst_pair
from clustermark.apps.md.setup import Ensemble
from clustermark.core.errors import ClustermarkError, UsageError

LJ = one_type(2.5)


def sentence_of(error: pytest.ExceptionInfo[ClustermarkError]) -> str:
    """What the user reads: one line."""
    text = str(error.value)
    assert text.isprintable(), text
    return text


@pytest.mark.parametrize("ranks", [1, 2])
def test_atoms_on_one_another_are_named(ranks: int) -> None:
    atoms = melt(1000)[0]
    positions = atoms.positions.copy()
    positions[17], positions[2917] = [0.01, 8.0, 8.0], [16.79, 8.0, 8.0]
    close = replace(atoms, positions=positions, ids=atoms.ids + 1000)
    with pytest.raises(UsageError) as error:
        on_bricks(ranks, setup_of(close, LJ, rule=BENCHMARK), 8, lambda simulation: simulation.pairs)
    sentence = sentence_of(error)
    assert "atoms 1018 and 3918 are 0.016 apart" in sentence
    assert "remove one of them or relax the configuration first" in sentence


def test_atoms_in_one_place_are_named_in_every_precision() -> None:
    positions = fcc((3, 3, 3), 1.7).positions
    positions[5] = positions[60]
    for precision in ("double", "mixed", "single"):
        with pytest.raises(UsageError) as error:
            engine(atoms_of(positions, 5.1), LJ, precision=precision)
        assert "atoms 6 and 61 are 0 apart" in sentence_of(error)


def test_overlapping_metal_atoms_that_the_potential_allows_are_no_fault() -> None:
    atoms = disturbed(fcc((3, 3, 3), 3.8), 0.1, 2)
    positions = atoms.positions.copy()
    positions[5] = positions[60] + 0.5
    engine(replace(atoms, positions=positions), two_metals(), units=UNITS["metal"])


@given(st.integers(2, 300), st.integers(0, 2**31), st.tuples(*[st.floats(1.0, 9.0)] * 3), st.booleans())
@settings(max_examples=50)
def test_the_worst_pair_is_the_atom_with_the_largest_force_and_its_nearest(
    number: int, seed: int, edges: tuple[float, float, float], broken: bool
) -> None:
    box, random = np.array(edges), np.random.RandomState(seed)
    positions, forces = random.uniform(0, 1, (number, 3)) * box, random.normal(size=(number, 3))
    worst = int(random.randint(number))
    forces[worst] = np.nan if broken else 100.0
    apart = positions - positions[worst]
    apart -= box * np.rint(apart / box)
    distances = np.sqrt((apart**2).sum(axis=1))
    distances[worst] = np.inf
    ids = np.arange(number)
    atoms = Atoms(positions, np.zeros((number, 3)), ids, np.zeros(number, np.int32), box)
    i, j, distance = worst_pair(atoms, forces)
    assert i == worst
    assert distance == pytest.approx(distances.min(), abs=1e-12)
    assert distances[j] == pytest.approx(distance, abs=1e-12)


@given(st.integers(0, 107), st.integers(0, 2), st.sampled_from([np.nan, np.inf, -np.inf]), st.booleans())
@settings(max_examples=20)
def test_an_atom_without_a_position_or_velocity_is_named(atom: int, axis: int, value: float, moving: bool) -> None:
    atoms = warm_crystal((3, 3, 3))
    values = (atoms.velocities if moving else atoms.positions).copy()
    values[atom, axis] = value
    wrong = replace(atoms, velocities=values) if moving else replace(atoms, positions=values)
    with pytest.raises(UsageError) as error:
        engine(wrong, LJ)
    assert f"atom {atom + 1} has the {'velocity' if moving else 'position'} (" in sentence_of(error)


def test_a_box_narrower_than_the_reach_is_refused_and_one_as_wide_is_not() -> None:
    atoms = atoms_of(np.array([[0.1, 0.1, 0.1], [1.5, 1.5, 1.5]]), [2.79, 9.0, 9.0])
    with pytest.raises(UsageError) as error:
        engine(atoms, LJ)
    assert "the box (2.79 × 9 × 9) is narrower than cutoff + skin (2.8)" in sentence_of(error)
    assert "use a larger system, a smaller skin or a smaller cutoff" in sentence_of(error)
    engine(atoms, LJ, rule=ListRule(0.2))


def test_too_many_ranks_are_told_how_many_fit() -> None:
    with pytest.raises(UsageError) as error:
        on_bricks(6, setup_of(warm_crystal((4, 4, 4)), LJ, rule=BENCHMARK), 8, lambda simulation: 0)
    assert "6 ranks cut the box (6.71838 × 6.71838 × 6.71838) into bricks narrower than" in sentence_of(error)
    assert "use at most 8 ranks, or a larger system" in sentence_of(error)


@given(st.integers(1, 200), st.tuples(*[st.floats(1.0, 60.0)] * 3), st.floats(0.5, 5.0))
def test_a_grid_has_as_many_bricks_as_ranks_and_none_is_narrow(
    ranks: int, edges: tuple[float, float, float], reach: float
) -> None:
    box = np.array(edges)
    try:
        grid = choose_grid(ranks, box, reach)
    except UsageError as error:
        assert str(error).isprintable()
        fits = [
            (x, y, ranks // (x * y))
            for x in range(1, ranks + 1)
            for y in range(1, ranks // x + 1)
            if ranks % (x * y) == 0
        ]
        assert box.min() < reach or not any(
            all(g == 1 or b / g >= reach for g, b in zip(f, box, strict=True)) for f in fits
        )
        return
    bricks = [Bricks(box, grid, rank) for rank in range(ranks)]
    assert np.prod(grid) == ranks
    assert all((brick.width[axis] >= reach for axis in brick.decomposed) for brick in bricks)
    for brick in (bricks[0], bricks[-1]):
        assert (brick.owners(brick.centre[None]) == brick.rank).all()
        for axis in brick.decomposed:
            assert bricks[brick.neighbour(axis, 1)].neighbour(axis, -1) == brick.rank


# --- runs ---------------------------------------------------------------------------------------------------


def explode(simulation: Simulation, steps: int, times: int = 200) -> None:
    """Advance until something happens."""
    for _ in range(times):
        simulation.advance(steps)


@pytest.mark.parametrize("precision", ["double", "mixed", "single"])
@pytest.mark.parametrize("kind", ["nve", "langevin", "csvr", "nose-hoover"])
def test_a_time_step_ten_times_too_long_ends_with_step_and_numbers(kind: str, precision: str) -> None:
    ensemble = Ensemble() if kind == "nve" else Ensemble(kind, 1.44, 5.0, 1)
    simulation = engine(
        warm_crystal((4, 4, 4)), LJ, timestep=0.05, ensemble=ensemble, precision=precision, rule=BENCHMARK
    )
    with np.errstate(all="ignore"), pytest.raises(ClustermarkError) as error:
        explode(simulation, 1)
    sentence = sentence_of(error)
    assert f"step {simulation.step}: the " in sentence or "atom" in sentence
    assert any(remedy in sentence for remedy in ("a smaller time step", "a shorter time step"))
    assert not isinstance(error.value, UsageError), "a run that fails ends with 4, not with 2"


def test_the_sentence_of_an_explosion_has_temperature_and_energy() -> None:
    simulation = engine(warm_crystal((4, 4, 4)), LJ, timestep=0.05, rule=BENCHMARK)
    with pytest.raises(
        ClustermarkError, match=r"^step \d+: the temperature is (\S+), the potential energy \S+: the run"
    ):
        explode(simulation, 1)


def test_a_start_at_rest_may_warm_up() -> None:
    """The limit of the temperature once was a multiple of the first, which is 0 here."""
    simulation = engine(disturbed(fcc((4, 4, 4), 1.7), 0.1), LJ)
    explode(simulation, 10, 10)
    assert simulation.thermo().temperature > 0.01
    still = engine(atoms_of(np.array([[1.0, 1.0, 1.0], [4.0, 4.0, 4.0]]), 9.0), LJ)
    explode(still, 10, 3)
    assert still.thermo().temperature == 0


@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_an_atom_that_flies_away_is_named_on_every_rank(ranks: int) -> None:
    atoms = warm_crystal((9, 4, 4))
    velocities = atoms.velocities.copy()
    velocities[20, 0] = 1e300
    sentences = on_bricks(
        ranks, setup_of(replace(atoms, velocities=velocities), LJ, rule=ListRule(0.3, 1, False)), 8, sentence_at_end
    )
    assert len(set(sentences)) == 1
    assert sentences[0].startswith("atom 21 has lost its position (5")


def sentence_at_end(simulation: Simulation) -> str:
    try:
        explode(simulation, 1, 5)
    except ClustermarkError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("ranks", "lost"), [(2, False), (3, False), (4, True), (5, True)])
def test_an_atom_that_leaps_over_a_brick_is_named_on_every_rank(ranks: int, lost: bool) -> None:
    """Where every brick is a neighbour it arrives; elsewhere it is missed, not dropped in silence."""
    positions = np.array([[1.0 + 4 * k, 3.0, 3.0] for k in range(5)])
    atoms = atoms_of(positions, [20.0, 6.0, 6.0])
    velocities = np.zeros((5, 3))
    velocities[1, 0] = 2 * 20 / ranks / 0.005
    leaping = replace(atoms, velocities=velocities)
    found = on_bricks(ranks, setup_of(leaping, LJ, rule=ListRule(0.3, 1, False)), 4, leap)
    if lost:
        assert len(set(found)) == 1 and found[0].startswith("atom 2 has moved by more than a brick between two lists")
    else:
        assert found[0] == 5


def leap(simulation: Simulation) -> Any:
    try:
        simulation.march(1)
    except ClustermarkError as error:
        return str(error)
    atoms = simulation.gather()
    return 0 if atoms is None else len(set(atoms.ids.tolist()))


@given(st.integers(0, 2**31), st.sampled_from([2, 4, 6, 8]), st.integers(1, 80))
@settings(max_examples=30)
def test_no_atom_is_lost_or_doubled_when_all_move_to_other_bricks(seed: int, ranks: int, number: int) -> None:
    random = np.random.RandomState(seed)
    box = np.array([9.0, 12.0, 15.0])
    atoms = atoms_of(random.uniform(0, 1, (number, 3)) * box, box)
    moving = replace(atoms, velocities=random.uniform(-1, 1, (number, 3)) * 2.8 / 0.005)
    nothing = replace(LJ, epsilon=np.zeros((1, 1)))

    def gathered(simulation: Simulation) -> Atoms | None:
        simulation.march(4)
        return simulation.gather()

    found = on_bricks(ranks, setup_of(moving, nothing, rule=ListRule(0.3, 1, False)), 4, gathered)[0]
    alone = engine(moving, nothing, rule=ListRule(0.3, 1, False))
    alone.march(4)
    expected = atoms_of_engine(alone)
    assert (found.ids == expected.ids).all()
    apart = found.positions - expected.positions
    assert np.abs(apart - box * np.rint(apart / box)).max() < 1e-10
    assert (found.velocities == expected.velocities).all()
