"""States of a rank, the exchanges that are bound to them, and the regions that a step goes through."""

from __future__ import annotations

from typing import Any

from clustermark.apps.climate.backend import Backend
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.halo import Exchange
from clustermark.apps.climate.layout import HALO, Region, State
from clustermark.apps.climate.overset import make_tables
from clustermark.apps.climate.primitive_cpu import REACH
from clustermark.apps.climate.routes import make_routes
from clustermark.devices.memory import Memory


def like(memory: Memory, state: State) -> State:
    """A state of the same shapes, touched; the tracer, which has no stages, is one for all."""
    made = [None if array is None else memory.zeros(array.shape, array.dtype) for array in state.fields[:-1]]
    mass, u, v, theta = made
    return State(mass, u, v, theta, state.tracer)  # pyright: ignore[reportArgumentType]  # only θ may be None


def make_exchanges(
    domain: Domain, comm: Any, states: list[State], threads: int, backend: Backend, rings: int = 0
) -> dict[int, Exchange]:
    """The exchange of each state but its tracer, by its identity; they share tables, which blend so many rings."""
    tables = make_tables(domain.grid, rings)
    # The winds that carry a tracer are read as far out as the tracer itself.
    routes = make_routes(domain, tables, REACH if states[0].tracer is None else HALO)
    found = {}
    for state in states:
        scalars = [array for array in (state.mass, state.theta) if array is not None]
        found[id(state)] = Exchange(
            domain, tables, comm, scalars, [(state.u, state.v)], routes, threads, backend=backend
        )
    return found


def parts_of(domain: Domain) -> tuple[Region, Region | None, tuple[Region, ...]]:
    """All evolved cells of a block; those that see no halo, if any; the strips around these."""
    block = domain.blocks[0]
    top, left = HALO, HALO
    bottom, right = HALO + block.rows, HALO + block.columns
    whole = Region(top, bottom, left, right)
    if min(block.rows, block.columns) <= 2 * REACH:
        return whole, None, ()
    inner = Region(top + REACH, bottom - REACH, left + REACH, right - REACH)
    strips = (
        Region(top, top + REACH, left, right),
        Region(bottom - REACH, bottom, left, right),
        Region(top + REACH, bottom - REACH, left, left + REACH),
        Region(top + REACH, bottom - REACH, right - REACH, right),
    )
    return whole, inner, strips
