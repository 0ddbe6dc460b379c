"""One side of a comparison as a process of its own: it sleeps on a socket between blocks and never spins.

Needs the standard library only, because the sides run in different environments. Messages are JSON, one a line.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

# (request without "do") → answer
Action = Callable[[dict[str, Any]], dict[str, Any]]


def rank_here() -> int:
    """Of this process in its launch, before MPI is initialised; 0 without mpirun."""
    for name in ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK"):
        if name in os.environ:
            return int(os.environ[name])
    return 0


def bind(cores: list[int]) -> None:
    """This process, and the threads that libraries will start, on one core: rank k on cores[k]."""
    os.sched_setaffinity(0, {cores[rank_here() % len(cores)]})


def resident_bytes() -> dict[str, int]:
    """VmRSS and VmHWM of this process [bytes]."""
    found = {}
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM"):
            found[name] = int(value.split()[0]) * 1024
    return found


def page_faults() -> int:
    """Minor faults of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def serve(address: str, prepare: Callable[[], dict[str, Action]]) -> None:
    """Connect, prepare, announce it, and answer requests until the parent closes the connection.

    Parameters
    ----------
    address : of the parent's Unix socket
    prepare : builds the system; gives the actions by name
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(address)
        stream = connection.makefile("rw", encoding="utf-8")

        def say(**message: Any) -> None:
            stream.write(json.dumps(message) + "\n")
            stream.flush()

        say(rank=rank_here())
        try:
            actions = prepare()
            say(ready=True)
            for line in stream:
                request = json.loads(line)
                say(**actions[request.pop("do")](request))
        except Exception:
            say(error=traceback.format_exc())
            sys.exit(1)
