"""Our fp64 HPL against that of HPCC (Debian's hpcc), and our fp32 HPL-MxP against our fp64 HPL, in turns.

``python tests/perf/hpl_vs_hpcc.py [n] [--nb 192] [--rounds 3]`` prints the table. Both have the same n, nb, grid: two
ranks with a thread each, bound to cores. CLUSTERMARK_HPCC_BLAS names a folder whose libblas.so.3 HPCC is to load; else
it loads the system's. HPCC runs all of its tests, of which HPL is the last; only HPL's own time counts.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from c_side import mpirun_of
from conditions import Watch
from tabulate import tabulate

from clustermark.benchmarks.dense.solvers import flops
from clustermark.core.environment import cpu_facts, library_facts, system_facts
from clustermark.runners.launcher import launch_environment
from clustermark.transports.fabrics import fabric_aliases

RANK = Path(__file__).with_name("hpl_rank.py")
RANKS, PROCESS_ROWS = 2, 1
REPEATS = 3
# Least ratios: ours to HPCC's, and mixed to ours in fp64.
LEAST = {"hpl / HPCC": 1.0, "hpl_mxp / hpl": 1.6}
# HPL.dat's lines from the threshold on: recursive panels down to 4 columns, right-looking; look-ahead of 0 and of 1, of
# which the faster counts; swaps as HPL.dat comes: mixed with a threshold of 64.
TUNING = ("16.0", "1", "2", "1", "4", "1", "2", "1", "2", "1", "0", "2", "0 1", "2", "64", "0", "0", "1", "8")
# Memory of HPCC's other tests [MiB], which else grow with n.
OTHER_TESTS = "Total=64\n"
INPUT = "\n\nHPL.out\n8\n1\n{n}\n1\n{block}\n0\n1\n{rows}\n{columns}\n"


@dataclass
class Comparison:
    """Seconds of every round: of HPCC one, of our solvers medians of REPEATS steps; what else ran."""

    n: int
    block: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    load: str = ""

    def ratios(self, name: str) -> list[float]:
        """Speed ratios of the two sides that a target names, round by round."""
        fast, slow = name.split(" / ")
        return [b / a for a, b in zip(self.seconds[fast], self.seconds[slow], strict=True)]


def missing() -> str:
    """ "" or why HPCC cannot be run."""
    if shutil.which("hpcc") is None or shutil.which("mpirun.openmpi") is None:
        return "no hpcc on PATH; apt-get install hpcc"
    return ""


def hpcc_environment() -> dict[str, str]:
    """One thread a rank, and the BLAS that the user chose."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMPI_", "PMIX_"))}
    chosen = os.environ.get("CLUSTERMARK_HPCC_BLAS", "")
    path = os.pathsep.join(filter(None, [chosen, environment.get("LD_LIBRARY_PATH", "")]))
    return environment | {"LD_LIBRARY_PATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def hpcc_blas() -> str:
    """What HPCC loads as its BLAS: the file, and what an OpenBLAS says of itself."""
    command = ["ldd", str(shutil.which("hpcc"))]
    loaded = subprocess.run(command, env=hpcc_environment(), capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r"libblas\S* => (\S+)", loaded.stdout)
    if not found:
        return "unknown BLAS"
    path = Path(found[1]).resolve()
    try:
        library = ctypes.CDLL(str(path))
        library.openblas_get_config.restype = ctypes.c_char_p
        return library.openblas_get_config().decode()
    except (OSError, AttributeError):
        return f"{path} (no OpenBLAS)"


def hpcc_seconds(n: int, block: int) -> float:
    """[s] of the faster HPL in one run of HPCC; raises RuntimeError where one did not pass its own test."""
    text = INPUT.format(n=n, block=block, rows=PROCESS_ROWS, columns=RANKS // PROCESS_ROWS)
    text += "".join(f"{value}\n" for value in TUNING) + "#\n" + "0\n0\n0\n0\n"
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "hpccinf.txt").write_text(text)
        (Path(folder) / "hpccmemf.txt").write_text(OTHER_TESTS)
        command = ["mpirun.openmpi", *root, "--bind-to", "core", "-n", str(RANKS), "hpcc"]
        environment = hpcc_environment()
        subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=True)
        output = (Path(folder) / "hpccoutf.txt").read_text()
    section = output.partition("Begin of HPL section")[2]
    found = re.findall(r"^W[RC]\S+(?:\s+\d+){4}\s+(\S+)\s+\S+", section, re.MULTILINE)
    if not found or section.count("PASSED") < len(found) or "...FAILED" in section:
        raise RuntimeError(f"HPCC's HPL did not pass:\n{section[-2000:]}")
    return min(map(float, found))


