"""Whether NCCL is there, without loading CuPy."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from importlib.util import find_spec

LIBRARY = "libnccl.so.2"


def missing() -> str:
    """ "" if NCCL can be loaded here, else the end of a sentence."""
    from clustermark.devices.cuda_driver import installed_cupy

    return why_missing(_loads, _has_wheel, installed_cupy())


def why_missing(loads: Callable[[str], bool], has_wheel: Callable[[], bool], cupy: Iterable[str]) -> str:
    """As `missing`, given what is there; CuPy finds the library of a wheel by itself."""
    if has_wheel() or loads(LIBRARY):
        return ""
    major = "12" if any("cuda12" in package for package in cupy) else "13"
    return f"needs NCCL, and neither {LIBRARY} nor its wheel is here; pip install nvidia-nccl-cu{major}, or use 'mpi'"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _has_wheel() -> bool:
    try:
        return find_spec("nvidia.nccl") is not None
    except ModuleNotFoundError:
        return False
