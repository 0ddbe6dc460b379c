"""The first process of an emulated cluster: makes nodes and network, runs a command on the first node, ends all.

It is number 1 of a PID namespace, inside mount, UTS, IPC and network namespaces of its own: when it ends, or is killed,
the kernel ends every process of the cluster, and with them go namespaces, interfaces and mounts.

    unshare --pid --fork --mount … python -m clustermark.runners.emulation.cluster '{"nodes": 2, …}'
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clustermark.core.errors import EXIT_USAGE
from clustermark.runners.children import die_with_parent
from clustermark.runners.emulation import network
from clustermark.runners.emulation.shape import Shape
from clustermark.runners.emulation.start import Request
from clustermark.runners.emulation.switch import Switch, be_on_time, open_tap
from clustermark.runners.hosts import VARIABLE, Hosts
from clustermark.transports.fabrics import INTERFACE_VARIABLE

SECONDS = 30.0
# What a node's first process does: names itself, takes memory of its own to share, says so, and waits.
_HOLD = 'hostname "$1" && mount -t tmpfs -o mode=1777 tmpfs /dev/shm && echo held && exec sleep infinity'
# Called as ssh would be: options, a host, words that make one line for a shell.
_AGENT = """#!/bin/sh
while [ "${{1#-}}" != "$1" ]; do shift; done
host=$1; shift
holder=$(cat {folder}/"$host".pid) && cores=$(cat {folder}/"$host".cores) || exit 255
exec nsenter --target "$holder" --net --uts --ipc --mount taskset --cpu-list "$cores" /bin/sh -c "$*"
"""


class ClusterError(Exception):
    """A step of the making that failed: the command and what it said."""


def run(words: Sequence[str]) -> None:
    """One command of the making. Raises ClusterError."""
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"`{shlex.join(words)}`: {error}") from error
    if done.returncode:
        raise ClusterError(f"`{shlex.join(words)}`: {(done.stderr or done.stdout).strip() or done.returncode}")


def hold_node(number: int, share_memory: bool) -> int:
    """Start the process that holds a node's namespaces; returns its pid. Raises ClusterError."""
    apart = ["--net", "--uts", *([] if share_memory else ["--ipc", "--mount"])]
    script = _HOLD.replace(" && mount -t tmpfs -o mode=1777 tmpfs /dev/shm", "") if share_memory else _HOLD
    process = subprocess.Popen(
        ["unshare", *apart, "/bin/sh", "-c", script, "sh", network.node_name(number)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = process.stdout.readline().decode(errors="replace").strip()
    if said != "held":
        raise ClusterError(f"node {number} cannot be made: {said}")
    return process.pid


def join(request: Request, holders: Sequence[int]) -> list[int]:
    """Make the network between the nodes; returns the ports of the switch that a delay needs. Raises ClusterError."""
    shape = request.shape
    if shape.delay:
        taps = [f"tap{number}" for number in range(shape.nodes)]
        try:
            ports = [open_tap(name) for name in taps]
        except OSError as error:
            raise ClusterError(f"/dev/net/tun: {error.strerror}; the delay needs it, leave --delay out") from error
        commands = network.switched(shape, holders, taps)
    else:
        ports = []
        commands = network.bridged(shape, holders)
    for number, holder in enumerate(holders):
        commands += network.addressed(number, holder, request.congestion_control)
    for command in commands:
        run(command)
    return ports


def start_switch(ports: Sequence[int], shape: Shape, delay: float) -> int:
    """A child process that switches frames until it is killed; returns its pid."""
    child = os.fork()
    if child == 0:
        die_with_parent()
        be_on_time()
        addresses = [network.hardware_address(number) for number in range(shape.nodes)]
        Switch(ports, addresses, shape.rate, delay).run()
    return child


def measured_network(agent: str, shape: Shape, ports: Sequence[int]) -> dict[str, float]:
    """Rate and round trip, and the round trip that the machine itself needs; starts the switch. Raises ClusterError.

    A frame waits for the switch's timer, too, which comes some 20 µs late on a virtual machine: by what a first round
    trip is too long, the switch is told to hold frames shorter, by half of the delay at most.
    """
    if not ports:
        measured = measure_link(agent, "ask")
        return measured | {"own_round_trip": measured["round_trip"]}
    own = tried_delay(agent, shape, ports, 0.0)
    late = (tried_delay(agent, shape, ports, shape.delay) - own) / 2 - shape.delay
    held = shape.delay - min(max(late, 0.0), shape.delay / 2)
    start_switch(ports, shape, held)
    return measure_link(agent, "ask") | {"own_round_trip": own, "switch_delay": held}


def tried_delay(agent: str, shape: Shape, ports: Sequence[int], delay: float) -> float:
    """[s] of a round trip by a switch that is told this delay and ended after it. Raises ClusterError."""
    switch = start_switch(ports, shape, delay)
    trip = measure_link(agent, "ping")["round_trip"]
    os.kill(switch, signal.SIGKILL)
    os.waitpid(switch, 0)
    return trip


def measure_link(agent: str, verb: str) -> dict[str, float]:
    """Round trip [s] ("ping") and rates [bit/s] of payload ("ask") between the first two nodes. Raises ClusterError.

    `payload_rate` is that of one way, `payload_rate_both_ways` the sum of two at once.
    """
    program = shlex.join([sys.executable, "-m", "clustermark.runners.emulation.link_test"])
    place = network.address(1)

    def on(node: int, role: str) -> subprocess.Popen[str]:
        words = [agent, network.node_name(node), f"exec {program} {role} {place} {verb}"]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    server = on(1, "serve")
    assert server.stdout is not None
    if server.stdout.readline().strip() != "ready":
        raise ClusterError("the second node cannot listen on its address")
    client = on(0, "ask")
    try:
        texts = [client.communicate(timeout=SECONDS)[0], server.communicate(timeout=SECONDS)[0]]
        found: dict[str, float] = {key: value for text in texts for key, value in json.loads(text).items()}
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise ClusterError("the first two nodes do not reach each other") from error
    if verb == "ask":
        found["payload_rate_both_ways"] = found.pop("rate_to_first") + found.pop("rate_to_second")
    return found


def describe(request: Request) -> dict[str, Any]:
    """What the network is meant to be: facts for the environment of every launch."""
    shape = request.shape
    return {
        "title": shape.title(),
        "nodes": shape.nodes,
        "rate_bit_per_s": shape.rate,
        "delay_s": shape.delay,
        "unshaped_bytes_after_a_pause": network.bucket_bytes(shape),
        "congestion_control": request.congestion_control or "the system's",
    }


def sentence(measured: dict[str, float], shape: Shape) -> str:
    """One line for people: nominal beside measured."""
    rate, both = measured["payload_rate"] / 1e9, measured["payload_rate_both_ways"] / 1e9
    trip = measured["round_trip"] * 1e6
    own = f", without the delay {measured['own_round_trip'] * 1e6:.0f} µs" if shape.delay else ""
    rates = f"{rate:.3g} Gbit/s of payload, {both:.3g} both ways together"
    return f"emulated cluster: {shape.title()}; measured: {rates}, round trip {trip:.0f} µs{own}"


def main(text: str) -> int:
    """Make the cluster, run the command, return its exit status."""
    request = Request.from_json(text)
    # Ctrl-C is for the command, which ends in its own way; this process goes when the command has gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder = Path(request.folder)
    try:
        run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", request.folder])
        # Sessions of MPI libraries are named after host and process, both alike in another cluster on this machine.
        temporary = folder / "tmp"
        temporary.mkdir(mode=0o777)
        (folder / "hosts").write_text(network.hosts_file(request.shape.nodes))
        run(["mount", "--bind", str(folder / "hosts"), "/etc/hosts"])
        holders = [hold_node(number, request.share_memory) for number in range(request.shape.nodes)]
        for number, holder in enumerate(holders):
            name = network.node_name(number)
            (folder / f"{name}.pid").write_text(str(holder))
            (folder / f"{name}.cores").write_text(request.cores[number])
        agent = folder / "shell"
        agent.write_text(_AGENT.format(folder=shlex.quote(request.folder)))
        agent.chmod(0o755)
        ports = join(request, holders)
        measured = measured_network(str(agent), request.shape, ports)
    except (ClusterError, OSError) as error:
        print(f"clustermark: emulate: the cluster cannot be made: {error}", file=sys.stderr)
        return EXIT_USAGE
    print(sentence(measured, request.shape), file=sys.stderr, flush=True)
    names = tuple(network.node_name(number) for number in range(request.shape.nodes))
    cores = len(request.cores[0].split(","))
    hosts = Hosts(names, cores, str(agent), network.INTERFACE, request.folder, describe(request), measured)
    (folder / "hosts.json").write_text(hosts.to_json())
    words = ["nsenter", "--target", str(holders[0]), "--net", "--uts", "--ipc", "--mount"]
    words += [f"--wdns={Path.cwd()}", "taskset", "--cpu-list", request.cores[0], *request.command]
    variables = {VARIABLE: str(folder / "hosts.json"), INTERFACE_VARIABLE: network.INTERFACE, "TMPDIR": str(temporary)}
    command = subprocess.Popen(words, env=os.environ | variables, preexec_fn=_heed_interrupts)  # noqa: PLW1509
    status = command.wait()
    return status if status >= 0 else 128 - status


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
