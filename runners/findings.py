"""What `clustermark doctor` finds: one row per check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["ok", "warning", "problem", "absent"]
STATUSES: tuple[Status, ...] = ("ok", "warning", "problem", "absent")


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes
    ----------
    name : what was looked at
    status : "ok"; "warning": runs work, but a figure or a fabric suffers; "problem": runs or reports do not
        work; "absent": something optional is not there, or could not be tried
    what : what was found, one sentence
    mend : the command or step that mends it, "" where there is nothing to mend
    """

    name: str
    status: Status
    what: str
    mend: str = ""

    def to_dict(self) -> dict[str, str]:
        """Plain JSON types."""
        return asdict(self)
