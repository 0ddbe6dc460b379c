"""Rings of ranks in random order: every rank sends to and receives from both neighbours at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clustermark.benchmarks.callers import CALLER, refuse_caller, steps_of, trial_of
from clustermark.benchmarks.elements import any_size, held, moved_payload, refuse_moved, scribbled
from clustermark.core.context import Exchange
from clustermark.core.workload import Amount, Param, Trial, Workload, one_of, whole_between

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

EXCHANGE, SENDRECV = "exchange", "sendrecv"


def neighbours(rank: int, ranks: int, seed: int, ring: int, shuffled: bool) -> tuple[int, int]:
    """Ranks before and after this one in ring number `ring`, the same answer on every rank."""
    import numpy as np

    order = np.random.default_rng((seed, ring)).permutation(ranks) if shuffled else np.arange(ranks)
    place = int(np.flatnonzero(order == rank)[0])
    return int(order[place - 1]), int(order[(place + 1) % ranks])


def work(size: int, ranks: int, rings: int) -> dict[str, Amount]:
    """Every rank sends two messages in each ring."""
    messages = 2.0 * ranks * rings
    return {"bandwidth": Amount(messages * size, "B"), "message_rate": Amount(messages, "message")}


def prepare(case: Case, context: Context) -> Trial:
    """A step goes once through all rings."""
    transport, device = context.transport, context.device
    size, rings = int(case.params["bytes"]), int(case.params["rings"])
    exchanges, received, expected = list[Exchange](), list[Any](), []
    for ring in range(rings):
        before, after = neighbours(transport.rank, transport.size, case.seed, ring, bool(case.params["random"]))
        number = 2 * ring
        up, down = (device.from_host(moved_payload(size, 3 * transport.rank + number + way)) for way in range(2))
        from_before, from_after = scribbled(size, context), scribbled(size, context)
        # With two ranks both neighbours are one: the order in which it sends pairs the messages.
        sends, receives = [(up, after), (down, before)], [(from_before, before), (from_after, after)]
        if case.params["calls"] == EXCHANGE:
            exchanges.append(Exchange(sends, receives))
        else:
            exchanges += [
                Exchange([send], [receive], blocking=True) for send, receive in zip(sends, receives, strict=True)
            ]
        received += [from_before, from_after]
        expected += [moved_payload(size, 3 * before + number), moved_payload(size, 3 * after + number + 1)]

    steps = steps_of(case, context, exchanges)
    return trial_of(steps, context, received, expected, work(size, case.ranks, rings))


def refuse(case: Case) -> str:
    """One rank, sizes that MPI cannot count, callers that there are not."""
    return refuse_moved(case) or refuse_caller(case) or ("one rank has nobody to send to" if case.ranks == 1 else "")


RANDOM_RING = Workload(
    name="random_ring",
    version=2,
    summary="both neighbours of randomly ordered rings at once: bandwidth under contention, every element checked",
    source="Rabenseifner, Koniges: Effective Communication and File-I/O Bandwidth Benchmarks (b_eff), 2001",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(
        Param("bytes", 1 << 20, "message size", "B", any_size),
        Param("rings", 1, "rings that a step goes through", check=whole_between(1, 100)),
        Param("random", True, "ranks in random order (drawn from the seed), else in their own"),
        Param(
            "calls",
            EXCHANGE,
            "of a ring: all four messages under way at once, or MPI_Sendrecv up, then down",
            "",
            one_of((EXCHANGE, SENDRECV)),
        ),
        CALLER,
    ),
    refuse=refuse,
    memory=lambda case: held(case, 6 * int(case.params["rings"])),
)
