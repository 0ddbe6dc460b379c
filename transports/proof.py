"""Proof of the fabric: a known payload is exchanged, and the kernel is asked what carried it.

Every rank sends to its successor and receives from its predecessor. Three counters are read around the exchange:
the bytes that this process's own TCP sockets had acknowledged (foreign traffic cannot enter), the bytes that the
interfaces sent (foreign traffic only adds), those that the ports of adapters sent (transports/ports.py), and, in a
launch of its own, copies by the kernel (transports/copies.py).
Two rounds of different size must both agree with the fabric's row.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.core.context import FabricRow, Transport
from clustermark.core.environment import read_text
from clustermark.core.result import LINK_RATE, FabricProof
from clustermark.transports.copies import CopyCounter
from clustermark.transports.ports import NAMES, PORT_WIRES, bytes_sent, link_rate, port_bytes

MESSAGE_BYTES = 4 << 20
ROUNDS = (16, 24)
ATTEMPTS = 3
# Bytes seen ÷ payload: headers and acknowledgements of TCP add 0.2 to 1 %; the rest is other traffic's share.
CARRIED = (0.98, 1.10)
QUIET = 0.02
# Less than this share of the payload on an interface in any round: it did not carry the exchange.
NOT_CARRIED = 0.5
_TCP_INFO_LENGTH = 192
_BYTES_ACKED = 120  # offset of tcpi_bytes_acked in struct tcp_info, linux/tcp.h since Linux 4.2

Ratios = dict[str, float]


def interface_bytes() -> dict[str, tuple[int, int]]:
    """Interface → bytes (sent, received) since it came up, of this network namespace."""
    counters = {}
    for line in read_text("/proc/net/dev").splitlines():
        name, found, text = line.partition(":")
        if found:
            fields = text.split()
            counters[name.strip()] = int(fields[8]), int(fields[0])
    return counters


def socket_bytes() -> int | None:
    """Bytes acknowledged on all TCP sockets of this process, None where the kernel does not tell (TCP_INFO)."""
    total = 0
    try:
        links = list(Path("/proc/self/fd").iterdir())
    except OSError:
        return None
    for link in links:
        with contextlib.suppress(OSError):
            if not str(link.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(link.name))) as copy:
                if copy.family not in (socket.AF_INET, socket.AF_INET6) or copy.type != socket.SOCK_STREAM:
                    continue
                info = copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_LENGTH)
            if len(info) < _BYTES_ACKED + 8:
                return None
            total += struct.unpack_from("=Q", info, _BYTES_ACKED)[0]
    return total


def node_key() -> str:
    """Equal for ranks that read the same adapters: host name and boot id."""
    return f"{os.uname().nodename}:{read_text('/proc/sys/kernel/random/boot_id')}"


def namespace_key() -> str:
    """Equal for ranks that read the same counters: boot id and network namespace."""
    try:
        namespace = str(Path("/proc/self/ns/net").readlink())
    except OSError:
        namespace = ""
    return f"{node_key()}:{namespace}"


@dataclass(frozen=True)
class Exchange:
    """What the counters saw of a known payload.

    Attributes
    ----------
    ratios : {"tcp": own TCP sockets, "lo": loopback, "network": other interfaces}, bytes ÷ payload, and "infiniband",
        "roce", "slingshot" where there are ports, bytes ÷ payload between nodes; a counter that cannot be read is
        left out
    payload : [B] that all ranks sent together
    readings : interface → [B] sent and received before, sent and received after, on rank 0's node
    """

    ratios: Ratios
    payload: int
    readings: Mapping[str, list[int]]


def exchange_payload(transport: Transport, messages: int) -> Exchange:
    """Exchange `messages` × 4 MiB around the ring while the counters are read; collective.

    Parameters
    ----------
    transport : two or more ranks
    messages : per rank

    Returns
    -------
    Exchange : the same on every rank

    Raises
    ------
    RuntimeError : other bytes arrived than were sent
    """
    send = np.full(MESSAGE_BYTES, transport.rank % 251, dtype=np.uint8)
    receive = np.zeros(MESSAGE_BYTES, dtype=np.uint8)
    before_rank, next_rank = (transport.rank - 1) % transport.size, (transport.rank + 1) % transport.size
    exchange = transport.prepare_sendrecv(send, next_rank, receive, before_rank)
    exchange()
    transport.barrier()
    before, own_before, ports_before = interface_bytes(), socket_bytes(), port_bytes()
    transport.barrier()
    for _ in range(messages):
        exchange()
    transport.barrier()
    after, own_after, ports = interface_bytes(), socket_bytes(), bytes_sent(ports_before, port_bytes())
    if not bool((receive == before_rank % 251).all()):
        raise RuntimeError(f"rank {transport.rank} received other bytes than rank {before_rank} sent")
    own = None if own_before is None or own_after is None else own_after - own_before
    sent = {name: after[name][0] - before.get(name, (0, 0))[0] for name in after}
    rows = transport.gather((namespace_key(), sent, own))
    sent_by_ports = transport.gather((node_key(), ports))
    payload = transport.size * messages * MESSAGE_BYTES
    answer = None
    if rows is not None and sent_by_ports is not None:
        readings = {name: [*before[name], *after[name]] for name in after if name in before}
        ratios = _ratios(rows, payload) | port_ratios(sent_by_ports, messages * MESSAGE_BYTES)
        answer = Exchange(ratios, payload, readings)
    return transport.broadcast(answer)


def _ratios(rows: list[tuple[str, dict[str, int], int | None]], payload: int) -> Ratios:
    ratios: Ratios = {}
    if all(own is not None for _, _, own in rows):
        ratios["tcp"] = sum(own or 0 for _, _, own in rows) / payload
    interfaces = {namespace: sent for namespace, sent, _ in rows}
    if all(interfaces.values()):
        ratios |= {"lo": 0.0, "network": 0.0}
        for sent in interfaces.values():
            for name, count in sent.items():
                ratios["lo" if name == "lo" else "network"] += count / payload
    return ratios


def port_ratios(rows: list[tuple[str, dict[str, int]]], sent_by_rank: int) -> Ratios:
    """Wire of adapters' ports → bytes sent ÷ payload between nodes: within a node an adapter's ports are not passed.

    Parameters
    ----------
    rows : (node, wire → bytes that its ports sent) of each rank, in their order
    sent_by_rank : [B] that each rank sent to the next
    """
    nodes = [node for node, _ in rows]
    crossing = sum(here != there for here, there in zip(nodes, nodes[1:] + nodes[:1], strict=True))
    ratios: Ratios = {}
    for sent in dict(rows).values():
        for wire, count in sent.items():
            ratios[wire] = ratios.get(wire, 0.0) + count / (max(crossing, 1) * sent_by_rank)
    return ratios


def judge(row: FabricRow, rounds: list[Ratios], kernel_copies: int | None = None) -> FabricProof:
    """Compare what was counted with what the row demands.

    Parameters
    ----------
    row : the fabric that was asked for
    rounds : ratios of each round, from `exchange_payload`
    kernel_copies : process_vm_readv and process_vm_writev calls seen in a launch of this fabric; None if not counted

    Returns
    -------
    FabricProof : proven only if every round agrees, and the count of copies too where there is one
    """
    if not rounds or not all("lo" in ratios for ratios in rounds):
        return FabricProof(row.name, "no interface counters here", "none", False)
    wires = {_wire(ratios) for ratios in rounds}
    last = rounds[-1]
    detail: dict[str, Any] = {key: round(value, 4) for key, value in last.items()}
    wire = wires.pop() if len(wires) == 1 else "unclear"
    proven = wire == row.wire
    observed = {
        "none": "shared memory",
        "loopback": "tcp over lo",
        "network": "network",
        **{name: f"ports of {shown}" for name, shown in NAMES.items()},
        "unclear": f"unclear: lo carried {last['lo']:.2f}, other interfaces {last['network']:.2f} of the bytes"
        + "".join(f", ports of {NAMES[name]} {last[name]:.2f}" for name in PORT_WIRES if name in last),
    }[wire]
    if row.wire == "any" and wire == "none":
        observed = "no IP interface: shared memory, or a network without one"
    if kernel_copies is not None:
        detail["process_vm_readv"] = kernel_copies
        if wire == "none":
            observed += ", copied by the kernel" if kernel_copies else ", copied in and out"
        if row.kernel_copies is not None:
            proven = proven and (kernel_copies > 0) == row.kernel_copies
    return FabricProof(row.name, observed, "counter", proven, detail)


def _wire(ratios: Mapping[str, float]) -> str:
    """Which wire one round shows: "none", "loopback", "network", one of PORT_WIRES, or "unclear".

    With the process's own sockets known, interfaces need only have carried at least as much (or clearly less);
    without, they must show the payload and nothing else.
    """
    lo, network = ratios["lo"], ratios["network"]
    own = ratios.get("tcp")
    ports = {wire: ratios[wire] for wire in PORT_WIRES if ratios.get(wire, 0.0) >= NOT_CARRIED}
    if ports:
        [wire, *others] = ports
        only = not others and (own if own is not None else max(lo, network)) <= QUIET
        return wire if only and CARRIED[0] <= ports[wire] <= CARRIED[1] else "unclear"
    if own is None:
        if lo <= QUIET and network <= QUIET:
            return "none"
        if CARRIED[0] <= lo <= CARRIED[1] and network <= QUIET:
            return "loopback"
        return "network" if CARRIED[0] <= network <= CARRIED[1] and lo <= QUIET else "unclear"
    if own <= QUIET and lo < NOT_CARRIED and network < NOT_CARRIED:
        return "none"
    if CARRIED[0] <= own <= CARRIED[1]:
        if lo >= CARRIED[0] and network < NOT_CARRIED:
            return "loopback"
        if network >= CARRIED[0] and lo < NOT_CARRIED:
            return "network"
    # Wires that are no TCP sockets (InfiniBand's IP-less verbs, UDP) still show on their interface.
    if own <= QUIET and CARRIED[0] <= network <= CARRIED[1] and lo <= QUIET:
        return "network"
    return "unclear"


def count_kernel_copies(transport: Transport, counter: CopyCounter) -> int | None:
    """Kernel copies that all ranks made for 16 messages each; collective; None where they cannot be counted."""
    before = counter.count
    exchange_payload(transport, ROUNDS[0])
    after = counter.count
    mine = -1.0 if before is None or after is None else float(after - before)
    if transport.maximum(-mine) > 0:
        return None
    return int(transport.sum(mine))


def prove(row: FabricRow, transport: Transport, kernel_copies: int | None = None) -> FabricProof:
    """Exchange and judge, up to three times while the counters disagree with the row; collective.

    A second and third attempt are for traffic of others on the same interface; the last answer stands.
    """
    proof = FabricProof(row.name, "not checked", "none", False)
    for attempt in range(ATTEMPTS):
        rounds = [exchange_payload(transport, messages) for messages in ROUNDS]
        proof = judge(row, [each.ratios for each in rounds], kernel_copies)
        readings = rounds[-1].readings
        evidence: dict[str, Any] = {
            "attempts": attempt + 1,
            "payload_bytes": rounds[-1].payload,
            "interfaces": readings,
        }
        rate = link_rate(row.wire, readings) if proof.proven else None
        evidence |= {LINK_RATE: rate} if rate else {}
        proof = replace(proof, detail={**proof.detail, **evidence})
        if proof.proven or proof.evidence == "none":
            break
    return proof
