"""Matrix products of every type beside OpenBLAS and oneDNN, and the triad beside C: alternated, in one process each.

    python tests/perf/precision_vs_peers.py gemm --n 2048 --threads 1 --rounds 7
    python tests/perf/precision_vs_peers.py gemm --types bf16,int8 --no-tiles
    python tests/perf/precision_vs_peers.py triad --threads 2

A round measures the peak of the instruction that our product uses, then every side once; a figure is the median over
rounds of side ÷ peak of its round.
CLUSTERMARK_TORCH_PYTHON names a Python with torch, which takes part through a process of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from conditions import Watch
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from clustermark.benchmarks.kernels.gemm_host_cpu import Workspace, multiply
from clustermark.benchmarks.kernels.stream_host_cpu import aligned, stream_step
from clustermark.benchmarks.membw import SCALAR
from clustermark.core.number_formats import bf16_bits
from clustermark.devices import fma
from clustermark.devices.cpu import CpuDevice
from clustermark.devices.dot_chains import dot_chains, products_of_chains
from clustermark.devices.simd_dots import NATIVE, Dot, host_features
from clustermark.devices.simd_tiles import tile_of

HERE = Path(__file__).resolve().parent
ELEMENTS = {"fp64": "float64", "fp32": "float32", "int8": "int8", "bf16": "uint16"}
# What torch calls them, and the features without which its product of them is no fast one: a minute each.
TORCH_KINDS = {"fp64": "float64", "fp32": "float32", "int8": "int8", "bf16": "bfloat16"}
TORCH_NEEDS = {"int8": {"avx512vnni", "avxvnni"}, "bf16": {"avx512bf16", "amx-bf16"}}
# What keeps oneDNN from tiles: the widest set of instructions without them.
WITHOUT_TILES = {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}
TARGET = 0.85
# [s] OpenBLAS's threads look for work for a while after a product (2^26 cycles unless built otherwise): on the cores
# whose peak is measured next.
REST = 0.1
# A process of its own with torch: makes its matrices, then answers every line with the seconds of one product.
TORCH = """
import sys, time
import torch
kind, n, threads, clock = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), getattr(time, sys.argv[4])
torch.set_num_threads(threads)
whole = kind == "int8"
make = (lambda: torch.randint(-127, 128, (n, n), dtype=torch.int8)) if whole else (
    lambda: (torch.rand(n, n) - 0.5).to(getattr(torch, kind)))
a, b = make(), make()
c = torch.empty(n, n, dtype=torch.int32 if whole else a.dtype)
product = lambda: (torch._int_mm if whole else torch.matmul)(a, b, out=c)
product()
print(torch.__version__, flush=True)
for line in sys.stdin:
    start = clock()
    product()
    print(clock() - start, flush=True)
"""


def seconds_of(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """[s] of one call."""
    start = clock()
    call()
    return clock() - start


class Torch:
    """torch in a process of its own; `seconds` of one product."""

    def __init__(self, python: str, kind: str, n: int, threads: int, clock: str, tiles: bool) -> None:
        """Starts it and waits until it has multiplied once; raises OSError or ValueError where it cannot."""
        command = [python, "-c", TORCH, kind, str(n), str(threads), clock]
        environment = os.environ if tiles else {**os.environ, **WITHOUT_TILES}
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self.child: Any = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, text=True, env=environment)
        self.version = self.child.stdout.readline().strip()
        if not self.version:
            raise ValueError("torch did not start")

    def seconds(self) -> float:
        """[s] of one product, by its own clock."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return float(self.child.stdout.readline())

    def close(self) -> None:
        """Ends the process."""
        self.child.stdin.close()
        self.child.wait(timeout=30)


