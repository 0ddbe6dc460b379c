"""Operations and bytes of a time step as `docs/md.md` counts them; a test counts them again in the kernels' source.

They are the same on every device and for every width of vectors, and follow from the case alone, so that two versions
that round differently do the same work: pairs are those of the state that the benchmark settles in, which a counter
of each run shows beside. What finds the pairs, and the list itself, is time and no work.
"""

from __future__ import annotations

from clustermark.apps.md.layout import PRECISIONS

# Pairs in range per atom, each once, in the melt at ρ* 0.8442 and in copper at 1600 K (within 1 % from 256 atoms on).
PAIRS = {"lj": 27.5, "eam": 27.3}
# Of a pair without energies; embedded atoms: 19 for densities, 47 for forces.
PAIR_FLOPS = {"lj": 24, "eam": 66}
# Of an atom: 13 for kick and drift; embedded atoms: 17 for F and F′.
ATOM_FLOPS = {"lj": 13, "eam": 30}
HALF_KICK = 8


def step_flops(potential: str) -> float:
    """Floating-point operations of an atom in a step; a multiply-add is two."""
    return PAIRS[potential] * PAIR_FLOPS[potential] + ATOM_FLOPS[potential]


def step_bytes(potential: str, precision: str) -> float:
    """[B] of an atom's fields that a step must move, every array once per kernel that reads or writes it.

    Kick and drift read forces, velocities, positions and Δt/2m and write velocities, positions and the kernels' copy
    of them where it is another; forces are cleared; pairs read positions, and read and write forces. Embedded atoms
    have a second pass over pairs, and two more numbers: ρ is cleared, added to and read, F′ is written and read.

    Parameters
    ----------
    precision : double, mixed or single
    """
    master, kernel = PRECISIONS[precision]
    of_master, of_kernel = (int(name.removeprefix("float")) // 8 for name in (master, kernel))
    copies = 0 if master == kernel else 1
    kick = HALF_KICK if master == "float64" else of_master
    moved = 3 * (4 * of_master + (1 + copies) * of_kernel) + kick
    pairs = 3 * of_kernel * (1 + 3)
    embedding = of_kernel * (3 + 1 + 2 + 2 + 1) if potential == "eam" else 0
    return float(moved + pairs + embedding)
