"""The CUDA kernels without a GPU: machine code within budgets, entries like those of the CPU, executed in a simulator.

Unmeasured: no machine that runs these tests is asked to have a GPU.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: make test CUDA=1, or pip install '.[cuda-test]'")
pytest.importorskip(
    "cuda.bindings.nvrtc", reason="NVIDIA's compiler wheels are not installed: pip install '.[cuda-test]'"
)

from cuda_helpers.budgets import Budget, complaints, unreasoned
from cuda_helpers.offline import (
    PROGRAMS,
    Audit,
    Launch,
    audit,
    compile_offline,
    imported_modules,
    kernels_in,
    launches_of,
)
from md_cuda_calls import MODULES, call_every_entry
from numba import float32, float64

from clustermark.apps.md import (
    clusters,
    clusters_cuda,
    halo,
    halo_cuda,
    integrate_cpu,
    integrate_cuda,
    kernels_cpu,
    kernels_cuda,
    pair_list,
    pair_list_cuda,
    slot_numbers,
    slot_numbers_cuda,
    velocity_cuda,
    velocity_kernels,
)
from clustermark.apps.md.layout import PRECISIONS
from clustermark.devices import memory, memory_cuda
from clustermark.devices.numba_cuda import cuda

if not (PROGRAMS / "ptxas").exists() or not (PROGRAMS / "nvdisasm").exists():
    pytest.skip("ptxas or nvdisasm is not installed: pip install '.[cuda-test]'", allow_module_level=True)

HERE = Path(__file__).parent
CAPABILITIES = ((8, 0), (9, 0), (10, 0))


STAGING = "positions outside of clusters are float64, (n, 3), in every precision"
MASTERS = "master positions and velocities are float64"
SUMS = "a sum over all atoms, a few operations each"
DEVIATES = "the deviates are those of the CPU"
FORCES = "what a pair term and its sums take; whether fewer registers and more warps are faster is unmeasured"
LISTS = "once in many steps; whether fewer registers and more warps are faster is unmeasured"
# Of the kernels that dominate a run, in float32: 72 registers let 7 blocks of 128 threads share a multiprocessor.
ROWS: dict[str, Budget] = {
    "clusters_cuda.box_clusters": Budget(36),
    "clusters_cuda.clusters_in_columns": Budget(16),
    "clusters_cuda.collect_rows": Budget(32, fp64={"mixed": 8, "single": 8}, because=STAGING),
    "clusters_cuda.count_in_columns": Budget(32, fp64={"mixed": 8, "single": 8}, because=STAGING),
    "clusters_cuda.mark_filled": Budget(16),
    "clusters_cuda.pad_slots": Budget(32, fp64={"mixed": 8}, because=MASTERS),
    "clusters_cuda.place_in_columns": Budget(16),
    "clusters_cuda.rank_in_columns": Budget(32, fp64={"mixed": 20, "single": 20}, because=STAGING),
    "clusters_cuda.scatter_rows": Budget(32, fp64={"mixed": 8, "single": 8}, because=STAGING),
    "clusters_cuda.start_columns": Budget(16),
    "clusters_cuda.take_filled": Budget(40, fp64={"mixed": 76, "single": 76}, because=STAGING),
    "halo_cuda.add_rows": Budget(24),
    "halo_cuda.pack_rows": Budget(24),
    "halo_cuda.unpack_rows": Budget(24),
    "integrate_cuda.displacements": Budget(32),
    "integrate_cuda.kick_and_drift": Budget(32, fp64={"mixed": 14}, because=MASTERS),
    "integrate_cuda.kick_slots": Budget(32, fp64={"mixed": 8}, because=MASTERS),
    "integrate_cuda.spread_by_type": Budget(16),
    "kernels_cuda.ADD_FORCES[Embedded]": Budget(96, 72, few=FORCES),
    "kernels_cuda.ADD_FORCES[ManyTypes]": Budget(80, 72, few=FORCES),
    "kernels_cuda.ADD_FORCES[OneType]": Budget(64, 72, few=FORCES),
    "kernels_cuda.ADD_FORCES_AND_SUMS[Embedded]": Budget(112, 72, few=FORCES),
    "kernels_cuda.ADD_FORCES_AND_SUMS[ManyTypes]": Budget(96, 72, few=FORCES),
    "kernels_cuda.ADD_FORCES_AND_SUMS[OneType]": Budget(80, 72, few=FORCES),
    "kernels_cuda.add_densities": Budget(64),
    "kernels_cuda.embed_slots": Budget(32, fp64={"mixed": 28, "single": 28}, because=SUMS),
    "memory_cuda.clear": Budget(16),
    "memory_cuda.convert": Budget(16, fp64={"mixed": 8}, because=MASTERS),
    "pair_list_cuda.count_entries": Budget(96, few=LISTS),
    "pair_list_cuda.write_entries": Budget(96, few=LISTS),
    "scan_cuda.add_up_chunks": Budget(32),
    "scan_cuda.sum_chunks": Budget(32),
    "slot_numbers_cuda.add_numbers": Budget(16),
    "slot_numbers_cuda.put_numbers": Budget(16),
    "slot_numbers_cuda.take_numbers": Budget(16),
    "velocity_cuda.renew_velocities": Budget(48, fp64={"mixed": 210, "single": 210}, because=DEVIATES),
    "velocity_cuda.scale_velocities": Budget(16, fp64={"mixed": 8}, because=MASTERS),
    "velocity_cuda.sum_of_squares": Budget(32, fp64={"mixed": 12, "single": 12}, because=SUMS),
}

# What an application asks of its memory; the host's `zeros` is given to it when it is made.
MEMORY = ("empty", "from_host", "kept", "to_host", "beside", "fetch", "send", "copy", "clear", "convert", "buffer")
ENTRIES: list[tuple[Any, Any, tuple[str, ...]]] = [
    (
        clusters,
        clusters_cuda,
        ("sort_into_columns", "fill_padding", "scatter", "collect", "take_atoms", "bounding_boxes"),
    ),
    (pair_list, pair_list_cuda, ("build_list",)),
    (kernels_cpu, kernels_cuda, ("pair_forces", "densities", "embed")),
    (integrate_cpu, integrate_cuda, ("kick_drift", "kick", "largest_displacement_square", "per_slot")),
    (velocity_kernels, velocity_cuda, ("kinetic_energy", "langevin_kick", "scale")),
    (slot_numbers, slot_numbers_cuda, ("take", "put", "add")),
    (memory.HostMemory, memory_cuda.DeviceMemory, MEMORY),
    (memory.HostBuffer, memory_cuda.StagedBuffer, ("to_wire", "to_fill", "from_wire", "part")),
    (memory.HostBuffer, memory_cuda.DeviceBuffer, ("to_wire", "to_fill", "from_wire", "part")),
    (halo, halo_cuda, ("pack", "unpack", "unpack_add")),
]


# --- entries -------------------------------------------------------------------------------------------------


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each parameter, in order; of the Python behind a compiled function."""
    signature = inspect.signature(getattr(function, "py_func", function))
    return [(p.name, p.kind, p.default) for p in signature.parameters.values()]


