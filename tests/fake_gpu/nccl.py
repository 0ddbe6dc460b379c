"""cupy.cuda.nccl of a fake GPU: collectives that wait in their stream, and refuse what NCCL would answer with a hang.

Arguments are checked when a call is made: types, codes, addresses in this GPU's memory, ranges, overlaps. When its
stream gets there, the ranks first compare what each of them called, then the bytes move (over `Wire`), and what was
never written may not be sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from fake_gpu.memory import Allocation, GpuFaultError

if TYPE_CHECKING:
    from fake_gpu.gpu import FakeGpu

CODES = {
    "NCCL_INT8": 0, "NCCL_CHAR": 0, "NCCL_UINT8": 1, "NCCL_INT32": 2, "NCCL_INT": 2, "NCCL_UINT32": 3, "NCCL_INT64": 4,
    "NCCL_UINT64": 5, "NCCL_FLOAT16": 6, "NCCL_HALF": 6, "NCCL_FLOAT32": 7, "NCCL_FLOAT": 7, "NCCL_FLOAT64": 8,
    "NCCL_DOUBLE": 8, "NCCL_BFLOAT16": 9, "NCCL_SUM": 0, "NCCL_PROD": 1, "NCCL_MAX": 2, "NCCL_MIN": 3, "NCCL_AVG": 4,
}  # fmt: skip
BFLOAT16 = 9
_NUMPY = ["int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "uint16"]
_REDUCTIONS: dict[int, Any] = {0: np.add, 1: np.multiply, 2: np.maximum, 3: np.minimum}
ID_BYTES = 128


class NcclError(RuntimeError):
    """cupy.cuda.nccl.NcclError."""

    def __init__(self, status: int, text: str = "") -> None:
        self.status = status
        super().__init__(text or f"NCCL_ERROR_INVALID_ARGUMENT: invalid argument ({status})")


class SoloWire:
    """A communicator of one rank needs no wire."""

    def identity(self) -> bytes:
        """A unique id."""
        return b"solo".ljust(ID_BYTES, b"\0")

    def join(self, identity: bytes, ranks: int, rank: int) -> Any:
        """The members' communicator: allgather, isend, recv of objects."""
        if ranks != 1:
            raise GpuFaultError(f"a communicator of {ranks} ranks needs a wire (FakeGpu.wire)")
        return self

    def allgather(self, value: Any) -> list[Any]:
        """Everybody's."""
        return [value]


class MpiWire:
    """Processes of an MPI launch; the ranks of a communicator find each other through the process that made its id."""

    def __init__(self, world: Any) -> None:
        self.world = world.Dup()
        self.made = 0

    def identity(self) -> bytes:
        """Names this process and a number."""
        self.made += 1
        return f"{self.world.rank} {self.made}".encode().ljust(ID_BYTES, b"\0")

    def join(self, identity: bytes, ranks: int, rank: int) -> Any:
        """Collective over the members."""
        maker, number = map(int, identity.rstrip(b"\0").split())
        members: list[int] | None = None
        if self.world.rank == maker:
            found = {rank: maker}
            while len(found) < ranks:
                other, who = self.world.recv(tag=1000 + number)
                found[other] = who
            members = [found[each] for each in range(ranks)]
            for member in members:
                if member != maker:
                    self.world.send(members, member, tag=2000 + number)
        else:
            self.world.send((rank, self.world.rank), maker, tag=1000 + number)
            members = self.world.recv(source=maker, tag=2000 + number)
        group = self.world.Get_group().Incl(members)
        return self.world.Create_group(group, 3000 + number)


