"""A kernel made ready to run, as data: what the linker makes and the machine runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ptx.formats import Format
from ptx.linkage import Layout, Reader
from ptx.registers import Lanes
from ptx.syntax import Function, Instruction, Variable
from ptx.wave import Wave

Run = Callable[[Wave, Lanes], None]
# What a step does to the flow of control.
PLAIN, BRANCH, RETURN, EXIT, BARRIER, COLLECTIVE, CALL = range(7)


@dataclass
class Step:
    """One decoded instruction.

    Attributes
    ----------
    function : name of the function it stands in
    run : what it does to registers and memory, None for one of pure control
    flow : PLAIN, BRANCH, RETURN, EXIT, BARRIER, COLLECTIVE or CALL
    guard, when : key of the predicate, and its value that lets it run
    target : step that a branch or call goes to
    members : mask of the lanes of a collective
    count : threads that a barrier waits for, None for all
    leader : whether a jump may end here
    """

    instruction: Instruction
    function: str
    run: Run | None = None
    flow: int = PLAIN
    guard: str = ""
    when: bool = True
    target: int = -1
    members: Reader | None = None
    count: Reader | None = None
    leader: bool = False


@dataclass
class Program:
    """A kernel and all that it calls, linked.

    Attributes
    ----------
    kernel : the entry
    steps : of the functions that are called, then of the kernel, which begins at `entry`
    formats : type of every register
    call_blocks : parameter blocks that every thread has one of: key → bytes
    variables : module variables in global memory
    smallest_access : bytes; the size of a cell for the check of races
    reads_only : whether it uses the read-only cache
    """

    kernel: Function
    layout: Layout
    steps: list[Step] = field(default_factory=list)
    entry: int = 0
    formats: dict[str, Format] = field(default_factory=dict)
    call_blocks: dict[str, int] = field(default_factory=dict)
    variables: list[Variable] = field(default_factory=list)
    smallest_access: int = 8
    reads_only: bool = False
