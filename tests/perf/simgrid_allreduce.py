"""Runs in the Python that has SimGrid: step after step of messages between hosts; prints the simulated seconds.

python3 simgrid_allreduce.py FOLDER     with platform.xml and steps.json
"""

import json
import sys
from pathlib import Path
from typing import Any

from simgrid import Actor, Comm, Engine  # type: ignore[import-not-found]

QUIET = (
    *("--cfg=network/latency-factor:1", "--cfg=network/bandwidth-factor:1", "--cfg=network/weight-S:0"),
    *("--cfg=network/TCP-gamma:0", "--cfg=network/crosstraffic:0", "--log=root.threshold:critical"),
)


def conduct(hosts: "list[Any]", steps: "list[dict[str, Any]]") -> None:
    """All flows of a step at once; the next step when the last of them has arrived."""
    for step in steps:
        for _ in range(step["repeated"]):
            flows = [
                Comm.sendto_async(hosts[source], hosts[target], max(1, round(step["size"])))
                for source, target in zip(step["sources"], step["targets"], strict=True)
            ]
            for flow in flows:
                flow.wait()
    print(Engine.clock, flush=True)


def main(folder: str) -> None:
    """Simulate."""
    engine = Engine(["simgrid_allreduce", *QUIET])
    engine.load_platform(str(Path(folder) / "platform.xml"))
    names = {host.name: host for host in engine.all_hosts}
    hosts = [names[f"n{number}"] for number in range(len(names))]
    steps = json.loads((Path(folder) / "steps.json").read_text())
    Actor.create("conductor", hosts[0], conduct, hosts, steps)
    engine.run()


if __name__ == "__main__":
    main(sys.argv[1])
