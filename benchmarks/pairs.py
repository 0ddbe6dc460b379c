"""One pair of ranks: ping-pong between two of many while all others wait, so that slow links and places show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clustermark.benchmarks.callers import CALLER, refuse_caller
from clustermark.benchmarks.elements import any_size, held, refuse_moved
from clustermark.benchmarks.pingpong import trial_between
from clustermark.core.workload import Param, ParamValue, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

ALL = "all"
# More ranks have more pairs than a run should have cases.
MOST_RANKS = 256
_PAIR = re.compile(r"(\d{1,9})-(\d{1,9})")


def ranks_of(pair: str) -> tuple[int, int]:
    """``"0-3"`` → (0, 3)."""
    first, _, second = pair.partition("-")
    return int(first), int(second)


def every_pair(value: ParamValue, ranks: int) -> tuple[ParamValue, ...]:
    """What a suite's value stands for: "all" is every pair of the ranks."""
    if value != ALL or not 2 <= ranks <= MOST_RANKS:
        return (value,)
    return tuple(f"{first}-{second}" for first in range(ranks) for second in range(first + 1, ranks))


def prepare(case: Case, context: Context) -> Trial:
    """Blocking sends and receives between the two; between the first and the last rank where no pair is named."""
    pair = str(case.params["pair"])
    return trial_between(case, context, *((0, context.transport.size - 1) if pair == ALL else ranks_of(pair)))


def _pair(value: ParamValue) -> str:
    match = _PAIR.fullmatch(value) if isinstance(value, str) else None
    good = value == ALL or (match is not None and int(match[1]) < int(match[2]))
    return "" if good else f"expected '{ALL}' or two ranks such as '0-3', the smaller first"


def refuse(case: Case) -> str:
    """One rank, and ranks that the launch has not."""
    if case.ranks == 1:
        return "one rank has nobody to send to"
    pair = str(case.params["pair"])
    if pair == ALL:
        return f"has every pair of {case.ranks} ranks, over the {MOST_RANKS} that one run may have; name pairs ('0-3')"
    if ranks_of(pair)[1] >= case.ranks:
        return f"sends between ranks {pair.replace('-', ' and ')} of {case.ranks}; ranks count from 0"
    return refuse_moved(case) or refuse_caller(case)


PAIRS = Workload(
    name="pairs",
    version=2,
    summary="ping-pong between two of many ranks, for every pair: slow links and places, every element checked",
    source="OSU micro-benchmarks osu_latency (protocol), pair by pair",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(
        Param("bytes", 8, "message size", "B", any_size),
        Param("pair", ALL, "the two ranks ('0-3'), or 'all' for a case of every pair", "", _pair, every_pair),
        CALLER,
    ),
    refuse=refuse,
    memory=lambda case: held(case, 3),
)
