"""The model of all-reduce beside SimGrid's simulation of the same messages on the same fat tree.

    python tests/perf/model_vs_simgrid.py [--nodes 16,128,1024] [--simgrid /usr/bin/python3]

SimGrid (Casanova et al., JPDC 74 (2014)) comes from Debian's python3-simgrid and runs in that Python. Its network is
told to add nothing of its own: latency and bandwidth factors 1, no TCP window, no cross-traffic.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clustermark.reports.fit import HockneyFit
from clustermark.reports.model.collectives import ALGORITHMS, MEASURED_HOPS, Machine, Step, seconds
from clustermark.reports.model.messages import MessageModel, Piece
from clustermark.reports.model.topology import FatTree

PROGRAM = Path(__file__).parent / "simgrid_allreduce.py"
LATENCY, BANDWIDTH = 1e-6, 1.25e9
SIZES = (8, 65536, 1 << 20, 64 << 20)


@dataclass(frozen=True)
class Compared:
    """One point: nodes, [B], algorithm, and the two times [s]."""

    nodes: int
    size: int
    algorithm: str
    modelled: float
    simulated: float

    @property
    def difference(self) -> float:
        """Model ÷ simulation - 1."""
        return self.modelled / self.simulated - 1


def platform(nodes: int) -> str:
    """SimGrid's description of the fat tree that FatTree(nodes) is, a latency of LATENCY/2 per link."""
    half = FatTree(nodes).half_ports
    shape = f"3;{half},{half},{2 * half};1,{half},{half};1,1,1"
    return (
        '<?xml version="1.0"?><!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">'
        f'<platform version="4.1"><cluster id="c" prefix="n" suffix="" radical="0-{2 * half**3 - 1}" speed="1Gf" '
        f'bw="{BANDWIDTH}Bps" lat="{LATENCY / 2}s" topology="FAT_TREE" topo_parameters="{shape}" '
        f'sharing_policy="SPLITDUPLEX"/></platform>'
    )


def simulate(simgrid: str, nodes: int, algorithm: str, size: int) -> float:
    """[s] that SimGrid takes for the steps of an algorithm. Raises CalledProcessError."""
    steps = [_plain(step) for step in ALGORITHMS[algorithm](nodes, float(size))]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "platform.xml").write_text(platform(nodes))
        (Path(folder) / "steps.json").write_text(json.dumps(steps))
        done = subprocess.run([simgrid, str(PROGRAM), folder], check=True, capture_output=True, text=True, timeout=600)
    return float(done.stdout.split()[-1])


def _plain(step: Step) -> dict[str, Any]:
    return asdict(step) | {"sources": step.sources.tolist(), "targets": step.targets.tolist()}


def model(nodes: int, algorithm: str, size: int) -> float:
    """[s] by the model with SimGrid's parameters: two links between neighbours, one more latency half per hop."""
    messages = MessageModel((Piece(math.inf, HockneyFit(MEASURED_HOPS * LATENCY / 2, BANDWIDTH, 0.0)),), 0.0)
    return seconds(ALGORITHMS[algorithm](nodes, float(size)), FatTree(nodes), Machine(messages, LATENCY / 2))


def compare(simgrid: str, nodes: list[int], sizes: tuple[int, ...] = SIZES) -> list[Compared]:
    """Every algorithm at every count and size."""
    return [
        Compared(count, size, name, model(count, name, size), simulate(simgrid, count, name, size))
        for count in nodes
        for name in ALGORITHMS
        for size in sizes
    ]


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", default="16,128,1024")
    parser.add_argument("--simgrid", default="/usr/bin/python3")
    options = parser.parse_args()
    print(f"{'nodes':>6} {'size':>9} {'algorithm':<20} {'modelled':>12} {'SimGrid':>12}  difference")
    for row in compare(options.simgrid, [int(word) for word in options.nodes.split(",")]):
        times = f"{row.modelled * 1e6:>10.1f}µs {row.simulated * 1e6:>10.1f}µs"
        print(f"{row.nodes:>6} {row.size:>9} {row.algorithm:<20} {times}  {row.difference:+.1%}", flush=True)


if __name__ == "__main__":
    main()
