"""Networks of thousands of nodes: which links the flows of one step share, and how many hops the longest takes.

Routing is deterministic and minimal, and a step's flows start together: the time of a step follows from the most
loaded link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Nodes = npt.NDArray[np.int64]


class Topology(Protocol):
    """A network with one link per node."""

    def load(self, sources: Nodes, targets: Nodes) -> tuple[float, int]:
        """Largest number of flows on a link, in units of what a node's link carries; hops of the longest way."""
        ...


def _most(keys: Nodes) -> int:
    """How often the most frequent key occurs."""
    return int(np.unique(keys, return_counts=True)[1].max()) if keys.size else 0


@dataclass(frozen=True)
class FatTree:
    """A fat tree of three levels of k-port switches (Leiserson, IEEE Trans. Comput. C-34 (1985); Al-Fares 2008).

    Upward ways are chosen by the destination (D-mod-k), which is what InfiniBand's subnet managers do.

    Attributes
    ----------
    nodes : that take part; k is the least even number with k³/4 ≥ nodes
    oversubscription : how many times more a switch's nodes can send than its upward links carry, 1 for none
    """

    nodes: int
    oversubscription: float = 1.0

    @property
    def half_ports(self) -> int:
        """k/2: nodes per edge switch, edge switches per pod."""
        half = 1
        while 2 * half**3 < self.nodes:
            half += 1
        return half

    def load(self, sources: Nodes, targets: Nodes) -> tuple[float, int]:
        """As Topology.load says."""
        half = self.half_ports
        apart = sources != targets
        sources, targets = sources[apart], targets[apart]
        most, hops = float(max(_most(sources), _most(targets))), 2
        edges, pods = (sources // half, targets // half), (sources // half**2, targets // half**2)
        leaves_edge, leaves_pod = edges[0] != edges[1], pods[0] != pods[1]
        if leaves_edge.any():
            hops = 4
            up = edges[0][leaves_edge] * half + targets[leaves_edge] % half
            down = edges[1][leaves_edge] * half + targets[leaves_edge] % half
            most = max(most, self.oversubscription * max(_most(up), _most(down)))
        if leaves_pod.any():
            hops = 6
            target = targets[leaves_pod]
            core = target % half * half + target // half % half
            up, down = pods[0][leaves_pod] * half**2 + core, pods[1][leaves_pod] * half**2 + core
            most = max(most, self.oversubscription * max(_most(up), _most(down)))
        return most, hops


@dataclass(frozen=True)
class Dragonfly:
    """A balanced dragonfly, one global link between any two groups (Kim et al., ISCA 2008), minimal routing.

    Attributes
    ----------
    nodes : that take part; p is the least number with 2p²(2p² + 1) ≥ nodes: p nodes and p global links per router,
        2p routers per group
    """

    nodes: int

    @property
    def per_router(self) -> int:
        """p: nodes, and global links, of a router."""
        p = 1
        while 2 * p * p * (2 * p * p + 1) < self.nodes:
            p += 1
        return p

    def load(self, sources: Nodes, targets: Nodes) -> tuple[float, int]:
        """As Topology.load says."""
        p = self.per_router
        per_group = 2 * p * p
        apart = sources != targets
        sources, targets = sources[apart], targets[apart]
        most, hops = max(_most(sources), _most(targets)), 2
        routers = sources // p, targets // p
        groups = sources // per_group, targets // per_group
        leaves_router, leaves_group = routers[0] != routers[1], groups[0] != groups[1]
        total = 2 * p * (2 * p * p + 1)
        inside = leaves_router & ~leaves_group
        local = routers[0][inside] * total + routers[1][inside]
        if inside.any():
            hops = 3
        if leaves_group.any():
            one, other = groups[0][leaves_group], groups[1][leaves_group]
            most = max(most, _most(one * (2 * p * p + 1) + other))
            # The router of a group whose global link leads to another group: links are numbered without the own group.
            gates = (
                one * 2 * p + np.where(other > one, other - 1, other) // p,
                other * 2 * p + np.where(one > other, one - 1, one) // p,
            )
            first, last = routers[0][leaves_group], routers[1][leaves_group]
            local = np.concatenate([local, first * total + gates[0], gates[1] * total + last])
            stays = np.concatenate([routers[0][inside] < 0, first == gates[0], gates[1] == last])
            local = local[~stays]
            hops = 5
        return float(max(most, _most(local))), hops
