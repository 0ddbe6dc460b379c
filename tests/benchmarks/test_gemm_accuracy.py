"""The accuracy gate of matrix products: good ones pass on every class of inputs, planted faults are caught."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from clustermark.benchmarks import BENCHMARKS
from clustermark.benchmarks.gemm import INPUTS, VARIANTS
from clustermark.benchmarks.kernels import gemm_ways_cpu
from clustermark.benchmarks.kernels.gemm_inputs import CLASSES, matrices
from clustermark.benchmarks.kernels.ozaki_host_cpu import MODULI, Ozaki
from clustermark.core.accuracy import Arithmetic, accumulator_bits, product_error, sampled_error
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.measurement import Measurement
from clustermark.core.number_formats import rounded_to
from clustermark.core.plan import make_plan
from clustermark.core.precision import PRECISIONS
from clustermark.core.result import Result
from clustermark.core.suite import load_suite
from clustermark.core.summary import summarise
from clustermark.core.workload import ParamValue, Trial
from clustermark.devices.cpu import CpuDevice
from clustermark.runners.catalog import machine, suites, workloads
from clustermark.transports.local import LocalTransport

GEMM = BENCHMARKS["gemm"]


def case_of(precision: str, **params: ParamValue) -> Case:
    """A small product on one rank."""
    chosen = {p.name: p.default for p in GEMM.params} | {"n": 8} | params
    return Case(GEMM.name, GEMM.version, chosen, precision, "cpu", "local", "self", 1, 1)


def trial_of(case: Case) -> Trial:
    """The case made ready."""
    context = Context(CpuDevice(), LocalTransport(), PRECISIONS[case.precision], np.random.default_rng(3))
    return GEMM.prepare(case, context)


FP64 = Arithmetic("fp64", "fp64", "fp64", "native")
FP32 = Arithmetic("fp32", "fp32", "fp32", "native")
# Whose range, or whose fixed point, does not hold the classes with powers of two up to ±20.
NARROW = {("fp16", "simulated"), ("e4m3", "simulated"), ("e5m2", "simulated"), ("fp64", "ozaki")}
WAYS = [(precision, variant) for precision, variants in VARIANTS.items() for variant in variants]


@pytest.mark.parametrize(("precision", "variant"), WAYS)
def test_every_way_passes_on_what_its_range_holds_and_fails_beyond(precision: str, variant: str) -> None:
    for inputs in INPUTS if precision != "int8" else ("",):
        case = case_of(precision, n=96, variant=variant, inputs=inputs)
        assert GEMM.refuse(case) == ""
        trial = trial_of(case)
        trial.step()
        good = inputs not in ("wide", "scaled") or (precision, variant) not in NARROW
        assert trial.check().passed == good, (inputs, trial.check())


def test_formats_and_path_are_stated_and_only_real_ones_have_a_speed() -> None:
    words = {pair: trial_of(case_of(pair[0], n=8, variant=pair[1])) for pair in WAYS}
    assert words["fp32", "numba"].arithmetic == "fp32 × fp32, sums fp32, result fp32; native"
    assert words["int8", "numba"].arithmetic.startswith("int8 × int8, sums int32, result int32")
    assert words["e4m3", "simulated"].arithmetic == "e4m3 × e4m3, sums fp32, result fp32; simulated"
    for trial in words.values():
        assert bool(trial.work) == trial.arithmetic.endswith(("native", "converted"))


def test_without_the_instruction_bf16_is_emulated_and_int8_too() -> None:
    a = np.ones((4, 4))
    for precision in ("bf16", "int8"):
        way = gemm_ways_cpu.way_of(precision, "numba", a, a, features=("sse2",))
        assert way.arithmetic.path == "emulated"
        assert not way.arithmetic.timed
        way.step()
        assert (way.result() == 4).all()


def test_an_answer_without_work_has_no_time_and_no_metric() -> None:
    measurement = Measurement(np.full((9, 1), 1e-3), np.empty((0, 1)), 1, "perf_counter", "none", 0.0, "samples")
    for precision, timed in (("fp32", True), ("fp16", False)):
        case = case_of(precision, n=8)
        trial = trial_of(case)
        trial.step()
        told = {"work": trial.work, "check": trial.check(), "arithmetic": trial.arithmetic}
        result = Result(case, 0, "ok", measurement=measurement, **told)
        row = summarise(case, [Result.from_header(result.header(), measurement)], 1)
        assert row.arithmetic == trial.arithmetic
        assert (row.time is not None, bool(row.metrics)) == (timed, timed)


def strassen(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One level of Strassen's algorithm: seven products of sums of blocks."""
    h = len(a) // 2
    p, q, r, s = a[:h, :h], a[:h, h:], a[h:, :h], a[h:, h:]
    e, f, g, d = b[:h, :h], b[:h, h:], b[h:, :h], b[h:, h:]
    m1, m2, m3, m4 = (p + s) @ (e + d), (r + s) @ e, p @ (f - d), s @ (g - e)
    m5, m6, m7 = (p + q) @ d, (r - p) @ (e + f), (q - s) @ (g + d)
    return np.block([[m1 + m4 - m5 + m7, m3 + m5], [m2 + m4, m1 - m2 + m3 + m6]])


