"""The judge of fabrics: every honest row is proven, every planted lie is not."""

from __future__ import annotations

import socket
import sys

import pytest

from clustermark.transports.fabrics import FABRICS, INTERFACE, apply_fabric, fabric_aliases, refuse_fabrics
from clustermark.transports.port_fabrics import DEVICE, PORTS
from clustermark.transports.proof import interface_bytes, judge, socket_bytes

SHARED = {"tcp": 0.0, "lo": 0.0002, "network": 0.0}
LOOPBACK = {"tcp": 1.0, "lo": 1.004, "network": 0.0001}
BUSY_LOOPBACK = {"tcp": 1.0, "lo": 4.2, "network": 0.0}
SHARED_WHILE_BUSY = {"tcp": 0.0, "lo": 0.3, "network": 0.1}


@pytest.mark.parametrize(
    ("fabric", "rounds", "copies", "observed"),
    [
        ("ompi-sm-cma", [SHARED, SHARED], 34, "shared memory, copied by the kernel"),
        ("ompi-sm-cma", [SHARED, SHARED_WHILE_BUSY], None, "shared memory"),
        ("ompi-sm-copy", [SHARED, SHARED], 0, "shared memory, copied in and out"),
        ("ompi-tcp", [LOOPBACK, LOOPBACK], 0, "tcp over lo"),
        ("ompi-tcp", [LOOPBACK, BUSY_LOOPBACK], None, "tcp over lo"),
        ("mpich-ofi-tcp", [LOOPBACK, LOOPBACK], None, "tcp over lo"),
        ("mpich-ofi-tcp", [{"lo": 1.01, "network": 0.0}] * 2, None, "tcp over lo"),
    ],
)
def test_an_honest_row_is_proven(
    fabric: str, rounds: list[dict[str, float]], copies: int | None, observed: str
) -> None:
    proof = judge(FABRICS[fabric], rounds, copies)
    assert proof.proven
    assert (proof.observed, proof.evidence) == (observed, "counter")


@pytest.mark.parametrize(
    ("fabric", "rounds", "copies"),
    [
        ("ompi-tcp", [SHARED, SHARED], None),
        ("ompi-tcp", [LOOPBACK, SHARED], None),
        ("ompi-tcp", [SHARED_WHILE_BUSY, SHARED_WHILE_BUSY], None),
        # Foreign traffic of just the right size, while our own sockets carried nothing.
        ("ompi-tcp", [{"tcp": 0.0, "lo": 1.01, "network": 0.0}] * 2, None),
        ("ompi-sm-cma", [LOOPBACK, LOOPBACK], None),
        ("ompi-sm-cma", [SHARED, SHARED], 0),
        ("ompi-sm-copy", [SHARED, SHARED], 34),
        ("ompi-sm-cma", [{"tcp": 0.0, "lo": 0.0, "network": 1.0}] * 2, 34),
        ("ompi-tcp", [{"tcp": 1.0, "lo": 0.0, "network": 1.01}] * 2, None),
        ("ompi-tcp", [{"tcp": 0.5, "lo": 0.5, "network": 0.0}] * 2, None),
        ("mpich-ofi-tcp", [{"lo": 1.4, "network": 0.0}] * 2, None),
        ("mpich-shm-cma", [{}, {}], None),
        ("mpich-shm-cma", [], None),
    ],
)
def test_a_planted_lie_is_not_proven(fabric: str, rounds: list[dict[str, float]], copies: int | None) -> None:
    assert not judge(FABRICS[fabric], rounds, copies).proven


def test_no_counters_are_no_evidence() -> None:
    proof = judge(FABRICS["ompi-tcp"], [{}, {}])
    assert (proof.proven, proof.evidence) == (False, "none")


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
def test_own_sockets_are_counted_to_the_byte() -> None:
    before = socket_bytes()
    assert before is not None
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sender:
        receiver, _ = server.accept()
        with receiver:
            sender.sendall(bytes(100_000))
            left = 100_000
            while left:
                left -= len(receiver.recv(left))
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            receiver.sendall(b"!")  # its segment carries the acknowledgement
            sender.recv(1)
            after = socket_bytes()
    assert after is not None
    assert 100_000 <= after - before <= 100_010


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/net/dev is Linux's")
def test_the_loopback_is_counted() -> None:
    before = interface_bytes()["lo"][0]
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sender:
        sender.sendall(bytes(200_000)[:60_000])
    assert interface_bytes()["lo"][0] - before >= 60_000


def test_one_fabric_leaves_nothing_of_another() -> None:
    for first in FABRICS:
        for second in (*FABRICS, "self"):
            environment = {"HOME": "/home/user"}
            apply_fabric(first, environment)
            apply_fabric(second, environment)
            claims = FABRICS[second].wire != "any" if second in FABRICS else True
            standing = second if claims else first
            row = FABRICS[standing].environment if standing in FABRICS else {}
            wanted = {key: value for key, value in row.items() if value not in (INTERFACE, PORTS, DEVICE)}
            assert environment == {"HOME": "/home/user"} | wanted


def test_each_mpi_has_the_same_aliases_and_refuses_the_other() -> None:
    assert set(fabric_aliases("openmpi")) | {"ofi-shm"} == set(fabric_aliases("mpich"))
    assert set(fabric_aliases("openmpi")) == {
        *("shm", "shm-copy", "ucx-shm", "ucx-shm-copy", "tcp", "network", "ucx-network", "default"),
        *("infiniband", "ofi-infiniband", "roce", "ofi-roce", "slingshot"),
    }
    for mpi in ("openmpi", "mpich"):
        reasons = refuse_fabrics(mpi, "")
        here = {name for name, row in FABRICS.items() if row.mpi == mpi and row.wire in ("none", "loopback", "any")}
        assert {name for name, reason in reasons.items() if not reason} == here
    assert set(refuse_fabrics("", "needs mpirun").values()) == {"needs mpirun"}
