"""What became of one case: its samples, its proof, its conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from clustermark.core.case import Case
from clustermark.core.measurement import Measurement
from clustermark.core.workload import Amount, Check

Status = Literal["ok", "wrong", "skipped", "failed"]
STATUSES: tuple[Status, ...] = ("ok", "wrong", "skipped", "failed")


# In the detail of a proof: [B/s] that the link which carried the bytes can carry one way.
LINK_RATE = "link_bytes_per_second"


@dataclass(frozen=True)
class FabricProof:
    """Which wire carried the bytes.

    Attributes
    ----------
    requested : name of the fabric row
    observed : what the counters say, for people: "shared memory", "tcp over lo", "unknown"
    evidence : "counter", "library" or "none"
    proven : the counters agree with the row
    detail : the counters: {"tcp": 1.0, "lo": 1.005, "process_vm_readv": 0, "payload_bytes": …, "interfaces":
        {"lo": [B sent and received before, sent and received after]}} of the last round
    """

    requested: str
    observed: str
    evidence: str
    proven: bool
    detail: Mapping[str, Any] = field(default_factory=dict)


UNPROVEN = FabricProof("", "not checked", "none", False)


@dataclass(frozen=True)
class Result:
    """One launch of one case.

    Attributes
    ----------
    case, launch : which; launches are counted from 0, -1 where nothing was launched
    status : "ok", "wrong" (the check failed: never shown as a speed), "skipped" or "failed"
    reason : why, unless ok
    measurement, work, check : None or empty where nothing was measured
    fabric : which wire carried the bytes
    fingerprint : of the environment it ran in
    conditions : labels that a reader of the figure must see ("oversubscribed", "noisy machine")
    started_utc : ISO 8601
    ceiling : "workload.metric" that bounds the headline metric, "" for none
    counters : further numbers
    arithmetic : what numbers go through, "" for what the precision says
    caller : who called inside a step, "" where there is one way only
    """

    case: Case
    launch: int
    status: Status
    reason: str = ""
    measurement: Measurement | None = None
    work: Mapping[str, Amount] = field(default_factory=dict)
    check: Check | None = None
    fabric: FabricProof = UNPROVEN
    fingerprint: str = ""
    conditions: tuple[str, ...] = ()
    started_utc: str = ""
    ceiling: str = ""
    counters: Mapping[str, float] = field(default_factory=dict)
    arithmetic: str = ""
    caller: str = ""

    def header(self) -> dict[str, Any]:
        """Everything but the samples, as plain JSON types; `from_header` takes it back."""
        return {
            "case": self.case.to_dict(),
            "launch": self.launch,
            "status": self.status,
            "reason": self.reason,
            "work": {name: asdict(amount) for name, amount in self.work.items()},
            "check": asdict(self.check) if self.check else None,
            "fabric": asdict(self.fabric) | {"detail": dict(self.fabric.detail)},
            "fingerprint": self.fingerprint,
            "conditions": list(self.conditions),
            "started_utc": self.started_utc,
            "ceiling": self.ceiling,
            "counters": dict(self.counters),
            "arithmetic": self.arithmetic,
            "caller": self.caller,
        }

    @staticmethod
    def from_header(data: Mapping[str, Any], measurement: Measurement | None = None) -> Result:
        """The result that `header` described; KeyError, TypeError or ValueError for anything else."""
        if data["status"] not in STATUSES:
            raise ValueError(f"status {data['status']!r}")
        return Result(
            case=Case.from_dict(data["case"]),
            launch=int(data["launch"]),
            status=data["status"],
            reason=data["reason"],
            measurement=measurement,
            work={name: Amount(**amount) for name, amount in dict(data["work"]).items()},
            check=Check(**data["check"]) if data["check"] else None,
            fabric=FabricProof(**data["fabric"]),
            fingerprint=data["fingerprint"],
            conditions=tuple(data["conditions"]),
            started_utc=data["started_utc"],
            ceiling=data["ceiling"],
            counters=dict(data["counters"]),
            arithmetic=str(data.get("arithmetic", "")),  # files of versions before 0.2 have none
            caller=str(data.get("caller", "")),
        )
