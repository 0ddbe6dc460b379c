"""Evidence that needs a launch of its own: how a fabric copies between ranks."""

import os

from clustermark.runners.children import ask, probe_arguments
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
    environment = launch_environment(os.environ, fabric, 1)
    answers = ask([*arguments, *probe_arguments("fabric", fabric)], environment, SECONDS).documents()
    count = answers[0].get("detail", {}).get("process_vm_readv") if answers else None
    return count if isinstance(count, int) else None
