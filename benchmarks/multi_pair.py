"""Windows of messages between pairs of ranks, one way or both: bandwidth and message rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.benchmarks.callers import CALLER, refuse_caller, steps_of, trial_of
from clustermark.benchmarks.elements import any_size, held, moved_payload, refuse_moved, scribbled
from clustermark.core.context import Exchange
from clustermark.core.workload import Amount, Param, Trial, Workload, whole_between

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

MOST_BYTES_UNDER_WAY = 2**32


def pairs_of(asked: int, ranks: int) -> int:
    """Pairs that exchange: those asked for, or all."""
    return asked or max(1, ranks // 2)


def partner_of(rank: int, ranks: int, pairs: int) -> int | None:
    """Rank k of the lower half and rank k of the upper half are a pair; None for ranks that wait."""
    half = ranks // 2
    if rank < min(pairs, half):
        return rank + half
    return rank - half if half <= rank < half + pairs and half else (0 if ranks == 1 else None)


def work(size: int, pairs: int, window: int, bidirectional: bool) -> dict[str, Amount]:
    """All messages of all pairs count once."""
    messages = pairs * window * (2 if bidirectional else 1)
    return {"bandwidth": Amount(float(messages * size), "B"), "message_rate": Amount(float(messages), "message")}


def prepare(case: Case, context: Context) -> Trial:
    """Each message has its own buffer. One way, a window ends with four bytes back; both ways it needs none."""
    transport, device = context.transport, context.device
    size, window = int(case.params["bytes"]), int(case.params["window"])
    pairs = pairs_of(int(case.params["pairs"]), transport.size)
    both = bool(case.params["bidirectional"])
    rank = transport.rank
    partner = partner_of(rank, transport.size, pairs)
    amounts = work(size, pairs, window, both)
    if partner is None:
        return trial_of(steps_of(case, context, []), context, [], [], amounts)
    sending, receiving = both or rank <= partner, both or rank >= partner
    out = [device.from_host(moved_payload(size, rank + number)) for number in range(window if sending else 0)]
    into = [scribbled(size, context) for _ in range(window if receiving else 0)]
    exchanges = [Exchange([(each, partner) for each in out], [(each, partner) for each in into])]
    if not both and rank != partner:
        word = [(scribbled(4, context), partner)]
        end = Exchange(receives=word, blocking=True) if sending else Exchange(sends=word, blocking=True)
        exchanges.append(end)
    expected = [moved_payload(size, partner + number) for number in range(len(into))]
    return trial_of(steps_of(case, context, exchanges), context, into, expected, amounts)


def refuse(case: Case) -> str:
    """One rank, more pairs than ranks allow, windows of more memory than a rank should take."""
    if case.ranks == 1:
        return "one rank has nobody to send to"
    pairs, size = int(case.params["pairs"]), int(case.params["bytes"])
    if pairs > case.ranks // 2:
        return f"asks for {pairs} pairs of {case.ranks} ranks; use {case.ranks // 2} or fewer"
    if size * int(case.params["window"]) > MOST_BYTES_UNDER_WAY:
        return f"has {case.params['window']} messages of {size} bytes under way, over 4 GiB; use a smaller window"
    return refuse_moved(case) or refuse_caller(case)


MULTI_PAIR = Workload(
    name="multi_pair",
    version=2,
    summary="windows of messages between pairs of ranks: uni- or bidirectional bandwidth, every element checked",
    source="OSU micro-benchmarks osu_bw, osu_bibw, osu_mbw_mr (protocol)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(
        Param("bytes", 1 << 20, "message size", "B", any_size),
        Param("window", 8, "messages under way at once, each way", check=whole_between(1, 1024)),
        Param("bidirectional", False, "both ranks of a pair send"),
        Param(
            "pairs",
            0,
            "pairs of ranks, the first of each in the lower half of the ranks; 0 for all",
            "",
            whole_between(0, 2**20),
        ),
        CALLER,
    ),
    refuse=refuse,
    memory=lambda case: held(case, 3 * int(case.params["window"])),
)
