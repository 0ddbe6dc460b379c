"""One system on 1, 2 and 4 ranks, and LAMMPS on the same atoms: pairs, energies, pressure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from validate.md_judges import Row, below, largest_difference, number, skipped, spread, verdict
from validate.md_launches import AbsentError, engine_on_ranks, lammps

TITLE = "Ranks, and LAMMPS on the same atoms"
RANKS = (1, 2, 4)
STEPS = 100
QUANTITIES = ("temperature", "potential_energy", "total_energy", "pressure")
SAFE = {"every": 1, "check": True}
FIXED = {"every": 20, "check": False}
MELT = {"potential": "lj", "skin": 0.3, "timestep": 0.005, "steps": STEPS}
COPPER = {"skin": 1.0, "timestep": 0.005, "steps": STEPS}

# Sums are rounded in another order, which a lattice's many equal terms make worse than a liquid does (LAMMPS, step 0),
# and trajectories part exponentially.
FIRST_RANKS, LAST_RANKS = 1e-12, 1e-10
FIRST_LAMMPS, LAST_LAMMPS = 1e-10, 1e-10


def melt_on(ranks: int, folder: Path) -> dict[str, Any]:
    """The melt of the usual benchmark on so many ranks."""
    return engine_on_ranks(ranks, MELT | SAFE | {"state": ""})


def melt_against_lammps(folder: Path) -> dict[str, Any]:
    """LAMMPS' melt, its atoms on 1, 2 and 4 ranks of ours, and on one with its fixed rebuilding."""
    reference = lammps("melt", folder)
    spec = MELT | {"state": str(folder / "melt.npz")}
    safe = {str(ranks): engine_on_ranks(ranks, spec | SAFE) for ranks in RANKS}
    return {"lammps": reference, "safe": safe, "fixed": engine_on_ranks(1, spec | FIXED)}


def copper_against_lammps(folder: Path) -> dict[str, Any]:
    """LAMMPS' copper, its atoms on 1 and 4 ranks of ours, with LAMMPS' own table."""
    reference = lammps("copper", folder)
    if not Path(reference["table"]).exists():
        raise AbsentError(f"{reference['table']} cannot be read here")
    spec = COPPER | SAFE | {"state": str(folder / "copper.npz"), "potential": reference["table"]}
    return {"lammps": reference, "safe": {str(ranks): engine_on_ranks(ranks, spec) for ranks in (1, 4)}}


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    **{f"ranks.{ranks}": partial(melt_on, ranks) for ranks in RANKS},
    "lammps.melt": melt_against_lammps,
    "lammps.copper": copper_against_lammps,
}


def rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Ranks against one rank; then ours against LAMMPS."""
    return [
        *_ranks(found),
        *_lammps("melt, 32,000 atoms", found["lammps.melt"]),
        *_lammps("copper (EAM, Cu_u3; K, eV, bar), 32,000 atoms", found["lammps.copper"]),
    ]


def _ranks(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    runs = [found[f"ranks.{ranks}"] for ranks in RANKS]
    pairs = [run["pairs"] for run in runs]
    shown = str(pairs[0]) if len(set(pairs)) == 1 else ", ".join(map(str, pairs))
    names = ", ".join(map(str, RANKS))
    lines = [
        Row(
            f"pairs in range at step 0, on {names} ranks",
            shown,
            str(pairs[0]),
            "one rank",
            "equal",
            verdict(len(set(pairs)) == 1),
        )
    ]
    for moment, step, bound in (("first", 0, FIRST_RANKS), ("last", STEPS, LAST_RANKS)):
        for quantity in ("potential_energy", "total_energy"):
            values = [run[moment][quantity] / run["atoms"] for run in runs]
            apart = spread(values)
            lines.append(
                Row(
                    f"{_words(quantity)} per atom at step {step}, on {names} ranks",
                    f"{number(values[0], 12)}, apart by {number(apart, 2)}",
                    number(values[0], 12),
                    "one rank",
                    f"{number(bound)} relative",
                    verdict(below(apart, bound)),
                )
            )
    return lines


def _lammps(system: str, data: dict[str, Any]) -> list[Row]:
    if "skipped" in data:
        return [skipped(f"{system}, against LAMMPS", "", data["skipped"])]
    reference = data["lammps"]
    cases = [("step 0", run["first"], reference["first"], FIRST_LAMMPS, n) for n, run in data["safe"].items()]
    cases += [
        (f"step {STEPS}, lists as needed", run["last"], reference["last"], LAST_LAMMPS, n)
        for n, run in data["safe"].items()
    ]
    atoms = next(iter(data["safe"].values()))["atoms"]
    source = f"LAMMPS {reference['version']}, live"
    lines = []
    for moment, ours, theirs, bound, ranks in cases:
        apart = largest_difference(ours, _quantities(theirs))
        lines.append(
            Row(
                f"{system}, {moment}, {ranks} rank(s): T, U/N, E/N, p",
                _shown(ours, atoms),
                _shown(theirs, atoms),
                source,
                f"{number(bound)} relative; largest: {number(apart, 2)}",
                verdict(below(apart, bound)),
            )
        )
    if "fixed" in data:
        # Which pairs are missed is a matter of the code: judged is how much they matter, against the checked lists.
        ours, theirs = data["fixed"]["last"], reference["last_fixed"]
        safe = _quantities(reference["last"])
        missed, allowed = largest_difference(ours, safe), largest_difference(theirs, safe)
        lines.append(
            Row(
                f"{system}, step {STEPS}, lists every 20 steps unchecked, 1 rank: T, U/N, E/N, p",
                _shown(ours, atoms),
                _shown(theirs, atoms),
                source,
                f"no further from the lists as needed ({number(missed, 2)}) than LAMMPS ({number(allowed, 2)})",
                verdict(below(missed, allowed)),
            )
        )
    return lines


def _quantities(row: Mapping[str, float]) -> dict[str, float]:
    return {name: row[name] for name in QUANTITIES}


def _shown(row: Mapping[str, float], atoms: int) -> str:
    per_atom = {"potential_energy": atoms, "total_energy": atoms}
    return ", ".join(number(row[name] / per_atom.get(name, 1), 9) for name in QUANTITIES)


def _words(quantity: str) -> str:
    return quantity.replace("_", " ")
