"""Compiles the stand-ins for libcuda and libnvidia-ml, and starts processes that find them and the fake CuPy."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
LIBRARIES = {"libcuda.so.1": "stub_cuda.c", "libnvidia-ml.so.1": "stub_nvml.c"}


def compile_stub(name: str, folder: Path, *options: str) -> Path:
    """A stand-in as a shared library in `folder`; the test is skipped by name where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler for the stand-ins of NVIDIA's libraries (Debian: gcc libc6-dev)")
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / name
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-w", *options, "-o", str(library), str(HERE / LIBRARIES[name])],
        check=True,
        timeout=60,
    )
    return library


def gpu_environment(folder: Path, **settings: str) -> dict[str, str]:
    """Variables of a process that sees fake GPUs: drivers from `folder`, CuPy from beside this file.

    Parameters
    ----------
    folder : where `compile_stub` has put the libraries
    settings : FAKE_GPU_COUNT and the like
    """
    paths = [str(HERE / "path"), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    libraries = [str(folder), os.environ.get("LD_LIBRARY_PATH", "")]
    without = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    return {
        **without,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
        **settings,
    }
