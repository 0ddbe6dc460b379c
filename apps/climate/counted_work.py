"""Operations and words of a stage as `docs/climate.md` counts them; a test counts them again in the kernels' source.

Damping, forcing, halos, the seam and the mass fixer are time and no work.
"""

from __future__ import annotations

# Words that a cell's fields must move per stage at least, every array once: shallow water reads h, u, v twice, the
# ground and f, and writes h, u, v; an atmosphere reads u, v, θ twice and writes them, its surface fields hardly count.
STAGE_WORDS = {"shallow": 11, "primitive": 9}
# Floating-point operations of a stage for a cell, a multiply-add being two, and for a column of cells beside.
CELL_FLOPS = {"shallow": 61, "primitive": 121}
COLUMN_FLOPS = {"shallow": 0, "primitive": 71}


def stage_flops(kind: str, levels: int) -> float:
    """Floating-point operations of a stage for a cell, with its share of those of the column; halves and quarters of
    averages are factors of a row and cost nothing.
    """
    return CELL_FLOPS[kind] + COLUMN_FLOPS[kind] / levels
