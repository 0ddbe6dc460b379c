"""Memory bandwidth: the five stream kernels of BabelStream, each a case of its own, every element checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.workload import Amount, Check, Param, ParamValue, Trial, Workload, one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import numpy.typing as npt

    from clustermark.core.case import Case
    from clustermark.core.context import Context

    Floats = npt.NDArray[np.floating]

# Words that a kernel moves per element: what BabelStream counts, whatever caches fetch besides.
WORDS = {"copy": 2, "mul": 2, "add": 3, "triad": 3, "dot": 2}
# Of BabelStream.
SCALAR = 0.4
# Arrays end with a whole vector of the CPU and, in pairs, of the sums.
GRAIN = 128
# Bytes of a step that repeats its passes: a call is then no part of it that counts.
REPEATED = 1 << 25
# Device → the first is what "best" means there.
VARIANTS = {"cpu": ("nontemporal", "plain"), "cuda": ("c", "numba")}


def variant_of(case: Case) -> str:
    """The variant of a case, "best" replaced by the one that it stands for."""
    chosen = str(case.params["variant"])
    return VARIANTS[case.device][0] if chosen == "best" else chosen


def prepare(case: Case, context: Context) -> Trial:
    """Arrays a, b, c uniform on (½, 1), fresh per case and rank; a step is one kernel on all of their elements.

    What a kernel writes is not a number before the first step.
    """
    import numpy as np

    from clustermark.core.counters import CACHED_ARRAY, STREAMED_ARRAY

    if case.device == "cuda":
        from clustermark.benchmarks.kernels.stream_host_cuda import stream_step
    else:
        from clustermark.benchmarks.kernels.stream_host_cpu import stream_step

    dtype, kernel = context.precision.storage, str(case.params["kernel"])
    size = int(case.params["bytes"])
    count = size // np.dtype(dtype).itemsize
    host = {name: context.rng.uniform(0.5, 1.0, count).astype(dtype) for name in "abc"}
    passes = passes_of(case)
    repeated = {"passes": passes} if case.device == "cpu" else {}
    stream = stream_step(kernel, variant_of(case), case.threads, SCALAR, host, context.device, **repeated)

    def check() -> Check:
        error, bound, detail = compare(
            kernel, host, stream.result(), context.precision.accumulate_roundoff, stream.terms
        )
        error = context.transport.maximum(error)
        return Check(f"{kernel}: relative difference", error, bound, error <= bound, detail)

    return Trial(
        stream.step,
        check,
        {"bandwidth": Amount(float(WORDS[kernel]) * size * passes * case.ranks, "B")},
        counters={"passes": float(passes), CACHED_ARRAY: float(size)} if passes > 1 else {STREAMED_ARRAY: float(size)},
    )


def passes_of(case: Case) -> int:
    """How often a step goes over its arrays: once, or until REPEATED bytes have moved where `repeat` is asked for."""
    size = WORDS[str(case.params["kernel"])] * int(case.params["bytes"])
    return max(1, REPEATED // size) if case.params["repeat"] else 1


def expected(kernel: str, host: Mapping[str, Floats]) -> Floats:
    """What a kernel makes of a, b, c: the recurrence of BabelStream, in float64, the scalar as the kernel has it."""
    import numpy as np

    scalar = float(host["a"].dtype.type(SCALAR))
    formulas: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
        "copy": lambda a, b, c: a,
        "mul": lambda a, b, c: scalar * c,
        "add": lambda a, b, c: a + b,
        "triad": lambda a, b, c: b + scalar * c,
        "dot": lambda a, b, c: np.array([a @ b]),
    }
    a, b, c = (host[name].astype(np.float64) for name in "abc")
    return formulas[kernel](a, b, c)


def compare(
    kernel: str, host: Mapping[str, Floats], found: Floats, roundoff: float, terms: int
) -> tuple[float, float, str]:
    """Largest relative difference to `expected`, its bound, and where it stands.

    The bound is u for each rounding of an element (mul 1, add 1, triad 2), and for sums of positive terms, in which
    `terms` are added up one after the other, min(6√k, k)·u (Higham & Mary 2019).

    Returns
    -------
    error, bound, detail : a NaN gives an infinite error
    """
    import math

    import numpy as np

    wanted = expected(kernel, host)
    with np.errstate(invalid="ignore"):
        difference = np.abs(found.astype(np.float64) / wanted - 1)
    difference = np.where(np.isnan(difference), math.inf, difference)
    place = int(difference.argmax())
    # One u more for the division in float64, which is none of the kernel's where the kernel is exact.
    bound = {"copy": 0.0, "mul": 2.0, "add": 2.0, "triad": 3.0, "dot": 2 + min(6 * math.sqrt(terms), terms)}[kernel]
    detail = f"element {place} is {found[place]:.9g}, should be {wanted[place]:.9g}"
    return float(difference[place]), bound * roundoff, detail


def _whole_grains(value: ParamValue) -> str:
    good = isinstance(value, int) and GRAIN <= value <= 2**40 and value % GRAIN == 0
    return "" if good else f"expected {GRAIN}B to 1TiB, a multiple of {GRAIN}"


def refuse(case: Case) -> str:
    """Variants of the other device."""
    known = VARIANTS.get(case.device, ())
    variant = case.params["variant"]
    if variant != "best" and variant not in known:
        return f"has no variant '{variant}' on {case.device}; use best, {', '.join(known)}"
    if case.params["repeat"] and case.device != "cpu":
        return f"has repeat = true, which is for the caches of a CPU, on {case.device}; leave it out"
    return ""


MEMBW = Workload(
    name="membw",
    version=1,
    summary="copy, mul, add, triad or dot over three arrays on every rank: the roof of memory-bound work",
    source="BabelStream (Deakin, Price, Martineau, McIntosh-Smith, IJCSE 17, 2018); STREAM (McCalpin)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(
        Param("kernel", "triad", "copy, mul, add, triad or dot", check=one_of(WORDS)),
        Param(
            "bytes", 128 << 20, "size of each of the three arrays; over four times the last cache", "B", _whole_grains
        ),
        Param(
            "variant",
            "best",
            "cpu: nontemporal or plain stores; cuda: c (16 B a thread) or numba",
            check=one_of(("best", *(name for names in VARIANTS.values() for name in names))),
        ),
        Param("repeat", False, "go over small arrays again and again in one call: the bandwidth of a cache (cpu)"),
    ),
    refuse=refuse,
)