@pytest.mark.parametrize(
    ("cpu", "gpu", "name"),
    [(cpu, gpu, name) for cpu, gpu, names in ENTRIES for name in names],
    ids=[name for _, _, names in ENTRIES for name in names],
)
def test_an_entry_has_the_name_and_the_parameters_of_the_cpu(cpu: Any, gpu: Any, name: str) -> None:
    assert parameters(getattr(gpu, name)) == parameters(getattr(cpu, name))


def test_an_entry_with_other_parameters_is_found() -> None:
    def pack(values: Any, offsets: Any, shift: Any, lanes: Any, buffer: Any) -> None: ...

    assert parameters(pack) != parameters(halo.pack)


def test_nothing_imports_cuda_unless_a_cuda_module_is_asked_for() -> None:
    modules, *came = imported_modules("clustermark.apps.md", cuda=False)
    assert modules > 30
    assert came == [False, False]
    assert imported_modules("clustermark.apps.md", cuda=True)[1]


# --- machine code --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """One kernel for one set of types, in machine code of every capability."""

    kernel: str
    precisions: tuple[str, ...]
    audits: dict[tuple[int, int], Audit]


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> list[Variant]:
    names = {id(kernel): name for name, kernel in kernels_in(MODULES).items()}
    launches = launches_of(PRECISIONS, call_every_entry)
    sources = {str(n): compile_offline(launch, CAPABILITIES) for n, (launch, _) in enumerate(launches)}
    folder = tmp_path_factory.mktemp("ptx")
    audits = {c: audit({key: ptx[c] for key, ptx in sources.items()}, c, folder) for c in CAPABILITIES}
    return [
        Variant(names[id(launch.kernel)], precisions, {c: audits[c][str(n)] for c in CAPABILITIES})
        for n, (launch, precisions) in enumerate(launches)
    ]


def over_budget(variant: Variant, budget: Budget) -> list[str]:
    """Sentences about every capability whose machine code breaks a rule."""
    return [
        f"{variant.kernel} in {'/'.join(variant.precisions)} on sm_{major}{minor}: {sentence}"
        for (major, minor), found in variant.audits.items()
        for sentence in complaints(found, budget, variant.precisions)
    ]


@pytest.mark.parametrize("name", ROWS)
def test_a_kernel_keeps_its_budget_on_every_architecture(name: str, variants: list[Variant]) -> None:
    """No spill, no local memory, no float64 in float32 kernels but where it is stated, registers as stated."""
    own = [variant for variant in variants if variant.kernel == name]
    assert {precision for variant in own for precision in variant.precisions} == set(PRECISIONS)
    assert [complaint for variant in own for complaint in over_budget(variant, ROWS[name])] == []


