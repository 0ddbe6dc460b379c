"""The commands that make the nodes' network, as data: namespaces by the process that holds them, addresses, queues."""

from __future__ import annotations

from collections.abc import Sequence

from clustermark.runners.emulation.shape import Shape

INTERFACE = "eth0"
SUBNET = "10.77.0"
BRIDGE = "nodes"
# What a bucket holds goes through at once: 200 µs of the rate, at least one frame of 16 KiB, so that all but small
# messages are shaped. Linux hands down frames no larger than the bucket. The queue holds 4 MiB before TCP is told.
_BURST_SECONDS, _LEAST_BURST, _MOST_BURST, _QUEUE = 200e-6, 16 << 10, 256 << 10, 4 << 20
_MOST_FRAME = 65536
# Of the bucket before a switch: a timer that wakes it late by more than the room beside a frame loses rate, 1 to 2 % of
# 1 Gbit/s with 8 µs of room. The switch lets nothing of it through unshaped.
_SPARE_SECONDS = 600e-6
_BUFFERS = "4096 1048576 33554432"


def node_name(number: int) -> str:
    """Host name of a node."""
    return f"node{number}"


def address(number: int) -> str:
    """IPv4 address of a node."""
    return f"{SUBNET}.{number + 1}"


def hardware_address(number: int) -> bytes:
    """Six bytes, locally administered."""
    return bytes([2, 0, 0, 0, 0x77, number + 1])


def hosts_file(nodes: int) -> str:
    """/etc/hosts of every node."""
    lines = [f"{address(number)} {node_name(number)}" for number in range(nodes)]
    return "\n".join(["127.0.0.1 localhost", *lines, ""])


def inside(holder: int, *words: str) -> list[str]:
    """A command in the network namespace of a process."""
    return ["nsenter", "--target", str(holder), "--net", *words]


def bucket_bytes(shape: Shape) -> int:
    """[B] that a link lets through unshaped after a pause; 0 where every frame is held (or none is)."""
    return 0 if shape.delay else _burst(shape.rate)


def _burst(rate: float) -> int:
    return int(min(_MOST_BURST, max(_LEAST_BURST, rate / 8 * _BURST_SECONDS))) if rate else 0


def shaped(device: str, rate: float, place: Sequence[str] = (), spare: int = 0) -> list[list[str]]:
    """A token bucket at one end of a link; its frames fit into it with their headers, and `spare` [B] beside them."""
    held = _burst(rate)
    bucket = f"tbf rate {int(rate)}bit burst {held + spare} limit {_QUEUE}".split()
    frame = ["gso_max_size", str(min(_MOST_FRAME, held - 2048))]
    return [
        [*place, "ip", "link", "set", "dev", device, *frame],
        [*place, "tc", "qdisc", "add", "dev", device, "root", *bucket],
    ]


def bridged(shape: Shape, holders: Sequence[int]) -> list[list[str]]:
    """Nodes on a bridge, token buckets on both ends of each link; for a rate without delay."""
    commands = [
        ["ip", "link", "set", "lo", "up"],
        ["ip", "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "stp_state", "0"],
        ["ip", "link", "set", BRIDGE, "up"],
    ]
    for number, holder in enumerate(holders):
        port = f"port{number}"
        commands += [
            ["ip", "link", "add", port, "type", "veth", "peer", "name", INTERFACE, "netns", str(holder)],
            ["ip", "link", "set", port, "master", BRIDGE, "up"],
        ]
        if shape.rate:
            commands += [*shaped(port, shape.rate), *shaped(INTERFACE, shape.rate, inside(holder))]
    return commands


def switched(shape: Shape, holders: Sequence[int], taps: Sequence[str]) -> list[list[str]]:
    """TAP devices moved to the nodes, where they get the interface's name.

    What the switch has read no longer counts as queued in a sender's TCP, which would send on: the other direction's
    acknowledgements would wait behind megabytes. A bucket of the link's rate before the switch keeps frames at their
    sender, as the queue of an adapter does.
    """
    commands = []
    spare = int(shape.rate / 8 * _SPARE_SECONDS)
    for number, (holder, tap) in enumerate(zip(holders, taps, strict=True)):
        hardware = hardware_address(number).hex(":")
        commands += [
            ["ip", "link", "set", tap, "netns", str(holder)],
            inside(holder, "ip", "link", "set", tap, "name", INTERFACE, "address", hardware, "txqueuelen", "10000"),
            *shaped(INTERFACE, shape.rate, inside(holder), spare),
        ]
    return commands


def addressed(number: int, holder: int, congestion_control: str) -> list[list[str]]:
    """Addresses of one node, its congestion control, and TCP buffers that a long fat link needs."""
    route = f"{SUBNET}.0/24 dev {INTERFACE} proto kernel scope link src {address(number)}"
    control = ["congctl", congestion_control] if congestion_control else []
    return [
        inside(holder, "ip", "link", "set", "lo", "up"),
        inside(holder, "ip", "addr", "add", f"{address(number)}/24", "dev", INTERFACE),
        inside(holder, "ip", "link", "set", INTERFACE, "up"),
        inside(holder, "ip", "route", "change", *route.split(), *control),
        inside(holder, "sysctl", "-qw", f"net.ipv4.tcp_rmem={_BUFFERS}", f"net.ipv4.tcp_wmem={_BUFFERS}"),
        inside(holder, "sysctl", "-qw", "net.ipv4.tcp_slow_start_after_idle=0"),
    ]
