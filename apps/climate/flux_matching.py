"""Flux matching: what Yin's core loses through its boundary is what Yang gains there (docs/climate.md).

Ranks of Yang take the fluxes through pieces of the line in their cells and send them, one message per pair of ranks
and step; the rank of the Yin cell inside adds the pieces of a face in their order along the line. Both sides list
pieces in that order, so that messages hold values only and bits do not depend on the cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clustermark.apps.climate.backend import Backend
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.layout import HALO, Array, Floats, State
from clustermark.apps.climate.messages import Messages
from clustermark.apps.climate.metric import Metric
from clustermark.apps.climate.seam import EAST, NORTH, STENCIL, Seam

_TAG = 23
_YIN, _YANG = 0, 1


@dataclass(frozen=True)
class _Places:
    """Cells of this rank: block, local padded row and column."""

    slots: Array
    rows: Array
    columns: Array


@dataclass(frozen=True)
class _Faces:
    """Faces of one kind whose fluxes this rank takes; see column_fluxes."""

    mass_places: Array
    wind_places: Array
    beyond: int
    factors: Floats
    masses: Array
    fluxes: Floats


class FluxMatching:
    """Corrects the mass of Yin's cells along the seam, once per step; calls are collective and in the same order."""

    def __init__(
        self,
        domain: Domain,
        comm: Any,
        seam: Seam,
        metric: Metric,
        thickness: Floats,
        state: State,
        backend: Backend,
    ) -> None:
        """Lists and messages of this rank.

        Parameters
        ----------
        comm : mpi4py communicator of domain.ranks, or None for one rank
        seam : make_seam of the grid
        thickness : (levels,) Δσ; (1,) of one for water
        state : one of the shapes and dtypes of all that will come
        backend : kernels, and the memory of the states
        """
        self._kernels, self._memory = backend.matching, backend.memory
        on_device = self._memory.from_host
        self._domain, self._metric, self._levels = domain, metric, len(thickness)
        self._thickness = on_device(thickness)
        self._plane, self._pitch = domain.shape[1] * domain.shape[2], domain.shape[2]
        donors, donor_slots = domain.owners(_YANG, seam.piece_rows - HALO, seam.piece_columns - HALO)
        takers, taker_slots = domain.owners(_YIN, seam.rows - HALO, seam.columns - HALO)
        targets = np.repeat(takers, np.diff(seam.starts))
        given, taken = np.flatnonzero(donors == domain.rank), np.flatnonzero(targets == domain.rank)
        own = np.flatnonzero(takers == domain.rank)
        sizes = [_counts(targets[given]), _counts(donors[taken])]
        self._messages = Messages(domain.rank, comm, _TAG, [np.float64], [sizes], self._memory)
        self._out = on_device(_spots(targets[given], self._messages.starts_out[0]))
        self._in = on_device(_spots(donors[taken], self._messages.starts_in[0]))
        # Faces: the stencils of the pieces that are given, then Yin's own.
        kinds = [np.full(len(given), kind) for kind, _, _ in STENCIL]
        rows = [seam.piece_rows[given] + down for _, down, _ in STENCIL]
        columns = [seam.piece_columns[given] + left for _, _, left in STENCIL]
        places = self._places(
            np.concatenate([*[donor_slots[given]] * len(STENCIL), taker_slots[own]]),
            np.concatenate([*rows, seam.face_rows[own]]),
            np.concatenate([*columns, seam.face_columns[own]]),
        )
        numbers = self._take_faces(np.concatenate([*kinds, seam.kinds[own]]), places, state)
        stencils = len(STENCIL) * len(given)
        self._stencils = on_device(np.ascontiguousarray(numbers[:stencils].reshape(len(STENCIL), -1).T))
        self._coefficients = on_device(np.ascontiguousarray(seam.coefficients[given]))
        self._own, self._signs = on_device(numbers[stencils:]), on_device(seam.signs[own])
        self._starts = on_device(np.cumsum(np.concatenate([[0], np.diff(seam.starts)[own]])))
        cells = self._places(taker_slots[own], seam.rows[own], seam.columns[own])
        self._cells = on_device(self._flat(cells, 1))
        self._factors = on_device(metric.inverse_spacing / metric.cos_center[cells.slots, cells.rows])

    @property
    def bytes_sent(self) -> int:
        """Bytes that go to other ranks in one step."""
        return self._messages.bytes_sent

    def start(self, state: State) -> None:
        """Take the fluxes of the state that the last stage reads, halos valid, and send what others wait for."""
        self._messages.receive()
        mass = state.mass.reshape(-1)
        for faces, wind in zip(self._faces, (state.u, state.v), strict=True):
            self._kernels.column_fluxes(
                mass, wind.reshape(-1), self._thickness, self._plane, faces.mass_places, faces.wind_places,
                faces.beyond, faces.factors, faces.masses, faces.fluxes,
            )  # fmt: skip
        buffer = self._messages.buffers[0]
        self._kernels.piece_fluxes(self._fluxes, self._stencils, self._coefficients, self._out, buffer)
        self._messages.send()

    def finish(self, timestep: float, state: State) -> None:
        """Correct the mass at the end of the step, whose last stage has left `state`."""
        self._messages.wait_received()
        self._kernels.correct_cells(
            self._fluxes, self._own, self._signs, self._messages.buffers[0], self._starts, self._in, self._factors,
            timestep, self._cells, state.mass.reshape(-1),
        )  # fmt: skip
        self._messages.wait_sent()

    def _places(self, slots: Array, rows: Array, columns: Array) -> _Places:
        """Local places of padded rows and columns of a panel."""
        first = np.array([(block.first_row, block.first_column) for block in self._domain.blocks])
        return _Places(slots, rows - first[slots, 0], columns - first[slots, 1])

    def _flat(self, places: _Places, levels: int) -> Array:
        """Indices of places in fields of so many levels, at the first of them."""
        return places.slots * (levels * self._plane) + places.rows * self._pitch + places.columns

    def _take_faces(self, kinds: Array, places: _Places, state: State) -> Array:
        """List every face once; returns where each is among the fluxes."""
        flat = self._flat(places, 1)
        faces, first, numbers = np.unique(2 * flat + kinds, return_index=True, return_inverse=True)
        # Faces of u first, and along rows: memory is read in its order.
        order = np.argsort(kinds[first], kind="stable")
        counts = [int(np.count_nonzero(kinds[first] == kind)) for kind in (EAST, NORTH)]
        on_device = self._memory.from_host
        self._fluxes = on_device(np.zeros(len(faces)))
        self._faces = []
        for kind, beyond in ((EAST, 1), (NORTH, self._pitch)):
            some = first[order][counts[EAST] :] if kind == NORTH else first[order][: counts[EAST]]
            here = _Places(places.slots[some], places.rows[some], places.columns[some])
            cosine = self._metric.cos_face[here.slots, here.rows] if kind == NORTH else np.ones(len(some))
            part = slice(counts[EAST], None) if kind == NORTH else slice(0, counts[EAST])
            fluxes = self._fluxes[part] if len(some) else self._fluxes
            masses = on_device(np.zeros(len(some), state.u.dtype))
            places_of = on_device(flat[some]), on_device(self._flat(here, self._levels))
            self._faces.append(_Faces(*places_of, beyond, on_device(0.5 * cosine), masses, fluxes))
        ranks = np.empty_like(order)
        ranks[order] = np.arange(len(order))
        return ranks[numbers]


def _counts(ranks: Array) -> dict[int, int]:
    """Rank → how often it is there."""
    found, counts = np.unique(ranks, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _spots(ranks: Array, starts: dict[int, int]) -> Array:
    """Places of values in messages that begin at `starts`: in each message in the order that they stand here."""
    spots = np.empty(len(ranks), np.int64)
    for rank, start in starts.items():
        mine = ranks == rank
        spots[mine] = start + np.arange(np.count_nonzero(mine))
    return spots
