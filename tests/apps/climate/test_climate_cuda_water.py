"""CUDA kernels of shallow water and of the halo, as the PTX that a GPU would get: against reference and CPU.

Executed by the interpreter (docs/cuda-without-a-gpu.md) in their own precision, on sizes that fit no block; every
access is checked for bounds, races, and memory that nothing wrote. Unmeasured: how fast they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")

from climate_cuda_device import DEVICE, LEAST_COVERED, not_run, part_run, whole_file_or_skip
from halo_examples import exchanged, random_fields
from ptx.device import InterpretedDevice, device_array, to_device
from ptx.faults import UninitialisedMemoryError
from ptx.traffic import traffic
from shallow_examples import (
    COLUMNS,
    FAULTS,
    INSIDE,
    ROWS,
    TIMESTEP,
    TOLERANCE,
    WHOLE,
    Layer,
    faulty,
    layer,
    nothing,
    same,
    truth,
    worst,
)

from clustermark.apps.climate import halo_kernels_cpu, halo_kernels_cuda, shallow_cuda
from clustermark.apps.climate.backend import make_backend
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.grid import PanelGrid
from clustermark.apps.climate.layout import BUFFER, HALO, Array, Region
from clustermark.apps.climate.overset import OversetTables, make_tables
from clustermark.apps.climate.planet import WILLIAMSON
from clustermark.apps.climate.shallow_cuda import make_work, shallow_stage
from clustermark.devices.numba_cuda import cuda

EVERYTHING = os.environ.get("CLUSTERMARK_EVERY_PTX") == "1"
DTYPES = ("float64", "float32")
GRID = PanelGrid(12)
# Rounding of sums of 16 products, of the largest value.
ROUNDING = {"float64": 1e-15, "float32": 5e-7}
HALO_ENTRIES = ("pack_runs", "unpack_runs", "unpack_points", "blend_points", "interpolate_scalar", "interpolate_wind")


@pytest.fixture(autouse=True)
def on_the_interpreter() -> Iterator[InterpretedDevice]:
    with DEVICE.installed() as device:
        yield device


# --- shallow water -------------------------------------------------------------------------------------------


def stage(given: Layer, old: tuple[Array, Array, Array], region: Region = WHOLE) -> tuple[Array, Array, Array]:
    """New h, u, v (rows, pitch) after a stage on the device; not a number where nothing was written."""
    dtype = str(given.h.dtype)
    state = [to_device(field.ravel()) for field in (given.h, given.u, given.v, *old, given.bottom, given.coriolis)]
    new = [to_device(np.full(given.h.size, np.nan, dtype)) for _ in range(3)]
    place = (region.first_row, region.last_row, region.first_column, region.last_column)
    arguments: Any = (
        *state,
        to_device(given.cos_center),
        to_device(given.cos_face),
        *(given.inverse_spacing, WILLIAMSON.gravity, TIMESTEP, given.h.shape[1], *place),
        make_work(len(given.cos_center), dtype),
        *new,
    )
    shallow_stage(*arguments)
    h, u, v = (field.copy_to_host().reshape(given.h.shape) for field in new)
    return h, u, v


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_stage_gives_the_tendencies_of_the_reference_and_touches_nothing_else(dtype: str) -> None:
    given = layer(dtype)
    found = stage(given, nothing(given))
    assert worst(found, truth(given)) < TOLERANCE[dtype]
    for field in found:
        field[INSIDE] = np.nan
        assert np.isnan(field).all()


@pytest.mark.parametrize("fault", FAULTS)
def test_the_reference_catches_a_planted_fault(fault: str) -> None:
    given = layer("float32")
    assert worst(stage(faulty(given, fault), nothing(given)), truth(given)) > 10 * TOLERANCE["float32"]


def test_the_old_state_is_added_to_and_regions_do_not_show() -> None:
    given = layer("float32")
    old = (layer("float32", 1).h, layer("float32", 1).u, layer("float32", 1).v)
    change, whole = stage(given, nothing(given)), stage(given, old)
    for before, difference, after in zip(old, change, whole, strict=True):
        np.testing.assert_allclose(after[INSIDE], (before + difference)[INSIDE], rtol=2e-7, atol=0)
    row, column = HALO + 5, HALO + 18
    pieces = tuple(np.full_like(field, np.nan) for field in whole)
    for rows in ((HALO, row), (row, HALO + ROWS)):
        for columns in ((HALO, column), (column, HALO + COLUMNS)):
            box = (slice(*rows), slice(*columns))
            for piece, part in zip(pieces, stage(given, old, Region(*rows, *columns)), strict=True):
                piece[box] = part[box]
    assert same(pieces, whole)
    assert not same(stage(faulty(given, "ground"), old), whole)


def test_two_cells_around_a_region_are_read_and_no_others() -> None:
    given = layer("float32")
    region = Region(HALO + 2, HALO + ROWS - 2, HALO + 5, HALO + 26)
    box = (slice(region.first_row, region.last_row), slice(region.first_column, region.last_column))
    whole = stage(given, nothing(given))
    for cells in (2, 1):
        needed = np.zeros(given.h.shape, bool)
        rows = slice(region.first_row - cells, region.last_row + cells)
        needed[rows, region.first_column - cells : region.last_column + cells] = True
        poisoned = {
            name: np.where(needed, getattr(given, name), np.nan) for name in ("h", "u", "v", "bottom", "coriolis")
        }
        found = stage(replace(given, **poisoned), nothing(given), region)
        assert all((a[box] == b[box]).all() for a, b in zip(whole, found, strict=True)) is (cells == 2)


def test_a_stage_moves_eleven_words_a_cell() -> None:
    """The part of the bytes, each counted once, that grows with both rows and columns of the region is the cells'."""
    given = layer("float32")
    old = (layer("float32", 1).h, layer("float32", 1).u, layer("float32", 1).v)
    moved = {}
    for rows, columns in product((4, 6), (7, 12)):
        with traffic() as counted:
            stage(given, old, Region(HALO, HALO + rows, HALO, HALO + columns))
        moved[rows, columns] = counted.read + counted.written
    assert moved[6, 12] - moved[6, 7] - moved[4, 12] + moved[4, 7] == 11 * 4 * (6 - 4) * (12 - 7)


