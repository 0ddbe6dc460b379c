"""The environment as the ranks of a launch see it together."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clustermark import __version__
from clustermark.core import noise
from clustermark.core.context import Transport
from clustermark.core.environment import (
    Environment,
    affinity,
    cpu_facts,
    git_state,
    library_facts,
    network_interfaces,
    read_text,
    short_ranges,
    system_facts,
)
from clustermark.runners.hosts import hosts_here

VIRTUAL_CLUSTER = "clustermark-virtual"  # as slurm/virtual/slurm.conf.in names it
VIRTUAL_LABEL = "virtual nodes, not performance"


def loaded_library(name: str) -> str:
    """Path of a shared library that this process has mapped, "" if none matches."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return ""
    paths = {line.split()[-1] for line in maps.splitlines() if f"/{name}" in line}
    return min(paths, default="")


def gather_environment(
    transport: Transport,
    mpi: Mapping[str, str],
    variables: Mapping[str, str],
    threads: int,
    gpu: Mapping[str, Any] | None = None,
) -> Environment | None:
    """Facts of all nodes and ranks; collective.

    Parameters
    ----------
    mpi : facts of the MPI library as loaded, empty where there is none
    variables : recorded before the launch added its own
    threads : per rank
    gpu : of this rank, as runners.gpus.Devices.facts gives it; None or empty where no case uses one

    Returns
    -------
    Environment on rank 0, None elsewhere
    """
    gpu = gpu or {}
    mine: dict[str, Any] = {
        "rank": transport.rank,
        "ranks": transport.size,
        "node": platform.node(),
        "affinity": short_ranges(affinity()),
        "threads": threads,
        **({"gpu": gpu["place"]} if gpu else {}),
    }
    boot = read_text("/proc/sys/kernel/random/boot_id")
    facts = {"cpu": cpu_facts(), "system": system_facts()}
    rows = transport.gather((mine, facts, network_interfaces(), gpu, boot))
    if rows is None:
        return None
    kinds: list[dict[str, Any]] = []
    for _, node_facts, *_ in rows:
        if node_facts not in kinds:
            kinds.append(node_facts)
    hosts = hosts_here()
    emulated = hosts is not None and bool(hosts.network)
    all_facts = {
        **kinds[0],
        **({"emulated_network": dict(hosts.network)} if hosts and emulated else {}),
        "other_node_kinds": kinds[1:],
        "libraries": library_facts(),
        "mpi": dict(mpi),
        "variables": dict(variables),
    }
    gpus: list[Any] = []
    for _, _, _, found, _ in rows:
        if found and found["facts"] not in gpus:
            gpus.append(found["facts"])
    if gpus:
        all_facts["gpus"] = gpus
    state = {"at_start": noise.snapshot()}
    if gpus:
        state["gpus_at_start"] = {f"rank {row['rank']}": found["state"] for row, _, _, found, _ in rows if found}
    by_node = {row["node"]: interfaces for row, _, interfaces, *_ in rows}
    provenance = {
        "clustermark": __version__,
        "git": git_state(Path(__file__).resolve().parent),
        "executable": sys.executable,
        "libmpi": loaded_library("libmpi"),
        "nodes": sorted(by_node),
        "nics": [{"node": node, **interface} for node in sorted(by_node) for interface in by_node[node]],
        "machines": len({boot for *_, boot in rows if boot}),
        "scheduler_job": os.environ.get("SLURM_JOB_ID", ""),
        "scheduler_cluster": os.environ.get("SLURM_CLUSTER_NAME", ""),
    }
    if hosts and emulated:
        state["emulated_network"] = dict(hosts.measured)
    return Environment(all_facts, state, [row for row, *_ in rows], provenance)


class NoiseWatch:
    """Foreign load between two moments, over all nodes of a launch."""

    def __init__(self, transport: Transport) -> None:
        """Nothing is read yet."""
        self.transport = transport
        self.before = noise.snapshot()

    def start(self) -> None:
        """Take the first snapshot."""
        self.before = noise.snapshot()

    def stop(self) -> tuple[tuple[str, ...], dict[str, float]]:
        """Labels and shares of the worst node; collective, on rank 0 (empty elsewhere)."""
        after = noise.snapshot()
        own = after["own"] - self.before["own"]
        # By machine and not by host name: nodes that are namespaces of one machine read the same counters.
        machine = read_text("/proc/sys/kernel/random/boot_id") or platform.node()
        rows = self.transport.gather((machine, own, self.before, after))
        worst: dict[str, float] = {}
        for node in sorted({row[0] for row in rows or []}):
            here = [row for row in rows or [] if row[0] == node]
            shares = noise.between(here[0][2], here[0][3], sum(row[1] for row in here))
            if shares.get("foreign_cpu", 0.0) >= worst.get("foreign_cpu", 0.0):
                worst = shares
        return noise.labels(worst), noise.report(worst)


def labels_of_launch(environment: Environment, threads: int) -> tuple[str, ...]:
    """What a reader of every figure of a launch must see: more threads than cores, nodes or a network that are none."""
    cores = int(environment.facts["cpu"]["cores"])
    network = environment.facts.get("emulated_network")
    nodes = ["one machine" if network else row["node"] for row in environment.ranks]
    fullest = max(nodes.count(node) for node in set(nodes)) * threads
    crowded = [f"oversubscribed: {fullest} threads on {cores} cores"] if fullest > cores else []
    if network:
        return (*crowded, f"emulated network: {network['title']}")
    return (*crowded, *_virtual_nodes(environment))


def _virtual_nodes(environment: Environment) -> tuple[str, ...]:
    """The label of figures from nodes that share a machine: several names on one kernel, or our virtual cluster."""
    told = environment.provenance
    shared = 0 < told.get("machines", 0) < len(told.get("nodes", ()))
    return (VIRTUAL_LABEL,) if shared or told.get("scheduler_cluster") == VIRTUAL_CLUSTER else ()