@dataclass(frozen=True)
class Buffer:
    """Part of the GPU's memory that a call names; keeps it alive."""

    owner: Allocation | None
    first: int
    size: int
    dtype: str

    def values(self) -> np.ndarray:
        """What stands there now; raises GpuFaultError where nothing was ever written."""
        if self.owner is None:
            return np.zeros(0, self.dtype)
        part = slice(self.first, self.first + self.size)
        if not self.owner.written[part].all():
            raise GpuFaultError("NCCL sends memory that nothing has written")
        return self.owner.data[part].view(self.dtype).copy()

    def fill(self, values: np.ndarray) -> None:
        """Write."""
        if self.owner is not None:
            part = slice(self.first, self.first + self.size)
            self.owner.data[part] = np.ascontiguousarray(values).view(np.uint8)
            self.owner.written[part] = True


def total(parts: list[np.ndarray], code: int, op: int) -> np.ndarray:
    """Reduction in the order of the ranks; bfloat16 through float32, rounded towards zero (tests sum integers)."""
    function = _REDUCTIONS[op]
    if code == BFLOAT16:
        wide = [(part.astype(np.uint32) << 16).view(np.float32) for part in parts]
        return (function.reduce(wide).view(np.uint32) >> 16).astype(np.uint16)
    return function.reduce(parts).astype(parts[0].dtype)