def row_scaled_int8(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rows of A and columns of B scaled so that their largest is 127, multiplied exactly, scaled back."""
    rows, columns = np.abs(a).max(axis=1, keepdims=True) / 127, np.abs(b).max(axis=0, keepdims=True) / 127
    return (np.rint(a / rows) @ np.rint(b / columns)) * rows * columns


def fp16_sums(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products and sums rounded to half precision, one after the other."""
    total = np.zeros((a.shape[0], b.shape[1]), np.float16)
    for k in range(a.shape[1]):
        total += np.outer(a[:, k], b[k]).astype(np.float16)
    return total.astype(np.float64)


def errors(product: Callable[[np.ndarray, np.ndarray], np.ndarray], inputs: str, n: int = 128) -> tuple[float, float]:
    """Largest error by entry, and ‖C − AB‖ ÷ ‖AB‖, which sees less."""
    a, b = matrices(inputs, n, n, n, np.random.default_rng(5))
    c = product(a, b)
    exact = a @ b
    normwise = float(np.linalg.norm(c - exact) / np.linalg.norm(exact))
    return sampled_error(a, b, c, np.random.default_rng(6)).error, normwise


def test_an_algorithm_like_strassens_is_caught_where_a_norm_does_not_see_it() -> None:
    assert errors(strassen, "centred")[0] < 1e-14
    by_entry, normwise = errors(strassen, "wide")
    assert by_entry > FP64.bound(128)
    assert normwise < 1e-14
    assert errors(strassen, "scaled")[0] > FP64.bound(128)


def test_sums_in_half_precision_are_caught_on_positive_numbers() -> None:
    fp16 = Arithmetic("fp16", "fp32", "fp32", "native")
    a, b = (rounded_to(x, "fp16") for x in matrices("positive", 8, 4096, 8, np.random.default_rng(5)))
    short, wide = (sampled_error(a, b, c, np.random.default_rng(6)).error for c in (fp16_sums(a, b), a @ b))
    assert short > 50 * fp16.bound(4096) > wide


def test_int8_with_scaled_rows_is_caught_where_a_diagonal_moves_between_the_factors() -> None:
    eight_bits = Arithmetic("bf16", "fp32", "fp32", "native")
    assert errors(row_scaled_int8, "centred")[0] < eight_bits.bound(128)
    assert errors(row_scaled_int8, "scaled")[0] > 20 * eight_bits.bound(128)


def test_the_diagonal_leaves_a_floating_point_product_as_it_was() -> None:
    assert errors(lambda a, b: a @ b, "scaled")[0] < FP64.bound(128)


@pytest.mark.parametrize("inputs", CLASSES)
def test_inputs_have_the_shape_asked_for_and_differ_from_case_to_case(inputs: str) -> None:
    a, b = matrices(inputs, 3, 5, 4, np.random.default_rng(1))
    assert (a.shape, b.shape) == ((3, 5), (5, 4))
    assert (a != matrices(inputs, 3, 5, 4, np.random.default_rng(2))[0]).any()


def planted(bits: int, block: int = 1) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A dot product whose sums, of blocks of exact ones, are rounded to so many bits."""

    def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        total = 0.0
        for start in range(0, a.shape[1], block):
            fraction, exponent = np.frexp(total + float(a[0, start : start + block] @ b[start : start + block, 0]))
            total = float(np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits))
        return np.array([[total]])

    return product


@pytest.mark.parametrize("bits", [8, 11, 14, 22, 24, 53])
def test_the_probe_tells_the_width_of_a_planted_accumulator(bits: int) -> None:
    assert accumulator_bits(planted(bits)) == bits
    assert accumulator_bits(planted(bits, block=128)) == bits


def test_the_probe_finds_the_accumulators_of_numpy() -> None:
    assert accumulator_bits(lambda a, b: a.astype(np.float32) @ b.astype(np.float32)) == 24
    assert accumulator_bits(lambda a, b: a @ b) >= 53


def test_a_product_with_a_short_accumulator_is_wrong_and_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., np.ndarray] = np.matmul

    def short(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
        out[...] = real(a, b) if len(a) > 1 else planted(14)(a, b)

    monkeypatch.setattr(np, "matmul", short)
    trial = trial_of(case_of("fp32", n=16))
    trial.step()
    monkeypatch.undo()
    check = trial.check()
    assert (check.passed, trial.counters["accumulator bits"]) == (False, 14)
    assert "holds 14 bits, fp32 has 24" in check.detail


def test_residues_give_integers_exactly_and_random_numbers_to_the_bound_of_float64() -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.integers(-(2**20), 2**20, shape).astype(float) for shape in ((17, 40), (40, 9)))
    a[3], b[:, 4] = 0, 0
    c = np.zeros((17, 9))
    Ozaki(17, 40, 9).multiply(a, b, c)
    assert (c == a.astype(np.int64) @ b.astype(np.int64)).all()
    a, b = matrices("centred", 90, 200, 70, rng)
    c = np.zeros((90, 70))
    Ozaki(90, 200, 70, threads=2).multiply(a, b, c)
    assert product_error(a, b, c, rng).error < FP64.bound(200)
    Ozaki(90, 200, 70, moduli=MODULI[:8]).multiply(a, b, c)
    assert product_error(a, b, c, rng).error > FP64.bound(200)


@pytest.mark.parametrize(
    ("precision", "params", "reason"),
    [
        ("bf16", {"variant": "blas"}, "has no variant 'blas' in bf16 on cpu; use numba, simulated"),
        ("int8", {"inputs": "wide"}, "has integers on -127 … 127 alone"),
        ("int8", {"k": 2**17}, "fit int32 below 131072"),
        ("fp64", {"variant": "ozaki", "k": 2**17}, "fit int32 below 131072"),
    ],
)
def test_what_a_precision_has_not_is_refused(precision: str, params: dict[str, str | int], reason: str) -> None:
    assert reason in GEMM.refuse(case_of(precision, **params))


@pytest.mark.parametrize("name", ["precisions", "roofline"])
def test_no_case_of_a_suite_is_refused_by_its_workload(name: str) -> None:
    """What a launcher or a machine lacks is not asked here."""
    known = workloads()
    plan = make_plan(load_suite(suites()[name]), known, machine(None, "no launcher"))
    cases = [*plan.cases, *(case for case, _ in plan.skipped)]
    assert len(cases) > 40
    assert {case.label: known[case.workload].refuse(case) for case in cases} == {case.label: "" for case in cases}
