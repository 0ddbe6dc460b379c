"""Lines as NVIDIA's documentation shows them (no GPU has written them here: unmeasured) name NCCL's wires."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clustermark.transports.nccl_evidence import connections, lines_of_process, nccl_proof, variables

P2P = """
node1:4242:4270 [0] NCCL INFO NCCL version 2.27.7+cuda13.0
node1:4242:4270 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM/read
node1:4242:4270 [0] NCCL INFO Channel 01/0 : 0[0] -> 1[1] via P2P/IPC
node1:4242:4270 [0] NCCL INFO Connected all rings
"""
SHARED = "node1:1:2 [1] NCCL INFO Channel 00 : 1[2000] -> 0[1000] via SHM/direct/direct\n"
NETWORK = """
node1:9:9 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB eth0:10.0.0.1<0>
node1:9:9 [0] NCCL INFO Channel 00/0 : 1[0] -> 0[0] [receive] via NET/IB/0/GDRDMA
node1:9:9 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/IB/0
"""
SOCKET = "node1:9:9 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/Socket/0\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (P2P, {"P2P": 2}),
        (SHARED, {"SHM": 1}),
        (NETWORK, {"NET/IB": 2, "NET/IB/GDRDMA": 1}),
        (SOCKET, {"NET/Socket": 1}),
        ("NCCL INFO NET/IB : Using [0]mlx5_0:1/IB\nChannel 00 via P2P\n", {}),
    ],
)
def test_connections_are_counted_by_wire(text: str, expected: dict[str, int]) -> None:
    assert connections(text) == expected


def test_all_ranks_are_shown_and_nothing_is_called_proven() -> None:
    proof = nccl_proof("ompi-sm-cma", [P2P, NETWORK])
    assert proof.observed == "NCCL over InfiniBand or RoCE and P2P between GPUs (NVLink or PCIe)"
    assert (proof.requested, proof.evidence, proof.proven) == ("ompi-sm-cma", "library", False)
    assert proof.detail["nccl connections"] == {"NET/IB": 2, "NET/IB/GDRDMA": 1, "P2P": 2}


def test_without_lines_nothing_is_known() -> None:
    proof = nccl_proof("ompi-tcp", ["", "noise\n"])
    assert (proof.evidence, proof.proven) == ("none", False)
    assert "did not write down" in proof.observed


def test_the_lines_of_a_process_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "nccl.node1.42.log").write_text(P2P)
    (tmp_path / "nccl.node1.142.log").write_text(SOCKET)
    assert lines_of_process(tmp_path, 42) == P2P
    assert lines_of_process(tmp_path, 7) == ""


def test_what_the_user_asked_nccl_to_write_stays(tmp_path: Path) -> None:
    assert variables(tmp_path, {})["NCCL_DEBUG_FILE"] == str(tmp_path / "nccl.%h.%p.log")
    assert variables(tmp_path, {"NCCL_DEBUG": "WARN"}) == {}


def test_reading_evidence_loads_neither_mpi_nor_cuda() -> None:
    script = "import sys, clustermark.transports.nccl_evidence; print({'mpi4py', 'cupy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"