def make_nccl(gpu: FakeGpu) -> Any:
    """A fresh module."""
    module: Any = ModuleType("cupy.cuda.nccl")
    module.available, module.NcclError = True, NcclError
    for name, code in CODES.items():
        setattr(module, name, code)
    grouped: list[tuple[int, str, Callable[[], object]]] = []
    depth = [0]

    def give(stream: int, name: str, work: Callable[[], object], *arguments: Any) -> None:
        gpu.record(name, stream, *arguments)
        if depth[0]:
            grouped.append((stream, name, work))
        else:
            gpu.give(stream, name, work)

    def groupStart() -> None:
        gpu.record("ncclGroupStart")
        depth[0] += 1

    def groupEnd() -> None:
        gpu.record("ncclGroupEnd")
        if not depth[0]:
            raise NcclError(5, "NCCL_ERROR_INVALID_USAGE: invalid usage")
        depth[0] -= 1
        if depth[0]:
            return
        calls = [*grouped]
        grouped.clear()
        streams = {stream for stream, _, _ in calls}
        if len(streams) > 1:
            raise GpuFaultError(f"a group of calls on streams {sorted(streams)}: it would not start before all of them")
        # Sends of a group go before its receives, whatever their order: neither waits for the other.
        first = [work for _, name, work in calls if name == "ncclSend"]
        others = [work for _, name, work in calls if name != "ncclSend"]

        def run() -> None:
            for work in (*first, *others):
                work()

        if calls:
            gpu.give(streams.pop(), "ncclGroup", run)

    def forget() -> None:
        depth[0] = 0
        grouped.clear()

    def get_unique_id() -> bytes:
        gpu.record("ncclGetUniqueId")
        return gpu.wire.identity()

    def get_version() -> int:
        return 23203

    class NcclCommunicator:
        """Calls take addresses, counts and codes in NCCL's order, and numbers of streams."""

        def __init__(self, ndev: int, commId: bytes, rank: int, config: Any = None) -> None:  # noqa: N803
            gpu.record("ncclCommInitRank", 0, ndev, rank)
            if type(commId) is not bytes or len(commId) != ID_BYTES:
                raise TypeError(f"a unique id is {ID_BYTES} bytes, not {type(commId).__name__}")
            if not 0 <= rank < ndev:
                raise NcclError(4)
            if depth[0]:
                raise GpuFaultError("a communicator made inside a group waits for the others at its end")
            self._ranks, self._rank = ndev, rank
            self._wire = gpu.wire.join(commId, ndev, rank)
            self._sent: list[Any] = []
            self._alive = True

        # --- checks of arguments ---

        def _buffer(self, what: str, address: int, count: int, code: int) -> Buffer:
            for value in (address, count, code):
                if not isinstance(value, int) or isinstance(value, bool):
                    raise TypeError(f"{what}: an integer is required, got {type(value).__name__}")
            if not self._alive:
                raise NcclError(4, "NCCL_ERROR_INVALID_ARGUMENT: the communicator was destroyed")
            if not 0 <= code < len(_NUMPY) or count < 0:
                raise NcclError(4)
            dtype = _NUMPY[code]
            size = count * np.dtype(dtype).itemsize
            if not count:
                return Buffer(None, 0, 0, dtype)
            owner = gpu.memory.check(address, size, what)
            if owner is None or owner.kind != "device":
                raise GpuFaultError(f"{what}: address {address:#x} is not the GPU's memory")
            if owner.gpu != gpu.device:
                raise GpuFaultError(f"{what}: memory of GPU {owner.gpu}, the communicator is on GPU {gpu.device}")
            return Buffer(owner, address - owner.ptr, size, dtype)

        def _operation(self, what: str, op: int) -> None:
            if not isinstance(op, int) or op not in _REDUCTIONS:
                raise NcclError(4, f"NCCL_ERROR_INVALID_ARGUMENT: {what}: no reduction has the code {op}")

        def _member(self, what: str, rank: int) -> None:
            if not isinstance(rank, int) or not 0 <= rank < self._ranks:
                raise NcclError(4, f"NCCL_ERROR_INVALID_ARGUMENT: {what}: rank {rank} of {self._ranks}")

        def _apart(self, what: str, send: int, send_size: int, recv: int, recv_size: int, allowed: int) -> None:
            """Overlapping buffers are undefined but for the one place that NCCL calls in place."""
            overlap = send < recv + recv_size and recv < send + send_size
            if overlap and recv != allowed:
                raise GpuFaultError(f"{what}: buffers overlap, and not as NCCL's in-place operation wants it")

        def _collective(
            self,
            name: str,
            stream: int,
            facts: tuple[int, ...],
            send: Buffer,
            done: Callable[[list[np.ndarray]], object],
            arguments: tuple[int, ...],
        ) -> None:
            def work() -> None:
                everybody = self._wire.allgather((name, facts, send.values()))
                calls = {(other, what) for other, what, _ in everybody}
                if len(calls) > 1:
                    raise GpuFaultError(f"ranks call NCCL differently, which hangs: {sorted(calls)}")
                done([values for _, _, values in everybody])

            give(stream, name, work, *arguments)

        # --- calls ---

        def allReduce(self, sendbuf: int, recvbuf: int, count: int, datatype: int, op: int, stream: int) -> None:
            send, recv = (self._buffer("allReduce", each, count, datatype) for each in (sendbuf, recvbuf))
            self._operation("allReduce", op)
            self._apart("allReduce", sendbuf, send.size, recvbuf, recv.size, sendbuf)
            self._collective(
                "ncclAllReduce", stream, (count, datatype, op), send,
                lambda parts: recv.fill(total(parts, datatype, op)), (sendbuf, recvbuf, count, datatype, op),
            )  # fmt: skip

        def reduce(
            self, sendbuf: int, recvbuf: int, count: int, datatype: int, op: int, root: int, stream: int
        ) -> None:
            self._member("reduce", root)
            self._operation("reduce", op)
            send = self._buffer("reduce", sendbuf, count, datatype)
            recv = self._buffer("reduce", recvbuf, count, datatype) if root == self._rank else send

            def done(parts: list[np.ndarray]) -> None:
                if root == self._rank:
                    recv.fill(total(parts, datatype, op))

            arguments = (sendbuf, recvbuf, count, datatype, op, root)
            self._collective("ncclReduce", stream, (count, datatype, op, root), send, done, arguments)

        def broadcast(self, sendbuff: int, recvbuff: int, count: int, datatype: int, root: int, stream: int) -> None:
            self._member("broadcast", root)
            recv = self._buffer("broadcast", recvbuff, count, datatype)
            mine = root == self._rank
            send = self._buffer("broadcast", sendbuff, count, datatype) if mine else Buffer(None, 0, 0, recv.dtype)
            arguments = (sendbuff, recvbuff, count, datatype, root)
            self._collective(
                "ncclBroadcast", stream, (count, datatype, root), send, lambda parts: recv.fill(parts[root]), arguments
            )

        def bcast(self, buff: int, count: int, datatype: int, root: int, stream: int) -> None:
            self.broadcast(buff, buff, count, datatype, root, stream)

        def reduceScatter(
            self, sendbuf: int, recvbuf: int, recvcount: int, datatype: int, op: int, stream: int
        ) -> None:
            send = self._buffer("reduceScatter", sendbuf, recvcount * self._ranks, datatype)
            recv = self._buffer("reduceScatter", recvbuf, recvcount, datatype)
            self._operation("reduceScatter", op)
            self._apart("reduceScatter", sendbuf, send.size, recvbuf, recv.size, sendbuf + self._rank * recv.size)
            mine = slice(self._rank * recvcount, (self._rank + 1) * recvcount)
            arguments = (sendbuf, recvbuf, recvcount, datatype, op)
            self._collective(
                "ncclReduceScatter", stream, (recvcount, datatype, op), send,
                lambda parts: recv.fill(total([part[mine] for part in parts], datatype, op)), arguments,
            )  # fmt: skip

        def allGather(self, sendbuf: int, recvbuf: int, count: int, datatype: int, stream: int) -> None:
            send = self._buffer("allGather", sendbuf, count, datatype)
            recv = self._buffer("allGather", recvbuf, count * self._ranks, datatype)
            self._apart("allGather", recvbuf, recv.size, sendbuf, send.size, recvbuf + self._rank * send.size)
            self._collective(
                "ncclAllGather", stream, (count, datatype), send, lambda parts: recv.fill(np.concatenate(parts)),
                (sendbuf, recvbuf, count, datatype),
            )  # fmt: skip

        def send(self, sendbuf: int, count: int, datatype: int, peer: int, stream: int) -> None:
            self._member("send", peer)
            buffer = self._buffer("send", sendbuf, count, datatype)
            give(
                stream, "ncclSend", lambda: self._post(peer, (count, datatype, buffer.values())), sendbuf, count,
                datatype, peer,
            )  # fmt: skip

        def recv(self, recvbuf: int, count: int, datatype: int, peer: int, stream: int) -> None:
            self._member("recv", peer)
            buffer = self._buffer("recv", recvbuf, count, datatype)

            def work() -> None:
                sent_count, sent_type, values = self._take(peer)
                if (sent_count, sent_type) != (count, datatype):
                    raise GpuFaultError(
                        f"rank {peer} sends {sent_count} of type {sent_type}, rank {self._rank} wants {count} of type "
                        f"{datatype}"
                    )
                buffer.fill(values)

            give(stream, "ncclRecv", work, recvbuf, count, datatype, peer)

        def _post(self, peer: int, message: Any) -> None:
            if self._ranks == 1:
                self._sent.append(message)
            else:
                self._sent.append(self._wire.isend(message, peer, 7))

        def _take(self, peer: int) -> Any:
            return self._sent.pop(0) if self._ranks == 1 else self._wire.recv(source=peer, tag=7)

        def check_async_error(self) -> None:
            gpu.record("ncclCommGetAsyncError")

        def size(self) -> int:
            return self._ranks

        def rank_id(self) -> int:
            return self._rank

        def device_id(self) -> int:
            return gpu.device

        def destroy(self) -> None:
            gpu.record("ncclCommDestroy")
            self._alive = False

        def abort(self) -> None:
            gpu.record("ncclCommAbort")
            self._alive = False

    module.NcclCommunicator = NcclCommunicator
    module._forget = forget
    for function in (groupStart, groupEnd, get_unique_id, get_version):
        setattr(module, function.__name__, function)
    return module
