"""What the emulated link does, measured by two processes that know nothing of MPI: rate and round trip of TCP."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

PORT = 7711
PING_BYTES = 64
PINGS, BULK_SECONDS = 400, 0.6
_CHUNK = 1 << 18


def serve(address: str, verb: str) -> None:
    """Answer pings; asked for more, count what comes, then send as well. Prints the rates received [bit/s]."""
    with socket.create_server((address, PORT)) as listener:
        print("ready", flush=True)
        with _accepted(listener) as connection:
            for _ in range(PINGS):
                connection.sendall(_exactly(connection, PING_BYTES))
            found = {"payload_rate": _counted_rate(connection)}
        if verb == "ask":
            with _accepted(listener) as connection:
                found["rate_to_second"] = _both_ways(connection)
    print(json.dumps(found), flush=True)


def ask(address: str, verb: str) -> None:
    """Ping; asked for more, send, then send and receive. Prints the median round trip [s] and the rate received."""
    with _connected(address) as connection:
        seconds = []
        for _ in range(PINGS):
            start = time.perf_counter()
            connection.sendall(bytes(PING_BYTES))
            _exactly(connection, PING_BYTES)
            seconds.append(time.perf_counter() - start)
        _send(connection, BULK_SECONDS if verb == "ask" else 0.0)
        connection.recv(1)  # until the other side has read all: the next stream would take its share
    found = {"round_trip": sorted(seconds)[PINGS // 2]}
    if verb == "ask":
        with _connected(address) as connection:
            found["rate_to_first"] = _both_ways(connection)
    print(json.dumps(found), flush=True)


def _both_ways(connection: socket.socket) -> float:
    """Send while receiving, until the other side has done so too; the rate received [bit/s]."""
    sending = threading.Thread(target=_send, args=(connection, BULK_SECONDS))
    sending.start()
    rate = _counted_rate(connection)
    sending.join()
    return rate


def _send(connection: socket.socket, seconds: float) -> None:
    end = time.perf_counter() + seconds
    data = bytes(_CHUNK)
    while time.perf_counter() < end:
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def _counted_rate(connection: socket.socket) -> float:
    """[bit/s] of payload between a tenth of what came and its end: without the burst and TCP's start."""
    marks: list[tuple[float, int]] = []
    total = 0
    while data := connection.recv(_CHUNK):
        total += len(data)
        marks.append((time.perf_counter(), total))
    if len(marks) < 20:
        return 0.0
    first, last = marks[len(marks) // 10], marks[-1]
    return 8 * (last[1] - first[1]) / (last[0] - first[0])


def _accepted(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _connected(address: str) -> socket.socket:
    connection = socket.create_connection((address, PORT), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError("the other side has gone")
        data += part
    return data


if __name__ == "__main__":
    {"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
