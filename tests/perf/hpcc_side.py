"""HPCC's b_eff as a peer: its input, its launch on our own MPI library, and the figures in its output."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from c_side import mpirun_of

from clustermark.runners.launcher import launch_environment

# Smallest problems, so that b_eff, which cannot be asked for alone, is most of the second that a launch takes.
INPUT = """HPLinpack benchmark input file
b_eff is what counts here
HPL.out
8
1
100
1
20
0
1
1
2
16.0
1
2
1
4
1
2
1
1
1
1
1
1
2
64
0
0
1
8
separator
0
100
0
20
"""
# Figure → its name at the end of HPCC's output, and what turns it into seconds of a message. Of both directions of the
# only pair the mean: HPCC's headline is the worse of the two, and we measure the slower rank.
FIGURES = {
    "ping-pong latency": "AvgPingPongLatency_usec",
    "ping-pong bandwidth": "AvgPingPongBandwidth_GBytes",
    "random ring latency": "RandomlyOrderedRingLatency_usec",
    "random ring bandwidth": "RandomlyOrderedRingBandwidth_GBytes",
}
BANDWIDTH_BYTES = 2_000_000
# HPCC writes to two bytes of a message and leaves the rest of what malloc gave: pages that nobody wrote are one page of
# zeros, read from the first cache. Filled memory is what an application sends.
AS_APPLICATIONS = {"GLIBC_TUNABLES": "glibc.malloc.perturb=165"}
# HPCC's messages lie on small pages; NumPy's would partly lie on huge ones.
SMALL_PAGES = {"NUMPY_MADVISE_HUGEPAGE": "0"}


class NoPeerError(Exception):
    """HPCC is not here, or not on the MPI at hand: one sentence."""


def environment(python: str, fabric: str, pages: dict[str, str]) -> dict[str, str]:
    """Variables under which the installed hpcc runs on the MPI beside `python`. Raises NoPeerError, LaunchError."""
    program = shutil.which("hpcc")
    if program is None:
        raise NoPeerError("hpcc is not on the PATH: install it (Debian: hpcc) to compare with its b_eff")
    mpi, mpirun = mpirun_of(python)
    variables = launch_environment(os.environ, fabric, 1) | pages
    library = Path(mpirun[0]).parent.parent / "lib"
    if (library / "libmpi.so.40").exists():
        variables["LD_LIBRARY_PATH"] = str(library)
    linked = subprocess.run(["ldd", program], env=variables, capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r"libmpi\S* => (\S+)", linked.stdout)
    own = Path(found[1]).resolve() if found else None
    if own is None or mpi != "openmpi" or own.parent != library.resolve():
        raise NoPeerError(
            f"hpcc runs on {own or 'no MPI'}, not on that of {mpirun[0]}: figures of two MPIs are no comparison"
        )
    return variables


def seconds(python: str, fabric: str, pages: dict[str, str]) -> dict[str, float]:
    """[s] of a message for each figure, from one launch on two ranks. Raises NoPeerError, LaunchError, RuntimeError."""
    variables = environment(python, fabric, pages)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "hpccinf.txt").write_text(INPUT)
        command = [*mpirun_of(python)[1], "hpcc"]
        done = subprocess.run(
            command, env=variables, cwd=folder, capture_output=True, text=True, check=False, timeout=60
        )
        output = Path(folder) / "hpccoutf.txt"
        text = output.read_text(errors="replace") if output.exists() else ""
    if done.returncode:
        raise RuntimeError(f"hpcc over {fabric} ended with {done.returncode}: {done.stderr[-2000:]}")
    return figures(text)


def figures(output: str) -> dict[str, float]:
    """[s] of a message for each figure in the text of hpccoutf.txt; RuntimeError for a figure that is missing."""
    found = {}
    for figure, name in FIGURES.items():
        match = re.search(rf"^{name}=(\S+)$", output, re.M)
        value = float(match[1]) if match else math.nan
        if not value > 0:
            raise RuntimeError(f"hpcc's output has no {name}: did b_eff run?")
        found[figure] = value * 1e-6 if name.endswith("_usec") else BANDWIDTH_BYTES / (value * 1e9)
    return found