# --- halo ----------------------------------------------------------------------------------------------------


def differing(found: list[Array], expected: list[Array]) -> list[str]:
    """Names of fields that differ by more than rounding; what is not a number must be so in both."""
    names = []
    for name, a, b in zip(("pressure", "theta", "u", "v"), found, expected, strict=True):
        alike = (np.abs(a - b) <= ROUNDING[str(b.dtype)] * np.nanmax(np.abs(b))) | (np.isnan(a) & np.isnan(b))
        names += [] if alike.all() else [name]
    return names


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rings", [0, BUFFER])
def test_halos_of_both_panels_and_the_blended_seam_are_those_of_the_cpu(dtype: str, rings: int) -> None:
    tables, fields = make_tables(GRID, rings), random_fields(GRID, 3)
    whole = Domain(GRID, 1, 1, 1, 0, True)

    def filled(given: OversetTables, device: str = "cuda") -> list[Array]:
        return exchanged(whole, given, None, fields, dtype, backend=make_backend(device))

    found = filled(tables)
    turned = filled(replace(tables, north=replace(tables.north, from_east=-tables.north.from_east)))
    stencil = replace(tables.scalar.stencil, row=tables.scalar.stencil.row + 1)
    shifted = filled(replace(tables, scalar=replace(tables.scalar, stencil=stencil)))
    expected = filled(tables, "cpu")
    assert differing(found, expected) == []
    assert differing(turned, expected) == ["v"]
    assert differing(shifted, expected) == ["pressure", "theta"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_runs_are_packed_and_unpacked_as_on_the_cpu(dtype: str) -> None:
    """Runs of no cell, of two, of a warp and one more; seven of them, so that a block is not full."""
    lengths = np.array([2, 0, 32, 33, 1, 70, 3])
    levels, plane = 3, 400
    places = np.cumsum(lengths + 5) - lengths
    spots, strides = np.cumsum(lengths) - lengths, np.full(7, lengths.sum())
    values = np.random.default_rng(4).standard_normal(levels * plane).astype(dtype)

    def passed_on(kernels: Any, at: Array) -> tuple[Array, Array]:
        field, buffer = to_device(values), device_array(levels * lengths.sum(), dtype)
        back = to_device(np.zeros_like(values))
        kernels.pack_runs(field, at, lengths, spots, strides, plane, levels, buffer)
        kernels.unpack_runs(buffer, at, lengths, spots, strides, plane, levels, back)
        return buffer.copy_to_host(), back.copy_to_host()

    expected = passed_on(halo_kernels_cpu, places)
    found = passed_on(halo_kernels_cuda, places)
    wrong = passed_on(halo_kernels_cuda, places + (np.arange(7) == 3))
    assert all((a == b).all() for a, b in zip(found, expected, strict=True))
    assert not any((a == b).all() for a, b in zip(wrong, expected, strict=True))


def test_a_message_that_was_not_received_is_found() -> None:
    segments, places = np.array([[0, 5, 0, 5]]), np.arange(5)
    with pytest.raises(UninitialisedMemoryError, match="nothing has written"):
        halo_kernels_cuda.unpack_points(device_array(5, "float32"), segments, places, 9, 1, to_device(np.zeros(9, "f")))


def test_every_kernel_was_run_and_most_of_its_machine_code(request: pytest.FixtureRequest) -> None:
    whole_file_or_skip(request)
    assert not_run((shallow_cuda, halo_kernels_cuda)) == []
    assert part_run((shallow_cuda, halo_kernels_cuda)) > LEAST_COVERED


def test_a_kernel_that_nothing_has_run_is_found() -> None:
    @cuda.jit
    def forgotten(x):
        x[0] = 1

    forgotten.py_func.__module__ = "house.new_cuda"
    module: Any = SimpleNamespace(__name__="house.new_cuda", forgotten=forgotten)
    assert not_run([module]) == ["forgotten"]


if EVERYTHING:

    @pytest.mark.parametrize("fault", FAULTS)
    def test_the_reference_catches_a_planted_fault_in_float64(fault: str) -> None:
        given = layer()
        assert worst(stage(faulty(given, fault), nothing(given)), truth(given)) > 10 * TOLERANCE["float64"]
