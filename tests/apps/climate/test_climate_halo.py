"""Halos after an exchange are the padding of the whole panels, however they are cut; planted faults show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from halo_examples import Fields, exchanged, padded_panels, random_fields, wrong_fields
from hypothesis import given, settings
from hypothesis import strategies as st
from thread_ranks import on_ranks

from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.grid import PanelGrid
from clustermark.apps.climate.halo import Exchange
from clustermark.apps.climate.layout import HALO, Array
from clustermark.apps.climate.overset import OversetTables, make_tables
from clustermark.apps.climate.routes import Routes, Runs, make_routes

GRID = PanelGrid(13)
TABLES = make_tables(GRID)
# Rounding of sums of 16 products, of the largest value.
ROUNDING = {"float64": 1e-15, "float32": 5e-7}
WHOLE = Domain(GRID, 1, 1, 1, 0, True)


def whole_panels(fields: Fields, dtype: str, tables: OversetTables = TABLES) -> list[Array]:
    """The padded panels that one rank makes."""
    arrays = exchanged(WHOLE, tables, None, fields, dtype)
    return [array[..., : GRID.columns + 2 * HALO] for array in arrays]


def faults_of(domain: Domain, fields: Fields, dtype: str, panels: list[Array], routes: Any = make_routes) -> list[str]:
    """What is wrong on any rank, compared with bits of `panels`."""

    def main(comm: Any) -> list[str]:
        mine = replace(domain, rank=comm.rank)
        found = exchanged(mine, TABLES, comm, fields, dtype, routes(mine, TABLES))
        return wrong_fields(mine, found, panels, 0.0)

    return sorted({name for names in on_ranks(domain.ranks, main) for name in names})


@pytest.mark.parametrize("dtype", ROUNDING)
def test_one_rank_fills_halos_as_the_formulas_say(dtype: str) -> None:
    fields = random_fields(GRID, 5)
    arrays = exchanged(WHOLE, TABLES, None, fields, dtype)
    assert wrong_fields(WHOLE, arrays, padded_panels(TABLES, fields), ROUNDING[dtype]) == []
    assert all(np.isnan(array[..., GRID.columns + 2 * HALO :]).all() for array in arrays)


@settings(max_examples=12)
@given(
    py=st.integers(1, 4),
    px=st.integers(1, 5),
    together=st.booleans(),
    levels=st.integers(1, 6),
    dtype=st.sampled_from(["float64", "float32"]),
)
def test_any_cut_gives_the_bits_of_the_whole_panels(py: int, px: int, together: bool, levels: int, dtype: str) -> None:
    fields = random_fields(GRID, levels)
    domain = Domain(GRID, py, px, py * px * (1 if together else 2), 0, together)
    assert faults_of(domain, fields, dtype, whole_panels(fields, dtype)) == []


@pytest.mark.parametrize(("py", "px", "together"), [(1, 1, True), (2, 4, False), (3, 2, True)])
def test_a_halo_of_two_cells_has_the_same_values_and_leaves_the_third(py: int, px: int, together: bool) -> None:
    fields = random_fields(GRID, 3)
    panels = whole_panels(fields, "float64")
    domain = Domain(GRID, py, px, py * px * (1 if together else 2), 0, together)

    def main(comm: Any) -> list[list[tuple[bool, bool]]]:
        mine = replace(domain, rank=comm.rank)
        found = exchanged(mine, TABLES, comm, fields, "float64", make_routes(mine, TABLES, depth=2))
        return [inner_and_outer(mine, array, panel) for array, panel in zip(found, panels, strict=True)]

    assert all(both == (True, True) for rank in on_ranks(domain.ranks, main) for field in rank for both in field)
    with pytest.raises(ValueError, match=r"a halo of 1 cells cannot be filled: expected 2 to 3"):
        make_routes(WHOLE, TABLES, depth=1)


def inner_and_outer(domain: Domain, array: Array, panel: Array) -> list[tuple[bool, bool]]:
    """Per block: whether all but the outermost ring has the bits of the panel, and that ring is still NaN."""
    found = []
    for slot, block in enumerate(domain.blocks):
        part, whole = array[slot][..., : block.columns + 2 * HALO], panel[block.panel][(..., *block.padded)]
        inside = np.zeros(part.shape, dtype=bool)
        inside[..., 1:-1, 1:-1] = True
        found.append((bool((part == whole)[inside].all()), bool(np.isnan(part[~inside]).all())))
    return found


def test_threads_change_no_bit() -> None:
    fields = random_fields(GRID, 7)
    one, two = (exchanged(WHOLE, TABLES, None, fields, "float64", threads=threads) for threads in (1, 2))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, two, strict=True))


def test_a_second_exchange_brings_what_has_changed() -> None:
    blocks, rows, pitch = WHOLE.shape
    theta = np.ones((blocks, 3, rows, pitch))
    exchange = Exchange(WHOLE, TABLES, None, [theta])
    for value in (280.0, 310.0):
        theta[...] = value
        exchange.start()
        exchange.finish()
        assert np.abs(theta - value).max() < 1e-12 * value
    assert exchange.bytes_sent == 0


def test_layout_of_fields_is_checked() -> None:
    blocks, rows, pitch = WHOLE.shape
    with pytest.raises(ValueError, match=r"a field of an exchange has the shape"):
        Exchange(WHOLE, TABLES, None, [np.zeros((blocks, rows, 2 * pitch))[..., ::2]])


def test_a_wrong_sign_of_the_rotation_is_caught() -> None:
    fields = random_fields(GRID, 2)
    turned = replace(TABLES, north=replace(TABLES.north, from_east=-TABLES.north.from_east))
    arrays = exchanged(WHOLE, turned, None, fields, "float64")
    assert wrong_fields(WHOLE, arrays, padded_panels(TABLES, fields), ROUNDING["float64"]) == ["v"]


def test_a_stencil_off_by_one_is_caught() -> None:
    fields = random_fields(GRID, 2)
    stencil = replace(TABLES.scalar.stencil, row=TABLES.scalar.stencil.row + 1)
    shifted = replace(TABLES, scalar=replace(TABLES.scalar, stencil=stencil))
    arrays = exchanged(WHOLE, shifted, None, fields, "float64")
    assert wrong_fields(WHOLE, arrays, padded_panels(TABLES, fields), 1e-6) == ["pressure", "theta"]


def test_a_swapped_neighbour_is_caught() -> None:
    """The middle of three boxes takes the message of its west neighbour for that of its east one."""
    domain = Domain(GRID, 1, 3, 3, 0, True)

    def swapped(mine: Domain, tables: OversetTables) -> Routes:
        routes = make_routes(mine, tables)
        if mine.rank != 1:
            return routes
        into = routes.copies_in
        return replace(routes, copies_in={0: into[2], 2: into[0]})

    fields = random_fields(GRID, 2)
    assert faults_of(domain, fields, "float64", whole_panels(fields, "float64"), swapped) == [
        "pressure",
        "theta",
        "u",
        "v",
    ]


def test_corners_forgotten_by_a_diagonal_neighbour_are_caught() -> None:
    domain = Domain(GRID, 2, 2, 4, 0, True)

    def without_corner(mine: Domain, tables: OversetTables) -> Routes:
        routes = make_routes(mine, tables)
        nothing = np.empty(0, np.int64)
        none = Runs(nothing, nothing, nothing, nothing)
        if mine.rank == 0:
            return replace(routes, copies_in=routes.copies_in | {3: none})
        return replace(routes, copies_out=routes.copies_out | {0: none}) if mine.rank == 3 else routes

    fields = random_fields(GRID, 2)
    assert "theta" in faults_of(domain, fields, "float64", whole_panels(fields, "float64"), without_corner)
