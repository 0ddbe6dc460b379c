"""What a workload is given to run on: a device, a transport, a precision, random numbers."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from clustermark.core.precision import Precision

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Message = tuple[Array, int]


class Device(Protocol):
    """What computes. Arrays are the device's own (NumPy on "cpu", CuPy on "cuda").

    Attributes
    ----------
    asynchronous : calls return before their work is done; `synchronize` waits for it
    """

    name: str
    asynchronous: bool

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Uninitialised array in C order whose pages have been touched."""
        ...

    def from_host(self, array: Array) -> Array:
        """Copy of a host array on the device."""
        ...

    def to_host(self, array: Array) -> Array:
        """The array in host memory (the same object on "cpu")."""
        ...

    def synchronize(self) -> None:
        """Wait until the device has done all that it was given."""
        ...


class Timer(Protocol):
    """Times what a device does between two marks of its default stream, by the device's own clock."""

    def start(self) -> None:
        """Mark the beginning."""
        ...

    def stop(self) -> None:
        """Mark the end."""
        ...

    def seconds(self) -> float:
        """[s] between the marks; both must have been waited for."""
        ...


class AsynchronousDevice(Device, Protocol):
    """A device whose calls return before their work is done."""

    def timer(self) -> Timer:
        """A timer of its own."""
        ...

    def flush_l2(self) -> None:
        """Make what a step will read come from memory, not from the last cache."""
        ...


@dataclass(frozen=True)
class Exchange:
    """Messages between this rank and others, a part of a step.

    Attributes
    ----------
    sends, receives : (buffer, peer) each; those between the same two ranks arrive in the order that both sides list
    blocking : one send, one receive, or one of each, in one call that returns when it is done; else any number, all
        under way at once
    """

    sends: Sequence[Message] = ()
    receives: Sequence[Message] = ()
    blocking: bool = False


@dataclass(frozen=True)
class Collective:
    """One call that all ranks make together, a part of a step; parts of vectors are those of transports/parts.py.

    Attributes
    ----------
    kind : "allreduce" and "reduce_scatter" (sums), "allgather", "alltoall", "broadcast"
    receive : what the rank ends with; of a broadcast, the buffer of every rank
    send : what it brings; None in place, and in a broadcast
    root : of a broadcast
    """

    kind: str
    receive: Array
    send: Array | None = None
    root: int = 0


@dataclass(frozen=True)
class Copy:
    """Elements of one array of this rank into another of the same shape, a part of a step: packed, or unpacked."""

    source: Array
    target: Array


StepPart = Exchange | Collective | Copy


class CompiledStep(Protocol):
    """A step that compiled code runs, without Python in between."""

    def __call__(self, steps: int) -> object:
        """The step, so many times."""
        ...

    def windows(self, steps: int, count: int) -> array[float]:
        """[s] of each of `count` windows of so many steps, behind a barrier, by the monotonic clock; collective."""
        ...

    def windows_at(self, steps: int, count: int, first: float, distance: float) -> tuple[array[float], int]:
        """The same, window k begun at `first` + k `distance` [s], and how many this rank began late; no barrier."""
        ...


