"""All-reduce of 16-bit floats on CPUs: 16 bits on the wire, sums in float32, rounded once; parts can be timed apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clustermark.benchmarks.allreduce import work
from clustermark.core.workload import Amount, Check, Param, ParamValue, Trial, Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from clustermark.core.case import Case
    from clustermark.core.context import Context, Transport

    Array = npt.NDArray[Any]
    Step = Callable[[], object]

PARTS = ("whole", "wire", "reduction")
MOST_ELEMENTS = 2**31 - 1
# [elements] that are widened and added before the next ones: they stay in the first cache.
BLOCK = 8192


class Narrow:
    """A 16-bit format in uint16 words: to and from float32, without allocating. `kind` is "fp16" or "bf16".

    bf16 is the upper half of a float32; rounding to it adds 0x7FFF, and one more where the kept last bit is odd (to
    nearest, ties to even, for finite numbers).
    """

    def __init__(self, kind: str) -> None:
        """Scratch of one block."""
        import numpy as np

        self.half = kind == "fp16"
        self.words = np.zeros(BLOCK, np.uint32)
        self.odd = np.zeros(BLOCK, np.uint32)

    def widen(self, narrow: Array, wide: Array) -> None:
        """wide = narrow; (n,) uint16 → (n,) float32, n ≤ BLOCK."""
        import numpy as np

        if self.half:
            wide[...] = narrow.view(np.float16)
            return
        words = wide.view(np.uint32)
        np.copyto(words, narrow)
        np.left_shift(words, 16, out=words)

    def round(self, wide: Array, narrow: Array) -> None:
        """narrow = wide, to nearest and even; (n,) float32 → (n,) uint16, n ≤ BLOCK."""
        import numpy as np

        if self.half:
            narrow.view(np.float16)[...] = wide
            return
        words, odd, bits = self.words[: wide.size], self.odd[: wide.size], wide.view(np.uint32)
        np.right_shift(bits, 16, out=odd)
        np.bitwise_and(odd, 1, out=odd)
        np.add(bits, 0x7FFF, out=words)
        np.add(words, odd, out=words)
        np.right_shift(words, 16, out=words)
        np.copyto(narrow, words, casting="same_kind")


class LowPrecisionSum:
    """All-to-all of the ranks' parts, their sum in float32 in the order of the ranks, all-gather of the rounded parts.

    Attributes
    ----------
    incoming : (ranks, own part) uint16, what every rank brings of this rank's part
    part : (own part,) uint16, their sum
    receive : (count,) uint16, the whole sum
    """

    def __init__(self, transport: Transport, mine: Array, precision: str) -> None:
        """`mine` : (count,) uint16."""
        import numpy as np

        from clustermark.transports.parts import part_counts

        own = part_counts(mine.size, transport.size)[transport.rank]
        self.incoming = np.zeros((transport.size, own), np.uint16)
        self.part = np.zeros(own, np.uint16)
        self.receive = np.zeros(mine.size, np.uint16)
        self.format = Narrow(precision)
        self.wide, self.total = np.zeros((2, BLOCK), np.float32)
        self.exchange = transport.prepare_alltoall(mine, self.incoming.reshape(-1))
        self.gather = transport.prepare_allgather(self.part, self.receive)

    def reduce(self) -> None:
        """part = Σ over ranks of incoming, in float32, rounded once."""
        for start in range(0, self.part.size, BLOCK):
            stop = min(start + BLOCK, self.part.size)
            total, wide = self.total[: stop - start], self.wide[: stop - start]
            total[...] = 0.0
            for narrow in self.incoming:
                self.format.widen(narrow[start:stop], wide)
                total += wide
            self.format.round(total, self.part[start:stop])

    def wire(self) -> None:
        """Both messages, without the sum."""
        self.exchange()
        self.gather()

    def whole(self) -> None:
        """The all-reduce."""
        self.exchange()
        self.reduce()
        self.gather()


def payload(seed: int, rank: int, count: int, precision: str) -> Array:
    """(count,) uint16 of one rank: magnitudes from ½ to 1 with random signs, in the format of `precision`."""
    import numpy as np

    rng = np.random.default_rng((seed, rank))
    values = (rng.uniform(0.5, 1.0, count) * rng.choice([-1.0, 1.0], count)).astype(np.float32)
    if precision == "fp16":
        return values.astype(np.float16).view(np.uint16)
    return (values.view(np.uint32) >> 16).astype(np.uint16)


def as_float64(words: Array, precision: str) -> Array:
    """The numbers that 16-bit words stand for."""
    import numpy as np

    from clustermark.core.number_formats import bf16_values

    if precision == "fp16":
        return words.view(np.float16).astype(np.float64)
    return bf16_values(words)


def prepare(case: Case, context: Context) -> Trial:
    """The parts that are not timed are done once before, so that those that are find and leave what they should."""
    import numpy as np

    transport, precision, part = context.transport, case.precision, str(case.params["part"])
    count = int(case.params["bytes"]) // 2
    made = LowPrecisionSum(transport, payload(case.seed, transport.rank, count, precision), precision)
    made.whole()
    step: Step = {"whole": made.whole, "wire": made.wire, "reduction": made.reduce}[part]
    counters: dict[str, float] = {}

    def check() -> Check:
        first = _compared(case, context, made, part)
        for buffer in {"whole": [made.receive], "wire": [made.incoming, made.receive], "reduction": [made.part]}[part]:
            buffer[...] = np.uint16(0x5A5A)
        transport.barrier()
        step()
        again = _compared(case, context, made, part) if first.passed else first
        counters["largest error in roundoffs"] = again.error / context.precision.unit_roundoff
        return again

    size = 2 * count
    amounts = work(size, case.ranks) if part != "reduction" else {"algorithm_bandwidth": Amount(float(size), "B")}
    return Trial(step, check, amounts, counters=counters)


def _compared(case: Case, context: Context, made: LowPrecisionSum, part: str) -> Check:
    """|sum - exact| / Σ|x| of every element that this part leaves, and what the wire brought, bit by bit.

    Adding n numbers in float32 costs n - 1 of its roundoffs of Σ|x|, rounding once one of the format's of the sum.
    """
    import numpy as np

    from clustermark.transports.parts import part_of

    transport = context.transport
    count = made.receive.size
    own = part_of(count, transport.size, transport.rank)
    brought = [payload(case.seed, rank, count, case.precision) for rank in range(transport.size)]
    moved = all(bool((got == sent[own]).all()) for got, sent in zip(made.incoming, brought, strict=True))
    terms = np.array([as_float64(words, case.precision) for words in brought])
    if part == "reduction":
        terms = terms[:, own]
    found = as_float64(made.part if part == "reduction" else made.receive, case.precision)
    error = np.abs(found - terms.sum(axis=0)) / np.abs(terms).sum(axis=0)
    worst = float(error.max(initial=0.0)) if bool(np.isfinite(error).all()) and moved else float("inf")
    worst = transport.maximum(worst)
    wide = context.precision.accumulate_roundoff
    bound = context.precision.unit_roundoff * (1 + case.ranks * wide) + (case.ranks - 1) * wide
    detail = "" if moved else "a rank brought other numbers than it was given"
    return Check("|sum - exact| / Σ|x|", worst, bound, worst <= bound, detail)


def _size(value: ParamValue) -> str:
    good = isinstance(value, int) and 2 <= value <= 2**40 and value % 2 == 0
    return "" if good else "expected 2B to 1TiB, a multiple of 2"


def _part(value: ParamValue) -> str:
    return "" if value in PARTS else f"expected {', '.join(PARTS)}"


def refuse(case: Case) -> str:
    """Counts beyond an MPI int."""
    count = int(case.params["bytes"]) // 2
    return f"counts {count} elements, over the 2^31 of an MPI int; use a smaller size" if count > MOST_ELEMENTS else ""


LOW_PRECISION_SUM = Workload(
    name="low_precision_sum",
    version=1,
    summary="all-reduce of fp16 or bf16 with float32 sums: whole, wire alone or reduction alone, error against exact",
    source="reduce-scatter by all-to-all and all-gather (Thakur, Rabenseifner & Gropp, IJHPCA 19, 2005)",
    devices=("cpu",),
    precisions=("fp16", "bf16"),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(
        Param("bytes", 1 << 20, "size of the vector that each rank brings", "B", _size),
        Param("part", "whole", "what is timed: whole, wire (both messages) or reduction (the sum)", "", _part),
    ),
    refuse=refuse,
    instead={"cuda": "it is what CPUs must do for want of such a sum in MPI; run 'allreduce' with transport 'nccl'"},
)
