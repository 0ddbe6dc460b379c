"""CUDA kernels of the atmosphere, as the PTX that a GPU would get: against the float64 references and the CPU's sums.

Executed by the interpreter (docs/cuda-without-a-gpu.md) in their own precision, on sizes that fit no block; the bounds
are those of the CPU's kernels, and each comparison is shown a fault. Unmeasured: how fast they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")

from climate_cuda_device import DEVICE, LEAST_COVERED, not_run, part_run, whole_file_or_skip
from forcing_examples import latitudes, wanted
from primitive_examples import FAULTS, Stage, differences, evolved, ground_of, rough_fields, single
from ptx.device import InterpretedDevice, device_array, to_device
from ptx.faults import UninitialisedMemoryError
from ptx.traffic import traffic

from clustermark.apps.climate import (
    damping_cuda,
    forcing_cuda,
    primitive_columns_cuda,
    primitive_cuda,
    primitive_factors_cuda,
    sums,
    sums_cuda,
    surface_cuda,
)
from clustermark.apps.climate import reference_damping as damping
from clustermark.apps.climate import reference_primitive as reference
from clustermark.apps.climate.forcing import HeldSuarez, forcing_table
from clustermark.apps.climate.layout import HALO, Array, Floats, Region
from clustermark.apps.climate.planet import HELD_SUAREZ
from clustermark.apps.climate.primitive_cpu import REACH
from clustermark.apps.climate.reference_primitive import Fields, Ground
from clustermark.apps.climate.surface_cpu import TERMS
from clustermark.apps.climate.surface_cuda import surface_terms
from clustermark.apps.climate.vertical import level_table, power_table
from clustermark.core.errors import UsageError

EVERYTHING = os.environ.get("CLUSTERMARK_EVERY_PTX") == "1"
ROWS, COLUMNS = 9, 35
STEP = 300.0
Winds = tuple[Floats, Floats, Floats]


@pytest.fixture(autouse=True)
def on_the_interpreter() -> Iterator[InterpretedDevice]:
    with DEVICE.installed() as device:
        yield device


@pytest.fixture(scope="module")
def ground() -> Ground:
    return ground_of(ROWS, COLUMNS)


@pytest.fixture(scope="module")
def fields(ground: Ground) -> Fields:
    return rough_fields(ground)


@pytest.fixture(scope="module")
def start(ground: Ground) -> Fields:
    return rough_fields(ground, seed=5)


def place_of(region: Region) -> tuple[int, int, int, int]:
    return region.first_row, region.last_row, region.first_column, region.last_column


def regions_of(stage: Stage) -> list[Region]:
    """The cells that see no halo, and the rims around them."""
    low, top, right = HALO, stage.rows - HALO, stage.columns - HALO
    return [
        Region(low + REACH, top - REACH, low + REACH, right - REACH),
        Region(low, low + REACH, low, right),
        Region(top - REACH, top, low, right),
        Region(low + REACH, top - REACH, low, low + REACH),
        Region(low + REACH, top - REACH, right - REACH, right),
    ]


def empty(size: int, dtype: Any) -> Any:
    """An array of the device, not a number where nothing is written."""
    return to_device(np.full(size, np.nan, dtype))


# --- a stage -------------------------------------------------------------------------------------------------


def run(stage: Stage, fields: Fields, start: Fields, regions: list[Region] | None = None) -> Fields:
    """X_new of the GPU's kernels over the regions, one after the other; not a number elsewhere."""
    ground, planet, dtype = stage.ground, stage.ground.planet, stage.dtype
    size, count = stage.rows * stage.pitch, ground.levels.count
    now = [to_device(field) for field in stage.flat_fields(fields)]
    before = [to_device(field) for field in stage.flat_fields(start)]
    new = [empty(size, "float64"), *(empty(count * size, dtype) for _ in range(3))]
    cos_center, cos_face = to_device(ground.cos_center), to_device(ground.cos_face)
    table, powers = to_device(level_table(ground.levels, planet)), to_device(power_table(planet.kappa))
    height, coriolis = to_device(stage.flat(ground.geopotential)), to_device(stage.flat(ground.coriolis))
    for region in regions or [stage.whole]:
        box = (stage.rows, stage.pitch, *place_of(region))
        exner, terms = device_array(size, "float64"), device_array(TERMS * size, dtype)
        surface_terms(
            now[0], cos_face, powers, planet.reference_pressure, planet.heat_capacity, *box, exner, terms
        )  # fmt: skip
        work = primitive_cuda.make_work(count, stage.rows, stage.pitch, dtype)
        arguments: Any = (
            *(*now[1:], *before, height, coriolis, terms, cos_center, cos_face, table),
            *(1.0 / (planet.radius * ground.spacing), STEP, *box, work, *new),
        )
        primitive_cuda.advance(*arguments)
    return Fields(*(stage.field(field.copy_to_host()) for field in new))


