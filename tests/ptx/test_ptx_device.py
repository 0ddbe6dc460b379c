"""numba.cuda programs on the interpreter: the example of docs/cuda-without-a-gpu.md, and memory that nobody wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")

import numba.cuda
from cuda_helpers.budgets import Budget, complaints
from cuda_helpers.offline import PROGRAMS, Launch, audit, compile_offline

from ptx.device import InterpretedDevice, device_array, to_device
from ptx.faults import OutOfBoundsError, UninitialisedMemoryError

cuda: Any = numba.cuda
if not (PROGRAMS / "ptxas").exists() or not (PROGRAMS / "nvdisasm").exists():
    pytest.skip("ptxas or nvdisasm is not installed: make test CUDA=1", allow_module_level=True)


@cuda.jit
def double_up(x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = x[i] + x[i]


def test_numbers_are_doubled() -> None:
    x = np.arange(1000, dtype=np.float32)  # a size that fits no block
    with InterpretedDevice((9, 0)).installed() as device:
        y = device_array(1000, np.float32)  # reading it before it is written would be a fault
        double_up[8, 128](to_device(x), y)  # a fault raises here
    assert (y.copy_to_host() == 2 * x).all()
    assert device.launches[-1].report.coverage == 1  # all of its code ran; report.not_run lists what did not


def test_it_stays_within_its_budget(tmp_path: Path) -> None:
    kinds = tuple(map(double_up.typeof_pyval, (np.zeros(1, np.float32),) * 2))
    text = compile_offline(Launch(double_up, kinds), [(9, 0)])[(9, 0)]
    machine_code = audit({"double_up": text}, (9, 0), tmp_path)["double_up"]
    assert complaints(machine_code, Budget(registers=24), ["float32"]) == []


def test_the_page_shows_the_example_as_it_stands_here() -> None:
    page = Path(__file__).parents[2] / "docs" / "cuda-without-a-gpu.md"
    code = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    example = code[code.index("@cuda.jit") :]
    assert example in Path(__file__).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def interpreter() -> InterpretedDevice:
    return InterpretedDevice((8, 0))


def test_device_memory_that_nothing_wrote_is_a_fault_to_read(interpreter: InterpretedDevice) -> None:
    with interpreter.installed():
        x, y = cuda.device_array(40, np.float32), cuda.device_array(40, np.float32)
        with pytest.raises(UninitialisedMemoryError):
            double_up[1, 64](x, y)
        x[:20] = 1
        double_up[1, 64](x[:20], y[:20])
        with pytest.raises(UninitialisedMemoryError):
            double_up[1, 64](x, y)
        x.copy_to_device(np.ones(40, np.float32))
        double_up[1, 64](x, y)
        double_up[1, 64](y, cuda.device_array_like(y))
        assert (y.copy_to_host() == 2).all()


def test_an_array_too_short_is_a_fault(interpreter: InterpretedDevice) -> None:
    with interpreter.installed(), pytest.raises(OutOfBoundsError, match="double_up"):
        double_up[1, 64](np.ones(20, np.float32), np.ones(19, np.float32))


def test_a_copy_on_the_device_is_not_the_array_of_the_host(interpreter: InterpretedDevice) -> None:
    host = np.arange(6, dtype=np.float32)
    with interpreter.installed():
        there = cuda.to_device(host)
        double_up[1, 32](host, there)
    assert host.tolist() == list(range(6))
    assert there.copy_to_host().tolist() == [0, 2, 4, 6, 8, 10]


@cuda.jit
def reversed_in_dynamic_memory(x):
    """x turned round, through shared memory whose size the launch gives."""
    scratch = cuda.shared.array(0, numba.float32)
    thread = cuda.threadIdx.x
    scratch[thread] = x[thread]
    cuda.syncthreads()
    x[thread] = scratch[cuda.blockDim.x - 1 - thread]


def test_a_launch_gives_shared_memory_its_size(interpreter: InterpretedDevice) -> None:
    x = np.arange(48, dtype=np.float32)
    with interpreter.installed():
        reversed_in_dynamic_memory[1, 48, 0, 48 * 4](x)
        assert x.tolist() == list(range(48))[::-1]
        with pytest.raises(OutOfBoundsError, match="shared"):
            reversed_in_dynamic_memory[1, 48, 0, 47 * 4](x)
