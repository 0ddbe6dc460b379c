"""The device that an input file names: refused in one sentence where it is not there, else bound to this rank."""

from __future__ import annotations

from typing import Any

from clustermark.apps.console.keys import Key
from clustermark.core.errors import UsageError
from clustermark.devices import DEVICES

CPU = "cpu"
DEVICE_KEY = Key("choice", CPU, "", "what computes: the host's cores, or one NVIDIA GPU per rank", tuple(DEVICES))


def refuse_missing(device: str) -> None:
    """Raise UsageError where this machine lacks a device."""
    reason = DEVICES[device].missing()
    if reason:
        raise UsageError(f"device '{device}' {reason}")


def bind(device: str, comm: Any) -> None:
    """Give this rank its GPU, before anything else asks for one; nothing on the CPU. Collective.

    Parameters
    ----------
    comm : mpi4py communicator, or None for one rank

    Raises
    ------
    UsageError : no such device on this rank's node
    DeviceError : it cannot be bound
    """
    if device == CPU:
        return
    refuse_missing(device)
    local_rank = 0
    if comm is not None:
        from mpi4py import MPI

        node = comm.Split_type(MPI.COMM_TYPE_SHARED)
        local_rank = node.rank
        node.Free()
    DEVICES[device].open(local_rank)
