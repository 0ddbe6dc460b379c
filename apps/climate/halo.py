"""The halo exchange: copies between neighbours on a panel, then points of the other panel, one message per rank each.

Every field of an exchange travels in the same messages. `start` posts the receives and sends the copies; `finish`
waits for them, interpolates for the others, sends, and waits. Where panels are not cut there are no copies, and
`start` interpolates. Between the two calls the fields may be read, and what lies in their halos is stale.

Where the tables list evolved points too, these become the mean of their own value and the other panel's: the two
solutions along the seam are drawn together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clustermark.apps.climate.backend import Backend, make_backend
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.layout import HALO, Array
from clustermark.apps.climate.messages import Messages
from clustermark.apps.climate.overset import OversetTables, ScalarDonors, Stencil, VectorDonors
from clustermark.apps.climate.routes import Points, Routes, Runs, make_routes
from clustermark.devices.memory import Memory

_COPY_TAG = 21
_POINT_TAG = 22
Donors = tuple[Array, Array, Array]
# Points that are interpolated together: their weights and donors stay in a cache from one level to the next.
_PIECE = 64


@dataclass(frozen=True)
class _Field:
    """One array of the exchange as the kernels see it."""

    kind: str
    flat: Array
    levels: int
    plane: int
    pitch: int

    def places(self, slots: Array, rows: Array, columns: Array) -> Array:
        """Indices of points of level 0."""
        return slots * (self.levels * self.plane) + rows * self.pitch + columns


def _field(kind: str, array: Array) -> _Field:
    # Of the strides, as arrays of the GPU have no NumPy flags.
    packed = tuple(array.dtype.itemsize * math.prod(array.shape[k + 1 :]) for k in range(array.ndim))
    if array.strides != packed or array.ndim not in (3, 4):
        raise ValueError(
            f"a field of an exchange has the shape {array.shape}: expected (blocks, [levels,] rows, pitch)"
        )
    levels = array.shape[1] if array.ndim == 4 else 1
    return _Field(kind, array.reshape(-1), levels, array.shape[-2] * array.shape[-1], array.shape[-1])


@dataclass(frozen=True)
class _Copy:
    """Runs of a field in the messages of phase A."""

    places: Array
    lengths: Array
    spots: Array
    strides: Array


@dataclass(frozen=True)
class _Segments:
    """Points of a field in the messages of phase B: (s, 4) int64 as the kernels want them, and all points in a row."""

    table: Array
    points: Points


class Exchange:
    """Fills the halos of some fields of this rank, again and again; calls are collective and in the same order."""

    def __init__(
        self,
        domain: Domain,
        tables: OversetTables,
        comm: Any,
        scalars: Sequence[Array] = (),
        vectors: Sequence[tuple[Array, Array]] = (),
        routes: Routes | None = None,
        threads: int = 1,
        depth: int = HALO,
        backend: Backend | None = None,
    ) -> None:
        """Messages and tables of these arrays, which stay the caller's.

        Parameters
        ----------
        comm : mpi4py communicator of domain.ranks, or None for one rank
        scalars : (blocks, [levels,] rows, pitch) at cell centres, float32 or float64
        vectors : u on east faces and v on north faces, both alike
        routes : of `make_routes`, to be shared by exchanges of the same domain
        threads : more than one shares points among numba's threads
        depth : cells of the halo that are filled, 2 or 3; not looked at where routes are given
        backend : kernels, and the memory of the fields; None: those of the CPU
        """
        backend = backend or make_backend("cpu")
        self._kernels, self._memory = backend.halo, backend.memory
        self._scalar, self._wind = backend.interpolate(threads)
        self.routes = routes or make_routes(domain, tables, depth)
        self.fields = [_field("center", array) for array in scalars]
        for u, v in vectors:
            self.fields += [_field("east", u), _field("north", v)]
        self._prepare_copies(domain, comm)
        self._prepare_points(domain, tables, comm)
        self._evaluated = [self._evaluation(number, tables) for number in range(len(self.fields))]

    @property
    def bytes_sent(self) -> int:
        """Bytes that go to other ranks in one exchange."""
        return self._copies.bytes_sent + self._points.bytes_sent

    def start(self) -> None:
        """Post the receives and send what needs nothing of others."""
        self._copies.receive()
        self._points.receive()
        if not self._cut:
            self._send_points()
            return
        for field, copy, buffer in zip(self.fields, self._copies_out, self._copies.buffers, strict=True):
            self._kernels.pack_runs(
                field.flat, copy.places, copy.lengths, copy.spots, copy.strides, field.plane, field.levels, buffer
            )
        self._copies.send()

    def finish(self) -> None:
        """Fill every halo point that `depth` asks for."""
        if self._cut:
            self._copies.wait_received()
            for field, copy, buffer in zip(self.fields, self._copies_in, self._copies.buffers, strict=True):
                self._kernels.unpack_runs(
                    buffer, copy.places, copy.lengths, copy.spots, copy.strides, field.plane, field.levels, field.flat
                )
            self._send_points()
        self._points.wait_received()
        for number, field in enumerate(self.fields):
            got, places, own = self._got[number], self._halo_places[number], self._own[number]
            buffer, size = self._points.buffers[number], (field.plane, field.levels)
            if own is None:
                self._kernels.unpack_points(buffer, got, places, *size, field.flat)
            else:
                self._kernels.blend_points(buffer, got, places, own, *size, field.flat)
        self._copies.wait_sent()
        self._points.wait_sent()

    def _send_points(self) -> None:
        for number, field in enumerate(self.fields):
            size, buffer = (field.pitch, field.plane, field.levels), self._points.buffers[number]
            if field.kind == "center":
                self._scalar.call(field.flat, *self._evaluated[number], *size, *self._scalar.own, buffer)
            elif field.kind == "east":
                points = self._evaluated[number], self._evaluated[number + 1]
                v = self.fields[number + 1].flat
                self._wind.call(field.flat, v, *points, *size, *self._wind.own, buffer)
        self._points.send()

    def _prepare_copies(self, domain: Domain, comm: Any) -> None:
        """Messages and runs of phase A."""
        out, into = self.routes.copies_out, self.routes.copies_in
        sizes = [
            [{rank: field.levels * int(runs.lengths.sum()) for rank, runs in side.items()} for side in (out, into)]
            for field in self.fields
        ]
        dtypes, memory = [field.flat.dtype for field in self.fields], self._memory
        self._copies = Messages(domain.rank, comm, _COPY_TAG, dtypes, sizes, memory)
        self._cut = bool(out)
        self._copies_out, self._copies_in = (
            [_copy(field, side, starts[f], memory) for f, field in enumerate(self.fields)]
            for side, starts in ((out, self._copies.starts_out), (into, self._copies.starts_in))
        )

    def _prepare_points(self, domain: Domain, tables: OversetTables, comm: Any) -> None:
        """Messages, points and places of phase B."""
        sides = [(self.routes.points_out[field.kind], self.routes.points_in[field.kind]) for field in self.fields]
        sizes = [
            [{rank: field.levels * len(points.slots) for rank, points in side.items()} for side in both]
            for field, both in zip(self.fields, sides, strict=True)
        ]
        dtypes, memory = [field.flat.dtype for field in self.fields], self._memory
        self._points = Messages(domain.rank, comm, _POINT_TAG, dtypes, sizes, memory)
        self._points_out = [_segments(out, self._points.starts_out[f]) for f, (out, _) in enumerate(sides)]
        points_in = [_segments(into, self._points.starts_in[f]) for f, (_, into) in enumerate(sides)]
        self._got = [memory.from_host(got.table) for got in points_in]
        self._halo_places = [
            memory.from_host(field.places(got.points.slots, got.points.rows, got.points.columns))
            for field, got in zip(self.fields, points_in, strict=True)
        ]
        own = [
            _evolved_points(domain, getattr(tables, {"center": "scalar"}.get(field.kind, field.kind)), got.points)
            for field, got in zip(self.fields, points_in, strict=True)
        ]
        self._own = [None if some is None else memory.from_host(some) for some in own]

    def _evaluation(self, number: int, tables: OversetTables) -> tuple[Any, ...]:
        """Segments, and places and weights of the stencils, that this rank evaluates for a field."""
        field, out, memory = self.fields[number], self._points_out[number], self._memory
        table = memory.from_host(_in_pieces(out.table))
        if field.kind == "center":
            return table, _donors(field, out.points, tables.scalar.stencil, None, memory)
        wind = tables.east if field.kind == "east" else tables.north
        return (
            table,
            _donors(field, out.points, wind.east, wind.from_east, memory),
            _donors(field, out.points, wind.north, wind.from_north, memory),
        )


def _copy(field: _Field, side: dict[int, Runs], starts: dict[int, int], memory: Memory) -> _Copy:
    """The runs of every rank's message, one after the other."""
    if not side:
        nothing = memory.from_host(np.empty(0, np.int64))
        return _Copy(nothing, nothing, nothing, nothing)
    spots = [starts[rank] + np.cumsum(runs.lengths) - runs.lengths for rank, runs in side.items()]
    strides = [np.full(len(runs.lengths), runs.lengths.sum()) for runs in side.values()]
    places = [field.places(runs.slots, runs.rows, runs.columns) for runs in side.values()]
    lengths = [runs.lengths for runs in side.values()]
    return _Copy(*(memory.from_host(np.concatenate(parts)) for parts in (places, lengths, spots, strides)))


