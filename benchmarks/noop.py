"""The empty step: what the harness itself costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.workload import Amount, Check, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context


def prepare(case: Case, context: Context) -> Trial:
    """A step that returns at once; the check is that every rank is there."""
    transport = context.transport

    def step() -> None:
        pass

    def check() -> Check:
        seen = transport.sum(1.0)
        return Check(
            "ranks", abs(seen - case.ranks), 0.0, seen == case.ranks, f"{seen:.0f} of {case.ranks} ranks answered"
        )

    return Trial(step, check, {"call_rate": Amount(1.0, "call")})


NOOP = Workload(
    name="noop",
    version=1,
    summary="empty step: the cost of the harness, the shortest time that can be measured",
    source="pyperf's calibration by an empty function",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi"),
    prepare=prepare,
)
