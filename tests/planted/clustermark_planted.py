"""A workload that changes when CLUSTERMARK_PLANTED is set: what a regression gate must find, or leave alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from clustermark.core.workload import Amount, Check, Param, Trial, Workload

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

# [passes] of a step; about a quarter of a millisecond.
PASSES = 200
KINDS = ("equal", "slower", "faster", "wrong", "raise", "vanish")


def planted() -> float:
    """The relative change that was asked for; 0 for none."""
    return float(os.environ.get("CLUSTERMARK_PLANTED", "0"))


def prepare(case: Case, context: Context) -> Trial:
    """Passes over an array that fits the first cache."""
    import numpy as np

    change, kind = planted(), str(case.params["kind"])
    passes = round(PASSES * {"slower": 1 + change, "faster": 1 / (1 + change)}.get(kind, 1.0))
    array = np.ones(2048)

    def step() -> None:
        if change and kind == "raise":
            raise ArithmeticError("planted: the step divided by zero")
        for _ in range(passes):
            np.negative(array, out=array)

    def check() -> Check:
        bad = float((np.abs(array) != 1.0).sum()) + (change > 0 and kind == "wrong")
        return Check("entries that are not ±1", bad, 0.0, bad == 0, "all were compared")

    return Trial(step, check, {"rate": Amount(1.0, "step")})


def refuse(case: Case) -> str:
    """The kind "vanish" cannot run once it has changed."""
    return "is refused: planted" if planted() and case.params["kind"] == "vanish" else ""


PLANTED = Workload(
    name="planted",
    version=1,
    summary="gets slower, faster, wrong on request",
    source="none",
    devices=("cpu",),
    precisions=("fp64",),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(Param("kind", "equal", "what changes", check=lambda kind: "" if kind in KINDS else f"not in {KINDS}"),),
    refuse=refuse,
)