def test_a_stage_of_double_precision_is_the_reference_to_rounding(ground, fields, start):
    got = run(Stage(ground, "float64"), fields, start)
    assert max(differences(got, reference.advance(fields, start, ground, STEP), start)) < 1e-12
    for field in got:
        evolved(field)[...] = np.nan
        assert np.isnan(field).all()


def single_faults(got: Fields, wanted: Fields, start: Fields) -> list[int]:
    """Fields beyond the bounds of single precision: of the changes, and an ulp of what they are added to."""
    wrong = []
    for number, (g, w, s) in enumerate(zip(got, wanted, start, strict=True)):
        bound = 5e-6 * np.abs(evolved(w - s)).max() + 2.0**-23 * np.abs(evolved(w)).max()
        wrong += [number] if not np.abs(evolved(g - w)).max() < bound else []
    return wrong + ([0] if not differences(got, wanted, start)[0] < 1e-6 else [])


def test_a_stage_of_mixed_precision_is_the_reference_to_single_precision(ground, fields, start):
    got = run(Stage(ground, "float32"), single(fields), single(start))
    wanted = reference.advance(single(fields), single(start), ground, STEP)
    assert single_faults(got, wanted, start) == []
    thicker = replace(ground, spacing=ground.spacing * (1 + 1e-4))
    wrong = reference.advance(single(fields), single(start), thicker, STEP)
    assert set(single_faults(got, wrong, start)) == {0, 1, 2, 3}


@pytest.mark.parametrize("levels", [1, 3, 4, 9])
def test_any_number_of_levels_passes_through_loops_that_the_compiler_unrolled(levels):
    """By four, and by two: the code of what is left over is another for each remainder."""
    ground = ground_of(ROWS, COLUMNS, levels)
    fields, start = single(rough_fields(ground)), single(rough_fields(ground, seed=5))
    got = run(Stage(ground, "float32"), fields, start)
    assert single_faults(got, reference.advance(fields, start, ground, STEP), start) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_the_comparison_catches_a_constant_that_is_off(ground, fields, start, fault):
    got = run(Stage(ground, "float64"), fields, start)
    assert max(differences(got, reference.advance(fields, start, FAULTS[fault](ground), STEP), start)) > 1e-12


@pytest.mark.parametrize("dtype", ["float32", *(["float64"] if EVERYTHING else [])])
def test_regions_do_not_show_in_the_bits(ground, fields, start, dtype):
    stage = Stage(ground, dtype)
    whole, parts = run(stage, fields, start), run(stage, fields, start, regions_of(stage))
    assert all((evolved(a) == evolved(b)).all() for a, b in zip(whole, parts, strict=True))


