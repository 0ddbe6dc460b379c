"""Ping-pong: S bytes from the first rank to the last and as many back, one message at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clustermark.benchmarks.callers import CALLER, refuse_caller, steps_of, trial_of
from clustermark.benchmarks.elements import any_size, held, moved_payload, refuse_moved, scribbled
from clustermark.core.context import Exchange
from clustermark.core.workload import Amount, Param, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context


def work(size: int) -> dict[str, Amount]:
    """A step is a round trip: two messages. The latency of one is 1 ÷ message_rate."""
    return {"bandwidth": Amount(2.0 * size, "B"), "message_rate": Amount(2.0, "message")}


def prepare(case: Case, context: Context) -> Trial:
    """Blocking sends and receives; ranks between the first and the last wait."""
    return trial_between(case, context, 0, context.transport.size - 1)


def trial_between(case: Case, context: Context, first: int, second: int) -> Trial:
    """A trial of round trips between two ranks; the others wait."""
    size, rank = int(case.params["bytes"]), context.transport.rank
    mine, receive = context.device.from_host(moved_payload(size, rank)), scribbled(size, context)
    taking_part = rank in (first, second)
    received = [receive] if taking_part else []
    expected = [moved_payload(size, first + second - rank)] if taking_part else []
    steps = steps_of(case, context, round_trip(rank, mine, receive, first, second))
    return trial_of(steps, context, received, expected, work(size))


def round_trip(rank: int, mine: Any, receive: Any, first: int, second: int) -> list[Exchange]:
    """From the first rank to the second and back; other ranks do nothing, one alone copies."""
    if first == second:
        return [Exchange([(mine, first)], [(receive, second)])]
    if rank not in (first, second):
        return []
    peer = first + second - rank
    send, take = Exchange(sends=[(mine, peer)], blocking=True), Exchange(receives=[(receive, peer)], blocking=True)
    return [send, take] if rank == first else [take, send]


def refuse(case: Case) -> str:
    """One rank, sizes that MPI cannot count, callers that there are not."""
    return refuse_moved(case) or refuse_caller(case) or ("one rank has nobody to send to" if case.ranks == 1 else "")


PINGPONG = Workload(
    name="pingpong",
    version=2,
    summary="S bytes there and back between the first and the last rank: latency, every element checked",
    source="OSU micro-benchmarks osu_latency (protocol)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(Param("bytes", 8, "message size", "B", any_size), CALLER),
    refuse=refuse,
    memory=lambda case: held(case, 3),
)
