"""MPI for memory of a device: every message goes through pinned host memory in overlapping chunks.

Works with every MPI, CUDA-aware or not. Collectives take a few chunks of pinned memory whatever the message; exchanges
take as much as their messages, so that a rank never waits for a slot that only its neighbour can free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mpi4py import MPI

from clustermark.transports.mpi import Array, Call, Message, MpiTransport
from clustermark.transports.parts import part_counts, part_of, part_starts
from clustermark.transports.staging import Piece, Slots, cuts, flat, packed, pipeline


@dataclass(frozen=True)
class Round:
    """What travels together of a vector that is cut into the ranks' parts: a chunk of each part.

    Attributes
    ----------
    slot : that carries it
    parts : the elements of each rank's chunk in the vector
    lengths, places : of these chunks, and where they stand when packed one behind the other
    own : this rank's elements of its part
    """

    slot: int
    parts: tuple[slice, ...]
    lengths: tuple[int, ...]
    places: tuple[slice, ...]
    own: slice


class StagedTransport(MpiTransport):
    """The protocol of core.context.Transport for arrays of an asynchronous device."""

    name = "mpi"

    def __init__(self, device: Any, comm: MPI.Intracomm = MPI.COMM_WORLD, slots: Slots | None = None) -> None:
        """`slots` are the pipeline's; by default as many and as long as staging.py says."""
        super().__init__(comm)
        self.device = device
        self.slots = slots or Slots(device)

    # --- collectives ---

    def prepare_allreduce(self, send: Array | None, receive: Array) -> Call:
        """MPI_Allreduce with MPI_SUM, in place on each chunk."""
        source, target = flat(receive if send is None else send), flat(receive)

        def piece(slot: int, chunk: slice, host: Array) -> Piece:
            down = self.slots.copies(slot, [(host, source[chunk])])
            communicate = partial(self.comm.Allreduce, MPI.IN_PLACE, self.spec(host), MPI.SUM)
            return Piece(down, communicate, self.slots.copies(slot, [(target[chunk], host)]))

        return pipeline(self.slots, self._chunks(source, piece))

    def prepare_broadcast(self, buffer: Array, root: int) -> Call:
        """MPI_Bcast of each chunk; only the root copies to the host, only the others to the device."""
        whole = flat(buffer)

        def piece(slot: int, chunk: slice, host: Array) -> Piece:
            down = [(host, whole[chunk])] if self.rank == root else []
            up = [] if self.rank == root else [(whole[chunk], host)]
            communicate = partial(self.comm.Bcast, self.spec(host), root)
            return Piece(self.slots.copies(slot, down), communicate, self.slots.copies(slot, up))

        return pipeline(self.slots, self._chunks(whole, piece))

    def prepare_reduce_scatter(self, send: Array | None, receive: Array) -> Call:
        """MPI_Reduce_scatter of the parts' chunks; in place, the sums come to the front as in MPI.

        A sum that comes to the front overwrites elements of the first part, whose chunk has left before.
        """
        source, target = flat(receive if send is None else send), flat(receive)
        rounds = self._rounds(source.size, source.itemsize)
        whole, sums = (self.slots.buffers(_longest(rounds), source.dtype.name) for _ in range(2))
        pieces = []
        for each in rounds:
            host, result = whole[each.slot][: sum(each.lengths)], sums[each.slot][: each.lengths[self.rank]]
            down = [(host[place], source[part]) for place, part in zip(each.places, each.parts, strict=True)]
            communicate = self.reduce_scatter_of(host, result, each.lengths)
            pieces.append(self._piece(each.slot, down, communicate, [(target[each.own], result)]))
        return pipeline(self.slots, pieces)

    def prepare_allgather(self, send: Array | None, receive: Array) -> Call:
        """MPI_Allgather of the parts' chunks, in place on the host."""
        target = flat(receive)
        mine = target[part_of(target.size, self.size, self.rank)] if send is None else flat(send)
        rounds = self._rounds(target.size, target.itemsize)
        buffers = self.slots.buffers(_longest(rounds), target.dtype.name)
        pieces = []
        for each in rounds:
            host = buffers[each.slot][: sum(each.lengths)]
            up = [(target[part], host[place]) for place, part in zip(each.places, each.parts, strict=True)]
            if send is None:
                del up[self.rank]
            down = [(host[each.places[self.rank]], mine[each.own])]
            pieces.append(self._piece(each.slot, down, self.allgather_of(None, host, each.lengths), up))
        return pipeline(self.slots, pieces)

    def prepare_alltoall(self, send: Array, receive: Array) -> Call:
        """MPI_Alltoall of the parts' chunks."""
        source, target = flat(send), flat(receive)
        rounds = self._rounds(source.size, source.itemsize)
        out = self.slots.buffers(_longest(rounds), source.dtype.name)
        longest = max((each.lengths[self.rank] for each in rounds), default=0)
        into = self.slots.buffers(longest * self.size, source.dtype.name)
        own_total = part_counts(source.size, self.size)[self.rank]
        pieces = []
        for each in rounds:
            own = each.lengths[self.rank]
            host, result = out[each.slot][: sum(each.lengths)], into[each.slot][: own * self.size]
            down = [(host[place], source[part]) for place, part in zip(each.places, each.parts, strict=True)]
            up = [(target[rank * own_total :][each.own], result[rank * own :][:own]) for rank in range(self.size)]
            pieces.append(self._piece(each.slot, down, self.alltoall_of(host, result, each.lengths), up))
        return pipeline(self.slots, pieces)

    def _piece(self, slot: int, down: list[Any], communicate: Call, up: list[Any]) -> Piece:
        return Piece(self.slots.copies(slot, down), communicate, self.slots.copies(slot, up))

    def _chunks(self, whole: Array, piece: Callable[[int, slice, Array], Piece]) -> list[Piece]:
        """One piece for each chunk of a vector, with the pinned memory of its slot."""
        chunks = cuts(whole.size, self.slots.chunk_elements(whole.itemsize))
        if not chunks:
            return []
        buffers = self.slots.buffers(chunks[0].stop, whole.dtype.name)
        pieces = []
        for number, chunk in enumerate(chunks):
            slot = number % len(buffers)
            pieces.append(piece(slot, chunk, buffers[slot][: chunk.stop - chunk.start]))
        return pieces

    def _rounds(self, count: int, itemsize: int) -> list[Round]:
        counts, starts = part_counts(count, self.size), part_starts(count, self.size)
        length = self.slots.chunk_elements(itemsize, self.size)
        rounds = []
        for number, first in enumerate(range(0, max(counts), length)):
            ranges = [(min(first, whole), min(first + length, whole)) for whole in counts]
            lengths = tuple(stop - begin for begin, stop in ranges)
            rounds.append(
                Round(
                    slot=number % len(self.slots.streams),
                    parts=tuple(slice(s + begin, s + stop) for s, (begin, stop) in zip(starts, ranges, strict=True)),
                    lengths=lengths,
                    places=tuple(packed(lengths)),
                    own=slice(*ranges[self.rank]),
                )
            )
        return rounds

    # --- messages between two ranks ---

    def why_not_compiled(self) -> str:
        """Copies go beside the messages, from Python."""
        return "GPU memory is staged by copies that Python starts"

    def prepare_sendrecv(self, send: Array, destination: int, receive: Array, source: int) -> Call:
        """An exchange of one message each way."""
        return self.prepare_exchange([(send, destination)], [(receive, source)])

    def prepare_send(self, buffer: Array, destination: int) -> Call:
        """An exchange of one message."""
        return self.prepare_exchange([(buffer, destination)], [])

    def prepare_receive(self, buffer: Array, source: int) -> Call:
        """An exchange of one message."""
        return self.prepare_exchange([], [(buffer, source)])

    def prepare_exchange(self, sends: Sequence[Message], receives: Sequence[Message]) -> Call:
        """MPI_Irecv of all chunks; each chunk is sent when its copy is done and copied up when it has arrived.

        Both sides cut a message into the same chunks, which MPI keeps in order.
        """
        arrivals = [
            (partial(self.comm.Irecv, self.spec(host), peer, 0), self.slots.copies(slot, [(chunk, host)]))
            for chunk, host, peer, slot in self._staged(receives)
        ]
        departures = [self._departure(*message) for message in self._staged(sends)]
        slots, wait_all = self.slots, MPI.Request.Waitall

        def exchange() -> None:
            arriving = [(start(), up) for start, up in arrivals]
            slots.follow_default_stream()
            for down, _ in departures:
                down()
            leaving = [depart() for _, depart in departures]
            for request, up in arriving:
                request.Wait()
                for copy in up:
                    copy()
            wait_all(leaving)
            slots.finish()

        return exchange

    def _staged(self, messages: Sequence[Message]) -> list[tuple[Array, Array, int, int]]:
        """(chunk of device memory, chunk of pinned memory, peer, slot) of every message, in order."""
        found: list[tuple[Array, Array, int, int]] = []
        for buffer, peer in messages:
            whole = flat(buffer)
            host = self.device.pinned((max(whole.size, 1),), whole.dtype.name)[: whole.size]
            # A message of no bytes is a message too.
            for chunk in cuts(whole.size, self.slots.chunk_elements(whole.itemsize)) or [slice(0, 0)]:
                found.append((whole[chunk], host[chunk], peer, len(found) % len(self.slots.streams)))
        return found

    def _departure(self, chunk: Array, host: Array, peer: int, slot: int) -> tuple[Call, Callable[[], MPI.Request]]:
        """The copy to the host, and the call that waits for it and sends."""
        copies, stream = self.slots.copies(slot, [(host, chunk)]), self.slots.streams[slot]
        copied = self.device.event()
        start = partial(self.comm.Isend, self.spec(host), peer, 0)

        def down() -> None:
            for copy in copies:
                copy()
            copied.record(stream)

        def depart() -> MPI.Request:
            copied.synchronize()
            return start()

        return down, depart


def _longest(rounds: Sequence[Round]) -> int:
    return max((sum(each.lengths) for each in rounds), default=0)
