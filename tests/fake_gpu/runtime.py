"""cupy.cuda.runtime of a fake GPU: copies by address, devices, versions."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from fake_gpu.errors import CUDARuntimeError
from fake_gpu.memory import GpuFaultError, move, read_bytes

if TYPE_CHECKING:
    from fake_gpu.gpu import FakeGpu

HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE, DEFAULT = range(5)
_ENDS = {  # kind → whether destination and source are on the GPU
    HOST_TO_HOST: (False, False),
    HOST_TO_DEVICE: (True, False),
    DEVICE_TO_HOST: (False, True),
    DEVICE_TO_DEVICE: (True, True),
}


def make_runtime(gpu: FakeGpu) -> Any:
    """A fresh module."""
    module: Any = ModuleType("cupy.cuda.runtime")
    module.CUDARuntimeError = CUDARuntimeError
    module.memcpyHostToHost, module.memcpyHostToDevice = HOST_TO_HOST, HOST_TO_DEVICE
    module.memcpyDeviceToHost, module.memcpyDeviceToDevice = DEVICE_TO_HOST, DEVICE_TO_DEVICE
    module.memcpyDefault = DEFAULT
    module.is_hip = False

    def checked(dst: int, src: int, size: int, kind: int, name: str) -> None:
        ends = (gpu.memory.check(dst, size, name), gpu.memory.check(src, size, name))
        on_gpu = tuple(end is not None and end.kind == "device" for end in ends)
        if kind != DEFAULT and on_gpu != _ENDS[kind]:
            where = {True: "the GPU's", False: "the host's"}
            raise GpuFaultError(
                f"{name}: kind {kind} does not fit a destination in {where[on_gpu[0]]} memory and a source in "
                f"{where[on_gpu[1]]}: cudaErrorInvalidValue"
            )

    def copy(dst: int, src: int, size: int, stream: int, name: str) -> Any:
        owners = (gpu.memory.find(dst), gpu.memory.find(src))  # keeps both alive until the copy is done
        taken = read_bytes(src, size) if owners[1] is None else None

        def work() -> None:
            if taken is None:
                move(dst, src, size)
            else:
                source = np.frombuffer(taken, np.uint8)
                move(dst, source.ctypes.data, size)
            gpu.memory.mark(dst, size)
            assert owners is not None

        return gpu.give(stream, name, work)

    def memcpy(dst: int, src: int, size: int, kind: int) -> None:
        gpu.record("memcpy", 0, dst, src, size, kind)
        checked(dst, src, size, kind, "memcpy")
        gpu.queue(0).run(copy(dst, src, size, 0, "memcpy"))

    def memcpyAsync(dst: int, src: int, size: int, kind: int, stream: int) -> None:
        gpu.record("memcpyAsync", stream, dst, src, size, kind)
        checked(dst, src, size, kind, "memcpyAsync")
        done = copy(dst, src, size, stream, "memcpyAsync")
        if gpu.memory.kind(dst) == "pageable":  # CUDA waits for copies into ordinary memory
            gpu.queue(stream).run(done)

    def memset(ptr: int, value: int, size: int) -> None:
        memsetAsync(ptr, value, size, 0)

    def memsetAsync(ptr: int, value: int, size: int, stream: int) -> None:
        gpu.record("memsetAsync", stream, ptr, value, size)
        owner = gpu.memory.check(ptr, size, "memsetAsync")
        if owner is None or owner.kind != "device":
            raise GpuFaultError("memsetAsync: not memory of the GPU")
        first = ptr - owner.ptr

        def work() -> None:
            owner.data[first : first + size] = value
            owner.written[first : first + size] = True

        gpu.give(stream, "memset", work)

    def getDeviceCount() -> int:
        gpu.record("getDeviceCount")
        return gpu.count

    def getDevice() -> int:
        gpu.record("getDevice")
        return gpu.device

    def setDevice(device: int) -> None:
        gpu.device = device
        gpu.record("setDevice", 0, device)

    def deviceSynchronize() -> None:
        gpu.record("deviceSynchronize")
        gpu.synchronize()

    def streamSynchronize(stream: int) -> None:
        gpu.record("streamSynchronize", stream)
        gpu.queue(stream).finish(stream)

    def driverGetVersion() -> int:
        gpu.record("driverGetVersion")
        return 1000 * gpu.cuda[0] + 10 * gpu.cuda[1]

    def runtimeGetVersion() -> int:
        gpu.record("runtimeGetVersion")
        return 1000 * gpu.cuda[0]

    def memGetInfo() -> tuple[int, int]:
        gpu.record("memGetInfo")
        return gpu.total - gpu.memory.used, gpu.total

    def deviceCanAccessPeer(device: int, peerDevice: int) -> int:  # noqa: N803
        gpu.record("deviceCanAccessPeer", 0, device, peerDevice)
        return int(device != peerDevice)

    def deviceGetPCIBusId(device: int) -> str:
        gpu.record("deviceGetPCIBusId", 0, device)
        return f"0000:{0x17 + device:02X}:00.0"

    def getDeviceProperties(device: int) -> dict[str, Any]:
        gpu.record("getDeviceProperties", 0, device)
        return {
            "name": gpu.name.encode(),
            "major": gpu.capability[0],
            "minor": gpu.capability[1],
            "totalGlobalMem": gpu.total,
            "l2CacheSize": 1 << 16,
            "multiProcessorCount": 4,
        }

    for function in (
        memcpy, memcpyAsync, memset, memsetAsync, getDeviceCount, getDevice, setDevice, deviceSynchronize,
        streamSynchronize, driverGetVersion, runtimeGetVersion, memGetInfo, deviceCanAccessPeer, deviceGetPCIBusId,
        getDeviceProperties,
    ):  # fmt: skip
        setattr(module, function.__name__, function)
    return module
