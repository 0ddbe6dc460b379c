"""A dry climate on a Yin-Yang grid: shallow water and primitive equations, as a workload and as a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.workload import Param, ParamValue, Trial, Workload, one_of, whole_between

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

PRIMITIVE = ("held_suarez", "baroclinic_wave")
SHALLOW = ("tc2", "tc5", "tc6", "galewsky")
# Cells per 90 degrees: below, a panel's halo reaches its pole; above, an index leaves its type.
FEWEST_CELLS, MOST_CELLS = 12, 9000
# How far 90/resolution may be from a whole number, of that number.
WHOLE = 1e-6
# Rows of a block that its halo needs.
LEAST_ROWS = 3


def prepare(case: Case, context: Context) -> Trial:
    """A model that has settled; a step is as many time steps as lie between two dampings, one of them included."""
    from clustermark.apps.climate.trial import make_trial

    return make_trial(case, context)


def cells_of(resolution: float) -> int:
    """Cells per 90 degrees, 0 where the resolution does not divide them; 0.33333333 is meant as a third."""
    cells = round(90.0 / resolution) if resolution > 0 else 0
    return cells if abs(cells * resolution - 90.0) <= 90.0 * WHOLE else 0


def _resolution(value: ParamValue) -> str:
    cells = cells_of(float(value)) if isinstance(value, int | float) else 0
    if FEWEST_CELLS <= cells <= MOST_CELLS:
        return ""
    return f"expected degrees that divide 90, from {90 / MOST_CELLS:g} to {90 / FEWEST_CELLS:g}"


def refuse(case: Case) -> str:
    """A precision that the equations do not have, or more ranks than panels can be cut for."""
    shallow = case.params["case"] in SHALLOW
    if shallow and case.precision == "mixed":
        return "has one field of each kind in shallow water, nothing to mix; use precision 'fp64' or 'fp32'"
    if not shallow and case.precision == "fp32":
        return "keeps surface pressure in float64; use precision 'fp64' or 'mixed'"
    cells = cells_of(float(case.params["resolution"]))
    if any(_fit(cells, boxes) for boxes in _box_counts(case.ranks)):
        return ""
    return f"cannot cut panels of {cells + 4} × {3 * cells + 4} cells for {case.ranks} ranks; use a finer `resolution`"


def _box_counts(ranks: int) -> list[int]:
    return [ranks, ranks // 2] if ranks % 2 == 0 else [ranks]


def _fit(cells: int, boxes: int) -> bool:
    rows, columns = cells + 4, 3 * cells + 4
    return any(
        boxes % py == 0 and rows // py >= LEAST_ROWS and columns // (boxes // py) >= LEAST_ROWS
        for py in range(1, boxes + 1)
    )


CLIMATE = Workload(
    name="climate",
    version=2,
    summary="dry climate: hydrostatic primitive equations or shallow water on a Yin-Yang C-grid",
    source="Held & Suarez 1994; Kageyama & Sato 2004 (grid); Sadourny 1975, Arakawa & Suarez 1983 (schemes)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "mixed", "fp32"),
    transports=("local", "mpi", "mpi_device"),
    prepare=prepare,
    params=(
        Param(
            "case",
            "held_suarez",
            f"{', '.join(PRIMITIVE)}; shallow water: {', '.join(SHALLOW)}",
            check=one_of(PRIMITIVE + SHALLOW),
        ),
        Param("resolution", 4.5, "degrees from cell to cell; must divide 90", check=_resolution),
        Param("levels", 20, "σ levels of equal thickness; shallow water has one layer", check=whole_between(1, 1000)),
        Param("overlap", True, "compute the inner cells while the halo moves"),
    ),
    refuse=refuse,
)
