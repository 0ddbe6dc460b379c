"""Hierarchical all-reduce: NCCL sums inside a node, MPI sums the parts across nodes, NCCL gathers inside the node.

The links inside a node carry 2S·(L-1)/L bytes per GPU and the network S/L per rank and direction, for L GPUs in a node:
each rank takes its own part across, through pinned host memory (transports/staged.py).
"""

from __future__ import annotations

import functools
from typing import Any

from mpi4py import MPI

from clustermark.core.errors import DeviceError
from clustermark.transports.mpi import Array, Call
from clustermark.transports.nccl import NcclTransport
from clustermark.transports.staged import StagedTransport
from clustermark.transports.staging import flat


@functools.cache
def _node_of_the_world() -> Any:
    return MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED, MPI.COMM_WORLD.rank)


class HierarchicalTransport(StagedTransport):
    """The protocol of core.context.Transport; all but all-reduce go through staged MPI."""

    name = "nccl_mpi"

    def __init__(self, device: Any, node: Any = None) -> None:
        """Of the world; collective. `node` holds the ranks of this node, by default those that share memory.

        Raises
        ------
        DeviceError : nodes hold different numbers of ranks, or NCCL cannot be used
        """
        super().__init__(device)
        inside = node or _node_of_the_world()
        sizes = self.comm.allgather(inside.size)
        if min(sizes) != max(sizes):
            raise DeviceError(
                f"transport 'nccl_mpi': nodes hold {min(sizes)} to {max(sizes)} ranks, and parts of a sum need as many "
                f"on each; start as many ranks on each node, or use 'nccl'"
            )
        self.inside = NcclTransport(device, inside)
        across: Any = self.comm.Split(inside.rank, self.rank)
        self.across = StagedTransport(device, across, self.slots)

    def prepare_allreduce(self, send: Array | None, receive: Array) -> Call:
        """Reduce-scatter inside, all-reduce of this rank's part across, all-gather inside.

        Elements beyond a multiple of the ranks in a node are summed inside and across by every rank alike.
        """
        source, target = flat(receive if send is None else send), flat(receive)
        inside, across = self.inside, self.across
        part = target.size // inside.size
        even = part * inside.size
        steps: list[Call] = []
        if part:
            mine = target[inside.rank * part : (inside.rank + 1) * part]
            if send is None:
                steps.append(inside.prepare_reduce_scatter(None, target[:even]))
            else:
                steps.append(inside.prepare_reduce_scatter(source[:even], mine))
            steps.append(across.prepare_allreduce(None, mine))
            steps.append(inside.prepare_allgather(None, target[:even]))
        if even < target.size:
            rest = target[even:]
            steps.append(inside.prepare_allreduce(None if send is None else source[even:], rest))
            steps.append(across.prepare_allreduce(None, rest))

        def run() -> None:
            for step in steps:
                step()

        return run
