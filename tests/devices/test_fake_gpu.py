"""The fake GPU does its work as late as CUDA allows, refuses what CUDA refuses, and is called as the real CuPy is."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fake_gpu.errors import CUDARuntimeError, OutOfMemoryError
from fake_gpu.gpu import FakeGpu
from fake_gpu.memory import GpuFaultError
from fake_gpu.module import ELEMENTWISE, REDUCING
from fake_gpu.signatures import differences, parameters_of

AXPY = r"""
extern "C" __global__ void axpy(const float* x, float* y, float a, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}
"""
GARBAGE = np.frombuffer(b"\xa5" * 8, np.float64)[0]


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    with FakeGpu().installed() as installed:
        yield installed


@pytest.fixture
def cupy(gpu: FakeGpu) -> Any:
    return importlib.import_module("cupy")


def pinned(values: Any) -> np.ndarray:
    array = importlib.import_module("cupyx").empty_pinned(np.shape(values), np.float64)
    array[...] = values
    return array


def test_a_copy_to_the_host_is_not_there_before_its_stream_was_waited_for(cupy: Any) -> None:
    stream = cupy.cuda.Stream(non_blocking=True)
    device, host = cupy.asarray(np.arange(4.0)), pinned(np.zeros(4))
    cupy.cuda.runtime.deviceSynchronize()
    cupy.cuda.runtime.memcpyAsync(host.ctypes.data, device.data.ptr, 32, 2, stream.ptr)
    assert host.tolist() == [0, 0, 0, 0]
    stream.synchronize()
    assert host.tolist() == [0, 1, 2, 3]


def test_a_pinned_source_is_read_when_the_stream_gets_there_and_an_ordinary_one_at_once(cupy: Any) -> None:
    late, early = pinned(np.ones(3)), np.ones(3)
    first, second = cupy.empty(3), cupy.empty(3)
    first.set(late)
    second.set(early)
    late[:], early[:] = 7, 7  # overwritten before the copies are done
    assert first.get().tolist() == [7, 7, 7]
    assert second.get().tolist() == [1, 1, 1]


def test_a_non_blocking_stream_does_not_wait_for_the_default_stream(cupy: Any) -> None:
    array, stream = cupy.empty(2), cupy.cuda.Stream(non_blocking=True)
    array.fill(3.0)
    assert array.get(stream=stream).tolist() == [GARBAGE, GARBAGE]


def test_a_blocking_stream_and_the_default_stream_wait_for_each_other(cupy: Any) -> None:
    array, stream = cupy.empty(2), cupy.cuda.Stream()
    array.fill(3.0)
    assert array.get(stream=stream).tolist() == [3, 3]
    with stream:
        array.fill(4.0)
    assert array.get().tolist() == [4, 4]


def test_an_event_carries_the_order_from_one_stream_to_another(cupy: Any) -> None:
    one, two = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream(non_blocking=True)
    array = cupy.empty(2)
    with one:
        array.fill(5.0)
    two.wait_event(one.record())
    assert array.get(stream=two).tolist() == [5, 5]


def test_without_the_event_the_other_stream_reads_what_was_there_before(cupy: Any) -> None:
    one, two = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream(non_blocking=True)
    array = cupy.empty(2)
    with one:
        array.fill(5.0)
    assert array.get(stream=two).tolist() == [GARBAGE, GARBAGE]


def test_events_time_what_stands_between_them(cupy: Any, gpu: FakeGpu) -> None:
    gpu.queue(0).seconds_of["fill"] = 0.25
    start, stop, array = cupy.cuda.Event(), cupy.cuda.Event(), cupy.empty(2)
    start.record()
    array.fill(1.0)
    stop.record()
    with pytest.raises(CUDARuntimeError, match="NotReady"):
        cupy.cuda.get_elapsed_time(start, stop)
    stop.synchronize()
    assert cupy.cuda.get_elapsed_time(start, stop) == 250.0


def test_arithmetic_is_numpys_once_it_is_waited_for(cupy: Any) -> None:
    x = cupy.arange(6, dtype=np.float32).reshape(2, 3)
    y = (2 * x + 1).T[1:]
    y[0] -= 1
    assert y.get().tolist() == [[2, 8], [5, 11]]
    assert float(cupy.sum(x)) == 15
    assert cupy.linalg.norm(x[0]).get() == pytest.approx(5**0.5)


def test_the_host_cannot_look_into_an_array_of_the_gpu(cupy: Any) -> None:
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(cupy.zeros(3))
    with pytest.raises(TypeError):
        _ = np.zeros(3) + cupy.zeros(3)


def test_a_kernel_runs_on_the_interpreter_when_it_is_waited_for(cupy: Any, gpu: FakeGpu) -> None:
    pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings and NVRTC are not installed: make test CUDA=1")
    x, y = cupy.arange(100, dtype=np.float32), cupy.ones(100, np.float32)
    cupy.RawKernel(AXPY, "axpy")((1,), (128,), (x, y, np.float32(2), np.int32(100)))
    assert "kernel:axpy" in gpu.pending()
    assert y.get().tolist() == (2 * np.arange(100) + 1).tolist()
    assert gpu.interpreter.reports[0][0] == "axpy"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((np.float32(2),), "takes 4 arguments, 3 are given"),
        ((2.0, np.int32(100)), r"argument 2 is float64, the kernel takes \.f32"),
        ((np.float32(2), np.int8(100)), r"argument 3 is int8, the kernel takes \.u32"),
    ],
)
def test_numbers_of_another_width_than_the_kernels_are_found(cupy: Any, arguments: Any, complaint: str) -> None:
    pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings and NVRTC are not installed: make test CUDA=1")
    x, y = cupy.zeros(100, np.float32), cupy.zeros(100, np.float32)
    cupy.RawKernel(AXPY, "axpy")((1,), (128,), (x, y, *arguments))
    with pytest.raises(GpuFaultError, match=complaint):
        cupy.cuda.runtime.deviceSynchronize()


@pytest.mark.parametrize(
    ("size", "kind", "complaint"), [(40, 2, "leaves its memory by 8 B"), (32, 1, "kind 1 does not fit")]
)
def test_a_copy_of_the_wrong_size_or_direction_is_found(cupy: Any, size: int, kind: int, complaint: str) -> None:
    device, host = cupy.zeros(4), pinned(np.zeros(8))
    with pytest.raises(GpuFaultError, match=complaint):
        cupy.cuda.runtime.memcpyAsync(host.ctypes.data, device.data.ptr, size, kind, 0)


def test_a_graph_repeats_what_was_captured(cupy: Any) -> None:
    stream, array = cupy.cuda.Stream(non_blocking=True), cupy.zeros(2)
    cupy.cuda.runtime.deviceSynchronize()
    with stream:
        stream.begin_capture()
        array += 1
        graph = stream.end_capture()
    for _ in range(3):
        graph.launch(stream)
    assert array.get(stream=stream).tolist() == [3, 3]


def test_memory_ends(gpu: FakeGpu, cupy: Any) -> None:
    with pytest.raises(OutOfMemoryError, match="Out of memory allocating"):
        cupy.zeros(1 << 30)
    kept = cupy.zeros(1 << 20)
    assert gpu.memory.used == 1 << 23
    del kept
    gpu.synchronize()
    assert gpu.memory.used == 0


def test_a_lost_gpu_refuses_every_call_from_then_on(gpu: FakeGpu, cupy: Any) -> None:
    cupy.zeros(3)
    gpu.lose("cudaErrorECCUncorrectable", after=2)
    with pytest.raises(CUDARuntimeError, match="uncorrectable ECC error"):
        for _ in range(3):
            cupy.zeros(3)


# --- signatures ---------------------------------------------------------------------------------------------

MODULES = ("cupy", "cupy.cuda", "cupy.cuda.runtime", "cupyx", "cupy.linalg")
METHODS = {
    "cupy.cuda.Stream": "synchronize wait_event record use begin_capture end_capture launch_host_func is_capturing",
    "cupy.cuda.Event": "record synchronize",
    "cupy.cuda.Device": "use synchronize",
    "cupy.RawKernel": "compile",
    "cupy.RawModule": "get_function",
    "cupy.ndarray": "get set fill astype reshape view ravel copy item sum max min all any dot transpose squeeze",
}
# The real ones take *args, **kwargs; what stands in their docstrings is checked instead.
OPEN = frozenset({"matmul", *ELEMENTWISE, *REDUCING})


def real_modules() -> dict[str, Any]:
    pytest.importorskip("cupy", reason="CuPy is not installed: make test CUDA=1")
    return {name: importlib.import_module(name) for name in MODULES}


def fake_functions(gpu: FakeGpu) -> dict[str, Any]:
    """Dotted name → function or class, of all that the fake has."""
    found = {}
    for module in MODULES:
        for name, value in vars(gpu.modules[module]).items():
            if callable(value) and not name.startswith("_") and not isinstance(value, type(np.float64)):
                found[f"{module}.{name}"] = value
    for path, names in METHODS.items():
        module, _, kind = path.rpartition(".")
        for name in names.split():
            found[f"{path}.{name}"] = getattr(getattr(gpu.modules[module], kind), name)
    return found


def test_every_call_of_the_fake_is_a_call_of_the_real_cupy() -> None:
    real = real_modules()
    with FakeGpu().installed() as gpu:
        functions = fake_functions(gpu)
    problems = []
    for path, function in functions.items():
        module = max((name for name in real if path.startswith(name + ".")), key=len)
        theirs: Any = real[module]
        for part in path.removeprefix(module + ".").split("."):
            theirs = getattr(theirs, part, None)
        if theirs is None:
            problems.append(f"{path}: the real CuPy has none")
        elif path.rpartition(".")[2] not in OPEN and not inspect.isclass(theirs):
            problems += differences(path, function, theirs)
    assert problems == []
    assert len(functions) > 80


def test_the_constants_of_copies_are_the_real_ones() -> None:
    real = real_modules()["cupy.cuda.runtime"]
    with FakeGpu().installed() as gpu:
        fake = gpu.modules["cupy.cuda.runtime"]
    for name in (
        "memcpyHostToHost",
        "memcpyHostToDevice",
        "memcpyDeviceToHost",
        "memcpyDeviceToDevice",
        "memcpyDefault",
    ):
        assert getattr(fake, name) == getattr(real, name)


def test_a_wrong_signature_in_the_fake_is_found() -> None:
    def real(dst: int, src: int, size: int, kind: int, stream: int) -> None: ...
    def swapped(src: int, dst: int, size: int, kind: int, stream: int) -> None: ...
    def shorter(dst: int, src: int, size: int, kind: int) -> None: ...
    def optional(dst: int, src: int, size: int, kind: int, stream: int = 0) -> None: ...
    def renamed(dst: int, source: int, size: int, kind: int, stream: int) -> None: ...

    assert differences("copy", real, real) == []
    assert "place 0, CuPy's at 1" in differences("copy", swapped, real)[0]
    assert "wants a parameter stream" in differences("copy", shorter, real)[0]
    assert "may be left out" in differences("copy", optional, real)[0]
    assert "no parameter source" in differences("copy", renamed, real)[0]


def test_signatures_are_read_from_the_docstrings_of_compiled_functions() -> None:
    def compiled(*anything: Any, **more: Any) -> None: ...

    class Builtin:
        __doc__ = "memcpyAsync(intptr_t dst, intptr_t src, size_t size=3, *, int kind=(1, 2)) -> int"
        __signature__ = "none"

    assert parameters_of(Builtin()) == [
        ("dst", False, False),
        ("src", False, False),
        ("size", True, False),
        ("kind", True, True),
    ]
    assert parameters_of(compiled) == []
