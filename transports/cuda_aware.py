"""Whether the MPI at hand takes addresses of GPU memory, found out by letting a process of its own try it.

Libraries answer the question wrongly, and a wrong answer is a crash: the process that tries is not the one that asks.
It is a world of one that sends to itself; what it cannot tell is how fast the way between GPUs is.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

# "1": the MPI takes them, whatever the probe would find; "0": it does not.
FORCED = "CLUSTERMARK_CUDA_AWARE"
RIGHT = "addresses of GPU memory: right"
SIZES = (8, 64 << 10, 8 << 20)
_SECONDS = 60
_LAUNCH = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "HYDRA_", "MPI_LOCAL")
_MEND = f"use 'mpi', which goes through host memory, or an MPI that was built with CUDA; {FORCED}=1 overrules this"


def why_not() -> str:
    """ "" if this MPI takes addresses of GPU memory, else the end of a sentence; the first call tries."""
    forced = os.environ.get(FORCED, "")
    if forced in ("0", "1"):
        return "" if forced == "1" else f"is switched off by {FORCED}=0; use 'mpi'"
    return _tried()


@functools.cache
def _tried() -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "clustermark.transports.cuda_aware"],
            env=outside_launch(os.environ),
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"hung for {_SECONDS} s when it was given an address of GPU memory; {_MEND}"
    return verdict(done.returncode, done.stdout, done.stderr)


def verdict(status: int, output: str, errors: str) -> str:
    """What the end of the process that tried means: "" or the end of a sentence."""
    if status == 0 and RIGHT in output:
        return ""
    if status < 0:
        return f"takes no addresses of GPU memory: an MPI given one died by signal {-status}; {_MEND}"
    last = errors.strip().splitlines()[-1:] or ["it said nothing"]
    return f"could not be tried with an address of GPU memory ({last[0][:160]}); {_MEND}"


def outside_launch(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables without those of an MPI launch, so that the process that tries is a world of its own."""
    return {key: value for key, value in variables.items() if not key.startswith(_LAUNCH)}


def try_addresses(device: Any, comm: Any) -> list[int]:
    """Sizes [B] at which a message from device memory to device memory around `comm` did not bring what was sent."""
    from clustermark.transports.mpi_device import DeviceMpiTransport

    transport = DeviceMpiTransport(device, comm)
    after, before = (transport.rank + 1) % transport.size, (transport.rank - 1) % transport.size
    wrong = []
    for size in SIZES:
        send = device.from_host(np.arange(size // 8, dtype=np.float64) + transport.rank)
        receive = device.empty((size // 8,), "float64")
        transport.prepare_sendrecv(send, after, receive, before)()
        if not np.array_equal(device.to_host(receive), np.arange(size // 8) + float(before)):
            wrong.append(size)
    return wrong


def main() -> int:
    """The process that tries."""
    from clustermark.devices import DEVICES
    from clustermark.transports.world import initialised_mpi

    reason = DEVICES["cuda"].missing()
    if reason:
        print(f"device 'cuda' {reason}", file=sys.stderr)
        return 1
    device = DEVICES["cuda"].open(0)
    mpi = initialised_mpi()
    wrong = try_addresses(device, mpi.COMM_SELF)
    if wrong:
        print(f"messages of {wrong} B brought wrong bytes", file=sys.stderr)
        return 1
    print(RIGHT, flush=True)
    mpi.Finalize()
    return 0


if __name__ == "__main__":
    sys.exit(main())
