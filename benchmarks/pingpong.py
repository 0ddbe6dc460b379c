"""Ping-pong: S bytes from the first rank to the last and as many back, one message at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clustermark.benchmarks.elements import any_size, check_moved, moved_payload, refuse_moved, scribbled
from clustermark.core.workload import Amount, Param, Trial, Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from clustermark.core.case import Case
    from clustermark.core.context import Context, Transport

    Step = Callable[[], object]


def work(size: int) -> dict[str, Amount]:
    """A step is a round trip: two messages. The latency of one is 1 ÷ message_rate."""
    return {"bandwidth": Amount(2.0 * size, "B"), "message_rate": Amount(2.0, "message")}


def prepare(case: Case, context: Context) -> Trial:
    """Blocking sends and receives; ranks between the first and the last wait."""
    transport, device = context.transport, context.device
    size, last = int(case.params["bytes"]), transport.size - 1
    mine, receive = device.from_host(moved_payload(size, transport.rank)), scribbled(size, context)
    step = round_trip(transport, mine, receive, 0, last)
    taking_part = transport.rank in (0, last)
    received = [receive] if taking_part else []
    expected = [moved_payload(size, last - transport.rank)] if taking_part else []
    return Trial(step, lambda: check_moved(context, step, received, expected), work(size))


def round_trip(transport: Transport, mine: Any, receive: Any, first: int, second: int) -> Step:
    """A call that sends from the first rank to the second and back; other ranks do nothing, one alone copies."""
    if first == second:
        return transport.prepare_sendrecv(mine, first, receive, second)
    if transport.rank not in (first, second):
        return _wait
    peer = first + second - transport.rank
    send = transport.prepare_send(mine, peer)
    take = transport.prepare_receive(receive, peer)
    one, other = (send, take) if transport.rank == first else (take, send)

    def step() -> None:
        one()
        other()

    return step


def _wait() -> None:
    pass


PINGPONG = Workload(
    name="pingpong",
    version=1,
    summary="S bytes there and back between the first and the last rank: latency, every element checked",
    source="OSU micro-benchmarks osu_latency (protocol)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(Param("bytes", 8, "message size", "B", any_size),),
    refuse=lambda case: refuse_moved(case) or ("one rank has nobody to send to" if case.ranks == 1 else ""),
)
