"""The sides of climate_vs_peers.py: ours and C here on the same arrays, peers in an environment of theirs."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from climate_shallow_data import GRAVITY, HALO, RESULTS, TIMESTEP, Array, Panel, fingerprint
from md_sides import HERE, ROOT, PeerError, Process, environment

from clustermark.apps.climate.layout import pitch_of

PEERS = ("devito==4.8.*", "gt4py>=1.1.12,<1.3", "numpy>=1.26")
FLAGS = ("-O3", "-march=native", "-fopenmp", "-std=gnu11", "-shared", "-fPIC")
# [bytes] of one array of the triad, so that three are far beyond a last cache.
TRIAD_BYTES = 1 << 26


def find_climate_peers(make: bool = False) -> str | None:
    """The Python of the environment with Devito and GT4Py: CLUSTERMARK_CLIMATE_PEERS_PYTHON, else .venv-climate-peers.

    Raises PeerError where pip does not find the wheels; without `make` nothing is installed.
    """
    given = os.environ.get("CLUSTERMARK_CLIMATE_PEERS_PYTHON")
    if given:
        return given
    folder = ROOT / ".venv-climate-peers"
    python, finished = folder / "bin" / "python", folder / ".run"
    if not finished.exists() and make:
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerError(f"pip does not install {' '.join(PEERS)}: {done.stderr.strip()[-500:]}")
        finished.touch()
    return str(python) if finished.exists() else None


def peer(name: str, rows: int, columns: int, dtype: str, threads: int, python: str, folder: Path) -> Process:
    """Devito or GT4Py, with what they compile kept in `folder`. Raises PeerError where it does not start."""
    variables = environment(
        OMP_NUM_THREADS=str(threads),
        DEVITO_ARCH="gcc",
        DEVITO_LANGUAGE="openmp",
        DEVITO_LOGGING="WARNING",
        TMPDIR=str(folder),
        GT_CACHE_ROOT=str(folder),
        DACE_CONFIG=str(folder / "dace.conf"),
        GT4PY_EXTRA_COMPILE_ARGS="-march=native",
    )
    specification = {"peer": name, "rows": rows, "columns": columns, "dtype": dtype, "threads": threads}
    return Process(name, [python, str(HERE / "climate_shallow_peers.py")], [0], specification, variables)


@dataclass(frozen=True)
class Blocks:
    """Arrays of both local sides: fields flat with our pitch, outputs for each side."""

    data: Panel
    fields: dict[str, Array]
    pitch: int
    rows: int
    columns: int

    def outputs(self) -> list[Array]:
        """New arrays for h, u, v."""
        return [np.zeros_like(self.fields["h"]) for _ in RESULTS]


def blocks_of(data: Panel) -> Blocks:
    """The fields of a panel as blocks with our pitch."""
    rows, columns = (size - 2 * HALO for size in data.fields["h"].shape)
    pitch = pitch_of(columns)
    fields = {}
    for name, field in data.fields.items():
        padded = np.zeros((rows + 2 * HALO, pitch), field.dtype)
        padded[:, : field.shape[1]] = field
        fields[name] = padded.ravel()
    return Blocks(data, fields, pitch, rows, columns)


class Local:
    """A side that is a function without arguments in this process."""

    def __init__(self, name: str, step: Callable[[], Any], blocks: Blocks, outputs: list[Array], version: str) -> None:
        """`step` fills `outputs` from `blocks`."""
        self.name, self._step, self._blocks, self._outputs, self._version = name, step, blocks, outputs, version
        step()

    def block(self, steps: int) -> float:
        """[s] that so many stages took."""
        start = time.perf_counter()
        for _ in range(steps):
            self._step()
        return time.perf_counter() - start

    def facts(self) -> dict[str, Any]:
        """Version, and some values of the result."""
        inside = (slice(HALO, HALO + self._blocks.rows), slice(HALO, HALO + self._blocks.columns))
        shape = (-1, self._blocks.pitch)
        results = {name: out.reshape(shape)[inside] for name, out in zip(RESULTS, self._outputs, strict=True)}
        return {"version": self._version, "fingerprint": fingerprint(results)}

    def close(self) -> None:
        """Nothing is held."""


def ours(blocks: Blocks, threads: int) -> Local:
    """shallow_stage of apps/climate."""
    import numba

    from clustermark.apps.climate.shallow_cpu import make_work, shallow_stage
    from clustermark.devices.simd import Width, native_width

    fields, data = blocks.fields, blocks.data
    dtype = fields["h"].dtype
    lanes = native_width(str(dtype))
    width, outputs = Width(lanes), blocks.outputs()

    arguments = (
        *fields.values(),
        data.cos_center,
        data.cos_face,
        data.inverse_spacing,
        GRAVITY,
        TIMESTEP,
        blocks.pitch,
        HALO,
        HALO + blocks.rows,
        HALO,
        HALO + blocks.columns,
        width,
        make_work(threads, blocks.pitch, str(dtype)),
        *outputs,
    )

    def step() -> None:
        numba.set_num_threads(threads)
        shallow_stage(*arguments)

    return Local("clustermark", step, blocks, outputs, f"numba {numba.__version__}, vectors of {lanes}")


def compile_c(folder: Path, dtype: str, source: str = "climate_shallow") -> tuple[ctypes.CDLL, str]:
    """A source beside this file for a type, and the compiler with its flags. Raises PeerError where that fails."""
    kind = {"float64": "double", "float32": "float"}[dtype]
    library = folder / f"{source}_{kind}.so"
    command = ["gcc", *FLAGS, f"-DT={kind}", str(HERE / f"{source}.c"), "-o", str(library)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        version = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=False, timeout=30)
    except FileNotFoundError:
        raise PeerError("there is no gcc on PATH: the C side cannot be compiled") from None
    if done.returncode:
        raise PeerError(f"gcc does not compile {source}.c: {done.stderr.strip()[:300]}")
    return ctypes.CDLL(str(library)), f"{version.stdout.splitlines()[0]}, {' '.join(FLAGS[:3])}"


def _pointer(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def by_hand(blocks: Blocks, threads: int, folder: Path) -> Local:
    """The stage in C."""
    data = blocks.data
    library, version = compile_c(folder, str(blocks.fields["h"].dtype))
    outputs = blocks.outputs()
    ends = (blocks.pitch, HALO, HALO + blocks.rows, HALO, HALO + blocks.columns)
    arguments = [
        *map(_pointer, (*blocks.fields.values(), data.cos_center, data.cos_face)),
        *map(ctypes.c_double, (data.inverse_spacing, GRAVITY, TIMESTEP)),
        *map(ctypes.c_long, ends),
        ctypes.c_int(threads),
        *map(_pointer, outputs),
    ]

    def step() -> None:
        if library.stage(*arguments):
            raise PeerError("the C side found no memory for its rows")

    return Local("C", step, blocks, outputs, version)


class Triad:
    """a = b + s·c in C on as many threads, with ordinary stores: what memory gives at that minute."""

    name = "triad"

    def __init__(self, dtype: str, threads: int, folder: Path) -> None:
        """Arrays of TRIAD_BYTES."""
        self._library, _ = compile_c(folder, dtype)
        self._arrays = [np.ones(TRIAD_BYTES // np.dtype(dtype).itemsize, dtype) for _ in range(3)]
        scalar = ctypes.c_double(0.5) if dtype == "float64" else ctypes.c_float(0.5)
        self._arguments = [
            *map(_pointer, self._arrays),
            scalar,
            ctypes.c_long(self._arrays[0].size),
            ctypes.c_int(threads),
        ]
        self.block(1)

    def block(self, steps: int) -> float:
        """[s] that so many passes took."""
        start = time.perf_counter()
        for _ in range(steps):
            self._library.triad(*self._arguments)
        return time.perf_counter() - start

    def facts(self) -> dict[str, Any]:
        """Nothing to compare."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


def python_version() -> str:
    """Of this process."""
    return f"Python {sys.version.split()[0]}"
