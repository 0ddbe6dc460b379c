"""What `clustermark doctor` lets a child process try, because a wrong answer there may be a crash or a hang.

``python -m clustermark.runners.probe WORD``, WORD one of the table at the end of this file: one JSON object on one line
of stdout; under mpirun, one line per rank (`world`) or from rank 0 (`fabric`; `cuda_mpi` writes two).
"""

import ctypes
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from clustermark.runners import probe_gpu
from clustermark.runners.children import die_with_parent

_PR_SET_PTRACER = 0x59616D61
_ANY_PROCESS = ctypes.c_ulong(-1)


def libraries() -> dict[str, Any]:
    """Versions of NumPy, its BLAS, h5py and HDF5; {"error": …} for each that cannot be imported."""
    return {"numpy": _tried(_numpy), "h5py": _tried(_h5py)}


def _tried(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return read()
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]  # mpi4py adds a line for every path it tried
        return {"error": f"{type(error).__name__}: {first}"}


def _numpy() -> dict[str, Any]:
    import numpy as np
    import threadpoolctl

    pools = [pool for pool in threadpoolctl.threadpool_info() if pool.get("user_api") == "blas"]
    keys = ("internal_api", "version", "architecture", "num_threads")
    return {"version": np.__version__, "blas": [{key: pool.get(key) for key in keys} for pool in pools]}


def _h5py() -> dict[str, Any]:
    import h5py

    return {"version": h5py.__version__, "hdf5": h5py.version.hdf5_version}


def mpi() -> dict[str, Any]:
    """The MPI library that mpi4py loads, without MPI_Init."""

    def read() -> dict[str, Any]:
        import mpi4py

        mpi4py.rc.initialize = False
        mpi4py.rc.finalize = False
        from mpi4py import MPI

        from clustermark.runners.launch_world import library_facts
        from clustermark.runners.surroundings import loaded_library

        return {**library_facts(MPI), "path": loaded_library("libmpi"), "mpi4py": mpi4py.__version__}

    return _tried(read)


def world(expected: str) -> dict[str, Any]:
    """The world as this rank sees it after MPI_Init."""
    from clustermark.core.errors import LaunchError
    from clustermark.runners.launch_world import start_mpi

    complaint = ""
    try:
        start_mpi("self", int(expected))
    except LaunchError as error:
        complaint = str(error)
    from mpi4py import MPI

    facts = {"size": MPI.COMM_WORLD.size, "rank": MPI.COMM_WORLD.rank, "complaint": complaint}
    MPI.Finalize()
    return facts


def fabric(name: str) -> dict[str, Any] | None:
    """The proof of a fabric between two ranks, copies by the kernel counted; on rank 0, None elsewhere.

    The counter slows what it counts and cannot be taken out again: this launch measures nothing else.
    """
    from dataclasses import asdict

    from clustermark.runners.launch_world import start_mpi

    mpi_module = start_mpi(name, 2)
    from clustermark.transports.copies import CopyCounter
    from clustermark.transports.fabrics import FABRICS
    from clustermark.transports.mpi import MpiTransport
    from clustermark.transports.proof import count_kernel_copies, prove

    transport = MpiTransport()
    counter = CopyCounter()
    counter.start()
    proof = prove(FABRICS[name], transport, count_kernel_copies(transport, counter))
    mpi_module.Finalize()
    return {**asdict(proof), "detail": dict(proof.detail)} if transport.rank == 0 else None


class _Piece(ctypes.Structure):
    """struct iovec of process_vm_readv(2)."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def cma() -> dict[str, Any]:
    """Whether one process may copy from another's memory as MPI's single-copy path (CMA) does.

    The reader is no ancestor of the owner, as ranks are not; the owner has allowed any process to read it, as
    MPI libraries do where the Yama module asks for that.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "process_vm_readv"):
        return {"works": False, "why": "this C library has no process_vm_readv"}
    secret = ctypes.create_string_buffer(b"shared", 8)
    ready_read, ready_write = os.pipe()
    release_read, release_write = os.pipe()
    owner = os.fork()
    if owner == 0:
        die_with_parent()
        libc.prctl(_PR_SET_PTRACER, _ANY_PROCESS, 0, 0, 0)
        secret.value = b"owner"
        os.write(ready_write, b".")
        os.close(release_write)
        os.read(release_read, 1)
        os._exit(0)
    os.read(ready_read, 1)
    reader = os.fork()
    if reader == 0:
        die_with_parent()
        into = ctypes.create_string_buffer(8)
        mine, theirs = _Piece(ctypes.addressof(into), 6), _Piece(ctypes.addressof(secret), 6)
        call = libc.process_vm_readv
        call.argtypes = [ctypes.c_int, *[ctypes.c_void_p, ctypes.c_ulong] * 2, ctypes.c_ulong]
        call.restype = ctypes.c_ssize_t
        count = call(owner, ctypes.addressof(mine), 1, ctypes.addressof(theirs), 1, 0)
        right = count == 6 and into.value == b"owner"
        os._exit(0 if right else (ctypes.get_errno() & 0x7F) or 127)
    code = os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1])
    os.close(release_write)
    os.close(release_read)
    os.waitpid(owner, 0)
    return {"works": code == 0, "why": "" if code == 0 else (os.strerror(code) if 0 < code < 127 else f"ended {code}")}


PROBES: dict[str, Callable[..., dict[str, Any] | None]] = {
    "libraries": libraries,
    "mpi": mpi,
    "world": world,
    "fabric": fabric,
    "cma": cma,
    "gpu": probe_gpu.gpu,
    "gpu_health": probe_gpu.gpu_health,
    "gpu_work": probe_gpu.gpu_work,
    "numba_work": probe_gpu.numba_work,
    "nccl": probe_gpu.nccl,
    "cuda_mpi": probe_gpu.cuda_mpi,
}


def main(words: list[str]) -> int:
    """Run one probe; a rank whose answer belongs to rank 0 prints nothing."""
    die_with_parent()
    answer = PROBES[words[0]](*words[1:])
    if answer is not None:
        # One write: the lines of two ranks must not mix.
        os.write(1, (json.dumps(answer) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
