"""What a workload is given to run on: a device, a transport, a precision, random numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from clustermark.core.precision import Precision

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]


class Device(Protocol):
    """What computes. Arrays are the device's own (NumPy on "cpu")."""

    name: str

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


class Transport(Protocol):
    """What moves bytes between ranks. Every method is collective unless it says otherwise."""

    name: str
    rank: int
    size: int

    def barrier(self) -> object:
        """Wait for all ranks."""
        ...

    def prepare_allreduce(self, send: Array | None, receive: Array) -> Callable[[], object]:
        """A call without arguments that sums over ranks into `receive`; send=None reduces in place."""
        ...

    def prepare_sendrecv(self, send: Array, destination: int, receive: Array, source: int) -> Callable[[], object]:
        """A call without arguments that sends one buffer and receives another at once."""
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
    """One row of DEVICES: `missing` returns "" if usable here, else why not and how to mend it."""

    name: str
    summary: str
    missing: Callable[[], str]
    open: Callable[[int], Device]


@dataclass(frozen=True)
class TransportRow:
    """One row of TRANSPORTS.

    `refuse` is given (ranks, precision, device) and returns "" or the end of a sentence.
    """

    name: str
    summary: str
    refuse: Callable[[int, str, str], str]
    open: Callable[[], Transport]


@dataclass(frozen=True)
class FabricRow:
    """One row of FABRICS: a wire, how to choose it, and what must be seen when it carries the bytes.

    Attributes
    ----------
    name, alias : "ompi-tcp" and what suites call it whichever MPI is there ("tcp")
    mpi : "openmpi" or "mpich"
    summary : one line
    environment : variables set before MPI_Init
    wire : where bytes must be seen: "loopback" (counters of lo), "network" (counters of other interfaces), "none",
        or "any": nothing is claimed, so that nothing is proven
    kernel_copies : process_vm_readv must be seen (True), must not be (False), or is not known (None)
    """

    name: str
    alias: str
    mpi: str
    summary: str
    environment: dict[str, str]
    wire: str
    kernel_copies: bool | None
