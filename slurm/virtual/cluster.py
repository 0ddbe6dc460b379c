"""Real Slurm with virtual nodes on one machine: ``cluster.py up | down | node-kill | node-up``.

Debian's slurm-wlm runs several slurmd on one host. Every node has a host name and a mount table of its own (needs
root), all state is in one folder, all ports are on the loopback, no system service or file is touched. Only the
standard library is needed, so that it runs before clustermark is installed.
"""

from __future__ import annotations

import argparse
import getpass
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import namespaces  # these are beside this file, which may run before clustermark is installed
import processes

PACKAGES = ("slurm-wlm", "munge", "libpmix-dev")
TOOLS = ("slurmctld", "slurmd", "munged", "sinfo", "unshare")
MARK = ".clustermark-virtual-slurm"
LONGEST_ROOT = 70  # names of Unix sockets end at 108 bytes
UP_SECONDS = 30.0
_LEAKS = re.compile(r"^(SLURM|SBATCH|SALLOC|SRUN|PMI|OMPI_|PRTE_|HYDI?_)")


class VirtualError(Exception):
    """One sentence for the terminal."""


@dataclass(frozen=True)
class Shape:
    """What the cluster pretends to be: memory in MiB per node, timers in seconds."""

    nodes: int = 4
    cpus: int = 4
    memory: int = 4000
    gpus: int = 2
    slurmd_timeout: int = 10
    hold_off: int = 10
    min_job_age: int = 3600


def default_root() -> Path:
    """The folder of this user's cluster."""
    return Path(tempfile.gettempdir()) / f"clustermark-slurm-{os.getuid()}"


def environment(root: Path) -> dict[str, str]:
    """Variables of the cluster's daemons and clients, without those of an enclosing job."""
    kept = {key: value for key, value in os.environ.items() if not _LEAKS.match(key)}
    path = kept.get("PATH", os.defpath)
    return kept | {"SLURM_CONF": str(root / "slurm.conf"), "PATH": f"{path}:/usr/sbin:/sbin"}


def missing_tools() -> list[str]:
    """Programs that are not installed; empty where a cluster can be started."""
    path = environment(Path())["PATH"]
    return [tool for tool in TOOLS if shutil.which(tool, path=path) is None]


def refuse_machine() -> None:
    """Raises VirtualError where nodes cannot have host names and mounts of their own, whatever is installed."""
    if os.geteuid() != 0:
        raise VirtualError("virtual nodes need root, for a host name and a mount table of their own; use a container")
    none = namespaces.why_none()
    if none:
        raise VirtualError(none)


def up(root: Path, shape: Shape) -> None:
    """Start a cluster in `root`, a fresh one if there was one. Raises VirtualError; then nothing is left running."""
    refuse_machine()
    if missing_tools():
        raise VirtualError(
            f"{missing_tools()[0]} is not installed: apt-get install -y --no-install-recommends {' '.join(PACKAGES)}"
        )
    if len(str(root)) > LONGEST_ROOT or not re.fullmatch(r"/[A-Za-z0-9/._-]+", str(root)):
        raise VirtualError(f"--root {root}: must be an absolute path of at most {LONGEST_ROOT} plain characters")
    if root.exists():
        down(root)
    try:
        _write(root, shape)
        _start(root, shape)
    except (VirtualError, OSError, subprocess.SubprocessError) as error:
        said = _last_words(root)
        down(root)
        raise VirtualError(f"the cluster did not come up: {error}{said}") from error


