"""What the emulated link does, measured by two processes that know nothing of MPI: rate and round trip of TCP."""

from __future__ import annotations

import json
import socket
import sys
import time

PORT = 7711
PING_BYTES = 64
PINGS, BULK_SECONDS = 400, 0.6
_CHUNK = 1 << 18


def serve(address: str) -> None:
    """Answer pings, then count what comes until the other side closes; prints the counted rate [bit/s] of payload."""
    with socket.create_server((address, PORT)) as listener:
        print("ready", flush=True)
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(PINGS):
                connection.sendall(_exactly(connection, PING_BYTES))
            print(json.dumps({"payload_rate": _counted_rate(connection)}), flush=True)


def _counted_rate(connection: socket.socket) -> float:
    """[bit/s] of payload between a tenth of the stream's time and its end: without the burst and TCP's start."""
    marks: list[tuple[float, int]] = []
    total = 0
    while data := connection.recv(_CHUNK):
        total += len(data)
        marks.append((time.perf_counter(), total))
    if len(marks) < 20:
        return 0.0
    first, last = marks[len(marks) // 3], marks[-1]
    return 8 * (last[1] - first[1]) / (last[0] - first[0])


def ask(address: str, bulk_seconds: float = BULK_SECONDS) -> None:
    """Ping, then send for a while; prints the median round trip [s]."""
    with socket.create_connection((address, PORT), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seconds = []
        for _ in range(PINGS):
            start = time.perf_counter()
            connection.sendall(bytes(PING_BYTES))
            _exactly(connection, PING_BYTES)
            seconds.append(time.perf_counter() - start)
        print(json.dumps({"round_trip": sorted(seconds)[PINGS // 2]}), flush=True)
        end = time.perf_counter() + bulk_seconds
        data = bytes(_CHUNK)
        while time.perf_counter() < end:
            connection.sendall(data)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the other side has gone")
        data += part
    return data


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        ask(sys.argv[2], BULK_SECONDS if sys.argv[1] == "ask" else 0.0)
