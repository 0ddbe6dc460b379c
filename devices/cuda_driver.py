"""What the NVIDIA driver shows, through its own library: no toolkit, no CuPy, 60 ms, and no context on any GPU.

Source: CUDA driver API reference (cuInit, cuDeviceGet*, cuDevicePrimaryCtxGetState); numbers of errors and attributes
are those of cuda.h. CUDA_VISIBLE_DEVICES decides which GPUs the driver shows, here as everywhere.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

LIBRARY = "libcuda.so.1"
_SUCCESS, _NO_DEVICE = 0, 100
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, …_MINOR

# What cuInit refuses with, and what mends it; other errors are shown by their name.
_MENDS: Mapping[str, str] = {
    "CUDA_ERROR_STUB_LIBRARY": "it is the toolkit's stub, not a driver: take it off LD_LIBRARY_PATH",
    "CUDA_ERROR_SYSTEM_NOT_READY": "start NVIDIA's fabric manager: sudo systemctl start nvidia-fabricmanager",
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": "kernel module and library differ: reboot, or sudo rmmod and modprobe nvidia",
    "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE": "take the cuda-compat libraries off LD_LIBRARY_PATH",
}
_MEND = "nvidia-smi says what the driver lacks"

# CuPy's packages and the least CUDA version that the driver must serve for each, newest first.
CUPY_PACKAGES: Mapping[str, tuple[int, int]] = {"cupy-cuda13x": (13, 0), "cupy-cuda12x": (12, 0)}
# CUDA 13 compiles for Turing and later (CUDA 13.0 release notes).
_LEAST_OF_CUDA: Mapping[int, tuple[int, int]] = {13: (7, 5), 12: (5, 0)}

# The least compute capability with hardware for a precision (CUDA C++ Programming Guide, "Compute Capabilities").
LEAST_CAPABILITY: Mapping[str, tuple[int, int]] = {
    "fp16": (5, 3),
    "int8": (6, 1),
    "tf32": (8, 0),
    "bf16": (8, 0),
    "fp8": (8, 9),
    "e4m3": (8, 9),
    "e5m2": (8, 9),
    "mxfp8": (10, 0),
    "nvfp4": (10, 0),
}


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one MIG instance, as the driver shows it.

    Attributes
    ----------
    index : among those that the driver shows to this process
    capability : compute capability (major, minor)
    memory : [B]
    pci : "0000:17:00.0", lower case, as /sys/bus/pci names it; MIG instances of one GPU share it
    uuid : "GPU-…": two ranks with the same one share the GPU; MIG instances differ
    """

    index: int
    name: str
    capability: tuple[int, int]
    memory: int
    pci: str
    uuid: str


@dataclass(frozen=True)
class Driver:
    """The driver.

    Attributes
    ----------
    installed : its library can be loaded
    error : why it does not work, "" if it does
    cuda : newest CUDA version that it serves, (0, 0) if unknown
    gpus : in its order
    """

    installed: bool
    error: str = ""
    cuda: tuple[int, int] = (0, 0)
    gpus: tuple[Gpu, ...] = ()


