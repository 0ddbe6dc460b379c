"""The one fake GPU of a process whose CuPy is the fake from the start (path/cupy), played by variables.

FAKE_GPU_COUNT, FAKE_GPU_NAME, FAKE_GPU_CAPABILITY as for the stub of the driver; FAKE_GPU_MEMORY [B];
FAKE_GPU_LOST_AFTER: calls until the GPU is gone, FAKE_GPU_LOST_RANK: on that local rank only.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from typing import Any

from cuda_helpers.kept import kept
from ptx.nvrtc import name_of_c

from fake_gpu.gpu import FakeGpu
from fake_gpu.module import make_modules


@functools.cache
def gpu_of_this_process() -> FakeGpu:
    """The GPUs that CUDA_VISIBLE_DEVICES shows of those that the variables describe."""
    get = os.environ.get
    capability = int(get("FAKE_GPU_CAPABILITY", "90"))
    count = int(get("FAKE_GPU_COUNT", "1"))
    visible = get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        count = len([word for word in visible.split(",") if word.isdecimal() and int(word) < count])
    gpu = FakeGpu(
        count=count,
        name=get("FAKE_GPU_NAME", "Fake H100"),
        capability=divmod(capability, 10),
        memory=int(get("FAKE_GPU_MEMORY", str(1 << 30))),
    )
    gpu.interpreter.compile = compile_apart
    lost_rank = get("FAKE_GPU_LOST_RANK", "")
    local = get("OMPI_COMM_WORLD_LOCAL_RANK", get("MPI_LOCALRANKID", "0"))
    if "FAKE_GPU_LOST_AFTER" in os.environ and lost_rank in ("", local):
        gpu.lose(after=int(os.environ["FAKE_GPU_LOST_AFTER"]))
    gpu.modules = make_modules(gpu)
    return gpu


def compile_apart(code: str, capability: tuple[int, int], definitions: tuple[str, ...]) -> str:
    """PTX of CUDA C, compiled where the stub of the driver is not seen: NVIDIA's bindings would load it."""
    if (text := kept(name_of_c(code, capability, definitions))) is not None:
        return text
    script = "import json, sys; from ptx.nvrtc import compile_c; print(compile_c(*json.load(sys.stdin)))"
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps([code, capability, definitions]),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise ValueError(done.stderr[-2000:])
    return done.stdout


def modules_of_this_process() -> dict[str, Any]:
    """The fake's modules, as sys.modules wants them."""
    return gpu_of_this_process().modules
