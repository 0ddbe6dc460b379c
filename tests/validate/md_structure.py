"""The radial distribution function: against all pairs, against the energy and virial of the engine, its first peak."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from validate.md_judges import Estimate, Row, agrees, below, number, of_segments, skipped, verdict
from validate.md_launches import lammps
from validate.md_liquids import Liquid, frames, settled, simulation

from clustermark.apps.md.analysis import radial_distribution
from clustermark.apps.md.reference import pairs_within
from clustermark.apps.md.setup import Ensemble

TITLE = "Structure"
LIQUID = Liquid(10, 0.776, 0.851, 3.0)
FRAMES, EVERY, TIMESTEP, BINS = 160, 50, 0.004, 1200
# The shell of 0.025 σ around the first peak: ten of our bins.
PEAK, PEAK_BINS = 1.0875, slice(430, 440)
SEGMENTS = 16


def run(folder: Path) -> dict[str, Any]:
    """Pairs counted by cells and by brute force; sums over pairs from g(r) and from the engine, per atom."""
    ensemble = Ensemble("csvr", LIQUID.temperature, 0.5, 3)
    engine = simulation(LIQUID, settled(LIQUID, 3), TIMESTEP, "double", ensemble)
    seen = frames(engine, FRAMES, EVERY, lambda atoms: (atoms, engine.thermo()))
    found = [radial_distribution(atoms.positions, atoms.box, LIQUID.cutoff, BINS) for atoms, _ in seen]
    last = seen[-1][0]
    brute = np.histogram(pairs_within(last, LIQUID.cutoff).distances, BINS, (0.0, LIQUID.cutoff))[0]
    counts = np.mean([one.counts for one in found], axis=0) / LIQUID.number
    s = found[0].r ** -6.0
    peak = of_segments(np.mean(np.array([one.g[PEAK_BINS] for one in found]).reshape(SEGMENTS, -1), axis=1))
    return {
        "differing": int(np.count_nonzero(found[-1].counts != brute)),
        "pairs": int(found[-1].counts.sum()),
        "peak": vars(peak),
        "energy": {
            "g": float((counts * 4.0 * (s * s - s)).sum()),
            "engine": float(np.mean([row.potential_energy for _, row in seen])) / LIQUID.number,
        },
        "virial": {
            "g": float((counts * 24.0 * (2.0 * s * s - s)).sum()),
            "engine": float(np.mean([row.virial for _, row in seen])) / LIQUID.number,
        },
    }


def run_lammps(folder: Path) -> dict[str, Any]:
    """The first peak of a liquid that LAMMPS melted and thermostatted itself."""
    found = lammps("structure", folder)
    each = np.array(found["g"])
    size = len(each) // SEGMENTS
    peak = of_segments(each[: size * SEGMENTS].reshape(SEGMENTS, size).mean(axis=1))
    return {"version": found["version"], "peak": vars(peak)}


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {"structure.ours": run, "structure.lammps": run_lammps}


def rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Counts, sums, peak."""
    data, other = found["structure.ours"], found["structure.lammps"]
    peak = Estimate(**data["peak"])
    lines = [
        Row(
            f"bins of {BINS} in which the counts of {data['pairs']:,} pairs differ",
            str(data["differing"]),
            "0",
            "all pairs of 4000 atoms, looked at one by one",
            "2 (rounding at the edge of a bin)",
            verdict(data["differing"] <= 2),
        )
    ]
    for name, symbol, bound in (("energy", "U/N", 1e-3), ("virial", "Σr·f/N", 1e-2)):
        ours, engine = data[name]["g"], data[name]["engine"]
        lines.append(
            Row(
                f"{symbol} by integration over g(r)",
                number(ours, 7),
                number(engine, 7),
                f"mean over the same {FRAMES} frames in the engine",
                f"{bound:g} (width of the bins)",
                verdict(below(ours - engine, bound)),
            )
        )
    check = f"g({PEAK}), the first peak, in a shell of 0.025 σ"
    if "skipped" in other:
        return [*lines, skipped(check, str(peak), other["skipped"])]
    reference = Estimate(**other["peak"])
    source = f"LAMMPS {other['version']}, a run of its own (Nosé–Hoover)"
    agreed = verdict(agrees(peak, reference))
    return [*lines, Row(check, str(peak), str(reference), source, "3 combined errors", agreed)]
