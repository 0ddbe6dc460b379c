"""The devices of a launch: bound before MPI and before any CUDA call, told to other ranks, watched during a case."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable
from typing import Any

from clustermark.core.context import Device, Transport
from clustermark.core.errors import DeviceError
from clustermark.devices import DEVICES
from clustermark.runners.launcher import local_rank


class Devices:
    """The devices that the cases of a launch name, opened once for this rank."""

    def __init__(self) -> None:
        """None yet."""
        self._opened: dict[str, Device] = {}
        self._errors: dict[str, Exception] = {}
        self._wire: tuple[str, str, dict[str, float]] | None = None

    @staticmethod
    def bind(names: Iterable[str]) -> Devices:
        """Open each; one that fails is kept as the error of its cases, so that the cases of the others run.

        Call it before MPI_Init: an MPI that knows GPUs looks at the one that is bound then.
        """
        devices = Devices()
        for name in sorted(set(names)):
            try:
                devices._opened[name] = DEVICES[name].open(local_rank(os.environ))
            except Exception as error:
                devices._errors[name] = explained(name, error)
        return devices

    def get(self, name: str) -> Device:
        """The device; raises what opening it raised."""
        if name in self._errors:
            raise self._errors[name]
        return self._opened[name]

    @property
    def gpu(self) -> Any:
        """This rank's GPU, None where no case has one or it could not be opened."""
        return self._opened.get("cuda")

    def wire(self) -> tuple[str, str, dict[str, float]]:
        """What carries bytes of NCCL between the GPUs of this launch (transports/gpu_wires.py), once; collective."""
        if self._wire is None:
            from clustermark.transports import TRANSPORTS
            from clustermark.transports.gpu_wires import prove

            self._wire = prove(TRANSPORTS["nccl"].open(self.gpu), self.gpu)
        return self._wire

    def facts(self) -> dict[str, Any]:
        """This rank's part of the environment: {"facts", "place", "state"} of its GPU, empty without one."""
        if self.gpu is None:
            return {}
        state = {**self.gpu.health.state(), **({"nvml": why} if (why := self.gpu.health.missing) else {})}
        return {"facts": self.gpu.facts(), "place": self.gpu.place(), "state": state}


def explained(name: str, error: Exception) -> Exception:
    """The error as one sentence where the device knows it, else itself."""
    if name == "cuda" and not isinstance(error, DeviceError):
        from clustermark.devices.cuda_errors import explain

        sentence = explain(error)
        if sentence:
            return DeviceError(sentence)
    return error


def sharing(places: Iterable[tuple[str, str, int]]) -> tuple[str, ...]:
    """Labels where ranks of a node share a GPU.

    Parameters
    ----------
    places : (node, identity of the GPU, GPUs that the rank is shown) of every rank with a GPU

    Raises
    ------
    DeviceError : ranks share one though their node has others that no rank uses
    """
    rows = list(places)
    users = Counter((node, gpu) for node, gpu, _ in rows)
    for (node, gpu), count in users.items():
        shown = max(row[2] for row in rows if row[:2] == (node, gpu))
        used = sum(other == node for other, _ in users)
        if count > 1 and used < shown:
            raise DeviceError(
                f"device 'cuda': {count} ranks of node {node} took the same GPU though it has {shown}: this launch "
                f"does not tell ranks their place on the node; start it with mpirun of Open MPI or MPICH, or with "
                f"srun --gpus-per-task=1"
            )
    most = max(users.values(), default=1)
    return (f"GPU shared: {most} ranks on one",) if most > 1 else ()


class HealthWatch:
    """The GPUs of a launch between two moments; without a GPU it does nothing, on every rank alike."""

    def __init__(self, transport: Transport, health: Any) -> None:
        """`health` is this rank's devices.health.Health, or None on every rank."""
        self.transport, self.health = transport, health
        self.seen = 0
        self.before = health.read() if health is not None else None

    def look(self) -> None:
        """Note what throttles now; called between batches of samples."""
        if self.health is not None:
            self.seen |= self.health.reasons()

    def stop(self, identity: str) -> tuple[tuple[str, ...], dict[str, float]]:
        """Labels of all GPUs and [J] they took together, where the window was long enough; collective, on rank 0.

        Parameters
        ----------
        identity : of this rank's GPU, so that one that ranks share is counted once
        """
        if self.health is None:
            return (), {}
        from clustermark.devices import health

        after = self.health.read()
        assert self.before is not None
        labels = health.conditions(self.before, after, self.seen)
        rows = self.transport.gather((identity, labels, health.energy(self.before, after)))
        joules = {row[0]: row[2] for row in rows or []}
        counted = [value for value in joules.values() if isinstance(value, float)]
        energy = {"GPU energy J": float(sum(counted))} if counted and len(counted) == len(joules) else {}
        return tuple(sorted({label for row in rows or [] for label in row[1]})), energy


def gpu_node(gpu: Any) -> tuple[str, str, int]:
    """What `sharing` wants of a rank with a GPU."""
    from clustermark.devices import cuda_driver

    return platform.node(), gpu.gpu.uuid, len(cuda_driver.driver().gpus)
