"""The fake NCCL is called as the real one of CuPy is, and refuses what would hang or corrupt memory there."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_gpu.gpu import FakeGpu
from fake_gpu.memory import GpuFaultError
from fake_gpu.nccl import CODES, make_nccl
from fake_gpu.signatures import differences

# First lines of the docstrings of cupy_backends.cuda.libs.nccl, CuPy 14.2 (13 has the same).
SIGNATURES = {
    "NcclCommunicator": "NcclCommunicator(int ndev, bytes commId, int rank, NcclConfig config=None)",
    "allReduce": (
        "allReduce(self, intptr_t sendbuf, intptr_t recvbuf, size_t count, int datatype, int op, intptr_t stream)"
    ),
    "reduce": (
        "reduce(self, intptr_t sendbuf, intptr_t recvbuf, size_t count, int datatype, int op, int root, "
        "intptr_t stream)"
    ),
    "broadcast": (
        "broadcast(self, intptr_t sendbuff, intptr_t recvbuff, size_t count, int datatype, int root, intptr_t stream)"
    ),
    "bcast": "bcast(self, intptr_t buff, size_t count, int datatype, int root, intptr_t stream)",
    "reduceScatter": (
        "reduceScatter(self, intptr_t sendbuf, intptr_t recvbuf, size_t recvcount, int datatype, int op, "
        "intptr_t stream)"
    ),
    "allGather": "allGather(self, intptr_t sendbuf, intptr_t recvbuf, size_t count, int datatype, intptr_t stream)",
    "send": "send(self, intptr_t sendbuf, size_t count, int datatype, int peer, intptr_t stream)",
    "recv": "recv(self, intptr_t recvbuf, size_t count, int datatype, int peer, intptr_t stream)",
    "check_async_error": "check_async_error(self)",
    "size": "size(self)",
    "rank_id": "rank_id(self)",
    "device_id": "device_id(self)",
    "destroy": "destroy(self)",
    "abort": "abort(self)",
    "groupStart": "groupStart()",
    "groupEnd": "groupEnd()",
    "get_unique_id": "get_unique_id()",
    "get_version": "get_version()",
}
FLOAT64, SUM = CODES["NCCL_FLOAT64"], CODES["NCCL_SUM"]


def documented(text: str) -> Any:
    """What has that docstring."""
    return SimpleNamespace(__doc__=text)


def member(module: Any, name: str) -> Any:
    """A function of the module or a method of its communicator."""
    return getattr(module, name) if hasattr(module, name) else getattr(module.NcclCommunicator, name)


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    with FakeGpu(count=2).installed() as installed:
        yield installed


@pytest.fixture
def nccl(gpu: FakeGpu) -> Any:
    return importlib.import_module("cupy.cuda.nccl")


@pytest.fixture
def alone(nccl: Any) -> Any:
    """A communicator of one rank."""
    return nccl.NcclCommunicator(1, nccl.get_unique_id(), 0)


def on_gpu(values: Any) -> Any:
    return importlib.import_module("cupy").asarray(np.asarray(values, np.float64))


@pytest.mark.parametrize("name", SIGNATURES)
def test_every_call_has_the_parameters_of_cupys(name: str) -> None:
    fake = member(make_nccl(FakeGpu()), name)
    assert differences(name, fake, documented(SIGNATURES[name])) == []


def test_a_planted_order_of_parameters_is_found() -> None:
    def send(sendbuf: int, datatype: int, count: int, peer: int, stream: int) -> None: ...

    found = differences("send", send, documented(SIGNATURES["send"]))
    assert any("datatype is at place 1, CuPy's at 2" in sentence for sentence in found)


def test_the_table_is_that_of_the_cupy_at_hand() -> None:
    real: Any = pytest.importorskip("cupy.cuda.nccl", reason="CuPy is not installed: make test CUDA=1")
    if not real.available:
        pytest.skip("CuPy finds no NCCL (pip install nvidia-nccl-cu13)")
    for name, line in SIGNATURES.items():
        first = member(real, name).__doc__.splitlines()[0]
        assert first.removeprefix("NcclCommunicator.") == line, name
    assert {name: getattr(real, name) for name in CODES} == CODES


def test_a_unique_id_is_bytes_of_its_length(nccl: Any) -> None:
    assert len(nccl.get_unique_id()) == 128
    for wrong in (tuple(nccl.get_unique_id()), b"short", "text"):
        with pytest.raises(TypeError, match="128 bytes"):
            nccl.NcclCommunicator(1, wrong, 0)
    with pytest.raises(nccl.NcclError):
        nccl.NcclCommunicator(1, nccl.get_unique_id(), 1)


def test_work_waits_in_its_stream(gpu: FakeGpu, alone: Any) -> None:
    send, receive = on_gpu([1, 2]), on_gpu([0, 0])
    alone.allReduce(send.data.ptr, receive.data.ptr, 2, FLOAT64, SUM, 0)
    assert "ncclAllReduce" in gpu.pending()
    assert receive.get().tolist() == [1, 2]
    assert gpu.pending() == []


def test_calls_of_a_group_start_at_its_end(gpu: FakeGpu, nccl: Any, alone: Any) -> None:
    send, receive = on_gpu([3]), on_gpu([0])
    nccl.groupStart()
    alone.recv(receive.data.ptr, 1, FLOAT64, 0, 0)
    alone.send(send.data.ptr, 1, FLOAT64, 0, 0)
    assert not any(name.startswith("nccl") for name in gpu.pending())
    nccl.groupEnd()
    assert receive.get().tolist() == [3]
    with pytest.raises(nccl.NcclError, match="invalid usage"):
        nccl.groupEnd()


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda c, a, b, host: c.allReduce(host, b, 4, FLOAT64, SUM, 0), "not the GPU's memory"),
        (lambda c, a, b, host: c.allReduce(a, b, 5, FLOAT64, SUM, 0), "leaves its memory by 8 B"),
        (lambda c, a, b, host: c.allReduce(a, a + 8, 3, FLOAT64, SUM, 0), "buffers overlap"),
        (lambda c, a, b, host: c.allGather(a + 8, a, 2, FLOAT64, 0), "buffers overlap"),
        (lambda c, a, b, host: c.reduceScatter(a, a + 8, 2, FLOAT64, SUM, 0), "buffers overlap"),
    ],
)
def test_wrong_addresses_are_refused(alone: Any, call: Any, complaint: str) -> None:
    one, two, host = on_gpu(np.ones(4)), on_gpu(np.ones(4)), np.ones(4)
    with pytest.raises(GpuFaultError, match=complaint):
        call(alone, one.data.ptr, two.data.ptr, host.ctypes.data)


@pytest.mark.parametrize(
    "call",
    [
        lambda c, a, b: c.allReduce(a, b, 4, 17, SUM, 0),
        lambda c, a, b: c.allReduce(a, b, 4, FLOAT64, 8, 0),
        lambda c, a, b: c.broadcast(a, b, 4, FLOAT64, 1, 0),
        lambda c, a, b: c.send(a, 4, FLOAT64, 1, 0),
        lambda c, a, b: c.recv(a, 4, FLOAT64, -1, 0),
        lambda c, a, b: c.reduce(a, b, 4, FLOAT64, SUM, 2, 0),
    ],
)
def test_wrong_codes_and_ranks_are_nccls_errors(nccl: Any, alone: Any, call: Any) -> None:
    one, two = on_gpu(np.ones(4)), on_gpu(np.ones(4))
    with pytest.raises(nccl.NcclError, match="INVALID_ARGUMENT"):
        call(alone, one.data.ptr, two.data.ptr)


def test_arrays_are_no_addresses(alone: Any) -> None:
    array = on_gpu([1])
    with pytest.raises(TypeError, match="integer is required"):
        alone.allReduce(array, array, 1, FLOAT64, SUM, 0)


def test_memory_that_nothing_wrote_is_not_sent(gpu: FakeGpu, alone: Any) -> None:
    empty = importlib.import_module("cupy").empty(2)
    alone.allReduce(empty.data.ptr, empty.data.ptr, 2, FLOAT64, SUM, 0)
    with pytest.raises(GpuFaultError, match="nothing has written"):
        gpu.synchronize()


def test_a_destroyed_communicator_and_memory_of_another_gpu_are_refused(gpu: FakeGpu, nccl: Any, alone: Any) -> None:
    array = on_gpu([1])
    importlib.import_module("cupy").cuda.Device(1).use()
    with pytest.raises(GpuFaultError, match="memory of GPU 0"):
        alone.bcast(array.data.ptr, 1, FLOAT64, 0, 0)
    alone.destroy()
    with pytest.raises(nccl.NcclError, match="destroyed"):
        alone.bcast(array.data.ptr, 1, FLOAT64, 0, 0)


def test_streams_in_a_group_must_be_one(gpu: FakeGpu, nccl: Any, alone: Any) -> None:
    array, other = on_gpu([1]), importlib.import_module("cupy").cuda.Stream(non_blocking=True)
    nccl.groupStart()
    alone.send(array.data.ptr, 1, FLOAT64, 0, 0)
    alone.recv(array.data.ptr, 1, FLOAT64, 0, other.ptr)
    with pytest.raises(GpuFaultError, match="on streams"):
        nccl.groupEnd()
