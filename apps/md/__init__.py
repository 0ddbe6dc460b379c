"""Molecular dynamics: Lennard-Jones and embedded atoms on MPI bricks, as a workload and as a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.workload import Param, ParamValue, Trial, Workload, one_of, whole_between

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

POTENTIALS = ("lj", "eam")


def prepare(case: Case, context: Context) -> Trial:
    """A crystal that has melted (LJ) or warmed up (EAM) on every rank together; a step is one list's life."""
    from clustermark.apps.md.trial import make_trial

    return make_trial(case, context)


def _cells(value: ParamValue) -> str:
    return "" if isinstance(value, int) and 3 <= value <= 2000 else "expected 3 to 2000"


# Cells of the crystal that cutoff + skin reaches across: 2.8 σ of (4/0.8442)^⅓ σ, 6.4 Å of 3.61 Å.
_REACH_IN_CELLS = {"lj": 2.8 * (0.8442 / 4) ** (1 / 3), "eam": 6.4 / 3.61}


def refuse(case: Case) -> str:
    """More ranks than the crystal can be cut for: bricks must be as wide as the halo."""
    cells = int(case.params["cells"])
    fit = int(cells / _REACH_IN_CELLS[str(case.params["potential"])])
    if fit < 1:
        return f"needs more than {cells} cells a side: the box is narrower than cutoff + skin; use a larger `cells`"
    if case.ranks == 1 or any(
        case.ranks % (x * y) == 0 and case.ranks // (x * y) <= fit
        for x in range(1, min(fit, case.ranks) + 1)
        for y in range(1, min(fit, case.ranks // x) + 1)
    ):
        return ""
    return f"cannot cut {cells} cells a side into {case.ranks} bricks as wide as the halo; use a larger `cells`"


MD = Workload(
    name="md",
    version=1,
    summary="molecular dynamics: Lennard-Jones melt or embedded-atom copper, cluster pair lists, MPI bricks",
    source="LAMMPS bench/in.lj and bench/in.eam (systems); Páll & Hess, Comput. Phys. Commun. 184 (2013) (lists)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "mixed", "fp32"),
    transports=("local", "mpi", "mpi_device"),
    prepare=prepare,
    params=(
        Param("cells", 20, "fcc cells a side: 4·cells³ atoms", check=_cells),
        Param(
            "potential",
            "lj",
            "lj: melt at ρ* 0.8442, rc 2.5; eam: copper (Sutton-Chen), rc 5.4 Å",
            check=one_of(POTENTIALS),
        ),
        Param("every", 20, "steps between two lists, and per measured step", check=whole_between(1, 1000)),
        Param("overlap", True, "communicate beside the local part of the list"),
    ),
    refuse=refuse,
)
