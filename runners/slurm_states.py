"""Slurm's answers as data: job states, reasons, accounting; pure parsers of what its commands print."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Job states of squeue(1) and sacct(1), Slurm 22.05 to 25.05.
ALIVE = frozenset(
    (
        "PENDING",
        "RUNNING",
        "CONFIGURING",
        "COMPLETING",
        "REQUEUED",
        "REQUEUE_FED",
        "REQUEUE_HOLD",
        "RESIZING",
        "RESV_DEL_HOLD",
        "SIGNALING",
        "SPECIAL_EXIT",
        "STAGE_OUT",
        "STOPPED",
        "SUSPENDED",
        "POWER_UP_NODE",
        "EXPEDITING",
        "UPDATE_DB",
    )
)
CUT_SHORT = frozenset(
    (
        "BOOT_FAIL",
        "CANCELLED",
        "DEADLINE",
        "FAILED",
        "LAUNCH_FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "RECONFIG_FAIL",
        "REVOKED",
        "TIMEOUT",
    )
)
COMPLETED = "COMPLETED"
ENDED = CUT_SHORT | {COMPLETED}
# Not states of Slurm: it does not know the job any more; it could not be asked; it was never submitted.
ABSENT, UNKNOWN, LOST = "ABSENT", "UNKNOWN", "LOST"

# Reasons for which a pending job waits until a person acts.
DOOMED = frozenset(
    (
        "AccountNotAllowed",
        "AssociationJobLimit",
        "BadConstraints",
        "DependencyNeverSatisfied",
        "InvalidAccount",
        "InvalidQOS",
        "JobHeldAdmin",
        "JobHeldUser",
        "NodeDown",
        "PartitionConfig",
        "PartitionDown",
        "PartitionInactive",
        "PartitionNodeLimit",
        "PartitionTimeLimit",
        "QOSNotAllowed",
        "QOSTimeLimit",
        "ReqNodeNotAvail",
        "ReservationDeleted",
        "launch_failed_requeued_held",
        "user_env_retrieval_failed_requeued_held",
        "job_requeued_in_held_state",
    )
)
_RANGES = re.compile(r"([0-9]+)_\[([^\]%]*)(?:%[0-9]+)?\]")
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9}))?)?")
MOST_TASKS = 4_000_001  # the greatest MaxArraySize of slurm.conf(5)


@dataclass(frozen=True)
class State:
    """What is known of one job or array task.

    Attributes
    ----------
    state : a state of Slurm, or ABSENT, UNKNOWN, LOST
    reason : why it pends or ended, as Slurm says
    source : who says so: "squeue", "scontrol", "sacct", "record" (the job's own), "seen" (an earlier answer), ""
    """

    state: str
    reason: str = ""
    source: str = ""

    @property
    def ended(self) -> bool:
        """Nothing will change any more."""
        return self.state in ENDED or self.state == LOST

    @property
    def doomed(self) -> bool:
        """It pends, and will for ever."""
        return self.state == "PENDING" and self.reason.partition(",")[0].strip("()") in DOOMED


def plain_state(text: str) -> str:
    """``"CANCELLED by 1000"``, ``"CANCELLED+"``, ``"COMPLETING,COMPLETED"`` → one word."""
    word = text.strip().partition(" ")[0].partition(",")[0].rstrip("+").upper()
    return word or UNKNOWN


def task_ids(text: str) -> list[str]:
    """``"12_3"`` → itself; ``"12_[0-2,5%4]"`` → ``["12_0", "12_1", "12_2", "12_5"]``; ``"12"`` → itself.

    Steps (``1-5:2``) are followed, the dots of a list that was cut short (``1,3,...``) are passed over, and what is no
    list of tasks stays as it is.
    """
    ranges = _RANGES.fullmatch(text)
    if not ranges:
        return [text]
    found: list[int] = []
    for part in ranges.group(2).removesuffix(",...").split(","):
        bounds = _RANGE.fullmatch(part)
        if not bounds:
            return [text]
        low, high, step = int(bounds[1]), int(bounds[2] or bounds[1]), int(bounds[3] or 1)
        if step < 1 or high < low or len(found) + (high - low) // step >= MOST_TASKS:
            return [text]
        found += range(low, high + 1, step)
    return [f"{ranges.group(1)}_{number}" for number in found]


def parse_squeue(text: str) -> dict[str, State]:
    """``squeue -h -r -o '%i|%T|%r'``: job or array task id → state; foreign lines are passed over."""
    found = {}
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) == 3 and fields[0][:1].isdigit():
            for each in task_ids(fields[0]):
                found[each] = State(plain_state(fields[1]), "" if fields[2] == "None" else fields[2], "squeue")
    return found


def _pairs(text: str) -> dict[str, str]:
    """``Key=value Key=value …``"""
    parts = (word.partition("=") for word in text.split())
    return {key: value for key, _, value in parts}


def parse_scontrol(text: str) -> dict[str, State]:
    """``scontrol show job --oneliner``: id → state, array tasks as ``12_3``."""
    found = {}
    for line in text.splitlines():
        values = _pairs(line)
        if "JobId" not in values or "JobState" not in values:
            continue
        name = values["JobId"]
        if values.get("ArrayTaskId", "N/A") != "N/A":
            name = f"{values.get('ArrayJobId', name)}_[{values['ArrayTaskId']}]"
        reason = values.get("Reason", "")
        for each in task_ids(name):
            found[each] = State(plain_state(values["JobState"]), "" if reason == "None" else reason, "scontrol")
    return found


SACCT_FIELDS = ("JobID", "State", "ExitCode", "NodeList", "ElapsedRaw", "ConsumedEnergyRaw")


@dataclass(frozen=True)
class Accounted:
    """One job or array task as accounting knows it: energy in joules, None where it is not counted."""

    state: State
    exit_code: str
    nodes: str
    energy: float | None


def parse_sacct(text: str) -> dict[str, Accounted]:
    """``sacct -n -P -o JobID,State,…``: id → the last record of the job itself; steps give the energy.

    A job that was requeued has a line per start; the last one stands. Columns that are missing are "".
    """
    found: dict[str, Accounted] = {}
    energies: dict[str, float] = {}
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) < 2 or not fields[0][:1].isdigit():
            continue
        values = dict(zip(SACCT_FIELDS, [*fields, *[""] * len(SACCT_FIELDS)], strict=False))
        name, _, step = values["JobID"].partition(".")
        energy = _joules(values["ConsumedEnergyRaw"])
        if energy is not None:
            energies[name] = max(energy, energies.get(name, 0.0))
        if step:
            continue
        state = State(plain_state(values["State"]), "", "sacct")
        for each in task_ids(name):
            found[each] = Accounted(state, values["ExitCode"], values["NodeList"], None)
    return {name: Accounted(each.state, each.exit_code, each.nodes, energies.get(name)) for name, each in found.items()}


# What Slurm writes for "no value" and "infinite" (NO_VAL, INFINITE of slurm.h), where a counter should stand.
_NO_ENERGY = frozenset((2.0**32 - 2, 2.0**32 - 1))
_SUFFIXES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def _joules(text: str) -> float | None:
    """``"1234"`` or ``"1.21K"``, powers of ten; 0 is what a cluster without energy counters says."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([KMGT]?)", text.strip())
    if not match:
        return None
    value = float(match.group(1)) * _SUFFIXES[match.group(2)]
    return value if 0 < value < 1e15 and value not in _NO_ENERGY else None


def parse_partition(text: str) -> Mapping[str, Any]:
    """``scontrol show partition --oneliner``: {"state": "UP", "minutes": 60 or None for no limit}; {} if not there."""
    values = _pairs(text)
    if "PartitionName" not in values:
        return {}
    return {"state": values.get("State", ""), "minutes": minutes_of(values.get("MaxTime", "UNLIMITED"))}


def minutes_of(text: str) -> int | None:
    """Slurm's ``[days-]hours:minutes:seconds`` in minutes, None for UNLIMITED and the like."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if not match:
        return None
    days, hours, minutes, _ = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + minutes