def peak_of(precision: str, threads: int, clock: Callable[[], float], dot: Dot) -> Callable[[], float]:
    """A call that measures op/s of chains in registers on so many threads, the best of five short windows."""
    pool = ThreadPoolExecutor(threads)
    # Half a millisecond; with more threads 15 ms, beside which it is little that one starts after the other.
    iterations = 100_000 if threads == 1 else 3_000_000
    if precision in ("int8", "bf16"):
        tile, one = tile_of(dot), np.int32(1)
        operations = 2.0 * products_of_chains(dot, iterations) * threads

        def once(thread: int) -> float:
            return float(dot_chains(tile, iterations, one, one))
    else:
        start = np.dtype(ELEMENTS[precision]).type(1)
        operations = float(fma.flop_per_iteration(ELEMENTS[precision])) * iterations * threads

        def once(thread: int) -> float:
            return float(fma.fma_chains(iterations, start))

    def together() -> None:
        if threads == 1:
            once(0)
        else:
            list(pool.map(once, range(threads)))

    together()
    return lambda: operations / min(seconds_of(together, clock) for _ in range(5))


def operands(precision: str, n: int) -> tuple[Any, Any, Any]:
    """Random A, B and an empty C, n × n."""
    rng = np.random.default_rng(1)
    if precision == "int8":
        a, b = (rng.integers(-127, 128, (n, n), np.int8) for _ in range(2))
        return a, b, np.zeros((n, n), np.int32)
    if precision == "bf16":
        a, b = (bf16_bits(rng.uniform(-0.5, 0.5, (n, n))) for _ in range(2))
        return a, b, np.zeros((n, n), np.float32)
    a, b = (rng.uniform(-0.5, 0.5, (n, n)).astype(ELEMENTS[precision]) for _ in range(2))
    return a, b, np.zeros_like(a)


def compare_products(
    precision: str, n: int, threads: int, rounds: int, clock_name: str = "perf_counter", tiles: bool = True
) -> tuple[list[list[str]], str]:
    """Rows of the table for one precision, size and number of threads, and what disturbed them.

    tiles : whether a matrix unit (AMX) may be used, by torch too
    """
    clock = getattr(time, clock_name)
    a, b, c = operands(precision, n)
    features = {name for name in host_features() if tiles or not name.startswith("amx")}
    workspace = Workspace(ELEMENTS[precision], threads, features)
    dot = workspace.dot
    if dot.path != NATIVE:
        raise ValueError(f"{precision} is emulated on this CPU: no speed")
    odd = tuple(x[: n - 3, : n - 5] for x in (a, b, c))
    sides: dict[str, tuple[Callable[[], float], float]] = {}

    def add(name: str, x: Any, y: Any, out: Any) -> None:
        work = 2.0 * x.shape[0] * x.shape[1] * y.shape[1]
        sides[name] = (lambda: seconds_of(lambda: multiply(x, y, out, workspace), clock), work)

    own = f"ours, {dot.name.partition(' ')[2]}"
    add(own, a, b, c)
    add(f"{own}, A and B transposed", a.T, b.T, c)
    add(f"{own}, n-3 × n-5 × n-5, strided", odd[0], b[: n - 5, : n - 5], odd[2])
    if precision in ("fp64", "fp32"):
        sides["NumPy (OpenBLAS)"] = (lambda: seconds_of(lambda: np.matmul(a, b, out=c), clock), 2.0 * n**3)
    python, torch = os.environ.get("CLUSTERMARK_TORCH_PYTHON"), None
    needs = TORCH_NEEDS.get(precision, set())
    if python and (not needs or needs & features):
        torch = Torch(python, TORCH_KINDS[precision], n, threads, clock_name, tiles)
        sides[f"torch {torch.version}"] = (torch.seconds, 2.0 * n**3)
    peak = peak_of(precision, threads, clock, dot)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    shares: dict[str, list[float]] = {name: [] for name in sides}
    with threadpool_limits(threads), Watch(pressure_counts=False) as watch:
        for call, _ in sides.values():
            call()
        for _ in range(rounds):
            for name, (call, work) in sides.items():
                time.sleep(REST)
                before = peak()
                rates[name].append(work / call())
                time.sleep(REST)
                shares[name].append(rates[name][-1] / (0.5 * (before + peak())))
    if torch is not None:
        torch.close()
    plain = np.array(rates[own])
    rows = []
    for name, share in shares.items():
        low, middle, high = np.quantile(share, (0.25, 0.5, 0.75))
        against = "" if not name.startswith("ours") else f"{np.median(np.array(rates[name]) / plain):.2f}"
        rate = np.median(rates[name]) / 1e9
        rows.append(
            [precision, str(n), str(threads), name, f"{rate:.1f}", f"{middle:.0%}", f"{low:.0%} … {high:.0%}", against]
        )
    return rows, watch.load


