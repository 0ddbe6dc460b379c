"""Panels cut into blocks: every cell once, the best cut chosen, the impossible refused, fields there and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thread_ranks import on_ranks

from clustermark.apps.climate.decomposition import Domain, choose, evolved
from clustermark.apps.climate.gathering import gather, scatter
from clustermark.apps.climate.grid import PanelGrid
from clustermark.apps.climate.layout import HALO, pitch_of
from clustermark.core.errors import UsageError

GRID = PanelGrid(13)


def domain_of(py: int, px: int, together: bool) -> Domain:
    return Domain(GRID, py, px, py * px * (1 if together else 2), 0, together)


@given(py=st.integers(1, 5), px=st.integers(1, 9), together=st.booleans())
def test_every_cell_belongs_to_one_block_and_owners_knows_it(py: int, px: int, together: bool) -> None:
    domain = domain_of(py, px, together)
    rank_of = np.full((2, GRID.rows, GRID.columns), -1)
    slot_of = rank_of.copy()
    for rank in range(domain.ranks):
        for slot, block in enumerate(domain.blocks_of(rank)):
            rows = slice(block.first_row, block.first_row + block.rows)
            columns = slice(block.first_column, block.first_column + block.columns)
            assert (rank_of[block.panel, rows, columns] == -1).all()
            rank_of[block.panel, rows, columns], slot_of[block.panel, rows, columns] = rank, slot
    assert (rank_of >= 0).all()
    rows, columns = (index.reshape(-1) for index in np.indices(rank_of.shape[1:]))
    for panel in (0, 1):
        ranks, slots = domain.owners(panel, rows, columns)
        assert (ranks == rank_of[panel].reshape(-1)).all() and (slots == slot_of[panel].reshape(-1)).all()


def test_a_shifted_boundary_is_noticed_by_the_owners() -> None:
    domain = domain_of(2, 1, False)
    boundary = domain.blocks_of(0)[0].rows
    ranks, _ = domain.owners(0, np.array([boundary - 1, boundary]), np.array([0, 0]))
    assert list(ranks) == [0, 1]


@pytest.mark.parametrize(
    ("ranks", "py", "px", "together"),
    [
        (1, 1, 1, True),
        (2, 1, 1, False),
        (3, 1, 3, True),
        (4, 1, 2, False),
        (5, 1, 5, True),
        (8, 1, 4, False),
        (12, 2, 3, False),
        (16, 2, 4, False),
        (24, 2, 6, False),
        (48, 3, 8, False),
    ],
)
def test_blocks_as_square_as_can_be_are_chosen(ranks: int, py: int, px: int, together: bool) -> None:
    domain = choose(PanelGrid(45), ranks)
    assert (domain.py, domain.px, domain.panels_together) == (py, px, together)


def test_what_the_user_wants_is_kept() -> None:
    for py, px in ((2, 0), (0, 2), (2, 2)):
        domain = choose(GRID, 8, py, px, rank=3)
        assert (domain.py, domain.px, domain.panels_together, domain.rank) == (2, 2, False, 3)
    assert choose(GRID, 4, 4, 1).panels_together


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((4, 3, 0), r"4 ranks cannot have 3 × any boxes of a panel: expected py·px = 2 .* or 4 .*; leave py and px"),
        ((3, 2, 2), r"3 ranks cannot have 2 × 2 boxes of a panel: expected py·px = 3; leave"),
        ((14, 7, 1), r"7 × 1 boxes cut panels of 17 × 43 cells into blocks with less than 3 cells a side.*5 × 14"),
        ((194, 0, 0), r"194 ranks cut panels of 17 × 43 cells into blocks with less than 3 .* at most 140 ranks"),
        ((0, 0, 0), r"0 ranks in 0 × 0 boxes: expected one rank or more"),
    ],
)
def test_an_impossible_decomposition_is_refused_in_a_sentence(arguments: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        choose(GRID, *arguments)


def test_ranks_that_do_not_fit_the_boxes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"2 × 2 boxes of each of two panels are for 8 ranks, and the launch has 4"):
        Domain(GRID, 2, 2, 4, 0, False)


@given(py=st.integers(1, 3), px=st.integers(1, 4), together=st.booleans(), levels=st.integers(0, 3))
def test_cutting_keeps_every_padded_point_in_its_place(py: int, px: int, together: bool, levels: int) -> None:
    domain = domain_of(py, px, together)
    shape = (2, *((levels,) if levels else ()), *GRID.padded_shape)
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    for rank in range(domain.ranks):
        mine = replace(domain, rank=rank)
        part, rows = mine.cut(values), mine.cut_rows(np.arange(GRID.padded_shape[0]))
        blocks, high, pitch = mine.shape
        assert part.shape == (blocks, *shape[1:-2], high, pitch) and rows.shape == (blocks, high)
        for slot, block in enumerate(mine.blocks):
            wide = block.columns + 2 * HALO
            assert pitch == pitch_of(block.columns)
            assert (part[slot][..., :wide] == values[block.panel][(..., *block.padded)]).all()
            assert (part[slot][..., wide:] == part[slot][..., wide - 1 : wide]).all()
            assert (mine.cut(values[0] if not levels else values[0, 0])[0].shape) == (high, pitch)
            assert rows[slot][0] == block.first_row


@pytest.mark.parametrize(("py", "px", "together"), [(1, 1, True), (1, 1, False), (2, 3, False), (2, 2, True)])
def test_fields_come_back_from_the_ranks_as_they_were(py: int, px: int, together: bool) -> None:
    domain = domain_of(py, px, together)
    whole = np.random.default_rng(3).standard_normal((2, 4, GRID.rows, GRID.columns)).astype(np.float32)

    def main(comm: Any) -> tuple[np.ndarray | None, np.ndarray | None, bool]:
        mine = replace(domain, rank=comm.rank)
        blocks, rows, pitch = mine.shape
        array, flat = np.full((blocks, 4, rows, pitch), -7.0, np.float32), np.zeros((blocks, rows, pitch))
        scatter(mine, whole if comm.rank == 0 else None, array, comm)
        scatter(mine, whole[:, 0] if comm.rank == 0 else None, flat, comm)
        untouched = array.copy()
        evolved(untouched, mine.blocks[0].columns)[...] = -7.0
        return gather(mine, array, comm), gather(mine, flat, comm), bool((untouched == -7.0).all())

    results = on_ranks(domain.ranks, main)
    found, flat, _ = results[0]
    assert found is not None and flat is not None and found.dtype == np.float32 and flat.dtype == np.float64
    assert np.array_equal(found, whole) and np.array_equal(flat, whole[:, 0])
    assert all(result[0] is None for result in results[1:]) and all(result[2] for result in results)
