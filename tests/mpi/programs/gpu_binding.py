"""Rank program: what a worker does first with a GPU, and what the ranks know of each other then."""

from __future__ import annotations

import json

from fake_gpu.process import gpu_of_this_process

from clustermark.core.errors import DeviceError
from clustermark.runners.gpus import Devices, gpu_node, sharing
from clustermark.runners.launch_world import start_mpi


def main() -> None:
    """Rank 0 prints each rank's GPU, the GPUs that it touched, and the label."""
    devices = Devices.bind(["cuda"])
    mpi = start_mpi("self", 2)
    comm = mpi.COMM_WORLD
    rows = comm.gather((devices.gpu.index, sorted(gpu_of_this_process().contexts)), 0)
    places = comm.allgather(gpu_node(devices.gpu))
    try:
        label = list(sharing(places))
    except DeviceError as error:
        label = [str(error)]
    if comm.rank == 0:
        print(json.dumps({"gpus": [row[0] for row in rows], "touched": [row[1] for row in rows], "label": label}))
    mpi.Finalize()


if __name__ == "__main__":
    main()