def test_the_inner_cells_need_no_halo_and_what_the_rim_needs_is_seen_to_be_missing(ground, fields, start):
    broken = Fields(*(np.full_like(f, np.nan) for f in fields))
    for f, b in zip(fields, broken, strict=True):
        evolved(b)[...] = evolved(f)
    stage = Stage(ground, "float32")
    inner = regions_of(stage)[:1]
    low, top, right = HALO, stage.rows - HALO, stage.columns - HALO
    inside = np.s_[..., low + REACH : top - REACH, low + REACH : right - REACH]
    for got, expected in zip(run(stage, broken, start, inner), run(stage, fields, start), strict=True):
        assert (got[inside] == expected[inside]).all()
    assert np.isnan(evolved(run(stage, broken, start).theta)).any()


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 2e-16), ("float32", 1.2e-7)])
def test_constant_theta_stays_constant_under_any_flow(ground, fields, dtype, bound):
    """W is made from two sums here: what they round differently must not show in θ."""
    same = fields._replace(theta=np.full_like(fields.theta, 300.0))
    new = run(Stage(ground, dtype), same, same)
    assert np.abs(evolved(new.theta) / 300.0 - 1.0).max() <= 3 * bound
    uneven = same._replace(theta=same.theta + 1e-3 * fields.theta)
    changed = evolved(run(Stage(ground, dtype), uneven, uneven).theta) / 300.3 - 1.0
    assert np.abs(changed).max() > 100 * bound


def test_a_diagnosis_that_was_left_out_is_found(ground, fields, monkeypatch):
    class Nothing:
        def __getitem__(self, _configuration: Any) -> Any:
            return lambda *_arguments: None

    monkeypatch.setattr(primitive_cuda, "diagnose_columns", Nothing())
    with pytest.raises(UninitialisedMemoryError, match="nothing has written"):
        run(Stage(ground, "float32"), fields, fields)


def test_a_block_of_too_many_cells_is_refused_in_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"100 levels of 8000 × 8000 cells .* expected fewer than 2\^32 .* more ranks"):
        primitive_cuda.make_work(100, 8000, 8000, "float32")


def test_the_power_of_surface_pressure_is_good_over_all_of_its_range() -> None:
    """Every step of its range reduction; as for the CPU, some roundings of float64."""
    kappa, pitch = HELD_SUAREZ.kappa, 32
    mass = np.linspace(600.0, 2.8e5, 16 * pitch)
    expected = (mass / 1e5) ** kappa

    def error(exponent: float) -> float:
        exner, terms = device_array(mass.size, "float64"), device_array(TERMS * mass.size, "float32")
        cosines, table = to_device(np.ones(16)), to_device(power_table(exponent))
        surface_terms(to_device(mass), cosines, table, 1e5, 1004.0, 16, pitch, 2, 14, 2, pitch - 2, exner, terms)
        made = np.asarray(exner).reshape(16, pitch)[:-1, :-1] / expected.reshape(16, pitch)[:-1, :-1]
        return float(np.abs(made - 1.0).max())

    assert error(kappa) < 2e-15
    assert error(kappa * (1 + 1e-14)) > 2e-15


# --- damping -------------------------------------------------------------------------------------------------


def distance_of(ground: Ground) -> float:
    return ground.planet.radius * ground.spacing


def damped(stage: Stage, fields: Winds, coefficient: float, regions: list[Region] | None = None) -> Winds:
    """u, v, θ of the GPU's kernels; not a number where nothing was written."""
    ground, count = stage.ground, stage.ground.levels.count
    inputs = [to_device(stage.flat(field)) for field in fields]
    new = [empty(field.size, stage.dtype) for field in inputs]
    metric = to_device(ground.cos_center), to_device(ground.cos_face), 1.0 / distance_of(ground), coefficient
    for region in regions or [stage.whole]:
        work = damping_cuda.make_work(count, stage.rows, stage.pitch, stage.dtype)
        arguments: Any = (*inputs, *metric, count, stage.rows, stage.pitch, *place_of(region), work, *new)
        damping_cuda.damp(*arguments)
    u, v, theta = (stage.field(field.copy_to_host()) for field in new)
    return u, v, theta


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-12), ("float32", 5e-6)])
def test_damping_is_the_reference_to_rounding_and_a_wrong_coefficient_is_seen(ground, fields, dtype, bound):
    strength = distance_of(ground) ** 4 / 200.0
    given = (fields.u, fields.v, fields.theta)
    expected = damping.damp(*given, ground.cos_center, ground.cos_face, distance_of(ground), strength)
    for wrong in (0.0, 10 * bound):
        got = damped(Stage(ground, dtype), given, strength * (1.0 + wrong))
        errors = []
        for g, w, f in zip(got, expected, given, strict=True):
            rounding = np.finfo(dtype).eps * np.abs(evolved(w)).max()
            errors.append((np.abs(evolved(g - w)).max() - rounding) / np.abs(evolved(w - f)).max())
        assert (max(errors) < bound) == (wrong == 0.0)


