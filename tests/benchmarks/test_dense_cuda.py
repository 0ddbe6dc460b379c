"""hpl, hpl_mxp and summa on the fake GPU: the reference's pivots and solution, and faults of the host's logic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from dense_helpers.faults import FAULTS, on_the_gpu_too
from fake_gpu.gpu import FakeGpu
from test_dense_solvers import ALONE, SIZES, case_of, run

from clustermark.benchmarks import BENCHMARKS
from clustermark.benchmarks.dense import factorisation, home_cuda
from clustermark.benchmarks.dense import matrix as matrices
from clustermark.benchmarks.dense.home_cuda import DeviceFactorisation, DeviceHome
from clustermark.benchmarks.dense.reference import reference_lu, reference_solve
from clustermark.benchmarks.dense.solvers import DirectSolver
from clustermark.core.context import Context
from clustermark.core.precision import PRECISIONS
from clustermark.core.workload import Trial
from clustermark.devices import DEVICES
from clustermark.devices.blas import BY_MATMUL, open_blas
from clustermark.devices.blas_cuda import DeviceBlas
from clustermark.devices.cuda import CudaDevice
from clustermark.transports.local import LocalTransport


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    with FakeGpu().installed() as installed:
        yield installed


def trial_of(name: str, precision: str = "fp64", **params: Any) -> Trial:
    case = case_of(name, precision, **params)
    context = Context(DEVICES["cuda"].open(0), LocalTransport(), PRECISIONS[precision], np.random.default_rng(3))
    return BENCHMARKS[name].prepare(case, context)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_products_and_solves_on_the_gpu_are_those_of_the_host(gpu: FakeGpu, dtype: str) -> None:
    device, rng = DEVICES["cuda"].open(0), np.random.default_rng(2)
    host: Any = {
        name: rng.integers(-4, 5, shape).astype(dtype)
        for name, shape in {"a": (7, 5), "turned": (5, 9), "b": (5, 8), "c": (7, 12), "lower": (5, 5)}.items()
    }
    for column in (False, True):
        for alpha in (1.0, -1.0):
            here = {name: device.from_host(array) for name, array in host.items()}
            a, b, c, expected = here["a"], here["b"], here["c"][:, 2:10], host["c"].copy()
            factor = host["a"]
            if column:
                a, factor = here["turned"][:, 2:].T, host["turned"][:, 2:].T
            DeviceBlas(dtype).add_product(c, a, b, alpha)
            BY_MATMUL.add_product(expected[:, 2:10], factor, host["b"], alpha)
            assert (device.to_host(here["c"]) == expected).all()
    rows, expected = device.from_host(host["turned"]), host["turned"].copy()
    DeviceBlas(dtype).solve_unit_lower(device.from_host(host["lower"]), rows[:, 1:8])
    BY_MATMUL.solve_unit_lower(host["lower"], expected[:, 1:8])
    assert (device.to_host(rows) == expected).all()


@pytest.mark.parametrize(("n", "block"), SIZES)
def test_pivots_and_solution_are_those_of_the_reference(gpu: FakeGpu, n: int, block: int) -> None:
    matrix, device = matrices.scaled_matrix(n, 3), DEVICES["cuda"].open(0)
    solver = DirectSolver(matrix, block, ALONE, "float64", open_blas(), DeviceHome(device))
    solver.reset()
    solver.step()
    whole = matrix.part(np.arange(n), np.arange(n + 1))
    lu, pivots = reference_lu(whole)
    assert (solver.factorisation.pivots == pivots).all()
    upper = np.triu(device.to_host(solver.factorisation.matrix))
    assert (np.abs(upper - np.triu(lu)) <= 1e-11 * np.abs(lu).max(axis=1, keepdims=True)).all()
    assert np.abs(solver.x / reference_solve(whole) - 1).max() < 1e-6
    assert solver.check().passed


@pytest.mark.parametrize(
    ("name", "precision", "params"),
    [
        ("hpl", "fp32", {"matrix": "scaled"}),
        ("hpl", "fp64", {"nb": 65}),
        ("hpl_mxp", "fp32", {"n": 130}),
        ("hpl_mxp", "fp64", {}),
        ("summa", "fp64", {}),
        ("summa", "fp32", {"inputs": "integers", "nb": 7}),
    ],
)
def test_a_case_is_proven_and_is_wrong_without_its_step(
    gpu: FakeGpu, name: str, precision: str, params: dict[str, Any]
) -> None:
    trial = trial_of(name, precision, **params)
    assert not trial.check().passed
    check = run(trial).check()
    assert check.passed, check
    assert "cuBLAS math mode" in trial.counters
    # Refinement hides wrong factors: it only takes longer.
    assert trial.counters.get("GMRES iterations", 0) <= 6
    trial.step()
    assert trial.check().passed


def test_a_singular_matrix_fails_and_its_column_is_named(gpu: FakeGpu) -> None:
    check = run(trial_of("hpl", matrix="singular")).check()
    assert not check.passed
    assert "the matrix is singular: column 32 has no pivot" in check.detail


def test_the_gpu_is_busy_while_the_host_factors_the_next_panel(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    real, busy = factorisation.factor_with_pivoting, list[bool]()
    monkeypatch.setattr(
        factorisation, "factor_with_pivoting", lambda *given: (busy.append("gemmEx" in gpu.pending()), real(*given))[1]
    )
    run(trial_of("hpl"))
    # The first panel has nothing before it, the last one nothing but its own columns behind it.
    assert busy == [False, True, True, True, True]


def late_panel(self: Any, panel: Any, first: int, left: int) -> None:
    """Factors what the copy has not brought yet."""


def early_copy(self: Any, start: int, buffer: int) -> None:
    """The copy does not wait for the panel before to act on what it brings."""
    self._ready = self.home.device.event()
    self._ready.record = lambda: None
    real_start(self, start, buffer)


real_start = DeviceFactorisation._start_bringing
DEVICE_FAULTS: dict[str, tuple[str, Any, str, Any]] = {
    "a panel read before its copy is done": ("hpl", DeviceFactorisation, "_bring", late_panel),
    "a copy that does not wait for its panel": ("hpl", DeviceFactorisation, "_start_bringing", early_copy),
    "an upper triangle that is not kept": ("hpl", home_cuda.Factorisation, "_keep", lambda *given: None),
    "a product left out": ("summa", DeviceBlas, "add_product", lambda *given: None),
}


@pytest.mark.parametrize("fault", DEVICE_FAULTS)
def test_a_planted_fault_of_the_host_is_caught(gpu: FakeGpu, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, owner, attribute, mistake = DEVICE_FAULTS[fault]
    monkeypatch.setattr(owner, attribute, mistake)
    assert not run(trial_of(name, "fp32" if name == "hpl_mxp" else "fp64")).check().passed


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in ("stale message", "stale panel")])
def test_a_fault_of_the_method_is_caught(gpu: FakeGpu, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, plant = FAULTS[fault]
    plant(on_the_gpu_too(monkeypatch.setattr))
    assert not run(trial_of(name, "fp32" if name == "hpl_mxp" else "fp64")).check().passed


def test_a_full_gpu_and_a_precision_without_panels_are_one_sentence(gpu: FakeGpu) -> None:
    case = replace(case_of("hpl_mxp", "bf16"), device="cuda")
    assert BENCHMARKS["hpl_mxp"].refuse(case) == "has no factors in bf16 on cuda yet; use fp32"
    assert BENCHMARKS["hpl"].memory(replace(case_of("hpl", n=40_000), device="cuda")) < 1e9
    assert isinstance(DEVICES["cuda"].open(0), CudaDevice)


@pytest.mark.parametrize(("n", "room"), [(20, 0.5), (63, 0.5), (20, 0.0)])
def test_a_matrix_is_made_by_the_host_once_where_the_gpu_has_room_for_a_copy(
    gpu: FakeGpu, n: int, room: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home_cuda, "ROOM", room)
    matrix, device = matrices.uniform_matrix(n, 3), DEVICES["cuda"].open(0)
    made, part = [], matrix.part

    def counted(*arguments: Any) -> Any:
        made.append(arguments)
        return part(*arguments)

    monkeypatch.setattr(type(matrix), "part", staticmethod(counted))
    solver = DirectSolver(matrix, 4, ALONE, "float64", open_blas(), DeviceHome(device))
    answers = []
    for _ in range(3):
        solver.reset()
        before = device.to_host(solver.factorisation.matrix)
        solver.step()
        answers.append((before, solver.x.copy()))
    assert len(made) == (1 if room else 3)
    for before, x in answers:
        assert (before == answers[0][0]).all()
        assert (x == answers[0][1]).all()
    assert (answers[0][0] == part(np.arange(n), np.arange(n + 1))).all()