def _write(root: Path, shape: Shape) -> None:
    for name in ("munge", "state", "spool", "run", "log", "tmp", "dev"):
        (root / name).mkdir(parents=True)
    root.chmod(0o755)
    (root / MARK).touch()
    base = _free_ports(shape.nodes + 1)
    names = node_names(shape.nodes)
    here = f"NodeHostname={_host()} NodeAddr=127.0.0.1"
    lines = [f"NodeName={name} {here} Port={port} Feature=virtual,{name}" for port, name in enumerate(names, base + 1)]
    values = {
        "ROOT": root,
        "HOST": _host(),
        "USER": getpass.getuser(),
        "CONTROLLER_PORT": base,
        "NODES": names[0] if shape.nodes == 1 else f"vn[1-{shape.nodes}]",
        "LAST_NODE": names[-1],
        "NODE_LINES": "\n".join(lines),
        "CPUS": shape.cpus,
        "MEMORY": shape.memory,
        "MEMORY_PER_CPU": shape.memory // shape.cpus,
        "GRES": f"Gres=gpu:fake:{shape.gpus}" if shape.gpus else "",
        "SLURMD_TIMEOUT": shape.slurmd_timeout,
        "HOLD_OFF": shape.hold_off,
        "MIN_JOB_AGE": shape.min_job_age,
    }
    text = (Path(__file__).resolve().parent / "slurm.conf.in").read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    (root / "slurm.conf").write_text(text)
    (root / "plugstack.conf").touch()
    (root / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    devices = []
    for number in range(shape.gpus):
        # A GPU must be a character device; these are copies of /dev/null.
        os.mknod(root / "dev" / f"gpu{number}", 0o20666, os.makedev(1, 3))
        devices.append(f"NodeName={values['NODES']} Name=gpu Type=fake File={root}/dev/gpu{number}\n")
    (root / "gres.conf").write_text("".join(devices))
    hosts = "".join(f"127.0.1.{number} {name}\n" for number, name in enumerate(names, 1))
    (root / "hosts").write_text(Path("/etc/hosts").read_text() + hosts)
    (root / "env.sh").write_text(f"export SLURM_CONF={root}/slurm.conf\n")
    (root / "site.toml").write_text(
        'summary = "virtual nodes on one machine"\n'
        f'slurm_conf = "{root}/slurm.conf"\npartition = "debug"\nvirtual = true\nfabric = "tcp"\n'
        f"ranks_per_node = 2\ncpus_per_node = {shape.cpus}\ngpus_per_node = {shape.gpus}\nexclusive = false\n"
        "max_running = 1\nminutes = 30\n"  # the nodes share one machine: one launch at a time, and no telling how long
    )


def _start(root: Path, shape: Shape) -> None:
    variables = environment(root)
    key = root / "munge" / "key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    munge = root / "munge"
    _run(
        ["munged", "--force", f"--key-file={key}", f"--socket={munge}/munge.sock", f"--pid-file={root}/run/munged.pid",
         f"--log-file={root}/log/munged.log", f"--seed-file={munge}/seed", "--num-threads=4"],
        variables,
    )  # fmt: skip
    _run(["slurmctld", "-i"], variables)
    for name in node_names(shape.nodes):
        node_up(root, name)
    end = time.monotonic() + UP_SECONDS
    while _idle(variables) != shape.nodes:
        if time.monotonic() > end:
            raise VirtualError(f"{_idle(variables)} of {shape.nodes} nodes were idle after {UP_SECONDS:g} s")
        time.sleep(0.05)


def node_up(root: Path, node: str) -> None:
    """Start the daemon of one node, with a host name and a mount table of its own. Raises VirtualError."""
    for place in ("tmp", "spool"):  # a node that boots finds no sockets of what ran before
        shutil.rmtree(root / place / node, ignore_errors=True)
        (root / place / node).mkdir()
    script = 'hostname "$1" && mount --bind "$2" /etc/hosts && exec slurmd -N "$1"'
    _run(namespaces.own_words(script, node, str(root / "hosts")), environment(root))


def node_names(count: int) -> list[str]:
    """``["vn1", "vn2", …]``"""
    return [f"vn{number}" for number in range(1, count + 1)]


def _run(words: Sequence[str], variables: dict[str, str]) -> None:
    """A daemon's start: returns when it has detached itself. Its output goes to a file: a pipe would stay open."""
    with tempfile.TemporaryFile() as said:
        done = subprocess.run(
            words, env=variables, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=UP_SECONDS, check=False
        )
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
    if done.returncode != 0:
        raise VirtualError(f"{words[0]} ended with exit status {done.returncode} {text[-300:]}")


def _idle(variables: dict[str, str]) -> int:
    try:
        done = subprocess.run(
            ["sinfo", "-h", "-p", "debug", "-t", "idle", "-o", "%D"],
            env=variables, capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 0
    return int(done.stdout) if done.stdout.strip().isdigit() else 0


def _free_ports(count: int) -> int:
    """The first of `count` free neighbouring ports, below those that the kernel hands out itself."""
    for _ in range(200):
        base = random.randrange(20000, 30000)
        held: list[socket.socket] = []
        try:
            for port in range(base, base + count):
                held.append(socket.socket())
                held[-1].bind(("0.0.0.0", port))
        except OSError:
            continue
        else:
            return base
        finally:
            for each in held:
                each.close()
    raise VirtualError(f"no {count} neighbouring ports are free between 20000 and 30000")


def _host() -> str:
    return socket.gethostname().split(".")[0]


def _last_words(root: Path) -> str:
    """The last errors of the daemons' logs."""
    lines = []
    for log in sorted((root / "log").glob("*.log")) if root.exists() else []:
        text = [line for line in log.read_text(errors="replace").splitlines() if "error" in line or "fatal" in line]
        lines += [f"\n  {log.name}: {line}" for line in text[-2:]]
    return "".join(lines)


def down(root: Path, keep: bool = False) -> None:
    """End every process of the cluster and remove its folder. Raises VirtualError."""
    if not root.exists():
        return
    if not (root / MARK).exists():
        raise VirtualError(f"{root}: is no virtual cluster; remove it yourself")
    left = processes.end_cluster(root)
    if left:
        raise VirtualError(f"{root}: these processes of it could not be ended: {left}")
    if not keep:
        shutil.rmtree(root)


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="slurm/virtual", description=__doc__.splitlines()[0] if __doc__ else "")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("up", "down", "node-kill", "node-up"):
        each = verbs.add_parser(verb)
        each.add_argument("--root", type=Path, default=default_root(), help="the cluster's folder (%(default)s)")
        if verb.startswith("node"):
            each.add_argument("node", help="vn1, vn2, …")
    for name in ("nodes", "cpus", "memory", "gpus"):
        verbs.choices["up"].add_argument(f"--{name}", type=int, default=getattr(Shape, name), help="(%(default)s)")
    verbs.choices["up"].add_argument("--install", action="store_true", help="install Slurm from Debian if missing")
    verbs.choices["node-kill"].add_argument("--daemon", action="store_true", help="slurmd only; its jobs go on")
    options = parser.parse_args(arguments)
    os.umask(os.umask(0o077) | 0o022)  # root's daemons read what is written here
    try:
        if options.verb == "up":
            refuse_machine()
            if options.install and missing_tools():
                install()
            up(options.root, Shape(options.nodes, options.cpus, options.memory, options.gpus))
            print(f"{options.nodes} virtual nodes are up; for Slurm's own commands: . {options.root}/env.sh")
            print(f"clustermark finds them with: --site {options.root}/site.toml")
        elif options.verb == "down":
            down(options.root)
        elif options.verb == "node-up":
            node_up(options.root, options.node)
        else:
            killed = processes.kill_node(options.root, options.node, options.daemon)
            print(f"{options.node}: {killed} process(es) killed")
    except (VirtualError, processes.NoSuchNodeError) as error:
        print(f"slurm/virtual: {error}", file=sys.stderr)
        return 1
    return 0


def install() -> None:
    """Slurm from Debian. Raises VirtualError."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise VirtualError(f"--install needs apt-get and root; install {' '.join(PACKAGES)} yourself")
    quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
    words = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    subprocess.run(words, check=True, env=quiet, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
