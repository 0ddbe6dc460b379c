"""Speed of the primitive equations, damping and forcing on this machine beside a triad of the same minute.

usage: climate_primitive.py [ROUNDS] [--against-c]     needs quiet cores; 96 × 288 cells and 30 levels, one panel
With --against-c also damping by hand in C, and the bare rows of a damping and of a stage (climate_damping.c).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numba
import numpy as np
from climate_primitive_c import agree_on_damping, c_calls
from md_cases import ratio_of
from md_sides import PeerError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps" / "climate"))

from primitive_examples import (  # pyright: ignore[reportMissingImports]
    Stage,
    ground_of,
    rough_fields,
)

from clustermark.apps.climate import damping_cpu, forcing_cpu
from clustermark.apps.climate.forcing import HeldSuarez, forcing_table
from clustermark.apps.climate.layout import HALO
from clustermark.apps.climate.memory import aligned_zeros
from clustermark.apps.climate.primitive_cpu import advance, make_work
from clustermark.apps.climate.surface_cpu import TERMS, surface_terms
from clustermark.apps.climate.vertical import level_table, power_table
from clustermark.devices.simd import Width, lanes, load, native_width, store

ROWS, COLUMNS, LEVELS = 96, 288, 30
CELLS = ROWS * COLUMNS * LEVELS
TRIAD_BYTES = 72_000_000
# Words that a cell must move. A stage: what two passes would, the yardstick of published dynamical cores; in brackets
# what one pass moves. Damping: three in, three out. Forcing: θ in and out, and both winds in the lowest three tenths.
WORDS = {"stage": 16.0, "stage (9 words)": 9.0, "damping": 6.0, "forcing": 3.2}
C_WORDS = {"damping in C": 6.0, "rows of a damping": 6.0, "rows of a stage": 9.0}
# Of the damping, ν₄Δt [m⁴].
STRENGTH = 1e18


@numba.njit(parallel=True, error_model="numpy")
def triad(a, b, c, factor, chunks, width):
    """a = b + factor·c (McCalpin's STREAM), with the stores of the kernels."""
    share = a.size // chunks // 64 * 64
    for chunk in numba.prange(chunks):
        start = np.int64(chunk) * share
        for i in range(start, start + share, lanes(width)):
            store(a, i, load(b, i, width) + load(c, i, width) * factor)


Four = tuple[Any, Any, Any, Any]


def _aligned(fields: Four) -> Four:
    """Fields as a model allocates them, with numbers in their padding too."""
    made: list[Any] = []
    for field in fields:
        made.append(aligned_zeros(field.shape, field.dtype))
        made[-1][:] = np.nan_to_num(field, nan=1e5)
    return made[0], made[1], made[2], made[3]


def kernels(dtype: str, threads: int, folder: Path | None = None) -> dict[str, Callable[[], Any]]:
    """Calls of the kernels on one panel of random fields, and of the triad; of the C side too with a folder for it."""
    ground = ground_of(ROWS, COLUMNS, LEVELS)
    planet = ground.planet
    stage = Stage(ground, dtype)
    size = stage.rows * stage.pitch
    now, start, new = (_aligned(stage.flat_fields(rough_fields(ground))) for _ in range(3))
    terms, exner = aligned_zeros((TERMS * size,), dtype), aligned_zeros((size,), "float64")
    plane = np.zeros(size, dtype)
    metric = (ground.cos_center, ground.cos_face)
    inverse = 1.0 / (planet.radius * ground.spacing)
    width = Width(native_width(dtype))
    place = (HALO, HALO + ROWS, HALO, HALO + COLUMNS)
    shape = stage.rows, stage.pitch
    table, powers, forcing = level_table(ground.levels, planet), power_table(planet.kappa), HeldSuarez()
    rates = forcing_table(forcing, ground.levels)
    work = make_work(threads, LEVELS, stage.pitch, dtype)
    damping_work = damping_cpu.make_work(threads, stage.pitch, dtype)
    forcing_work = forcing_cpu.make_work(threads, stage.pitch, dtype)
    a, b, c = (np.ones(TRIAD_BYTES // np.dtype(dtype).itemsize, dtype) for _ in range(3))

    def whole_stage() -> None:
        surface_terms(now[0], ground.cos_face, powers, planet.reference_pressure, planet.heat_capacity, *shape, *place,
                      threads, width, exner, terms)  # fmt: skip
        advance(*now[1:], *start, plane, plane, terms, *metric, table, inverse, 1.0, *shape, *place, width,
                work, *new)  # fmt: skip

    calls = {
        "triad": lambda: triad(a, b, c, 0.5, threads, width),
        "stage": whole_stage,
        "damping": lambda: damping_cpu.damp(*now[1:], *metric, inverse, STRENGTH, LEVELS, *shape, *place, width,
                                            damping_work, *new[1:]),
        "forcing": lambda: forcing_cpu.force(new[0], *new[1:], plane, rates, forcing.constants, planet.kappa,
                                             planet.reference_pressure, 1e-3, *shape, *place, width, forcing_work),
    }  # fmt: skip
    if folder is not None:
        more, _ = c_calls(folder, now[1:], start[1:], metric, STRENGTH * inverse**4, (LEVELS, *shape), place, threads,
                          new[1:])  # fmt: skip
        calls["damping"]()
        ours = [_evolved(field, *shape) for field in new[1:]]
        more["damping in C"]()
        other = [_evolved(field, *shape) for field in new[1:]]
        agree_on_damping(ours, other, [_evolved(field, *shape) for field in now[1:]])
        calls |= more
    return calls


def _evolved(field: Any, rows: int, pitch: int) -> Any:
    """Copy of the evolved cells of a flat field."""
    return field.reshape(-1, rows, pitch)[:, HALO:-HALO, HALO : HALO + COLUMNS].copy()


def turns(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Times of each call, the calls alternating."""
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            begin = perf_counter()
            call()
            times[name].append(perf_counter() - begin)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", nargs="?", type=int, default=30, metavar="ROUNDS")
    parser.add_argument("--against-c", action="store_true", help="C in the same turns; gcc compiles it")
    options = parser.parse_args()
    print(f"{ROWS} × {COLUMNS} × {LEVELS} cells; % of the triad's bytes a second")
    stage_times: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory(prefix="clustermark-climate-") as builds:
        folder = Path(builds) if options.against_c else None
        for threads in (1, 2):
            numba.set_num_threads(threads)
            team = f"{threads} thread{'s' * (threads > 1)}"
            for dtype in ("float64", "float32"):
                times = turns(kernels(dtype, threads, folder), options.rounds)
                best = {name: min(values) for name, values in times.items()}
                stage_times[dtype, threads] = best["stage"]
                print(f"{team} {dtype}: {shares(best, WORDS, dtype)}")
                if folder is not None:
                    ratio = ratio_of(times["damping in C"], times["damping"])
                    print(f"{team} {dtype}: C takes {ratio.value:.2f} ({ratio.low:.2f} … {ratio.high:.2f}) times as "
                          f"long as our damping; {shares(best, C_WORDS, dtype)}")  # fmt: skip
            ratio = stage_times["float64", threads] / stage_times["float32", threads]
            print(f"{team}: a stage of mixed precision is {ratio:.2f} times as fast")


def shares(best: dict[str, float], words: dict[str, float], dtype: str) -> str:
    """Shortest time of each call, and the bytes of its words a second as a share of the triad's."""
    rate = 3 * TRIAD_BYTES / best["triad"]
    parts = [f"triad {rate / 1e9:.1f} GB/s"]
    for name, number in words.items():
        time = best[name.split(" (")[0]]
        moved = number * np.dtype(dtype).itemsize * CELLS
        parts.append(f"{name} {time * 1e3:.2f} ms {100 * moved / time / rate:.0f} %")
    return "; ".join(parts)


if __name__ == "__main__":
    try:
        main()
    except PeerError as error:
        raise SystemExit(str(error)) from None
