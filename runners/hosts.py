"""Several hosts under one launcher: their names, how a shell is opened on them, which interface joins them.

`clustermark emulate` writes such a file and names it in CLUSTERMARK_HOSTS; a run under it starts its ranks over all
hosts, one after the other, and says in its results what the network was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clustermark.core.errors import UsageError

VARIABLE = "CLUSTERMARK_HOSTS"


@dataclass(frozen=True)
class Hosts:
    """Where the ranks of a launch go.

    Attributes
    ----------
    names : of the hosts; the launcher runs on the first
    cores : usable on each
    agent : program that is called as ``agent HOST COMMAND…`` and runs the command there, as ssh would
    interface : the network interface that joins the hosts, the same name on each
    folder : where host files of the MPI libraries may be written, readable on all hosts
    network : what an emulated network is meant to be, "title" in one line; empty for a real network
    measured : what it was seen to be
    """

    names: tuple[str, ...]
    cores: int
    agent: str
    interface: str
    folder: str
    network: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """One JSON object; `from_json` takes it back."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> Hosts:
        """The hosts that `to_json` wrote; ValueError for anything else."""
        data = json.loads(text)
        if not isinstance(data, dict) or set(data) != set(Hosts.__dataclass_fields__):
            raise ValueError("its keys are not those of a file of hosts")
        hosts = Hosts(**{**data, "names": tuple(data["names"])})
        texts = (*hosts.names, hosts.agent, hosts.interface, hosts.folder)
        if not hosts.names or not all(isinstance(text, str) and text for text in texts):
            raise ValueError("names, agent, interface and folder must be text that is not empty")
        if not isinstance(hosts.cores, int) or hosts.cores < 1 or (hosts.network and "title" not in hosts.network):
            raise ValueError("cores must be a number from 1 on, a network must have a title")
        return hosts

    def per_host(self, ranks: int) -> int:
        """Ranks on the fullest host."""
        return -(-ranks // len(self.names))


def hosts_here(variables: Mapping[str, str] = os.environ) -> Hosts | None:
    """The hosts that CLUSTERMARK_HOSTS names, None without it. Raises UsageError for a file that is none."""
    path = variables.get(VARIABLE)
    if not path:
        return None
    try:
        return Hosts.from_json(Path(path).read_text())
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{VARIABLE}={path}: is no file of hosts ({error}); unset it to run on this host") from error


def host_arguments(hosts: Hosts, mpi: str, ranks: int, threads: int) -> list[str]:
    """The launcher's tokens that spread ranks over hosts.

    Ranks are dealt out in blocks, as far as possible as many on each host; nothing is bound: an agent may have its own
    ways to keep a host's ranks on the host's cores.
    """
    names = hosts.names[: min(ranks, len(hosts.names))]
    slots = -(-ranks // len(names))
    crowded = slots * threads > hosts.cores
    path = Path(hosts.folder) / f"hosts.{mpi}.{ranks}"
    if mpi == "mpich":
        path.write_text("".join(f"{name}:{slots}\n" for name in names))
        shell = ["-launcher", "ssh", "-launcher-exec", hosts.agent, "-iface", hosts.interface]
        return ["-f", str(path), *shell, "-bind-to", "none"]
    path.write_text("".join(f"{name} slots={slots}\n" for name in names))
    shell = ["--prtemca", "plm_ssh_agent", hosts.agent, "--prtemca", "prte_if_include", hosts.interface]
    yielding = ["--mca", "mpi_yield_when_idle", "1"] if crowded else []
    return ["--hostfile", str(path), *shell, "--map-by", "slot:OVERSUBSCRIBE", "--bind-to", "none", *yielding]