class Transport(Protocol):
    """What moves bytes between ranks. Every method is collective unless it says otherwise.

    `prepare_…` builds what can be built beforehand and returns a call without arguments; the harness times only that.
    On an asynchronous device the call may return before its bytes have moved: `Device.synchronize` waits for them.
    Parts of a vector are those of transports/parts.py. Buffers are C-contiguous and belong to the context's device.
    """

    name: str
    rank: int
    size: int

    def barrier(self) -> object:
        """Wait for all ranks."""
        ...

    def prepare_allreduce(self, send: Array | None, receive: Array) -> Callable[[], object]:
        """A call that sums over ranks into `receive`; send=None reduces in place."""
        ...

    def prepare_reduce_scatter(self, send: Array | None, receive: Array) -> Callable[[], object]:
        """A call that sums `send` over ranks and leaves this rank's part in `receive`; None: in `reduced_in_place`."""
        ...

    def reduced_in_place(self, count: int) -> slice:
        """Where `prepare_reduce_scatter` in place leaves this rank's sums of a vector of `count` elements."""
        ...

    def prepare_allgather(self, send: Array | None, receive: Array) -> Callable[[], object]:
        """A call that puts every rank's part into `receive`; send=None takes this rank's from where it will stand."""
        ...

    def prepare_alltoall(self, send: Array, receive: Array) -> Callable[[], object]:
        """A call that sends part k of `send` to rank k; `receive` takes as many parts of this rank's length."""
        ...

    def prepare_broadcast(self, buffer: Array, root: int) -> Callable[[], object]:
        """A call that copies the root's buffer into every rank's."""
        ...

    def prepare_sendrecv(self, send: Array, destination: int, receive: Array, source: int) -> Callable[[], object]:
        """A call that sends one buffer and receives another at once."""
        ...

    def prepare_send(self, buffer: Array, destination: int) -> Callable[[], object]:
        """A call that sends to one rank; not collective."""
        ...

    def prepare_receive(self, buffer: Array, source: int) -> Callable[[], object]:
        """A call that receives from one rank; not collective."""
        ...

    def prepare_exchange(self, sends: Sequence[Message], receives: Sequence[Message]) -> Callable[[], object]:
        """A call that has all messages, (buffer, peer) each, under way at once; not collective.

        Messages between the same two ranks arrive in the order in which both sides list them.
        """
        ...

    def why_not_compiled(self) -> str:
        """ "" where `compile_step` can be had on this rank, else why not; not collective."""
        ...

    def why_no_large_counts(self) -> str:
        """ "" where a call may count more elements than a C int holds, else why not; not collective."""
        ...

    def compile_step(self, parts: Sequence[StepPart], before: Sequence[StepPart] = ()) -> CompiledStep:
        """The parts in order as a step, `before` ahead of each window, untimed; DeviceError with the why not."""
        ...

    def max_to_root(self, values: Array) -> Array | None:
        """Element-wise maximum over ranks on rank 0, None elsewhere."""
        ...

    def broadcast(self, value: Any) -> Any:
        """Rank 0's object on every rank (control plane: small JSON-like values)."""
        ...

    def gather(self, value: Any) -> list[Any] | None:
        """Every rank's object on rank 0, None elsewhere (control plane)."""
        ...

    def sum(self, value: float) -> float:
        """Sum over ranks on every rank (control plane)."""
        ...

    def maximum(self, value: float) -> float:
        """Maximum over ranks on every rank (control plane)."""
        ...


@dataclass(frozen=True)
class Context:
    """What a workload runs on.

    Attributes
    ----------
    device, transport, precision : the chosen ones
    rng : this rank's stream, spawned from (case seed, case id, rank)
    """

    device: Device
    transport: Transport
    precision: Precision
    rng: np.random.Generator


@dataclass(frozen=True)
class DeviceRow:
    """One row of DEVICES.

    Attributes
    ----------
    missing : returns "" if usable here, else why not and how to mend it
    open : given the local rank
    refuse : given a precision, returns "" or why what is here has no hardware for it
    """

    name: str
    summary: str
    missing: Callable[[], str]
    open: Callable[[int], Device]
    refuse: Callable[[str], str] = lambda precision: ""


@dataclass(frozen=True)
class TransportRow:
    """One row of TRANSPORTS.

    `refuse` is given (ranks, precision, device) and returns "" or the end of a sentence; `open` is given the device
    whose arrays are to move. With `own_gpu` ranks cannot share a GPU.
    """

    name: str
    summary: str
    refuse: Callable[[int, str, str], str]
    open: Callable[[Device], Transport]
    own_gpu: bool = False


@dataclass(frozen=True)
class FabricRow:
    """One row of FABRICS: a wire, how to choose it, and what must be seen when it carries the bytes.

    Attributes
    ----------
    name, alias : "ompi-tcp" and what suites call it whichever MPI is there ("tcp")
    mpi : "openmpi" or "mpich"
    summary : one line
    environment : variables set before MPI_Init
    wire : where bytes must be seen: "loopback" (counters of lo), "network" (counters of other interfaces),
        "infiniband", "roce", "slingshot" (counters of adapters' ports), "none", or "any": nothing is claimed, so that
        nothing is proven
    kernel_copies : process_vm_readv must be seen (True), must not be (False), or is not known (None)
    """

    name: str
    alias: str
    mpi: str
    summary: str
    environment: dict[str, str]
    wire: str
    kernel_copies: bool | None
