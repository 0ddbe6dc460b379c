"""Runs on the first node of an emulated cluster: starts `fabric_claim.py` on two nodes, prints what rank 0 says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from clustermark.runners.hosts import hosts_here
from clustermark.runners.launcher import find_launcher, launch_arguments, launch_environment

CLAIM = str(Path(__file__).resolve().parent / "fabric_claim.py")


def main(chosen: str, claimed: str, *more: str) -> int:
    """The launcher's exit status."""
    tokens = launch_arguments(find_launcher(), 2, 1, 2, os.geteuid() == 0, hosts_here())
    environment = launch_environment(os.environ, chosen, 1)
    return subprocess.run(
        [*tokens, sys.executable, CLAIM, chosen, claimed, *more], check=False, env=environment
    ).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
