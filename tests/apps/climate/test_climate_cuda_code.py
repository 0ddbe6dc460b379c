"""The climate's CUDA kernels as machine code, without a GPU: budgets of every kernel, entries like those of the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: make test CUDA=1, or pip install '.[cuda-test]'")
pytest.importorskip(
    "cuda.bindings.nvrtc", reason="NVIDIA's compiler wheels are not installed: pip install '.[cuda-test]'"
)

from climate_cuda_calls import MODULES, call_every_entry
from climate_cuda_device import CAPABILITIES, DEVICE, OF_THE_CPU, parameters
from cuda_helpers.budgets import LEAST_OCCUPANCY, Budget, complaints, occupancy, unreasoned
from cuda_helpers.offline import PROGRAMS, Audit, audit, imported_modules, kernels_in, launches_of
from numba import float32

from clustermark.apps.climate import (
    damping_cpu,
    damping_cuda,
    flux_matching_cpu,
    flux_matching_cuda,
    forcing_cpu,
    forcing_cuda,
    halo_interpolation_cpu,
    halo_kernels_cpu,
    halo_kernels_cuda,
    primitive_cpu,
    primitive_cuda,
    shallow_cpu,
    shallow_cuda,
    sums,
    sums_cuda,
    surface_cpu,
    surface_cuda,
    tracer_cpu,
    tracer_cuda,
)
from clustermark.apps.climate.launch_cuda import THREADS
from clustermark.devices.numba_cuda import cuda

if not (PROGRAMS / "ptxas").exists() or not (PROGRAMS / "nvdisasm").exists():
    pytest.skip("ptxas or nvdisasm is not installed: pip install '.[cuda-test]'", allow_module_level=True)

DTYPES = ("float64", "float32")
METRIC = "metric terms of some rows are made in float64 before the cast, a thread for each row"
PRESSURE = "surface pressure is float64 in every precision; once a column, not once a cell"
SEAM = "fluxes of mass through the seam are float64 in every precision, once a step, on a line"
TRACER = "a tracer's mass and sign are kept by float64 in every precision, once a step; its fields are float32"
ROWS: dict[str, Budget] = {
    "damping_cuda.copy_cell": Budget(16, 16),
    "damping_cuda.damp_cells": Budget(56, 40),
    "damping_cuda.damping_factors": Budget(32, 32, {"float32": 84}, METRIC),
    "damping_cuda.laplacian_cells": Budget(56, 40),
    "flux_matching_cuda.column_flux": Budget(40, 40, {"float32": 40}, SEAM),
    "flux_matching_cuda.correct_cell": Budget(40, 40, {"float32": 72}, SEAM),
    "flux_matching_cuda.piece_flux": Budget(40, 40, {"float32": 40}, SEAM),
    "forcing_cuda.forcing_factors": Budget(24, 24, {"float32": 36}, "numbers of some levels, a thread for each"),
    "forcing_cuda.pressure_columns": Budget(32, 32, {"float32": 84}, f"{PRESSURE}: a logarithm and an exponential"),
    "forcing_cuda.relax_columns": Budget(64, 48),
    "halo_kernels_cuda.blend_point": Budget(24, 24, {"float32": 4}, "p_s is float64 in every precision"),
    "halo_kernels_cuda.pack_run": Budget(24, 24),
    "halo_kernels_cuda.scalar_point": Budget(56, 40, {"float32": 24}, "p_s is float64 in every precision"),
    "halo_kernels_cuda.unpack_point": Budget(24, 24),
    "halo_kernels_cuda.unpack_run": Budget(24, 24),
    "halo_kernels_cuda.wind_point": Budget(64, 40),
    "primitive_columns_cuda.advance_columns": Budget(
        128,
        64,
        few="what 24 numbers of a column take; 61 KB of its loads are under way in a multiprocessor, docs/climate.md",
    ),
    "primitive_cuda.diagnose_columns": Budget(64, 56),
    "primitive_cuda.pressure_cells": Budget(24, 24, {"float32": 32}, PRESSURE),
    "primitive_cuda.vorticity_cells": Budget(40, 40),
    "primitive_factors_cuda.primitive_factors": Budget(40, 40, {"float32": 108}, f"{METRIC}, and of the levels"),
    "shallow_cuda.advance_cells": Budget(
        104, 64, few="seven corners, eight fluxes, three energies; 40 loads of a thread are under way together"
    ),
    "shallow_cuda.shallow_factors": Budget(40, 40, {"float32": 96}, METRIC),
    "sums_cuda.add_cells": Budget(24, 24, {"float32": 10}, "sums over the sphere are of float64 terms, once a step"),
    "sums_cuda.scale_cell": Budget(16, 16, {"float32": 1}, "p_s is float64 in every precision"),
    "surface_cuda.exner_cells": Budget(32, 32, {"float32": 40}, f"{PRESSURE}: a polynomial of degree 22"),
    "surface_cuda.terms_cells": Budget(32, 32, {"float32": 66}, f"{PRESSURE}: eight terms, three of them divisions"),
    "tracer_cuda.carry_cells": Budget(56, 56, {"float32": 211}, TRACER),
    "tracer_cuda.cut_cell": Budget(16, 16),
    "tracer_cuda.move_cells": Budget(48, 48, {"float32": 84}, TRACER),
    "tracer_cuda.renew_columns": Budget(
        96, 96, {"float32": 274}, TRACER, few="five levels of a column and two parabolas, in float64; once a step"
    ),
    "tracer_cuda.take_cell": Budget(16, 16),
}

ENTRIES: list[tuple[ModuleType, ModuleType, tuple[str, ...]]] = [
    (shallow_cpu, shallow_cuda, ("shallow_stage",)),
    (surface_cpu, surface_cuda, ("surface_terms",)),
    (primitive_cpu, primitive_cuda, ("advance",)),
    (damping_cpu, damping_cuda, ("damp", "copy_cells")),
    (flux_matching_cpu, flux_matching_cuda, ("column_fluxes", "piece_fluxes", "correct_cells")),
    (forcing_cpu, forcing_cuda, ("force",)),
    (sums, sums_cuda, ("add_words", "scale_cells")),
    (tracer_cpu, tracer_cuda, ("advance", "take_cells", "cut_below_zero")),
    (halo_kernels_cpu, halo_kernels_cuda, ("pack_runs", "unpack_runs", "unpack_points", "blend_points")),
    (halo_interpolation_cpu, halo_kernels_cuda, ("interpolate_scalar", "interpolate_wind")),
]


# --- entries -------------------------------------------------------------------------------------------------


def shared(function: Any) -> list[str]:
    """Names of the parameters that CPU and GPU share, in order."""
    return [name for name in parameters(function) if name not in OF_THE_CPU]


@pytest.mark.parametrize(
    ("cpu", "gpu", "name"),
    [(cpu, gpu, name) for cpu, gpu, names in ENTRIES for name in names],
    ids=[name for _, _, names in ENTRIES for name in names],
)
def test_an_entry_has_the_name_and_the_parameters_of_the_cpu(cpu: ModuleType, gpu: ModuleType, name: str) -> None:
    assert shared(getattr(gpu, name)) == shared(getattr(cpu, name))
    assert not {"width", "chunks"} & set(parameters(getattr(gpu, name)))


def test_an_entry_with_other_parameters_is_found() -> None:
    def unpack_points(buffer: Any, places: Any, segments: Any, plane: Any, levels: Any, field: Any) -> None: ...

    assert shared(unpack_points) != shared(halo_kernels_cpu.unpack_points)


def test_nothing_imports_cuda_unless_a_cuda_module_is_asked_for() -> None:
    modules, *came = imported_modules("clustermark.apps.climate", cuda=False)
    assert modules > 40
    assert came == [False, False]
    assert imported_modules("clustermark.apps.climate", cuda=True)[1]


# --- machine code --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """One kernel for one set of types, in machine code of every capability."""

    kernel: str
    dtypes: tuple[str, ...]
    audits: dict[tuple[int, int], Audit]


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> list[Variant]:
    names = {id(kernel): name for name, kernel in kernels_in(MODULES).items()}
    launches = launches_of(DTYPES, call_every_entry)
    texts = {str(n): DEVICE.texts(launch.kernel, launch.types) for n, (launch, _) in enumerate(launches)}
    folder = tmp_path_factory.mktemp("ptx")
    audits = {c: audit({number: text[c] for number, text in texts.items()}, c, folder) for c in CAPABILITIES}
    return [
        Variant(names[id(launch.kernel)], dtypes, {c: audits[c][str(n)] for c in CAPABILITIES})
        for n, (launch, dtypes) in enumerate(launches)
    ]


def over_budget(variant: Variant, budget: Budget) -> list[str]:
    """Sentences about every capability whose machine code breaks a rule."""
    return [
        f"{variant.kernel} of {'/'.join(variant.dtypes)} on sm_{major}{minor}: {sentence}"
        for (major, minor), found in variant.audits.items()
        for sentence in complaints(found, budget, variant.dtypes)
    ]


@pytest.mark.parametrize("name", ROWS)
def test_a_kernel_keeps_its_budget_on_every_architecture(name: str, variants: list[Variant]) -> None:
    """No spill, no local memory, float64 beside float32 only where and as much as it is stated, registers as stated."""
    own = [variant for variant in variants if variant.kernel == name]
    assert {dtype for variant in own for dtype in variant.dtypes} == set(DTYPES)
    assert [complaint for variant in own for complaint in over_budget(variant, ROWS[name])] == []


def test_half_of_the_warps_are_at_work_or_it_is_said_why_not() -> None:
    assert all(budget.threads == THREADS for budget in ROWS.values())
    assert unreasoned(ROWS) == []
    narrow = {name for name, budget in ROWS.items() if occupancy(budget.float32, THREADS) < LEAST_OCCUPANCY}
    assert {name for name in narrow if ROWS[name].because != TRACER} == set()


def test_too_many_registers_and_a_float64_instruction_are_found(variants: list[Variant]) -> None:
    for variant in variants:
        if variant.kernel == "shallow_cuda.shallow_factors" and "float32" in variant.dtypes:
            assert len(over_budget(variant, Budget(8, 8, {"float32": 96}))) == len(CAPABILITIES)
            sentences = over_budget(variant, Budget(40, 40))
            assert len(sentences) == len(CAPABILITIES)
            assert all("float64 instructions, more than 0" in sentence for sentence in sentences)
            break
    else:
        pytest.fail("no variant of the kernel was compiled")


def test_a_spill_is_found(tmp_path: Path) -> None:
    def indexed(x, y):
        table = cuda.local.array(64, float32)
        for k in range(64):
            table[k] = x[k]
        for k in range(x.size):
            y[k] = table[int(x[k]) % 64]

    texts = DEVICE.texts(cuda.jit(indexed), (float32[::1], float32[::1]))
    found = audit({"indexed": texts[9, 0]}, (9, 0), tmp_path)["indexed"]
    variant = Variant("planted", ("float32",), {(9, 0): found})
    assert any("in local memory" in sentence for sentence in over_budget(variant, Budget(255, 255)))


def without_a_row(modules: Any, rows: Any) -> set[str]:
    return set(kernels_in(modules)) - set(rows)


def test_every_kernel_has_a_row_and_every_row_a_kernel() -> None:
    assert without_a_row(MODULES, ROWS) == set()
    assert set(ROWS) - set(kernels_in(MODULES)) == set()
    assert without_a_row(MODULES, list(ROWS)[1:]) == {next(iter(ROWS))}
    folder = Path(shallow_cpu.__file__).parent
    assert {path.stem for path in folder.glob("*_cuda.py")} == {module.__name__.rsplit(".", 1)[1] for module in MODULES}
