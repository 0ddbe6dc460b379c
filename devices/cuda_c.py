"""CUDA C: source files with their headers put in, and kernels that CuPy compiles of them at run time (NVRTC)."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)


def source_text(path: Path) -> str:
    """A .cu file in which each `#include "name.cuh"` is the file of that name beside it.

    CuPy keeps compiled kernels by their text: so an edited header is a new text.
    """
    return _INCLUDE.sub(lambda match: source_text(path.with_name(match[1])).rstrip(), path.read_text(encoding="utf-8"))


def compiled(path: Path, kernel: str, **definitions: str) -> Any:
    """A kernel of a .cu file as a cupy.RawKernel; it compiles for the current device when it is first launched.

    Parameters
    ----------
    kernel : name of an `extern "C" __global__` function
    definitions : macros, as REAL="float"
    """
    cupy: Any = importlib.import_module("cupy")
    options = ("--std=c++17", *(f"-D{name}={value}" for name, value in definitions.items()))
    return cupy.RawKernel(source_text(path), kernel, options=options, backend="nvrtc")


def multiprocessors(device: Any) -> int:
    """How many the GPU of a CudaDevice has."""
    cupy: Any = importlib.import_module("cupy")
    return int(cupy.cuda.Device(device.index).attributes["MultiProcessorCount"])
