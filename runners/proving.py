"""Evidence that needs a launch of its own: how a fabric copies between ranks."""

import json
import os
import subprocess
import sys

from clustermark.runners.launcher import Launcher, launch_arguments, launch_environment, usable_cores
from clustermark.transports.fabrics import FABRICS

SECONDS = 30.0


def count_copies(launcher: Launcher, fabric: str) -> int | None:
    """Copies by the kernel for a known exchange between two ranks over a shared-memory fabric.

    Returns
    -------
    int : calls of process_vm_readv and process_vm_writev by both ranks for 16 messages of 4 MiB each
    None : another wire, or they cannot be counted here; the fabric is then proven by its bytes alone
    """
    row = FABRICS.get(fabric)
    if row is None or row.wire != "none" or row.kernel_copies is None:
        return None
    arguments = launch_arguments(launcher, 2, 1, usable_cores(), os.geteuid() == 0)
    try:
        done = subprocess.run(
            [*arguments, sys.executable, "-m", "clustermark.runners.probe", "fabric", fabric],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
            env=launch_environment(os.environ, fabric, 1),
        )
        line = next(line for line in done.stdout.splitlines() if line.startswith("{"))
        return json.loads(line)["detail"].get("process_vm_readv")
    except (OSError, subprocess.SubprocessError, StopIteration, ValueError, KeyError, AttributeError):
        return None
