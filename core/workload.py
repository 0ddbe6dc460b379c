"""What a workload declares: parameters, work and check; the harness knows the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from array import array

    from clustermark.core.case import Case
    from clustermark.core.context import Context

ParamValue = int | float | str | bool


def _never(case: Case) -> str:
    return ""


def _little(case: Case) -> float:
    return 0.0


@dataclass(frozen=True)
class Param:
    """One parameter of a workload; its type is that of `default`.

    Attributes
    ----------
    name, default, help : as the command line and the docs show them
    unit : "B" marks a message size (suites may write "64KiB"; charts use it as their axis); "" for none
    check : returns "" or what is wrong with a value, as the end of a sentence ("must be at least 1")
    expand : (value, ranks) -> the values that it stands for in a suite ("all" for every pair of ranks)
    """

    name: str
    default: ParamValue
    help: str
    unit: str = ""
    check: Callable[[ParamValue], str] = field(default=lambda value: "")
    expand: Callable[[ParamValue, int], tuple[ParamValue, ...]] = field(default=lambda value, ranks: (value,))


def whole_between(least: int, most: int) -> Callable[[ParamValue], str]:
    """Check of a parameter that is a whole number, both ends allowed."""

    def check(value: ParamValue) -> str:
        return "" if isinstance(value, int) and least <= value <= most else f"expected {least} to {most}"

    return check


def one_of(names: Collection[str], or_empty: bool = False) -> Callable[[ParamValue], str]:
    """Check of a parameter that is one of some names; or nothing, where that chooses."""

    def check(value: ParamValue) -> str:
        return "" if value in names or (or_empty and value == "") else f"expected one of {', '.join(names)}"

    return check


@dataclass(frozen=True)
class Amount:
    """Work done by the whole job in one step; a metric is an amount divided by the time of a step.

    `unit` is the unit of the amount ("flop", "B"); the metric's is `rate` where given ("SYPD"), else `unit` + "/s".
    """

    value: float
    unit: str
    rate: str = ""


@dataclass(frozen=True)
class Check:
    """Proof of a trial's answer.

    Attributes
    ----------
    name : what was compared with what
    error, bound : largest error found and the largest allowed, same unit
    passed : error ≤ bound, and nothing else was wrong
    detail : one line for people: is / should be, or where the first wrong element stands
    """

    name: str
    error: float
    bound: float
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Trial:
    """A case made ready: everything is allocated, only `step` is timed.

    Attributes
    ----------
    step : one unit of work, without arguments; collective if the workload communicates
    check : collective; called once after the last sample, on the state that the timed steps left
    work : metric name → amount per step, the first is the headline; none, beside `arithmetic`: no speed
    reset : called outside the timed window before each sample, where a step spoils its own input
    counters : further numbers for people ({"matrix bytes": 8388608}), stored and not judged; `core.counters` has the
        names that reports read, and `check` may still add to them
    arithmetic : what numbers go through, for people ("bf16 × bf16, sums fp32, result fp32; emulated"); "" for none
    cold : the device's last cache is flushed before each sample, and a sample is one step
    many : `step` so many times in one call, where a call from Python would take as long as the step; None elsewhere
    windows : (steps, count) → [s] of so many windows of that many steps, `reset` and a barrier before each, by compiled
        code that reads the clock beside the first and the last call; None elsewhere
    windows_at : (steps, count, first, distance) → the same for windows begun at `first` + k `distance` [s] of the
        monotonic clock, not behind a barrier, and how many of them this rank began late; None elsewhere
    caller : who calls inside a step, for people ("calls from compiled code"); "" where there is one way only
    """

    step: Callable[[], object]
    check: Callable[[], Check]
    work: dict[str, Amount]
    reset: Callable[[], object] | None = None
    counters: dict[str, float] = field(default_factory=dict)
    arithmetic: str = ""
    cold: bool = False
    many: Callable[[int], object] | None = None
    caller: str = ""
    windows: Callable[[int, int], array[float]] | None = None
    windows_at: Callable[[int, int, float, float], tuple[array[float], int]] | None = None


def refuse_pair(case: Case, precisions: Mapping[str, tuple[str, ...]]) -> str:
    """ "" or the end of a sentence where a workload has no such precision on the device of a case.

    Parameters
    ----------
    precisions : device → what the workload has there
    """
    known = precisions.get(case.device, ())
    return "" if case.precision in known else f"has no {case.precision} on {case.device}; use {', '.join(known)}"


def all_precisions(precisions: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What a workload has on any device, each once, in order."""
    return tuple(dict.fromkeys(name for names in precisions.values() for name in names))


@dataclass(frozen=True)
class Workload:
    """The declaration of a workload.

    Attributes
    ----------
    name, version : a new version makes results incomparable with those of the old one
    summary : one line
    source : the paper, code or rule it follows
    devices, precisions, transports : names from the tables that it can run on
    prepare : (case, context) -> Trial; imports its driver inside, so that declaring costs nothing
    params : the parameters
    refuse : returns "" or why this case is impossible, as the end of a sentence; asked before any launch
    memory : [B] that each rank of a case that is not refused allocates at least; 0 where that is little
    ceiling : "workload.metric" that bounds the headline metric of this one, for "% of measured peak"
    ceiling_devices : where it does; every device where none is named
    instead : device → why this workload is nothing for it, and what to run there
    """

    name: str
    version: int
    summary: str
    source: str
    devices: tuple[str, ...]
    precisions: tuple[str, ...]
    transports: tuple[str, ...]
    prepare: Callable[[Case, Context], Trial]
    params: tuple[Param, ...] = ()
    refuse: Callable[[Case], str] = _never
    memory: Callable[[Case], float] = _little
    ceiling: str = ""
    ceiling_devices: tuple[str, ...] = ()
    instead: Mapping[str, str] = field(default_factory=dict)

    def ceiling_on(self, device: str) -> str:
        """What bounds the headline metric on a device; "" for nothing that is measured."""
        return self.ceiling if not self.ceiling_devices or device in self.ceiling_devices else ""

    def param(self, name: str) -> Param | None:
        """The parameter of that name, or None."""
        return next((param for param in self.params if param.name == name), None)
