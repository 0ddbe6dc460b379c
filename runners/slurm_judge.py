"""A point passes only if its result, its world size, its node count and the scheduler's state agree; pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clustermark.core.case import Case
from clustermark.core.journal import Event
from clustermark.core.result import Result
from clustermark.runners.slurm_states import COMPLETED, CUT_SHORT, State


@dataclass(frozen=True)
class Witness:
    """What rank 0 of the launch that gave a result had counted: ranks and distinct nodes of its world."""

    ranks: int
    nodes: int


def witnesses(events: Iterable[Event]) -> dict[tuple[int, int], Witness]:
    """(case number, launch) → the world it was measured in, from one journal: a launch tells of its world first."""
    found: dict[tuple[int, int], Witness] = {}
    world: Witness | None = None
    for event in events:
        if event["event"] == "environment":
            rows = event.get("environment", {}).get("ranks", [])
            world = Witness(len(rows), len({row.get("node") for row in rows}))
        elif event["event"] == "done" and world is not None:
            found[int(event["case"]), int(event["launch"])] = world
    return found


@dataclass(frozen=True)
class Point:
    """One launch of one case as all sides tell it.

    Attributes
    ----------
    case : what was planned
    result : None if there is none
    witness : None if no world was told
    state : of the array task that was to run it
    record : what that task says of itself, {} for nothing
    place : "Slurm job 12_3", for the sentence
    log : its output, relative to the run
    has_log : that file is there
    explained : some case of the task is recorded as failed
    """

    case: Case
    result: Result | None
    witness: Witness | None
    state: State
    record: Mapping[str, Any]
    place: str
    log: str
    has_log: bool
    explained: bool = False


def judge(point: Point) -> str:
    """Why a point does not pass, as a whole sentence; "" if it passes, failed by itself, or its task goes on."""
    if point.result is None:
        return "" if not _over(point) else f"no result: {_end(point)}"
    if point.result.status != "ok":
        return ""
    reason = _wrong_world(point) or _wrong_state(point)
    return f"not believed: {reason}" if reason else ""


def _over(point: Point) -> bool:
    """Nothing more will come: the task has ended, or nobody knows."""
    return point.state.ended or point.state.state == "UNKNOWN"


def _wrong_world(point: Point) -> str:
    case, witness = point.case, point.witness
    if witness is None:
        return "no launch tells of the world it was measured in"
    if witness.ranks != case.ranks:
        return f"{witness.ranks} rank(s) measured it where {case.ranks} were planned"
    if witness.nodes != case.nodes:
        return f"it was measured on {witness.nodes} node(s) where {case.nodes} were planned"
    measured = point.result.measurement.seconds.shape[1] if point.result and point.result.measurement else 0
    if measured != case.ranks:
        return f"its samples are of {measured} rank(s) where {case.ranks} were planned"
    return ""


def _wrong_state(point: Point) -> str:
    """Whether the scheduler and the task tell the same story.

    A job that was cut short keeps what it had finished, each a checked and sealed result of all its ranks; a job that
    contradicts its own record is not believed at all.
    """
    state, complete = point.state.state, point.record.get("status") == "complete"
    if state == COMPLETED:
        return "" if complete else f"{point.place} is COMPLETED for Slurm, but its task left no record of its end"
    if state in CUT_SHORT:
        explained = state == "OUT_OF_MEMORY" and point.explained
        return (
            f"{point.place} is {state} for Slurm, but its task says it completed" if complete and not explained else ""
        )
    if state == "LOST":
        return f"the end of {point.place} is unknown ({point.state.reason})"
    if state in ("UNKNOWN", "ABSENT"):
        return f"the state of {point.place} is unknown ({point.state.reason or 'Slurm does not know it'})"
    return ""  # it goes on


def _end(point: Point) -> str:
    state = point.state
    reason = f" ({state.reason})" if state.reason and state.reason not in ("NonZeroExitCode", state.state) else ""
    said = str(point.record.get("reason", ""))
    own = f", its task says: {said}" if said else ""
    log = f"see {point.log}" if point.has_log else f"it left no output: was {point.log} writable on its nodes?"
    return (
        f"{point.place} ended {state.state}{reason}{own}; {log}; run it again with `clustermark submit --retry-failed`"
    )
