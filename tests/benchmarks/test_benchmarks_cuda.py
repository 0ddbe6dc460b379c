"""Each benchmark on the fake GPU, its kernels on the interpreter: proven, waited for, and wrong where it should be."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings and NVRTC are not installed: make test CUDA=1")

from fake_gpu.gpu import FakeGpu
from fake_gpu.numba_kernels import numba_kernels
from fake_gpu.signatures import differences

from clustermark.benchmarks import BENCHMARKS
from clustermark.benchmarks.kernels import gemm_host_cuda, peak_host_cuda, stream_cuda, stream_host_cuda
from clustermark.benchmarks.membw import WORDS
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.errors import DeviceError
from clustermark.core.precision import PRECISIONS
from clustermark.core.workload import ParamValue, Trial
from clustermark.devices import DEVICES
from clustermark.transports.local import DeviceLocalTransport, LocalTransport

# Imported before the fake is installed, which forgets what is imported meanwhile.
assert stream_cuda and stream_host_cuda
CASES: list[tuple[str, str, dict[str, ParamValue]]] = [
    *(("membw", "fp64", {"kernel": kernel, "bytes": 128 * 37}) for kernel in WORDS),
    *(("membw", "fp32", {"kernel": kernel, "bytes": 128 * 37, "variant": "numba"}) for kernel in ("triad", "dot")),
    ("membw", "fp32", {"kernel": "triad", "bytes": 128}),
    *(("reduction", precision, {"bytes": 128 * 37}) for precision in ("fp64", "fp32", "fp16")),
    *(("halo", precision, {"n": 5, "width": 2}) for precision in ("fp64", "fp32")),
    *(("gemm", p, {"n": 20, "m": 12, "k": 36}) for p in ("fp64", "fp32", "tf32", "fp16", "bf16", "int8")),
    *(("peak", precision, {"iterations": 500}) for precision in ("fp32", "bf16", "int8")),
]  # fmt: skip


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    monkeypatch.setattr(peak_host_cuda, "THREADS", 32)
    monkeypatch.setattr(peak_host_cuda, "BLOCKS", 1)
    with FakeGpu().installed() as installed, numba_kernels(installed):
        yield installed


def trial_of(name: str, precision: str, params: dict[str, ParamValue]) -> Trial:
    workload = BENCHMARKS[name]
    chosen = {param.name: param.default for param in workload.params} | params
    case = Case(name, workload.version, chosen, precision, "cuda", "local", "self", 1, 1)
    assert workload.refuse(case) == ""
    device = DEVICES["cuda"].open(0)
    context = Context(device, DeviceLocalTransport(), PRECISIONS[precision], np.random.default_rng(3))
    return workload.prepare(case, context)


@pytest.mark.parametrize(
    ("name", "precision", "params"), CASES, ids=[f"{n}-{p}-{'-'.join(map(str, q.values()))}" for n, p, q in CASES]
)
def test_a_benchmark_proves_its_answer_and_fails_without_its_step(
    name: str, precision: str, params: dict[str, ParamValue], gpu: FakeGpu
) -> None:
    trial = trial_of(name, precision, params)
    assert not trial.check().passed
    trial.step()
    assert gpu.pending() != []  # a step gives work; who times it must wait
    check = trial.check()
    assert check.passed, check
    assert gpu.pending() == []
    assert all(amount.value > 0 for amount in trial.work.values())


def test_a_reproducible_sum_has_the_bits_of_the_cpu_and_nothing_waits_in_it(gpu: FakeGpu) -> None:
    from clustermark.benchmarks.kernels.grid_host_cuda import DeviceReproducibleSum
    from clustermark.benchmarks.reproducible_sum import CHUNK, ReproducibleSum

    device, generator = DEVICES["cuda"].open(0), np.random.default_rng(5)
    terms = [np.ldexp(generator.uniform(-1, 1, CHUNK + 37), generator.integers(-60, 60, CHUNK + 37)) for _ in range(3)]
    terms[0][CHUNK + 5] = np.nan
    for some in (terms, terms[:1], []):
        cpu, gpu_sum = np.full(CHUNK + 37, 7.0), device.from_host(np.full(CHUNK + 37, 7.0))
        ReproducibleSum(LocalTransport(), some, cpu, 6)()
        step = DeviceReproducibleSum(DeviceLocalTransport(), [device.from_host(t) for t in some], gpu_sum, 6, CHUNK)
        del gpu.calls[:]
        step()
        assert not {"deviceSynchronize", "streamSynchronize", "get"} & set(gpu.names())
        found = device.to_host(gpu_sum)
        assert (found.view(np.int64) == cpu.view(np.int64))[~np.isnan(cpu)].all()
        assert (np.isnan(found) == np.isnan(cpu)).all() and np.isnan(cpu).sum() == (37 if some else 0)
    trial = trial_of("reproducible_sum", "fp64", {"bytes": 8 * (CHUNK + 37), "contributions": 3})
    assert not trial.check().passed
    trial.step()
    assert gpu.pending() != []
    assert trial.check().passed


def test_a_step_of_a_sum_is_two_launches_in_order(gpu: FakeGpu) -> None:
    trial = trial_of("membw", "fp64", {"kernel": "dot", "bytes": 128})
    del gpu.calls[:]
    trial.step()
    assert gpu.names() == ["kernel:stream_dot", "kernel:stream_dot_end"]


def real_gemm_ex() -> Any:
    """Something with the docstring of CuPy's gemmEx, read out of its file: importing it wants cuBLAS."""
    backends = importlib.util.find_spec("cupy_backends")
    if backends is None or not backends.submodule_search_locations:
        pytest.skip("CuPy is not installed: make test CUDA=1")
    (file,) = (Path(backends.submodule_search_locations[0]) / "cuda" / "libs").glob("cublas.*.so")
    found = re.search(rb"\bgemmEx\(intptr_t handle[^)]*\)", file.read_bytes())
    assert found
    return type("Documented", (), {"__doc__": found[0].decode()})()


