"""What the place of a launch offers, and why it cannot run a case."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clustermark.core.case import Case
from clustermark.core.memory import refuse_memory
from clustermark.core.suite import Sampling
from clustermark.core.workload import Workload

SELF = "self"
# What a suite writes for every fabric of the machine.
EVERY = "all"


@dataclass(frozen=True)
class Machine:
    """What the place of the launch offers; every reason is "" for usable or the end of a sentence.

    Attributes
    ----------
    devices : device name → reason
    fabrics : fabric name → reason
    fabric_aliases : what suites write ("tcp") → the row of the MPI at hand ("ompi-tcp")
    transports : transport name → refuse(ranks, precision, device) -> reason
    precisions : device name → refuse(precision) -> reason; a device that is not named has them all
    every_fabric : fabrics that "all" in a suite stands for
    memory : [B] available on the node that cases will run on; infinite where that is not known
    """

    devices: Mapping[str, str]
    fabrics: Mapping[str, str]
    fabric_aliases: Mapping[str, str]
    transports: Mapping[str, Any]
    precisions: Mapping[str, Any] = field(default_factory=dict)
    memory: float = math.inf
    every_fabric: tuple[str, ...] = ()


def refusal(case: Case, workload: Workload, machine: Machine, sampling: Sampling) -> str:
    """Why a case cannot run, as a sentence about the first obstacle; "" if it can."""
    reason = machine.devices[case.device]
    if reason:
        return f"device '{case.device}' {reason}"
    if case.device not in workload.devices:
        why = workload.instead.get(case.device) or f"it runs on {_listed(workload.devices)}"
        return f"workload '{case.workload}' has no {case.device} version; {why}"
    if case.precision not in workload.precisions:
        return (
            f"workload '{case.workload}' has no {case.precision} on {case.device}; "
            f"it knows {_listed(workload.precisions)}"
        )
    if case.transport not in workload.transports:
        return f"workload '{case.workload}' has no {case.transport} version; it knows {_listed(workload.transports)}"
    reason = machine.precisions[case.device](case.precision) if case.device in machine.precisions else ""
    if reason:
        return f"device '{case.device}' {reason}"
    reason = machine.transports[case.transport](case.ranks, case.precision, case.device)
    if reason:
        return f"transport '{case.transport}' {reason}"
    if case.fabric == SELF and case.ranks > 1:
        return f"fabric '{SELF}' is for one rank; name the wire that {case.ranks} ranks are to use"
    if case.fabric != SELF and machine.fabrics[case.fabric]:
        return f"fabric '{case.fabric}' {machine.fabrics[case.fabric]}"
    if sampling.cold and case.device == "cpu":
        return "device 'cpu' has no flush of its caches, which the suite's sampling.cold asks for; leave cold out"
    if sampling.synchronisation == "window" and case.device != "cpu":
        return f"device '{case.device}' is lined up by barriers only; leave sampling.synchronisation = 'window' out"
    return workload.refuse(case) or refuse_memory(workload.memory(case) * case.ranks_per_node, machine.memory)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
