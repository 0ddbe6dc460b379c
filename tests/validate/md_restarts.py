"""Whether a run that stops halfway and goes on is the run that did not stop, bit by bit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from validate.md_judges import Row, caught, same_arrays, verdict
from validate.md_launches import on_ranks

from clustermark.apps.md.restart import Restart, read_restart

TITLE = "Restarts"
RANKS = (1, 2, 4)
HALF = 100
LANGEVIN = ["ensemble.kind=langevin", "ensemble.temperature=0.8", "ensemble.time=1.0", "ensemble.seed=5"]
CSVR = ["ensemble.kind=csvr", "ensemble.temperature=0.8", "ensemble.time=0.5", "ensemble.seed=5"]
CASES: dict[str, list[str]] = {
    "NVE, double": ["precision=double"],
    "CSVR, mixed": ["precision=mixed", *CSVR],
    "Langevin, single": ["precision=single", *LANGEVIN],
}


def run(ranks: int, folder: Path) -> dict[str, Any]:
    """Names of the arrays that differ after 200 steps, for each case; and for a run that was nudged by one bit."""
    found: dict[str, Any] = {}
    for case, keys in CASES.items():
        with tempfile.TemporaryDirectory(prefix="clustermark-md-") as name:
            place = Path(name)
            _program(ranks, place / "whole", [*keys, f"run.steps={2 * HALF}", f"restart.interval={HALF}"])
            _program(ranks, place / "half", [*keys, f"run.steps={HALF}"])
            _program(ranks, place / "rest", [*keys, f"run.steps={HALF}", f"restart.read={place / 'half/restart.h5'}"])
            whole, rest = (read_restart(place / part / "restart.h5") for part in ("whole", "rest"))
            found[case] = {
                "steps": [whole.step, rest.step],
                "arrays": len(arrays(whole)),
                "differing": same_arrays(arrays(whole), arrays(rest)),
                "planted": same_arrays(arrays(whole), arrays(nudged(rest))),
            }
    return found


def _program(ranks: int, folder: Path, keys: list[str]) -> None:
    common = ["system.cells=10", "list.check=true", "list.every=1", "output.thermo=", "restart.write=restart.h5"]
    settings = [word for key in [*common, *keys] for word in ("--set", key)]
    words = ["-m", "clustermark.apps.md", "run", "lj_melt", "--quiet", "--output", str(folder), *settings]
    on_ranks(ranks, words)


def arrays(restart: Restart) -> dict[str, Any]:
    """Everything of all ranks, by name."""
    found: dict[str, Any] = {}
    for rank, state in enumerate(restart.states):
        atoms = state.atoms
        found |= {f"{rank}.{name}": getattr(atoms, name) for name in ("positions", "velocities", "ids", "types")}
        found |= {f"{rank}.{name}": np.array(value) for name, value in state.thermostat.items()}
    return found


def nudged(restart: Restart) -> Restart:
    """The planted fault: one velocity of the last rank in its last bit."""
    state = restart.states[-1]
    velocities = state.atoms.velocities.copy()
    velocities[0, 0] = np.nextafter(velocities[0, 0], np.inf)
    other = replace(state, atoms=replace(state.atoms, velocities=velocities))
    return replace(restart, states=(*restart.states[:-1], other))


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {f"restart.{ranks}": partial(run, ranks) for ranks in RANKS}


def rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    """One row per case and number of ranks, and the planted faults together."""
    lines = []
    for ranks in RANKS:
        for case, data in found[f"restart.{ranks}"].items():
            good = not data["differing"] and data["steps"] == [2 * HALF, 2 * HALF]
            lines.append(
                Row(
                    f"{2 * HALF} steps against {HALF} + {HALF}, {case}, {ranks} rank(s)",
                    f"{len(data['differing'])} of {data['arrays']} arrays differ",
                    "0",
                    "the run without a stop",
                    "every bit",
                    verdict(good),
                )
            )
    planted = [data["planted"] for ranks in RANKS for data in found[f"restart.{ranks}"].values()]
    seen = sum(len(names) == 1 for names in planted)
    lines.append(
        Row(
            "one velocity changed in its last bit (planted fault)",
            f"seen in {seen} of {len(planted)}",
            f"{len(planted)}",
            "",
            "all",
            caught(seen < len(planted)),
        )
    )
    return lines