def _segments(side: dict[int, Points], starts: dict[int, int]) -> _Segments:
    """One segment per rank."""
    table, first = [], 0
    for rank, points in side.items():
        number = len(points.slots)
        table.append((first, first + number, starts[rank], number))
        first += number
    names = ("slots", "entries", "rows", "columns")
    joined = [[getattr(points, name) for points in side.values()] or [np.empty(0, np.int64)] for name in names]
    return _Segments(np.array(table, np.int64).reshape(-1, 4), Points(*(np.concatenate(parts) for parts in joined)))


def _evolved_points(domain: Domain, donors: ScalarDonors | VectorDonors, points: Points) -> Array | None:
    """Which of the points that this rank gets are evolved ones of a panel; None if none is."""
    rows, columns = donors.rows[points.entries], donors.columns[points.entries]
    grid = domain.grid
    own = (rows >= HALO) & (rows < HALO + grid.rows) & (columns >= HALO) & (columns < HALO + grid.columns)
    return own if own.any() else None


def _in_pieces(table: Array) -> Array:
    """Segments cut into pieces of at most _PIECE points."""
    pieces = [
        (start, min(start + _PIECE, last), spot + start - first, stride)
        for first, last, spot, stride in table
        for start in range(first, last, _PIECE)
    ]
    return np.array(pieces, np.int64).reshape(-1, 4)


def _donors(field: _Field, points: Points, stencil: Stencil, turn: Array | None, memory: Memory) -> Donors:
    """Places of lower left points, weights of rows, and weights of columns times a component of the rotation."""
    entries = points.entries
    column_weights = stencil.column_weights[entries]
    if turn is not None:
        column_weights = column_weights * turn[entries, np.newaxis]
    dtype = field.flat.dtype
    corners = stencil.row[entries] - points.rows, stencil.column[entries] - points.columns
    return (
        memory.from_host(field.places(points.slots, *corners)),
        memory.from_host(stencil.row_weights[entries].astype(dtype).reshape(-1)),
        memory.from_host(column_weights.astype(dtype).reshape(-1)),
    )
