"""Proof of the wire between GPUs: a known payload of device memory is exchanged, and NVML is asked what carried it.

Every rank sends to its successor. Bytes that left each GPU through NVLink and through PCIe are read around two rounds
of different size, and both must agree. What NCCL says of itself (nccl_evidence.py) and what NVML says of the links is
believed only where the counters moved; NVLink that is up and stood still carried nothing. Unmeasured on several GPUs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from clustermark.core.context import Transport
from clustermark.core.environment import read_text
from clustermark.core.result import FabricProof
from clustermark.devices.gpu_links import bytes_sent, remotes, sent_between

MESSAGE_BYTES = 16 << 20
ROUNDS = (8, 12)
# Bytes counted ÷ payload: NVLink counts data alone, PCIe headers too, and other traffic only adds.
CARRIED = {"nvlink": (0.98, 1.10), "pcie": (0.98, 1.35)}
NOT_CARRIED = 0.5
# NVML renews its counters a few times a second.
SETTLING_SECONDS = 0.25
NAMES = {"nvlink": "NVLink", "pcie": "PCIe"}
Ratios = dict[str, float]
UNCOUNTED: tuple[str, str, Ratios] = ("", "", {})


def exchange_payload(transport: Transport, device: Any, messages: int, wait: Callable[[float], object]) -> Ratios:
    """{"nvlink": …, "pcie": …}: bytes that left GPUs ÷ payload between GPUs of one node, the same on every rank.

    A counter that some GPU does not keep is left out; empty where no two neighbours are different GPUs of one node.

    Raises
    ------
    RuntimeError : other bytes arrived than were sent
    """
    send = device.from_host(np.full(MESSAGE_BYTES, transport.rank % 251, np.uint8))
    receive = device.empty((MESSAGE_BYTES,), "uint8")
    before_rank, next_rank = (transport.rank - 1) % transport.size, (transport.rank + 1) % transport.size
    exchange = transport.prepare_sendrecv(send, next_rank, receive, before_rank)
    exchange()
    device.synchronize()
    transport.barrier()
    wait(SETTLING_SECONDS)
    before = bytes_sent(device.health)
    transport.barrier()
    for _ in range(messages):
        exchange()
    device.synchronize()
    transport.barrier()
    wait(SETTLING_SECONDS)
    sent = sent_between(before, bytes_sent(device.health))
    if not bool((device.to_host(receive) == before_rank % 251).all()):
        raise RuntimeError(f"rank {transport.rank} received other bytes than rank {before_rank} sent")
    rows = transport.gather((_node(), device.gpu.uuid, sent))
    return transport.broadcast(None if rows is None else ratios_of(rows, messages * MESSAGE_BYTES))


def _node() -> str:
    return f"{os.uname().nodename}:{read_text('/proc/sys/kernel/random/boot_id')}"


def ratios_of(rows: list[tuple[str, str, Mapping[str, int]]], sent_by_rank: int) -> Ratios:
    """Wire → bytes that left GPUs ÷ payload between neighbours on different GPUs of one node.

    Parameters
    ----------
    rows : (node, identity of the GPU, wire → bytes) of each rank, in their order
    """
    crossing = sum(
        here[0] == there[0] and here[1] != there[1] for here, there in zip(rows, rows[1:] + rows[:1], strict=True)
    )
    counted = set.intersection(*(set(sent) for _, _, sent in rows)) if rows else set()
    gpus = {gpu: sent for _, gpu, sent in rows}
    if not crossing:
        return {}
    return {wire: sum(sent[wire] for sent in gpus.values()) / (crossing * sent_by_rank) for wire in sorted(counted)}


def judge(rounds: list[Ratios], links: bool) -> tuple[str, str]:
    """("nvlink", "pcie" or "", words) of rounds; "" where they do not agree or no counter tells.

    Parameters
    ----------
    links : NVML shows NVLinks that are up
    """
    if not rounds or not all(rounds):
        return "", "no counter of a link tells"
    wires = {_wire(ratios) for ratios in rounds}
    shown = ", ".join(f"{NAMES[wire]} {ratio:.2f}" for wire, ratio in rounds[-1].items())
    wire = wires.pop() if len(wires) == 1 else ""
    if wire:
        return wire, f"{NAMES[wire]}, counted"
    if links and all(ratios.get("nvlink", 1.0) < NOT_CARRIED for ratios in rounds):
        return "", f"NVLink is up and its counters stood still; of the bytes: {shown}"
    return "", f"counters of the links do not agree with the payload; of the bytes: {shown}"


def _wire(ratios: Mapping[str, float]) -> str:
    """The one wire that carried a round: all of it, and no other half of it."""
    carried = {wire for wire, ratio in ratios.items() if CARRIED[wire][0] <= ratio <= CARRIED[wire][1]}
    used = {wire for wire, ratio in ratios.items() if ratio >= NOT_CARRIED}
    return next(iter(carried)) if len(carried) == 1 and used == carried else ""


def prove(transport: Transport, device: Any, wait: Callable[[float], object] = time.sleep) -> tuple[str, str, Ratios]:
    """Wire, words, and the ratios of the last round; nothing where a GPU counts nothing. Collective."""
    if not transport.broadcast(all(transport.gather(bool(bytes_sent(device.health))) or [])):
        return UNCOUNTED
    rounds = [exchange_payload(transport, device, messages, wait) for messages in ROUNDS]
    links = transport.broadcast(any(transport.gather(bool(remotes(device.health))) or []))
    wire, words = judge(rounds, links)
    return wire, words, rounds[-1]


def with_wire(said: FabricProof, found: tuple[str, str, Ratios]) -> FabricProof:
    """What NCCL says of its connections, with what the counters say: proven where both name one wire between GPUs.

    NCCL calls NVLink and PCIe alike "P2P"; another word of it, or several, is not proven by a counter of links.
    """
    wire, words, ratios = found
    detail = {**said.detail, **{f"{NAMES[name]} bytes/payload": round(ratio, 4) for name, ratio in ratios.items()}}
    alone = set(said.detail.get("nccl connections", {})) == {"P2P"}
    if wire and alone:
        return replace(said, observed=f"NCCL over {words}", evidence="counter", proven=True, detail=detail)
    if not ratios:
        return said
    return replace(said, observed=f"{said.observed}; {words}", detail=detail)
