"""The modules `cupy`, `cupy.cuda`, `cupy.cuda.runtime`, `cupyx` of a fake GPU: as much as the project calls of them."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from fake_gpu.arrays import FakeArray, MemoryPointer
from fake_gpu.cublas import make_cublas, make_device
from fake_gpu.cublaslt import make_cublaslt
from fake_gpu.errors import CUDARuntimeError, OutOfMemoryError
from fake_gpu.kernels import RawKernel, RawModule
from fake_gpu.memory import BaseMemory, GpuFaultError, PinnedMemoryPointer, pinned_pointer
from fake_gpu.nccl import make_nccl
from fake_gpu.runtime import make_runtime
from fake_gpu.streams import Operation, Recorded

if TYPE_CHECKING:
    from fake_gpu.gpu import FakeGpu

# Functions of one array or two that give a new one, named alike in NumPy.
_ELEMENTWISE = """
    sqrt exp log sin cos abs absolute negative square sign isfinite isnan add subtract multiply divide maximum minimum
    power where concatenate stack roll diff cumsum arctan2 clip ldexp frexp
"""
_REDUCING = "sum prod max min mean all any argmax argmin dot tensordot vdot count_nonzero"
_TYPES = "float64 float32 float16 int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool_ dtype"
ELEMENTWISE, REDUCING = _ELEMENTWISE.split(), _REDUCING.split()


def make_modules(gpu: FakeGpu) -> dict[str, Any]:
    """Fresh modules for one fake GPU, as sys.modules wants them."""
    cupy, cuda, cupyx = ModuleType("cupy"), ModuleType("cupy.cuda"), ModuleType("cupyx")
    memory, linalg = ModuleType("cupy.cuda.memory"), ModuleType("cupy.linalg")
    runtime = make_runtime(gpu)
    _fill_arrays(gpu, cupy, linalg)
    _fill_cuda(gpu, cuda)
    cuda.runtime, cuda.memory = runtime, memory  # type: ignore[attr-defined]
    memory.OutOfMemoryError, memory.MemoryPointer = OutOfMemoryError, MemoryPointer  # type: ignore[attr-defined]
    cuda.cublas, cuda.device = make_cublas(gpu), make_device(gpu)  # type: ignore[attr-defined]
    cupy.cuda, cupy.linalg, cupy.__version__ = cuda, linalg, "14.2.0"  # type: ignore[attr-defined]

    def empty_pinned(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray:
        return _pinned(gpu, shape, dtype, order)

    def zeros_pinned(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray:
        array = _pinned(gpu, shape, dtype, order)
        array.fill(0)
        return array

    cupyx.empty_pinned, cupyx.zeros_pinned = empty_pinned, zeros_pinned  # type: ignore[attr-defined]
    nvmath, bindings = ModuleType("nvmath"), ModuleType("nvmath.bindings")
    bindings.cublasLt = make_cublaslt(gpu)  # type: ignore[attr-defined]
    return {
        "nvmath": nvmath,
        "nvmath.bindings": bindings,
        "nvmath.bindings.cublasLt": bindings.cublasLt,
        "cupy": cupy,
        "cupy.cuda": cuda,
        "cupy.cuda.runtime": runtime,
        "cupy.cuda.cublas": cuda.cublas,
        "cupy.cuda.device": cuda.device,
        "cupy.cuda.memory": memory,
        "cupy.cuda.nccl": make_nccl(gpu),
        "cupy.linalg": linalg,
        "cupyx": cupyx,
    }


def _pinned(gpu: FakeGpu, shape: Any, dtype: Any, order: Any) -> np.ndarray:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    gpu.record("alloc_pinned_memory", 0, size)
    pointer = pinned_pointer(gpu.memory.allocate("pinned", size))
    return np.ndarray(shape, dtype=dtype, buffer=pointer, order=order)


def _fill_arrays(gpu: FakeGpu, cupy: Any, linalg: Any) -> None:
    def empty(shape: Any, dtype: Any = float, order: str = "C") -> FakeArray:
        return gpu.empty(shape, dtype, order)

    def zeros(shape: Any, dtype: Any = float, order: str = "C") -> FakeArray:
        array = gpu.empty(shape, dtype, order)
        array.fill(0)
        return array

    def ones(shape: Any, dtype: Any = float, order: str = "C") -> FakeArray:
        array = gpu.empty(shape, dtype, order)
        array.fill(1)
        return array

    def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> FakeArray:
        array = gpu.empty(shape, dtype or np.asarray(fill_value).dtype, order)
        array.fill(fill_value)
        return array

    def empty_like(
        prototype: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
    ) -> FakeArray:
        return gpu.empty(prototype.shape if shape is None else shape, dtype or prototype.dtype)

    def zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None) -> FakeArray:
        array = empty_like(a, dtype, shape=shape)
        array.fill(0)
        return array

    def array(
        obj: Any,
        dtype: Any = None,
        copy: bool = True,
        order: str = "K",
        subok: bool = False,
        ndmin: int = 0,
        *,
        blocking: bool = False,
    ) -> FakeArray:
        if isinstance(obj, FakeArray):
            return obj.astype(dtype or obj.dtype)
        host = np.array(obj, dtype=dtype, order="C", ndmin=ndmin)
        new = gpu.empty(host.shape, host.dtype)
        new.set(host)
        return new

    def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False) -> FakeArray:
        if isinstance(a, FakeArray) and dtype in (None, a.dtype) and not copy:
            return a
        return array(a, dtype, blocking=blocking)

    def ascontiguousarray(a: Any, dtype: Any = None) -> FakeArray:
        return asarray(a, dtype) if not isinstance(a, FakeArray) or a.flags.c_contiguous else a.copy()

    def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> np.ndarray:
        if isinstance(a, FakeArray):
            return a.get(stream, order, out, blocking)
        return np.asarray(a)

    def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> FakeArray:
        return gpu.computed("arange", lambda: np.arange(start, stop, step, dtype=dtype))

    def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = None) -> None:
        if isinstance(dst, np.ndarray) or isinstance(src, np.ndarray):
            raise TypeError("copyto is between arrays of the GPU")
        gpu.changes("copyto", dst, lambda a, b: np.copyto(a, b, casting=casting), src)  # type: ignore[call-overload]

    def matmul(*args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> FakeArray:
        first, second, *rest = args
        return gpu.computed("matmul", np.matmul, first, second, out=rest[0] if rest else out)

    def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> FakeArray:
        return gpu.computed("norm", lambda a: np.linalg.norm(a, ord, axis, keepdims), x)

    for function in (
        empty, zeros, ones, full, empty_like, zeros_like, array, asarray, ascontiguousarray, asnumpy, arange, copyto,
        matmul,
    ):  # fmt: skip
        setattr(cupy, function.__name__, function)
    linalg.norm = norm
    for name in (*ELEMENTWISE, *REDUCING):
        setattr(cupy, name, _like_numpy(gpu, name))
    for name in _TYPES.split():
        setattr(cupy, name, getattr(np, name))
    cupy.ndarray, cupy.newaxis, cupy.inf, cupy.nan = FakeArray, None, np.inf, np.nan
    cupy.RawKernel = type("RawKernel", (RawKernel,), {"gpu": gpu})
    cupy.RawModule = type("RawModule", (RawModule,), {"gpu": gpu})


def _like_numpy(gpu: FakeGpu, name: str) -> Any:
    function = getattr(np, name)

    def called(*arguments: Any, out: Any = None, **settings: Any) -> Any:
        if name == "frexp":  # the one with two results
            return tuple(gpu.computed(name, lambda a, k=k: np.asarray(np.frexp(a)[k]), *arguments) for k in (0, 1))
        if arguments and isinstance(arguments[0], list | tuple):  # concatenate, stack
            parts = arguments[0]
            rest = arguments[1:]
            return gpu.computed(name, lambda *given: function(list(given), *rest, **settings), *parts, out=out)
        return gpu.computed(name, lambda *given: np.asarray(function(*given, **settings)), *arguments, out=out)

    called.__name__ = name
    return called


def _fill_cuda(gpu: FakeGpu, cuda: Any) -> None:
    class Device:
        """cupy.cuda.Device."""

        def __init__(self, device: Any = None) -> None:
            self.id = gpu.device if device is None else int(device)
            self._before: list[int] = []

        def use(self) -> None:
            gpu.device = self.id
            gpu.record("use", 0, self.id)

        def synchronize(self) -> None:
            gpu.record("deviceSynchronize")
            gpu.synchronize(self.id)

        def __enter__(self) -> Device:
            self._before.append(gpu.device)
            self.use()
            return self

        def __exit__(self, *error: Any) -> None:
            gpu.device = self._before.pop()

        def __int__(self) -> int:
            return self.id

        @property
        def compute_capability(self) -> str:
            return f"{gpu.capability[0]}{gpu.capability[1]}"

        @property
        def attributes(self) -> dict[str, int]:
            return {"L2CacheSize": 1 << 16, "MultiProcessorCount": 4, "ClockRate": 1_980_000}

        @property
        def mem_info(self) -> tuple[int, int]:
            gpu.record("memGetInfo")
            return gpu.total - gpu.memory.used, gpu.total

        @property
        def pci_bus_id(self) -> str:
            return cuda.runtime.deviceGetPCIBusId(self.id)

    class Stream:
        """cupy.cuda.Stream."""

        null: Any = None

        def __init__(
            self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: Any = None
        ) -> None:
            self.ptr = 0
            if not null:
                gpu.record("streamCreate", 0, non_blocking)
                self.ptr = gpu.new_stream(non_blocking)

        def use(self) -> Stream:
            gpu.use_stream(self.ptr)
            return self

        def __enter__(self) -> Stream:
            gpu.push_stream(self.ptr)
            return self

        def __exit__(self, *error: Any) -> None:
            gpu.pop_stream()

        def synchronize(self) -> None:
            gpu.record("streamSynchronize", self.ptr)
            if gpu.queue(self.ptr).capturing(self.ptr):
                raise GpuFaultError("synchronises a stream that is captured: cudaErrorStreamCaptureUnsupported")
            gpu.queue(self.ptr).finish(self.ptr)

        @property
        def done(self) -> bool:
            gpu.record("streamQuery", self.ptr)
            return gpu.queue(self.ptr).idle(self.ptr)

        def record(self, event: Any = None) -> Any:
            event = event or Event()
            event.record(self)
            return event

        def wait_event(self, event: Any) -> None:
            gpu.record("streamWaitEvent", self.ptr, event)
            marked: Operation | None = event.recorded.operation
            if marked is not None:
                gpu.queue(self.ptr).hold(self.ptr, marked)

        def launch_host_func(self, callback: Any, arg: Any) -> None:
            gpu.record("launchHostFunc", self.ptr)
            gpu.give(self.ptr, "host function", lambda: callback(arg))

        def begin_capture(self, mode: Any = None) -> None:
            gpu.record("streamBeginCapture", self.ptr)
            if self.ptr == 0:
                raise GpuFaultError("the default stream cannot be captured: cudaErrorStreamCaptureUnsupported")
            gpu.queue(self.ptr).begin_capture(self.ptr)

        def end_capture(self) -> Graph:
            gpu.record("streamEndCapture", self.ptr)
            return Graph(gpu.queue(self.ptr).end_capture(self.ptr))

        def is_capturing(self) -> bool:
            return gpu.queue(self.ptr).capturing(self.ptr)

    class Graph:
        """cupy.cuda.graph.Graph."""

        def __init__(self, steps: list[Any]) -> None:
            self.steps = steps

        def launch(self, stream: Any = None) -> None:
            where = gpu.stream_of(stream)
            gpu.record("graphLaunch", where)
            for name, work in self.steps:
                gpu.give(where, name, work)

        def upload(self, stream: Any = None) -> None:
            gpu.record("graphUpload", gpu.stream_of(stream))

    class Event:
        """cupy.cuda.Event."""

        def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
            gpu.record("eventCreate", 0, disable_timing)
            self.timing = not disable_timing
            self.recorded = Recorded()

        def record(self, stream: Any = None) -> None:
            where = gpu.stream_of(stream)
            gpu.record("eventRecord", where, self)
            self.recorded.mark(gpu.queue(where), where)

        def synchronize(self) -> None:
            gpu.record("eventSynchronize", 0, self)
            if self.recorded.operation is not None:
                gpu.queue(0).run(self.recorded.operation)

        @property
        def done(self) -> bool:
            gpu.record("eventQuery", 0, self)
            return self.recorded.operation is None or self.recorded.operation.done

    def get_elapsed_time(start_event: Any, end_event: Any) -> float:
        gpu.record("eventElapsedTime", 0, start_event, end_event)
        if not (start_event.timing and end_event.timing):
            raise CUDARuntimeError("cudaErrorInvalidValue")
        if start_event.recorded.time is None or end_event.recorded.time is None:
            raise CUDARuntimeError("cudaErrorNotReady")
        return 1e3 * (end_event.recorded.time - start_event.recorded.time)

    def get_current_stream(device_id: int = -1) -> Any:
        stream = Stream(null=True)
        stream.ptr = gpu.current_stream()
        return stream

    def alloc_pinned_memory(size: int) -> Any:
        gpu.record("alloc_pinned_memory", 0, size)
        return pinned_pointer(gpu.memory.allocate("pinned", size))

    Stream.null = Stream(null=True)
    cuda.Device, cuda.Stream, cuda.Event = Device, Stream, Event
    cuda.graph = SimpleNamespace(Graph=Graph)
    cuda.MemoryPointer, cuda.PinnedMemoryPointer, cuda.BaseMemory = MemoryPointer, PinnedMemoryPointer, BaseMemory
    cuda.get_elapsed_time, cuda.get_current_stream = get_elapsed_time, get_current_stream
    cuda.alloc_pinned_memory = alloc_pinned_memory
