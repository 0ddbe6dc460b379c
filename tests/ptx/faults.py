"""What may be wrong with a kernel, as exceptions that name kernel, block, thread and line."""

from __future__ import annotations

from dataclasses import dataclass


class PtxError(Exception):
    """Anything that this package finds wrong; the text is one sentence."""


class UnreadablePtxError(PtxError):
    """The text is not PTX as this package reads it."""


class UnsupportedInstructionError(PtxError):
    """PTX that the interpreter does not know: refused before anything runs; a foreign function, when it is called."""


class LaunchError(PtxError):
    """Arguments, grid or block do not fit the kernel."""


@dataclass(frozen=True)
class Place:
    """Where something went wrong.

    Attributes
    ----------
    kernel : name of the entry
    block, thread : indices (x, y, z)
    line : of the PTX text, from 1
    text : that line
    """

    kernel: str
    block: tuple[int, int, int]
    thread: tuple[int, int, int]
    line: int
    text: str


class FaultError(PtxError):
    """A kernel did what it must not. `place` is filled in by the machine, which knows where it is.

    Parameters
    ----------
    what : what happened, without the place
    thread : number of the thread in the wave that runs
    """

    def __init__(self, what: str, thread: int = 0) -> None:
        super().__init__(what)
        self.what = what
        self.thread = thread
        self.place: Place | None = None

    def __str__(self) -> str:
        if self.place is None:
            return self.what
        p = self.place
        return f"{p.kernel}: block {p.block}, thread {p.thread}, PTX line {p.line}: {self.what}: {p.text}"


class OutOfBoundsError(FaultError):
    """An access outside every array, shared block or stack frame."""


class MisalignedError(FaultError):
    """An access at an address that is no multiple of its size."""


class UninitialisedMemoryError(FaultError):
    """A read of memory that nothing has written."""


class UninitialisedRegisterError(FaultError):
    """A use of a register that nothing has written."""


class RaceError(FaultError):
    """Two threads touch one place without a barrier between them, one of them writes, and not both are atomic."""


class SharedRaceError(RaceError):
    """A race in shared memory."""


class GlobalRaceError(RaceError):
    """A race in global memory."""


class ReadOnlyError(FaultError):
    """A place that is read through the read-only cache is written by the same launch."""


class DivergentBarrierError(FaultError):
    """Not all threads of a block come to the same barrier."""


class DivergentWarpError(FaultError):
    """A lane that an instruction of the warp names is not there, or waits elsewhere."""


class DivisionByZeroError(FaultError):
    """An integer division by zero, whose result PTX leaves open."""


class EndlessLoopError(FaultError):
    """The budget of steps is spent."""


class TrapError(FaultError):
    """The kernel itself says that something is wrong: trap, brkpt, a failed assertion."""