def our_seconds(n: int, block: int) -> dict[str, dict[str, Any]]:
    """Solver → what its rank 0 printed, in one launch on the MPI beside this Python."""
    mpi, mpirun = mpirun_of(sys.executable)
    fabric = fabric_aliases(mpi)["shm"]
    words = [fabric, RANKS, PROCESS_ROWS, n, block, REPEATS]
    done = subprocess.run(
        [*mpirun, sys.executable, str(RANK), *map(str, words)],
        env=launch_environment(os.environ, fabric, 1),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    wrong = [row for row in rows if not row["passed"]]
    if wrong:
        raise RuntimeError(f"the residual did not pass: {wrong}")
    return {row["name"]: row for row in rows}


def compare(n: int, block: int, rounds: int) -> Comparison:
    """HPCC, then ours, `rounds` times."""
    comparison = Comparison(n, block, {"HPCC": [], "hpl": [], "hpl_mxp": []}, {"BLAS of HPCC": hpcc_blas()})
    with Watch(pressure_counts=False) as watch:
        for _ in range(rounds):
            comparison.seconds["HPCC"].append(hpcc_seconds(n, block))
            for name, row in our_seconds(n, block).items():
                comparison.seconds[name].append(statistics.median(row["seconds"]))
                comparison.facts[name] = row
    comparison.load = watch.load
    return comparison


def show(comparison: Comparison) -> str:
    """The table with its heading."""
    cpu, system = cpu_facts(), system_facts()
    ours = comparison.facts["hpl"]
    pools = [pool for pool in library_facts()["thread_pools"] if pool["user_api"] == "blas"]
    blas = ", ".join(f"{pool['internal_api']} {pool['version']} {pool['architecture']}" for pool in pools)
    head = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {cpu['model']}, {cpu['cores']} cores, Linux {system['kernel']}; "
        f"n = {comparison.n}, nb = {comparison.block}, {PROCESS_ROWS}×{RANKS // PROCESS_ROWS} ranks of one thread\n"
        f"HPCC: {comparison.facts['BLAS of HPCC']}\nours: {blas}, NumPy {ours['numpy']}, {ours['library']}, "
        f"Python {platform.python_version()}, called directly: {ours['direct']}"
    )
    rows = []
    for name, seconds in comparison.seconds.items():
        speeds = [flops(comparison.n) / value / 1e9 for value in seconds]
        facts = comparison.facts.get(name, {})
        rows.append(
            {
                "solver": name,
                "s": f"{statistics.median(seconds):.3f}",
                "GFLOP/s": f"{statistics.median(speeds):.1f}",
                "rounds": " ".join(f"{speed:.1f}" for speed in speeds),
                "check / 16": f"{facts['error']:.2g}, {facts['detail']}" if facts else "its own: passed",
            }
        )
    for name, least in LEAST.items():
        ratios = comparison.ratios(name)
        middle, each = f"{statistics.median(ratios):.3f}", " ".join(f"{r:.3f}" for r in ratios)
        rows.append({"solver": name, "GFLOP/s": middle, "rounds": each, "check / 16": f"target ≥ {least:g}"})
    text = f"{head}\n{tabulate(rows, headers='keys', disable_numparse=True)}"
    return f"{text}\nnot judged: machine loaded ({comparison.load})" if comparison.load else text


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="our HPL and HPL-MxP against HPCC's HPL")
    parser.add_argument("n", nargs="?", type=int, default=5000, help="order of the matrix")
    parser.add_argument("--nb", type=int, default=192, help="block of both")
    parser.add_argument("--rounds", type=int, default=3, help="how often both run")
    chosen = parser.parse_args()
    reason = missing()
    print(reason or show(compare(chosen.n, chosen.nb, chosen.rounds)))


if __name__ == "__main__":
    main()
