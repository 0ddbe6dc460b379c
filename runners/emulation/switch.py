"""An Ethernet switch in user space that holds every frame for its serialisation and a delay.

Kernels without sch_netem cannot delay packets; a process can: each node's interface is a TAP device whose other end is
a file here. Segmentation is left to the receiver (IFF_VNET_HDR), so that a read moves up to 64 KiB.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import os
import select
import struct
from collections.abc import Sequence
from time import perf_counter

_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0  # linux/if_tun.h
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x2, 0x1000, 0x4000
_OFFLOADS = 0x1 | 0x2 | 0x4  # checksums, TCP segments over IPv4 and IPv6
_VNET_HEADER = 10
_LARGEST = 70_000
_PR_SET_TIMERSLACK = 29
# Bytes that a segment takes on the wire beyond those that the switch reads of a large frame: each of its segments has
# headers of Ethernet, IP and TCP of its own.
_SEGMENT, _HEADERS = 1448, 66


def open_tap(name: str) -> int:
    """A new TAP device of this network namespace; returns its file descriptor, not blocking. Raises OSError."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        request = struct.pack("16sH", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
        fcntl.ioctl(descriptor, _TUNSETOFFLOAD, _OFFLOADS)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def wire_bytes(length: int) -> int:
    """Bytes on the wire of a frame as read, whose TCP payload the receiver would get in segments of 1448."""
    payload = length - _HEADERS
    return length + max(0, -(-payload // _SEGMENT) - 1) * _HEADERS


def be_on_time() -> None:
    """Wake within a microsecond, before processes that spin; what is not permitted is left."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))


class Switch:
    """Ports, and the frames that are under way.

    A frame leaves its sender's link when the link has sent all before it, enters the receiver's link when that has
    taken all before it, and is handed over `delay` later: store and forward, with incast contention.
    """

    def __init__(self, ports: Sequence[int], addresses: Sequence[bytes], rate: float, delay: float) -> None:
        """`ports` are TAP descriptors, `addresses` their six-byte MACs; `rate` [bit/s], `delay` [s]."""
        self.ports = list(ports)
        self.port_of = {descriptor: number for number, descriptor in enumerate(ports)}
        self.by_address = {address: number for number, address in enumerate(addresses)}
        self.seconds_per_byte = 8 / rate
        self.delay = delay
        self.sent = [0.0] * len(self.ports)
        self.taken = [0.0] * len(self.ports)
        self.under_way: list[tuple[float, int, int, bytes]] = []
        self.frames = 0
        self.lost = 0

    def accept(self, source: int, frame: bytes, now: float) -> None:
        """Put a frame on its way: to one port, or to all others where its address is a group's."""
        address = frame[_VNET_HEADER : _VNET_HEADER + 6]
        if address[0] & 1:
            targets = [number for number in range(len(self.ports)) if number != source]
        elif address in self.by_address:
            targets = [self.by_address[address]]
        else:
            return
        seconds = wire_bytes(len(frame) - _VNET_HEADER) * self.seconds_per_byte
        self.sent[source] = max(now, self.sent[source]) + seconds
        for target in targets:
            # The receiver's link works while the sender's does: it ends when both have ended.
            self.taken[target] = max(self.sent[source], self.taken[target] + seconds)
            self.frames += 1
            heapq.heappush(self.under_way, (self.taken[target] + self.delay, self.frames, target, frame))

    def deliver(self, now: float) -> None:
        """Hand over what is due."""
        while self.under_way and self.under_way[0][0] <= now:
            _, _, target, frame = heapq.heappop(self.under_way)
            try:
                os.write(self.ports[target], frame)
            except OSError:
                self.lost += 1

    def run(self) -> None:
        """Switch for ever."""
        while True:
            self.deliver(perf_counter())
            wait = max(0.0, self.under_way[0][0] - perf_counter()) if self.under_way else None
            for descriptor in select.select(self.ports, [], [], wait)[0]:
                self._read(descriptor)

    def _read(self, descriptor: int) -> None:
        for _ in range(8):
            try:
                frame = os.read(descriptor, _LARGEST)
            except OSError:
                return
            if len(frame) > _VNET_HEADER + 14:
                self.accept(self.port_of[descriptor], frame, perf_counter())