def test_regions_do_not_show_in_the_bits_of_damping(ground, fields):
    stage, strength = Stage(ground, "float32"), distance_of(ground) ** 4 / 200.0
    whole, parts = damped(stage, fields[1:], strength), damped(stage, fields[1:], strength, regions_of(stage))
    assert all((evolved(a) == evolved(b)).all() for a, b in zip(whole, parts, strict=True))
    assert all(np.isnan(field[..., :HALO]).all() for field in whole)


# --- forcing -------------------------------------------------------------------------------------------------


def forced(stage: Stage, fields: Fields, latitude: Floats, step: float, forcing: HeldSuarez) -> Fields:
    """The fields after the forcing of the GPU."""
    ground = stage.ground
    mass, u, v, theta = map(to_device, stage.flat_fields(fields))
    arguments: Any = (
        *(mass, u, v, theta, to_device(stage.flat(np.sin(latitude) ** 2))),
        *(to_device(forcing_table(forcing, ground.levels)), forcing.constants, HELD_SUAREZ.kappa),
        *(HELD_SUAREZ.reference_pressure, step, stage.rows, stage.pitch, *place_of(stage.whole)),
        forcing_cuda.make_work(ground.levels.count, stage.rows, stage.pitch, stage.dtype),
    )
    forcing_cuda.force(*arguments)
    return Fields(fields.mass, *(stage.field(field.copy_to_host()) for field in (u, v, theta)))


@pytest.mark.parametrize(("dtype", "bound", "off"), [("float64", 1e-13, 1e-6), ("float32", 3e-7, 0.03)])
def test_forcing_is_the_formula_and_a_constant_that_is_off_is_seen(ground, fields, dtype, bound, off):
    latitude, right = latitudes(ground), HeldSuarez()
    expected = wanted(ground, fields, latitude, 7200.0)
    planted = [replace(right, **{name: (1 + off) * getattr(right, name)}) for name in ("warmest", "coldest", "slow")]
    for forcing in (right, *planted):
        got = forced(Stage(ground, dtype), fields, latitude, 7200.0, forcing)
        pairs = zip(got, expected, strict=True)
        worst = max(np.abs(evolved(g - w)).max() / np.abs(evolved(w)).max() for g, w in pairs)
        assert (worst < bound) == (forcing == right)


# --- what must move ------------------------------------------------------------------------------------------


def words_of(work: Callable[[Stage], object], least: int, interfaces: dict[int, Any]) -> float:
    """Words of 4 bytes that must move for one cell more, whatever its rim and its column need besides.

    Blocks of two heights, lengths and numbers of levels: the part that grows with all three is that of the cells.
    """
    total = 0.0
    for (rows, up), (columns, along), (levels, down) in product(
        ((least, -1), (least + 2, 1)), ((least + 1, -1), (least + 4, 1)), zip(sorted(interfaces), (-1, 1), strict=True)
    ):
        with traffic() as moved:
            work(Stage(ground_of(rows, columns, interfaces[levels]), "float32"))
        total += up * along * down * (moved.read + moved.written)
    return total / (2 * 3 * (max(interfaces) - min(interfaces)) * 4)