def compare_triads(threads: int, rounds: int) -> tuple[list[list[str]], str]:
    """Our triad beside one in C with the same stores; raises OSError where no C compiler is found."""
    import ctypes

    compiler = shutil.which("cc")
    if compiler is None:
        raise OSError("no C compiler (cc) on PATH")
    size = 128 << 20
    rng = np.random.default_rng(1)
    host = {name: rng.uniform(0.5, 1, size // 8) for name in "abc"}
    rows = []
    with tempfile.TemporaryDirectory() as folder, Watch(pressure_counts=False) as watch:
        library = Path(folder) / "triad.so"
        command = [compiler, "-O3", "-march=native", "-shared", "-fPIC", "-o", str(library), str(HERE / "triad.c")]
        subprocess.run(command, check=True, timeout=60)
        in_c = ctypes.CDLL(str(library))
        pool = ThreadPoolExecutor(threads)
        for variant in ("plain", "nontemporal"):
            ours = stream_step("triad", variant, threads, SCALAR, host, CpuDevice())
            a = ours.result()
            function = getattr(in_c, f"triad_{variant}")
            function.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_double, *[ctypes.c_void_p] * 3]
            inputs = [aligned(host[name], CpuDevice()) for name in "bc"]
            places = [x.ctypes.data for x in (*inputs, a)]
            ends = [len(a) * k // threads // 8 * 8 for k in range(threads + 1)]

            def theirs(function: Any = function, places: list[int] = places, ends: list[int] = ends) -> None:
                calls = [pool.submit(function, *ends[k : k + 2], SCALAR, *places) for k in range(threads)]
                for call in calls:
                    call.result()

            pairs = []
            for number in range(rounds + 1):
                pair = (seconds_of(ours.step), seconds_of(theirs))
                pairs += [pair] if number else []
            seconds = np.array(pairs)
            rates = 3 * size / np.median(seconds, axis=0) / 1e9
            low, middle, high = np.quantile(seconds[:, 1] / seconds[:, 0], (0.25, 0.5, 0.75))
            shown = [f"{rates[0]:.1f}", f"{rates[1]:.1f}", f"{middle:.2f}", f"{low:.2f} … {high:.2f}"]
            rows.append([variant, str(threads), *shown])
    return rows, watch.load


GEMM_HEADER = ["type", "n", "threads", "side", "Gop/s", "of peak", "quartiles", "÷ plain"]
TRIAD_HEADER = ["stores", "threads", "ours [GB/s]", "C [GB/s]", "ours ÷ C", "quartiles"]


def main() -> int:
    """Print a table; exit code 1 where a peer that was asked for is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("gemm", "triad"))
    parser.add_argument("--types", default="fp64,fp32,int8")
    parser.add_argument("--n", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-tiles", action="store_true", help="leave the CPU's matrix unit (AMX) out, on all sides")
    parser.add_argument(
        "--cpu-time", action="store_true", help="of one thread: what others take of the core is left out"
    )
    options = parser.parse_args()
    if options.cpu_time and options.threads > 1:
        parser.error("--cpu-time is of one thread: leave it out or give --threads 1")
    if options.what == "triad":
        rows, load = compare_triads(options.threads, options.rounds)
        print(tabulate(rows, TRIAD_HEADER, disable_numparse=True))
        print(load or "quiet machine")
        return 0
    for precision in options.types.split(","):
        clock = "thread_time" if options.cpu_time else "perf_counter"
        rows, load = compare_products(
            precision, options.n, options.threads, options.rounds, clock, not options.no_tiles
        )
        print(tabulate(rows, GEMM_HEADER, disable_numparse=True))
        print(load or "quiet machine", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
