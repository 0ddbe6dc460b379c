"""Rank program: calls each method of a transport and reports those that gave wrong values."""

from __future__ import annotations

import json
import sys

import numpy as np
from comm_helpers.collective_checks import wrong_calls

from clustermark.devices.cpu import CpuDevice
from clustermark.runners.launch_world import start_mpi
from clustermark.transports import TRANSPORTS


def main(fabric: str, name: str, ranks: str) -> None:
    """Rank 0 prints {"size": …, "wrong": [method, …]}."""
    mpi = start_mpi(fabric, int(ranks))
    device = CpuDevice()
    transport = TRANSPORTS[name].open(device)
    rank, size = transport.rank, transport.size
    wrong = wrong_calls(transport, device)
    largest = transport.max_to_root(np.array([float(rank), -float(rank)]))
    if (largest is None) != (rank > 0) or (largest is not None and largest.tolist() != [size - 1.0, 0.0]):
        wrong.append("max_to_root")
    if transport.broadcast({"from": rank}) != {"from": 0}:
        wrong.append("broadcast")
    if transport.gather(rank) != (list(range(size)) if rank == 0 else None):
        wrong.append("gather")
    if transport.sum(float(rank + 1)) != size * (size + 1) / 2 or transport.maximum(float(rank)) != size - 1:
        wrong.append("sum or maximum")
    transport.barrier()
    everywhere = mpi.COMM_WORLD.gather(wrong, 0)
    if mpi.COMM_WORLD.rank == 0:
        print(json.dumps({"size": size, "wrong": sorted({item for each in everywhere for item in each})}), flush=True)
    mpi.Finalize()


if __name__ == "__main__":
    main(*sys.argv[1:])
