"""What `clustermark doctor` lets a child process try with GPUs; see runners/probe.py, which runs these."""

import ctypes
import json
import os
from collections.abc import Callable
from typing import Any


def gpu() -> dict[str, Any]:
    """NVIDIA GPUs through the driver's own library, and what is missing for the device 'cuda'; imports no CuPy."""
    from clustermark.devices.cuda_driver import driver, missing, numa_node

    found = driver()
    if not found.installed:
        return {"driver": False}
    if found.error:
        return {"driver": True, "error": found.error}
    return {
        "driver": True,
        "cuda": ".".join(map(str, found.cuda)),
        "names": [gpu.name for gpu in found.gpus],
        "missing": missing(),
        "gpus": [
            {
                "capability": ".".join(map(str, gpu.capability)),
                "memory_gib": round(gpu.memory / 2**30, 1),
                "pci": gpu.pci,
                "numa_node": numa_node(gpu.pci),
            }
            for gpu in found.gpus
        ],
    }


def gpu_health() -> dict[str, Any]:
    """NVML's facts, state and error counters of every GPU that is shown; {"missing": …} where NVML does not work."""
    from clustermark.devices.cuda_driver import driver
    from clustermark.devices.gpu_links import bytes_sent, remotes
    from clustermark.devices.health import Health

    rows = []
    for gpu in driver().gpus:
        health = Health(gpu.uuid, gpu.pci)
        if health.missing:
            return {"missing": health.missing}
        links = {"pci": gpu.pci, "remotes": remotes(health), "counted": sorted(bytes_sent(health))}
        rows.append({"facts": health.facts(), "state": health.state(), "counters": health.counters(), "links": links})
    return {"missing": "", "gpus": rows}


def _told(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` finds, or {"error": …} in one sentence."""
    from clustermark.devices.cuda_errors import explain

    try:
        return work()
    except Exception as error:
        return {"error": explain(error) or f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"}


def gpu_work() -> dict[str, Any]:
    """Whether the first GPU takes an array, computes with it and gives the right one back."""

    def work() -> dict[str, Any]:
        import numpy as np

        from clustermark.devices import DEVICES

        device: Any = DEVICES["cuda"].open(0)
        values = np.arange(1000.0)
        array = device.from_host(values)
        array += 1
        right = bool((device.to_host(array) == values + 1).all())
        return {"right": right, "facts": device.facts()}

    return _told(work)


def numba_work() -> dict[str, Any]:
    """Whether numba-cuda compiles a kernel that the GPU then runs as it should."""

    def work() -> dict[str, Any]:
        from importlib.metadata import version

        import numpy as np

        from clustermark.devices.memory_cuda import DeviceMemory

        memory, values = DeviceMemory(), np.arange(1000.0)
        target = memory.empty((1000,), np.float32)
        memory.convert(memory.from_host(values), 1000, target)
        return {"right": bool((memory.to_host(target) == values).all()), "version": version("numba-cuda")}

    return _told(work)


def nccl() -> dict[str, Any]:
    """The NCCL that CuPy loads."""

    def work() -> dict[str, Any]:
        from importlib import import_module

        module: Any = import_module("cupy.cuda.nccl")
        if not getattr(module, "available", False):
            return {"error": "CuPy cannot load libnccl.so.2"}
        number = int(module.get_version())
        return {"version": f"{number // 10000}.{number % 10000 // 100}.{number % 100}"}

    return _told(work)


def cuda_mpi() -> None:
    """Under mpirun: what the library says about GPUs, then an exchange of device memory, which may kill the ranks.

    Two lines from rank 0: {"asked": true | false | null} before the exchange, {"right": …} behind it.
    """
    from clustermark.devices import DEVICES
    from clustermark.runners.launch_world import start_mpi
    from clustermark.runners.launcher import local_rank
    from clustermark.transports.cuda_aware import try_addresses

    device: Any = DEVICES["cuda"].open(local_rank(os.environ))  # before MPI_Init, as the workers do
    mpi = start_mpi("self", 2)
    comm = mpi.COMM_WORLD
    _say(comm.rank, {"asked": _says_cuda_aware()})
    everywhere = not any(comm.allgather(try_addresses(device, comm)))
    _say(comm.rank, {"right": everywhere})
    mpi.Finalize()


def _says_cuda_aware() -> bool | None:
    """MPIX_Query_cuda_support of the library that is loaded, None where it has no such function."""
    from clustermark.runners.surroundings import loaded_library

    path = loaded_library("libmpi")
    try:
        return bool(ctypes.CDLL(path or None).MPIX_Query_cuda_support())
    except (OSError, AttributeError):
        return None


def _say(rank: int, answer: dict[str, Any]) -> None:
    if rank == 0:
        os.write(1, (json.dumps(answer) + "\n").encode())
