"""Rank program: MPI runs over one fabric while the proof is told that it is another.

A third word NAME=VALUE is a variable that the chosen row is made to set, against what it says of itself.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

from clustermark.runners.launch_world import start_mpi
from clustermark.transports.copies import CopyCounter
from clustermark.transports.fabrics import FABRICS


def main(chosen: str, claimed: str, *variables: str) -> None:
    """Rank 0 prints the proof's verdict and counters."""
    row = FABRICS[chosen]
    FABRICS[chosen] = replace(row, environment=row.environment | dict(text.split("=") for text in variables))
    mpi = start_mpi(chosen, 2)
    counter = CopyCounter()
    counter.start()
    from clustermark.transports.mpi import MpiTransport
    from clustermark.transports.proof import count_kernel_copies, prove

    transport = MpiTransport()
    proof = prove(FABRICS[claimed], transport, count_kernel_copies(transport, counter))
    if transport.rank == 0:
        print(
            json.dumps({"proven": proof.proven, "observed": proof.observed, "detail": dict(proof.detail)}), flush=True
        )
    mpi.Finalize()


if __name__ == "__main__":
    main(*sys.argv[1:])
