"""Proof of the fabric: a known payload is exchanged and the interfaces are asked what they carried.

Every rank sends to its successor and receives from its predecessor. Two rounds of different size must both
give the ratio that the fabric's row demands, so that foreign traffic does not pass for ours.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.core.context import FabricRow, Transport
from clustermark.core.environment import read_text
from clustermark.core.result import FabricProof

MESSAGE_BYTES = 4 << 20
ROUNDS = (16, 24)
ATTEMPTS = 3
# Bytes seen ÷ payload: headers and acknowledgements of TCP add 0.2 to 1 %; the rest is other traffic's share.
CARRIED = (0.98, 1.10)
QUIET = 0.02


def interface_bytes() -> dict[str, int]:
    """Interface → bytes sent since it came up, of this network namespace."""
    counters = {}
    for line in read_text("/proc/net/dev").splitlines():
        name, found, fields = line.partition(":")
        if found:
            counters[name.strip()] = int(fields.split()[8])
    return counters


def namespace_key() -> str:
    """Equal for ranks that read the same counters: boot id and network namespace."""
    try:
        namespace = str(Path("/proc/self/ns/net").readlink())
    except OSError:
        namespace = ""
    return f"{os.uname().nodename}:{read_text('/proc/sys/kernel/random/boot_id')}:{namespace}"


def exchange_ratios(transport: Transport, messages: int) -> dict[str, float]:
    """Exchange `messages` × 4 MiB around the ring; bytes that each kind of interface sent ÷ payload.

    Parameters
    ----------
    transport : two or more ranks
    messages : per rank

    Returns
    -------
    dict : {"lo": …, "network": …} on every rank; empty where no counter can be read
    """
    send = np.full(MESSAGE_BYTES, transport.rank % 251, dtype=np.uint8)
    receive = np.zeros(MESSAGE_BYTES, dtype=np.uint8)
    before_rank, next_rank = (transport.rank - 1) % transport.size, (transport.rank + 1) % transport.size
    exchange = transport.prepare_sendrecv(send, next_rank, receive, before_rank)
    exchange()
    transport.barrier()
    before = interface_bytes()
    transport.barrier()
    for _ in range(messages):
        exchange()
    transport.barrier()
    after = interface_bytes()
    if not bool((receive == before_rank % 251).all()):
        raise RuntimeError(f"rank {transport.rank} received other bytes than rank {before_rank} sent")
    rows = transport.gather((namespace_key(), {name: after[name] - before.get(name, 0) for name in after}))
    ratios: dict[str, float] = {}
    if rows is not None:
        payload = transport.size * messages * MESSAGE_BYTES
        ratios = _ratios(dict(rows), payload)
    return transport.broadcast(ratios)


def _ratios(by_namespace: Mapping[str, Mapping[str, int]], payload: int) -> dict[str, float]:
    ratios = {"lo": 0.0, "network": 0.0}
    for deltas in by_namespace.values():
        if not deltas:
            return {}
        for name, sent in deltas.items():
            ratios["lo" if name == "lo" else "network"] += sent / payload
    return ratios


def judge(row: FabricRow, rounds: list[dict[str, float]], kernel_copies: int | None = None) -> FabricProof:
    """Compare what was counted with what the row demands.

    Parameters
    ----------
    row : the fabric that was asked for
    rounds : ratios of each round, from `exchange_ratios`
    kernel_copies : process_vm_readv and process_vm_writev calls seen in a launch of this fabric; None if not counted

    Returns
    -------
    FabricProof : proven only if every round agrees, and the count of copies too where there is one
    """
    if not rounds or not all(rounds):
        return FabricProof(row.name, "no interface counters here", "none", False)
    worst = {key: max((r[key] for r in rounds), key=lambda x: abs(x - _wanted(row, key))) for key in ("lo", "network")}
    detail: dict[str, Any] = {key: round(value, 4) for key, value in worst.items()}
    carried = {key: CARRIED[0] <= value <= CARRIED[1] for key, value in worst.items()}
    quiet = {key: value <= QUIET for key, value in worst.items()}
    proven = all(carried[key] if _wanted(row, key) else quiet[key] for key in worst)
    observed = _observed(worst, carried, quiet)
    if kernel_copies is not None:
        detail["process_vm_readv"] = kernel_copies
        if quiet["lo"] and quiet["network"]:
            observed += ", copied by the kernel" if kernel_copies else ", copied in and out"
        if row.kernel_copies is not None:
            proven = proven and (kernel_copies > 0) == row.kernel_copies
    return FabricProof(row.name, observed, "counter", proven, detail)


def _wanted(row: FabricRow, key: str) -> float:
    return 1.0 if (row.wire, key) in (("loopback", "lo"), ("network", "network")) else 0.0


def _observed(worst: Mapping[str, float], carried: Mapping[str, bool], quiet: Mapping[str, bool]) -> str:
    if quiet["lo"] and quiet["network"]:
        return "shared memory"
    if carried["lo"] and quiet["network"]:
        return "tcp over lo"
    if carried["network"] and quiet["lo"]:
        return "network"
    return f"unclear: lo carried {worst['lo']:.2f} and other interfaces {worst['network']:.2f} of the bytes"


def prove(row: FabricRow, transport: Transport, kernel_copies: int | None = None) -> FabricProof:
    """Exchange and judge, up to three times while the counters disagree with the row; collective.

    A second and third attempt are for traffic of others on the same interface; the last answer stands.
    """
    proof = FabricProof(row.name, "not checked", "none", False)
    for attempt in range(ATTEMPTS):
        proof = judge(row, [exchange_ratios(transport, messages) for messages in ROUNDS], kernel_copies)
        proof = replace(proof, detail={**proof.detail, "attempts": attempt + 1})
        if proof.proven or proof.evidence == "none":
            break
    return proof