def test_the_product_of_the_fake_has_the_parameters_of_cupys() -> None:
    real = real_gemm_ex()
    with FakeGpu().installed() as installed:
        fake = installed.modules["cupy.cuda.cublas"].gemmEx
    assert differences("gemmEx", fake, real) == []
    assert len(differences("gemmEx", lambda handle, m, n: None, real)) > 3


def test_fp32_passed_off_as_tf32_is_found(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gemm_host_cuda.MODES, "tf32", gemm_host_cuda.MODES["fp32"])
    trial = trial_of("gemm", "tf32", {"n": 64})
    trial.step()
    check = trial.check()
    assert not check.passed
    assert "not done in TF32" in check.detail


def test_tf32_passed_off_as_fp32_is_found(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gemm_host_cuda.MODES, "fp32", gemm_host_cuda.MODES["tf32"])
    trial = trial_of("gemm", "fp32", {"n": 64})
    trial.step()
    assert not trial.check().passed


@pytest.mark.parametrize("inner", [16, 256, 4096])
def test_the_errors_of_tf32_and_fp32_lie_on_either_side_of_the_line(inner: int) -> None:
    from clustermark.benchmarks.gemm import tf32_error
    from clustermark.core.accuracy import product_bound, product_error

    rng = np.random.default_rng(inner)
    a, b = (rng.uniform(-0.5, 0.5, shape).astype(np.float32) for shape in ((32, inner), (inner, 32)))
    cut = [((m.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32) for m in (a, b)]
    single, tensor = (product_error(a, b, c, np.random.default_rng(0)).error for c in (a @ b, cut[0] @ cut[1]))
    assert single < tf32_error(inner) < tensor <= product_bound(PRECISIONS["tf32"], inner)


def test_what_the_library_may_do_instead_is_recorded(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_EMULATE_DOUBLE_PRECISION", "1")
    counters = trial_of("gemm", "fp64", {"n": 8}).counters
    assert counters["compute type"] == gemm_host_cuda.COMPUTE_64F
    assert counters["CUBLAS_EMULATE_DOUBLE_PRECISION"] == 1
    assert counters["cuBLAS emulation strategy"] == -1  # there is no cuBLAS here


def test_a_missing_cublas_is_one_sentence(gpu: FakeGpu) -> None:
    cuda: Any = gpu.modules["cupy.cuda"]
    del cuda.cublas
    with pytest.raises(DeviceError, match=r"cuBLAS cannot be loaded .* pip install"):
        trial_of("gemm", "fp64", {"n": 8})


@pytest.mark.parametrize(
    ("name", "precision", "device", "params", "words"),
    [
        ("gemm", "mixed", "cpu", {}, "has no mixed on cpu; use fp64, fp32"),
        ("gemm", "int8", "cuda", {"n": 10}, "multiples of 4"),
        ("gemm", "fp8", "cuda", {}, "has no fp8 on cuda"),
        ("peak", "tf32", "cuda", {}, "has no tf32 on cuda"),
        ("reduction", "fp16", "cpu", {}, "has no fp16 on cpu"),
        ("membw", "fp64", "cpu", {"variant": "numba"}, "use best, nontemporal, plain"),
        ("membw", "fp64", "cuda", {"variant": "plain"}, "use best, c, numba"),
        ("halo", "fp64", "cuda", {"n": 3, "width": 4}, "width <= n"),
    ],
)
def test_what_a_device_cannot_do_is_refused(
    name: str, precision: str, device: str, params: dict[str, ParamValue], words: str
) -> None:
    workload = BENCHMARKS[name]
    chosen = {param.name: param.default for param in workload.params} | params
    case = Case(name, workload.version, chosen, precision, device, "local", "self", 1, 1)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(workload.refuse(case))


def test_every_workload_runs_on_cuda_or_says_what_to_run_there() -> None:
    from clustermark.apps import APPS
    from clustermark.core.machine import Machine, refusal
    from clustermark.core.suite import Sampling

    here = Machine(dict.fromkeys(("cpu", "cuda"), ""), {}, {}, {"local": lambda *given: ""})
    without = {name: w for name, w in (BENCHMARKS | APPS).items() if "cuda" not in w.devices}
    assert list(without) == ["low_precision_sum"]
    for name, workload in without.items():
        params = {param.name: param.default for param in workload.params}
        case = Case(name, workload.version, params, workload.precisions[0], "cuda", "local", "self", 1, 1)
        assert refusal(case, workload, here, Sampling()) == (
            "workload 'low_precision_sum' has no cuda version; it is what CPUs must do for want of such a sum in MPI; "
            "run 'allreduce' with transport 'nccl'"
        )
