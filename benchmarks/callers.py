"""Who calls MPI inside a window: compiled code, as in a C program, or Python; declared, recorded, never swapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clustermark.core.context import Collective, Exchange
from clustermark.core.errors import DeviceError
from clustermark.core.workload import Param, Trial, one_of

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

    from clustermark.benchmarks.elements import Array
    from clustermark.core.case import Case
    from clustermark.core.context import Context, Copy, StepPart, Transport
    from clustermark.core.workload import Amount, Check

    Step = Callable[[], object]

COMPILED, PYTHON, AUTO = "compiled", "python", "auto"
CALLER = Param(
    "caller",
    AUTO,
    "who calls MPI inside a window: compiled code as in a C program, python, or auto (compiled where that can be had)",
    "",
    one_of((AUTO, COMPILED, PYTHON)),
)
# Counts of one message, as an MPI int holds them.
MOST_ELEMENTS = 2**31 - 1
FROM_COMPILED = "calls from compiled code"
FROM_PYTHON = "calls from Python"


@dataclass(frozen=True)
class Steps:
    """A step made ready.

    Attributes
    ----------
    once : one step
    many, windows, windows_at : as in `Trial`, by compiled code; None where Python calls
    caller : who calls, for people, and why it is Python
    """

    once: Step
    many: Callable[[int], object] | None
    windows: Callable[[int, int], array[float]] | None
    windows_at: Callable[[int, int, float, float], tuple[array[float], int]] | None
    caller: str

    def trial(
        self,
        check: Callable[[], Check],
        work: dict[str, Amount],
        reset: Step | None = None,
        counters: dict[str, float] | None = None,
    ) -> Trial:
        """A trial of these steps."""
        return Trial(
            self.once,
            check,
            work,
            reset,
            counters or {},
            many=self.many,
            windows=self.windows,
            windows_at=self.windows_at,
            caller=self.caller,
        )


def steps_of(case: Case, context: Context, parts: Sequence[StepPart], reset: Sequence[StepPart] = ()) -> Steps:
    """The parts of this rank's step, in order, by the caller that the case asks for; collective.

    `reset` is what `Trial.reset` does, where there is one.

    Raises
    ------
    DeviceError : "compiled" was asked for and some rank cannot; it says why
    """
    asked = str(case.params[CALLER.name])
    transport = context.transport
    further = _counted_further(case, transport, parts)
    if asked == PYTHON:
        return Steps(_from_python(transport, parts), None, None, None, f"{FROM_PYTHON}, as asked")
    why_not = further or _of_any_rank(transport, transport.why_not_compiled())
    if why_not and asked == COMPILED:
        raise DeviceError(
            f"{case.label}: has no calls from compiled code, {why_not}; use caller '{AUTO}' or '{PYTHON}'"
        )
    if why_not:
        return Steps(_from_python(transport, parts), None, None, None, f"{FROM_PYTHON}: {why_not}")
    many = transport.compile_step(parts, reset)
    return Steps(lambda: many(1), many, many.windows, many.windows_at, FROM_COMPILED)


def trial_of(
    steps: Steps,
    context: Context,
    received: Sequence[Array],
    expected: Sequence[Array],
    work: dict[str, Amount],
    place: Step | None = None,
) -> Trial:
    """A trial of steps that move bytes; every element of what they left in `received` is checked.

    `place` restores what is this rank's own in there.
    """
    from clustermark.benchmarks.elements import check_moved

    def check() -> Check:
        return check_moved(context, steps.once, received, expected, place)

    return steps.trial(check, work)


def refuse_caller(case: Case) -> str:
    """ "" or the end of a sentence: compiled code calls MPI on memory of the host and nothing else."""
    if case.params[CALLER.name] != COMPILED or (case.transport == "mpi" and case.device == "cpu"):
        return ""
    return (
        f"has no calls from compiled code over transport '{case.transport}' on device '{case.device}'; "
        f"use caller '{AUTO}' or '{PYTHON}'"
    )


def _counted_further(case: Case, transport: Transport, parts: Sequence[StepPart]) -> str:
    """Why compiled code cannot make these calls where some rank counts more elements than an int holds, else "".

    Raises DeviceError where no caller can.
    """
    most = int(transport.maximum(float(max(map(_elements, parts), default=0))))
    if most <= MOST_ELEMENTS:
        return ""
    why_not = _of_any_rank(transport, transport.why_no_large_counts())
    if why_not:
        raise DeviceError(
            f"{case.label}: counts {most} elements, over the 2^31 of an MPI int, and {why_not}; use a smaller size"
        )
    return f"{most} elements are more than the int holds that it hands MPI"


def _elements(part: StepPart) -> int:
    """Of the largest buffer that MPI is handed."""
    if isinstance(part, Exchange):
        return max((buffer.size for buffer, _ in (*part.sends, *part.receives)), default=0)
    if isinstance(part, Collective):
        return max(part.receive.size, 0 if part.send is None else part.send.size)
    return 0


def _of_any_rank(transport: Transport, why_not: str) -> str:
    """Why not, of the first rank that cannot: ranks of one case call alike."""
    found = transport.gather(why_not)
    return str(transport.broadcast(None if found is None else next(filter(None, found), "")))


def _from_python(transport: Transport, parts: Sequence[StepPart]) -> Step:
    """One call for all that the transport prepared."""
    calls = [call for part in parts for call in _prepared(transport, part)]
    if len(calls) == 1:
        return calls[0]
    if len(calls) == 2:
        one, other = calls

        def both() -> None:
            one()
            other()

        return both

    def step() -> None:
        for call in calls:
            call()

    return step


def _prepared(transport: Transport, part: StepPart) -> list[Step]:
    if isinstance(part, Collective):
        return [_collective(transport, part)]
    if not isinstance(part, Exchange):
        return [_assignment(part)]
    if part.blocking and part.sends and part.receives:
        return [transport.prepare_sendrecv(*part.sends[0], *part.receives[0])]
    if part.blocking:
        sends = [transport.prepare_send(buffer, peer) for buffer, peer in part.sends]
        return sends + [transport.prepare_receive(buffer, peer) for buffer, peer in part.receives]
    return [transport.prepare_exchange(part.sends, part.receives)]


def _collective(transport: Transport, part: Collective) -> Step:
    if part.kind == "broadcast":
        return transport.prepare_broadcast(part.receive, part.root)
    if part.kind == "alltoall":
        assert part.send is not None, "an all-to-all in place is not among the transports' calls"
        return transport.prepare_alltoall(part.send, part.receive)
    prepare = {
        "allreduce": transport.prepare_allreduce,
        "reduce_scatter": transport.prepare_reduce_scatter,
        "allgather": transport.prepare_allgather,
    }[part.kind]
    return prepare(part.send, part.receive)


def _assignment(part: Copy) -> Step:
    source, target = part.source, part.target

    def copy() -> None:
        target[...] = source

    return copy