def test_half_of_the_warps_are_at_work_or_it_is_said_why_not() -> None:
    assert unreasoned(ROWS) == []


def without_a_row(modules: Any, rows: Any) -> set[str]:
    return set(kernels_in(modules)) - set(rows)


def test_every_kernel_has_a_row_and_every_row_a_kernel() -> None:
    assert without_a_row(MODULES, ROWS) == set()
    assert set(ROWS) - set(kernels_in(MODULES)) == set()
    folder = Path(clusters.__file__).parent
    own = {module.__name__.rsplit(".", 1)[1] for module in MODULES if Path(str(module.__file__)).parent == folder}
    assert {path.stem for path in folder.glob("*_cuda.py")} == own


def test_a_kernel_without_a_row_is_found() -> None:
    @cuda.jit
    def forgotten(x):
        x[0] = 1

    forgotten.py_func.__module__ = "house.new_cuda"
    module: Any = SimpleNamespace(__name__="house.new_cuda", forgotten=forgotten, TABLE={int: forgotten}, number=3)
    assert without_a_row([module], ROWS) == {"new_cuda.forgotten", "new_cuda.TABLE[int]"}
    assert without_a_row(MODULES, list(ROWS)[1:]) == {next(iter(ROWS))}


def planted(function: Callable[..., None], tmp_path: Path, kind: Any = float32, **options: Any) -> list[str]:
    """What the audit says of a kernel over two arrays."""
    launch = Launch(cuda.jit(function), (kind[::1], kind[::1]))
    ptx = compile_offline(launch, [(9, 0)], **options)[9, 0]
    return complaints(audit({"planted": ptx}, (9, 0), tmp_path)["planted"], Budget(64), ["float32"])


def test_a_kernel_without_a_fault_is_not_accused(tmp_path: Path) -> None:
    def axpy(x, y):
        i = cuda.grid(1)
        if i < x.size:
            y[i] += x[i] * x[i]

    assert planted(axpy, tmp_path) == []
    assert planted(axpy, tmp_path, float64) == ["has 1 float64 instructions, more than 0"]


def test_a_float64_literal_in_a_float32_kernel_is_found(tmp_path: Path) -> None:
    def scaled(x, y):
        i = cuda.grid(1)
        if i < x.size:
            y[i] = 0.3 * x[i]

    (sentence,) = planted(scaled, tmp_path)
    assert re.fullmatch(r"has [1-9]\d* float64 instructions, more than 0", sentence)


def test_spilled_registers_and_local_memory_are_found(tmp_path: Path) -> None:
    def greedy(x, y):
        a0, a1, a2, a3, a4, a5, a6, a7 = x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]
        b0, b1, b2, b3, b4, b5, b6, b7 = x[8], x[9], x[10], x[11], x[12], x[13], x[14], x[15]
        c0, c1, c2, c3, c4, c5, c6, c7 = x[16], x[17], x[18], x[19], x[20], x[21], x[22], x[23]
        d0, d1, d2, d3, d4, d5, d6, d7 = x[24], x[25], x[26], x[27], x[28], x[29], x[30], x[31]
        cuda.syncthreads()
        y[0], y[1], y[2], y[3], y[4], y[5], y[6], y[7] = a7, a6, a5, a4, a3, a2, a1, a0
        y[8], y[9], y[10], y[11], y[12], y[13], y[14], y[15] = b7, b6, b5, b4, b3, b2, b1, b0
        y[16], y[17], y[18], y[19], y[20], y[21], y[22], y[23] = c7, c6, c5, c4, c3, c2, c1, c0
        y[24], y[25], y[26], y[27], y[28], y[29], y[30], y[31] = d7, d6, d5, d4, d3, d2, d1, d0

    def indexed(x, y):
        table = cuda.local.array(64, float32)
        for k in range(64):
            table[k] = x[k]
        for k in range(x.size):
            y[k] = table[int(x[k]) % 64]

    complaints = planted(greedy, tmp_path, launch_bounds=(1024, 2))
    assert any(re.match(r"spills [1-9]\d* bytes", sentence) for sentence in complaints)
    assert any("in local memory" in sentence for sentence in planted(indexed, tmp_path))


def test_too_many_registers_are_found(variants: list[Variant]) -> None:
    variant = next(v for v in variants if v.kernel == "kernels_cuda.ADD_FORCES[OneType]")
    assert over_budget(variant, ROWS[variant.kernel]) == []
    assert len(over_budget(variant, Budget(8))) == len(CAPABILITIES)


# --- execution -----------------------------------------------------------------------------------------------


def test_in_the_simulator_the_kernels_do_what_the_cpu_does() -> None:
    """md_cuda_simulated.py in a process of its own: the simulator is chosen when numba is imported."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(HERE / "md_cuda_simulated.py")],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= 37, done.stdout