def test_words_that_a_stage_a_damping_and_the_forcing_move_are_those_that_are_stated() -> None:
    """docs/climate.md and the rooms state them."""

    def stage(given: Stage) -> object:
        return run(given, rough_fields(given.ground), rough_fields(given.ground, seed=5))

    def force(given: Stage) -> object:
        return forced(given, rough_fields(given.ground), latitudes(given.ground), 7200.0, HeldSuarez())

    def damp(given: Stage) -> object:
        return damped(given, rough_fields(given.ground)[1:], distance_of(given.ground) ** 4 / 200.0)

    equal = {1: 1, 3: 3}
    assert words_of(stage, 5, equal) == 20
    assert words_of(damp, 5, equal) == 15
    assert words_of(force, 5, {1: [0.0, 1.0], 2: [0.0, 0.3, 1.0]}) == 2
    assert words_of(force, 5, {1: [0.0, 1.0], 2: [0.0, 0.5, 1.0]}) == 6
    assert words_of(lambda given: (stage(given), damp(given)), 5, equal) == 20 + 15


# --- sums ----------------------------------------------------------------------------------------------------


def summed(kernels: Any, values: Array, weights: Array, scale: float) -> list[int]:
    words = to_device(np.array([5, -7, 1]))
    rows, columns = values.shape[0] - 2 * HALO, 37
    kernels.add_words(to_device(values), to_device(weights), rows, columns, scale, words)
    return words.copy_to_host().tolist()


def test_sums_have_the_words_of_the_cpu_in_any_order_and_count_what_they_refuse() -> None:
    random = np.random.default_rng(8)
    values, weights = random.normal(1e5, 1e4, (11 + 2 * HALO, 48)), random.uniform(1.0, 2.0, (11 + 2 * HALO, 48))
    scale = 2.0**31 / 2.0**19
    values[HALO + 3, HALO + 4] = np.nan
    values[HALO + 4, HALO + 36] = -6e5
    expected = summed(sums, values, weights, scale)
    assert summed(sums_cuda, values, weights, scale) == expected
    assert expected[2] == 3
    DEVICE.options, kept = replace(DEVICE.options, atomic_seed=1), DEVICE.options
    try:
        assert summed(sums_cuda, values, weights, scale) == expected
    finally:
        DEVICE.options = kept
    values[HALO, HALO] *= 1 + 2.0**-40
    assert summed(sums_cuda, values, weights, scale)[:2] != expected[:2]


# --- coverage ------------------------------------------------------------------------------------------------

ATMOSPHERE = (
    *(damping_cuda, forcing_cuda, primitive_columns_cuda),
    *(primitive_cuda, primitive_factors_cuda, sums_cuda, surface_cuda),
)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cells_of_a_rectangle_are_copied_and_evolved_ones_scaled_and_no_others(dtype: type) -> None:
    shape = (ROWS + 2 * HALO, COLUMNS + 2 * HALO)
    values = np.random.default_rng(3).uniform(1, 2, shape).astype(dtype)
    inside = np.zeros(shape, np.bool_)
    inside[2:7, 3:34] = True
    target = to_device(np.zeros(values.size, dtype))
    damping_cuda.copy_cells(to_device(values.reshape(-1)), shape[1], 2, 7, 3, 34, target)
    assert (target.copy_to_host().reshape(shape) == np.where(inside, values, 0)).all()

    scaled, everything = to_device(values), values * dtype(0.75)
    sums_cuda.scale_cells(scaled, ROWS, COLUMNS, 0.75)
    expected = values.copy()
    sums.scale_cells(expected, ROWS, COLUMNS, 0.75)
    assert (scaled.copy_to_host() == expected).all()
    assert (everything != expected).any()  # the halo is not scaled: a kernel that took it too would be noticed


def test_every_kernel_was_run_and_most_of_its_machine_code(request: pytest.FixtureRequest) -> None:
    whole_file_or_skip(request)
    assert not_run(ATMOSPHERE) == []
    assert part_run(ATMOSPHERE) > LEAST_COVERED
