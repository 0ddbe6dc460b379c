"""cupy.ndarray of the fake GPU: arrays whose contents the host sees only through a copy, changed by work that waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fake_gpu.memory import Allocation, GpuFaultError

if TYPE_CHECKING:
    from fake_gpu.gpu import FakeGpu

_UFUNCS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.mod,
    "pow": np.power,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}
_COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_REDUCTIONS = ("sum", "prod", "max", "min", "mean", "all", "any", "argmax", "argmin", "std", "var")


class MemoryPointer:
    """cupy.cuda.MemoryPointer: an address inside an allocation."""

    def __init__(self, mem: Any, offset: int) -> None:
        self.mem = mem
        self.ptr = mem.ptr + offset
        self.device_id = mem.device_id


class FakeArray:
    """cupy.ndarray.

    Attributes
    ----------
    view : NumPy view of the memory as it is now, which only work of a stream may look at
    """

    __array_priority__ = 100
    __array_ufunc__ = None

    def __init__(self, gpu: FakeGpu, allocation: Allocation, view: np.ndarray) -> None:
        self.gpu, self.allocation, self.view_now = gpu, allocation, view
        self.shape, self.dtype, self.size = view.shape, view.dtype, view.size
        self.nbytes, self.ndim, self.itemsize = view.nbytes, view.ndim, view.itemsize
        self.strides, self.flags = view.strides, view.flags

    @property
    def data(self) -> MemoryPointer:
        """Where the first element stands."""
        from fake_gpu.memory import BaseMemory

        return MemoryPointer(BaseMemory(self.allocation), self.view_now.ctypes.data - self.allocation.ptr)

    @property
    def device(self) -> Any:
        """The GPU that owns the memory."""
        return self.gpu.modules["cupy.cuda"].Device(self.allocation.gpu)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "descr": self.dtype.descr,
            "data": (self.data.ptr, False),
            "strides": None if self.flags.c_contiguous else self.strides,
            "stream": 1,
            "version": 3,
        }

    def __array__(self, dtype: Any = None) -> np.ndarray:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct one.")

    def __len__(self) -> int:
        return self.shape[0]

    def __bool__(self) -> bool:
        return bool(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __repr__(self) -> str:
        return f"FakeArray(shape={self.shape}, dtype={self.dtype})"

    __hash__ = None  # type: ignore[assignment]

    # --- views ---

    def _same(self, view: np.ndarray) -> FakeArray:
        if view.size and not np.may_share_memory(view, self.view_now):
            raise GpuFaultError("a view of device memory became a copy")
        return FakeArray(self.gpu, self.allocation, view)

    def _of_view(self, look: Callable[[np.ndarray], np.ndarray]) -> FakeArray:
        view = look(self.view_now)
        if np.may_share_memory(view, self.view_now) or not view.size:
            return self._same(view)
        return self.gpu.computed("copy", look, self)

    def __getitem__(self, index: Any) -> FakeArray:
        if isinstance(index, FakeArray | np.ndarray | list):
            return self.gpu.computed("take", lambda a, i: a[i], self, index)
        view = self.view_now[index]
        if not isinstance(view, np.ndarray):  # one element is an array of no dimensions, as in CuPy
            places = index if isinstance(index, tuple) else (index,)
            view = self.view_now[tuple(slice(p, None if p == -1 else p + 1) for p in places)].reshape(())
        return self._same(view)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, FakeArray):
            self.gpu.changes("setitem", self, lambda a, i, v: a.__setitem__(i, v), index, value)
            return
        target = self[index]
        target.gpu.changes("setitem", target, lambda a, v: np.copyto(a, v, casting="unsafe"), value)

    def reshape(self, *shape: Any, order: Any = "C", copy: Any = None) -> FakeArray:
        return self._of_view(lambda a: a.reshape(*shape, order=order))

    def ravel(self, order: Any = "C") -> FakeArray:
        return self._of_view(lambda a: a.ravel(order))

    def view(self, dtype: Any = None, type: Any = None) -> FakeArray:
        return self._same(self.view_now.view(dtype) if dtype is not None else self.view_now.view())

    def transpose(self, *axes: Any) -> FakeArray:
        return self._same(self.view_now.transpose(*axes))

    def squeeze(self, axis: Any = None) -> FakeArray:
        return self._same(self.view_now.squeeze(axis))

    @property
    def T(self) -> FakeArray:
        return self._same(self.view_now.T)

    # --- work ---

    def copy(self, order: Any = "C") -> FakeArray:
        return self.gpu.computed("copy", lambda a: a.copy(order), self)

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> FakeArray:
        return self.gpu.computed("astype", lambda a: a.astype(dtype), self)

    def fill(self, value: Any) -> None:
        self.gpu.changes("fill", self, lambda a, v: a.fill(v), value)

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        """A copy in host memory: filled when the stream gets there, which `blocking` waits for."""
        host = np.empty(self.shape, self.dtype) if out is None else out
        if host.shape != self.shape or host.dtype != self.dtype:
            raise ValueError("Shape or dtype mismatch.")
        stream = self.gpu.stream_of(stream)
        if out is None and host.nbytes:
            host.reshape(-1).view(np.uint8)[:] = 0xA5
        self.gpu.record("get", stream, self, host)
        waits = blocking or self.gpu.memory.kind(host.ctypes.data) == "pageable"
        done = self.gpu.give(stream, "copy to host", lambda: np.copyto(host, self.view_now))
        if blocking or (waits and out is not None):
            self.gpu.queue(stream).run(done)
        return host

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        """Contents of a host array: taken at once from ordinary memory, when the stream gets there from pinned."""
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise ValueError(f"cannot set {arr.dtype} {arr.shape} into {self.dtype} {self.shape}")
        stream = self.gpu.stream_of(stream)
        self.gpu.record("set", stream, self, arr)
        source = arr if self.gpu.memory.kind(arr.ctypes.data) == "pinned" else arr.copy()
        self.gpu.changes("copy to device", self, lambda a: np.copyto(a, source), stream=stream)

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def dot(self, other: Any) -> FakeArray:
        return self.gpu.computed("dot", np.dot, self, other)

    def __matmul__(self, other: Any) -> FakeArray:
        return self.gpu.computed("matmul", np.matmul, self, other)

    def __neg__(self) -> FakeArray:
        return self.gpu.computed("negative", np.negative, self)

    def __invert__(self) -> FakeArray:
        return self.gpu.computed("invert", np.invert, self)

    def __abs__(self) -> FakeArray:
        return self.gpu.computed("abs", np.abs, self)


def _operators() -> None:
    def binary(name: str, function: Any) -> None:
        setattr(FakeArray, f"__{name}__", lambda a, b: a.gpu.computed(name, function, a, b))
        setattr(FakeArray, f"__r{name}__", lambda a, b: a.gpu.computed(name, lambda x, y: function(y, x), a, b))

        def in_place(a: FakeArray, b: Any) -> FakeArray:
            a.gpu.changes(name, a, lambda x, y: function(x, y, out=x, casting="same_kind"), b)
            return a

        setattr(FakeArray, f"__i{name}__", in_place)

    def comparison(name: str, function: Any) -> None:
        setattr(FakeArray, f"__{name}__", lambda a, b: a.gpu.computed(name, function, a, b))

    def reduction(name: str) -> None:
        function = getattr(np, name)

        def reduced(a: FakeArray, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
            settings = {"axis": axis, "keepdims": keepdims} | ({} if dtype is None else {"dtype": dtype})
            return a.gpu.computed(name, lambda x: np.asarray(function(x, **settings)), a, out=out)

        setattr(FakeArray, name, reduced)

    for name, function in _UFUNCS.items():
        binary(name, function)
    for name, function in _COMPARISONS.items():
        comparison(name, function)
    for name in _REDUCTIONS:
        reduction(name)


_operators()