def read_driver(library: Any = None) -> Driver:
    """Ask the driver; `library` stands in for libcuda.so.1."""
    if library is None:
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError:
            return Driver(False)
    served = ctypes.c_int()
    # Needs no cuInit, and works where that fails.
    cuda = (0, 0)
    if library.cuDriverGetVersion(ctypes.byref(served)) == _SUCCESS:
        cuda = (served.value // 1000, served.value % 1000 // 10)
    code = library.cuInit(0)
    if code == _NO_DEVICE:
        return Driver(True, "", cuda)
    if code != _SUCCESS:
        name = _error_name(library, code)
        return Driver(True, f"cuInit says {name}; {_MENDS.get(name, _MEND)}", cuda)
    count = ctypes.c_int()
    library.cuDeviceGetCount(ctypes.byref(count))
    return Driver(True, "", cuda, tuple(_gpu(library, index) for index in range(count.value)))


@functools.cache
def driver() -> Driver:
    """`read_driver`, once per process: the driver reads CUDA_VISIBLE_DEVICES only once as well."""
    return read_driver()


def _error_name(library: Any, code: int) -> str:
    text = ctypes.c_char_p()
    if library.cuGetErrorName(code, ctypes.byref(text)) != _SUCCESS or not text.value:
        return f"error {code}"
    return text.value.decode(errors="replace")


def _gpu(library: Any, index: int) -> Gpu:
    device, value, memory = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    library.cuDeviceGet(ctypes.byref(device), index)
    name, pci, identity = (ctypes.create_string_buffer(size) for size in (256, 32, 16))
    library.cuDeviceGetName(name, len(name), device)
    library.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    library.cuDeviceGetPCIBusId(pci, len(pci), device)
    # The second version tells MIG instances apart; drivers before 11.4 have the first only.
    get_uuid = getattr(library, "cuDeviceGetUuid_v2", None) or library.cuDeviceGetUuid
    get_uuid(identity, device)
    capability = []
    for attribute in (_MAJOR, _MINOR):
        library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        capability.append(value.value)
    return Gpu(
        index=index,
        name=name.value.decode(errors="replace"),
        capability=(capability[0], capability[1]),
        memory=memory.value,
        pci=pci.value.decode(errors="replace").lower(),
        uuid=f"GPU-{uuid.UUID(bytes=identity.raw)}",
    )


def active_contexts(library: Any = None) -> tuple[int, ...]:
    """Indices of the GPUs on which this process has a primary context already; empty without a driver."""
    if library is None:
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError:
            return ()
    count, device, flags, active = ctypes.c_int(), ctypes.c_int(), ctypes.c_uint(), ctypes.c_int()
    if library.cuInit(0) != _SUCCESS or library.cuDeviceGetCount(ctypes.byref(count)) != _SUCCESS:
        return ()
    found = []
    for index in range(count.value):
        library.cuDeviceGet(ctypes.byref(device), index)
        library.cuDevicePrimaryCtxGetState(device, ctypes.byref(flags), ctypes.byref(active))
        if active.value:
            found.append(index)
    return tuple(found)


def installed_cupy() -> dict[str, str]:
    """CuPy's installed packages and their versions: {"cupy-cuda13x": "14.2.0"}; "cupy" for a build of one's own."""
    found = {package: package_version(package) for package in (*CUPY_PACKAGES, "cupy")}
    return {package: number for package, number in found.items() if number}


def package_version(package: str) -> str:
    """Version of an installed package, "" where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def cupy_importable() -> bool:
    """Whether a module cupy is there; it is not imported."""
    return "cupy" in sys.modules or find_spec("cupy") is not None


def missing() -> str:
    """Why the device 'cuda' cannot be used here, as the end of a sentence; "" if it can. Imports no CuPy."""
    return why_unusable(driver(), installed_cupy(), cupy_importable(), os.environ)


def why_unusable(driver: Driver, packages: Mapping[str, str], importable: bool, variables: Mapping[str, str]) -> str:
    """End of a sentence about the first thing that is missing, with what mends it; "" if nothing is.

    Parameters
    ----------
    packages : as `installed_cupy` gives them
    importable : a module cupy is there
    variables : environment
    """
    reason = why_no_gpu(driver, variables)
    if reason:
        return reason
    extra = "cuda12" if (0, 0) < driver.cuda < (13, 0) else "cuda13"
    if not importable:
        return f"needs CuPy, which is not installed: pip install 'clustermark[{extra}]'"
    wheels = [package for package in CUPY_PACKAGES if package in packages]
    if len(wheels) > 1:
        other = wheels[0 if extra == "cuda12" else 1]
        return f"finds {' and '.join(wheels)} installed side by side: pip uninstall {other}"
    for package in wheels:
        needed = CUPY_PACKAGES[package]
        if (0, 0) < driver.cuda < needed:
            return (
                f"has a driver that serves CUDA {_dotted(driver.cuda)}, and {package} needs {_dotted(needed)}: "
                f"update the driver, or pip uninstall {package} && pip install 'clustermark[cuda12]'"
            )
        least = _LEAST_OF_CUDA[needed[0]]
        old = [gpu for gpu in driver.gpus if gpu.capability < least]
        if old:
            return (
                f"finds {old[0].name} (compute capability {_dotted(old[0].capability)}), which CUDA {needed[0]} no "
                f"longer serves: pip uninstall {package} && pip install 'clustermark[cuda12]'"
            )
    return ""


def why_no_gpu(driver: Driver, variables: Mapping[str, str]) -> str:
    """End of a sentence where the driver shows no GPU, "" where it shows one."""
    if not driver.installed:
        return "needs an NVIDIA GPU with its driver, and there is no driver here (no libcuda.so.1); use device 'cpu'"
    if driver.error:
        return f"has an NVIDIA driver that does not work: {driver.error}"
    if not driver.gpus:
        visible = variables.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            shown = re.sub(r"[^\w,:./-]", "?", visible)[:60]
            return f"sees no GPU, as CUDA_VISIBLE_DEVICES is '{shown}': unset CUDA_VISIBLE_DEVICES"
        return (
            "sees no GPU, though a driver is there: start the container with --gpus all, or ask the scheduler for one"
        )
    return ""


def refuse_precision(precision: str) -> str:
    """Why the GPUs here cannot do a precision, as the end of a sentence; "" if they can or there is none."""
    return why_no_precision(precision, driver().gpus)


def why_no_precision(precision: str, gpus: tuple[Gpu, ...]) -> str:
    """End of a sentence where a GPU has no hardware for the precision."""
    least = LEAST_CAPABILITY.get(precision, (0, 0))
    for gpu in gpus:
        if gpu.capability < least:
            return (
                f"has no {precision} on {gpu.name}: it needs compute capability {_dotted(least)}, "
                f"this GPU has {_dotted(gpu.capability)}; use another precision"
            )
    return ""


def numa_node(pci: str) -> int:
    """NUMA node that a PCI device hangs on, -1 where the system does not tell."""
    from clustermark.core.environment import read_text

    try:
        return int(read_text(f"/sys/bus/pci/devices/{pci}/numa_node"))
    except ValueError:
        return -1


def _dotted(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"
