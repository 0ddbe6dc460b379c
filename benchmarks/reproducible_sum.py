"""All-reduce whose bits depend on nothing but the numbers: not on ranks, fabric, algorithm or order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clustermark.benchmarks.allreduce import at_least_8, work
from clustermark.benchmarks.elements import compare_all, refuse_sum
from clustermark.core.workload import Check, Param, Trial, Workload, whole_between

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from clustermark.core.case import Case
    from clustermark.core.context import Context, Transport

    Array = npt.NDArray[Any]

# [elements] of 8 B that share a grid.
CHUNK = 32768
# Chunks whose largest magnitudes, and whose sums, travel in one message each: a wire's latency is paid once for them,
# and 1 MiB stays in the last cache from the search for the largest to the sum.
CHUNKS_AT_ONCE = 4
# Chunks that the check looks at.
MOST_CHECKED = 64
# Contributions of at most this many ranks or groups may be added: what the grid keeps free above a term.
MOST_TERMS_BITS = 30


def contribution(seed: int, number: int, chunk: int, count: int) -> Array:
    """One chunk of one contribution: (count,) float64 over 30 binary orders of magnitude, whoever brings it."""
    import numpy as np

    rng = np.random.default_rng((seed, number, chunk))
    return np.ldexp(rng.uniform(-1.0, 1.0, count), rng.integers(-30, 1, count))


def on_grid_sum(terms: Sequence[Array], terms_bits: int) -> Array:
    """The same sum by whole numbers, for checks: Σ rint(x / q) · q with q = 2^(e + terms_bits - 53), max |x| < 2^e."""
    import numpy as np

    most = max((float(np.abs(term).max()) for term in terms if term.size), default=0.0)
    quantum = float(np.ldexp(1.0, int(np.frexp(most)[1]) + terms_bits - 53))
    whole = np.zeros(terms[0].size, np.int64)
    for term in terms:
        whole += np.rint(term / quantum).astype(np.int64)
    return whole * quantum


class ReproducibleSum:
    """The sum over ranks of all their contributions, a few chunks at a time.

    Each chunk: the largest magnitude of all contributions of all ranks, which fixes the grid; every contribution
    rounded to it, added up locally without any error; one all-reduce, whose additions are exact in whatever order a
    library takes (Demmel & Nguyen, ARITH 21 (2013), with one bin). The error of a contribution is at most half of the
    grid, 2^(terms_bits - 54) of the chunk's largest magnitude rounded up to a power of two.

    Parameters
    ----------
    transport : its all-reduce of float64 and its all-gather are used
    contributions : of this rank, (count,) float64 each; any number, also none
    receive : (count,) float64, the sum
    terms_bits : logarithm of the most contributions of all ranks
    """

    def __init__(self, transport: Transport, contributions: Sequence[Array], receive: Array, terms_bits: int) -> None:
        """Everything is allocated and every call prepared here."""
        import numpy as np

        from clustermark.benchmarks.kernels import grid_cpu

        self.kernels = grid_cpu
        self.terms_bits = terms_bits
        self.rounds = []
        most = CHUNK * CHUNKS_AT_ONCE
        buffer = np.zeros(min(most, max(receive.size, 1)))
        for start in range(0, receive.size, most):
            whole = slice(start, min(start + most, receive.size))
            starts = range(whole.start, whole.stop, CHUNK)
            mine, everyone = np.zeros(len(starts)), np.zeros(transport.size * len(starts))
            partial_sum = buffer[: whole.stop - whole.start]
            chunks = []
            for number, first in enumerate(starts):
                part = slice(first, min(first + CHUNK, whole.stop))
                terms = [(term[part].view(np.int64), term[part]) for term in contributions]
                magnitudes = everyone.reshape(transport.size, -1)[:, number]
                own = partial_sum[part.start - start : part.stop - start]
                chunks.append((terms, mine[number : number + 1].view(np.int64), magnitudes, own))
            gather = transport.prepare_allgather(mine, everyone)
            self.rounds.append((chunks, gather, transport.prepare_allreduce(partial_sum, receive[whole])))

    def __call__(self) -> None:
        """One sum."""
        kernels = self.kernels
        for chunks, gather, reduce in self.rounds:
            for terms, largest_bits, _, _ in chunks:
                largest_bits[0] = 0
                for bits, _ in terms:
                    kernels.largest(bits, largest_bits)
            gather()
            for terms, _, magnitudes, partial_sum in chunks:
                rounding = kernels.rounder(magnitudes, self.terms_bits)
                if not terms:
                    partial_sum[...] = 0.0
                for number, (_, values) in enumerate(terms):
                    (kernels.add_on_grid if number else kernels.put_on_grid)(values, rounding, partial_sum)
            reduce()


def prepare(case: Case, context: Context) -> Trial:
    """Contributions are dealt to the ranks in blocks; the check adds all of them up again, by whole numbers."""
    import zlib

    import numpy as np

    from clustermark.transports.parts import part_of

    transport = context.transport
    count = int(case.params["bytes"]) // 8
    total = int(case.params["contributions"]) or case.ranks
    terms_bits = int(case.params["terms_bits"])
    lengths = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]

    def whole(number: int) -> Array:
        return np.concatenate([contribution(case.seed, number, chunk, n) for chunk, n in enumerate(lengths)])

    mine = part_of(total, transport.size, transport.rank)
    contributions = [context.device.from_host(whole(number)) for number in range(mine.start, mine.stop)]
    device = context.device
    receive = device.from_host(np.full(count, np.nan))
    step: Callable[[], None]
    if device.asynchronous:
        from clustermark.benchmarks.kernels.grid_host_cuda import DeviceReproducibleSum

        step = DeviceReproducibleSum(transport, contributions, receive, terms_bits, CHUNK)
    else:
        step = ReproducibleSum(transport, contributions, receive, terms_bits)
    counters: dict[str, float] = {"contributions": float(total)}
    looked_at = sorted(set(np.linspace(0, len(lengths) - 1, min(MOST_CHECKED, len(lengths)), dtype=int).tolist()))

    def wrong() -> Check:
        whole_sum = device.to_host(receive)
        found = [whole_sum[chunk * CHUNK :][: lengths[chunk]].view(np.int64) for chunk in looked_at]
        terms = [
            [contribution(case.seed, number, chunk, lengths[chunk]) for number in range(total)] for chunk in looked_at
        ]
        wanted = [(on_grid_sum(each, terms_bits) + 0.0).view(np.int64) for each in terms]
        return compare_all(found, wanted, transport.sum)

    def check() -> Check:
        first = wrong()
        receive[...] = np.nan
        transport.barrier()
        step()
        counters["checksum of the sum"] = float(zlib.crc32(device.to_host(receive).tobytes()))
        return wrong() if first.passed else first

    return Trial(step, check, work(count * 8, case.ranks), counters=counters)


def refuse(case: Case) -> str:
    """More contributions than the grid leaves room for."""
    total = int(case.params["contributions"]) or case.ranks
    most = 2 ** int(case.params["terms_bits"])
    if total > most:
        return f"adds {total} contributions, over the {most} that terms_bits leaves room for; use more terms_bits"
    return refuse_sum(case)


REPRODUCIBLE_SUM = Workload(
    name="reproducible_sum",
    version=1,
    summary="all-reduce with the same bits on any ranks, fabric and order: time beside allreduce, every bit checked",
    source="Demmel & Nguyen, Fast Reproducible Floating-Point Summation, ARITH 21 (2013): rounding to a common grid",
    devices=("cpu", "cuda"),
    precisions=("fp64",),
    transports=("local", "mpi", "mpi_device", "nccl", "nccl_mpi"),
    prepare=prepare,
    params=(
        Param("bytes", 1 << 20, "size of a contribution", "B", at_least_8),
        Param(
            "contributions",
            0,
            "vectors that are summed, dealt to the ranks; 0 for one a rank",
            "",
            whole_between(0, 2**20),
        ),
        Param(
            "terms_bits",
            6,
            "logarithm of the most contributions: what the grid leaves room for",
            "",
            whole_between(2, MOST_TERMS_BITS),
        ),
    ),
    refuse=refuse,
)
