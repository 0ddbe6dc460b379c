"""CUDA kernels of the tracer, as the PTX that a GPU would get: against the reference, the CPU and what is promised."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")

from climate_cuda_device import DEVICE, LEAST_COVERED, not_run, part_run, whole_file_or_skip
from ptx.device import InterpretedDevice, to_device
from ptx.faults import UninitialisedMemoryError
from ptx.traffic import traffic
from test_climate_transport import (
    COLUMNS,
    DISTANCE,
    INSIDE,
    ROWS,
    SHAPE,
    TIMESTEP,
    UNEVEN,
    WATER,
    Flow,
    outflow,
)

from clustermark.apps.climate import tracer_cpu, tracer_cuda, transport
from clustermark.apps.climate.layout import HALO, Array, Floats, pitch_of
from clustermark.apps.climate.transport import MOST_OUTFLOW

PITCH = pitch_of(COLUMNS)
MOST = {"float64": 1e-14, "float32": 3e-7}
# Of the tracer and the winds, and of the mass: double, mixed, single.
DTYPES = [("float64", "float64"), ("float32", "float64"), ("float32", "float32")]
LEVELS = {"water": WATER, "two levels": np.linspace(0.0, 1.0, 3), "uneven": UNEVEN}
BOX = (HALO, HALO + ROWS, HALO, HALO + COLUMNS)


@pytest.fixture(autouse=True)
def on_the_interpreter() -> Iterator[InterpretedDevice]:
    with DEVICE.installed() as device:
        yield device


def flat(field: Array, dtype: Any) -> Array:
    """In padded rows; what stands behind them is no number."""
    made = np.full((*field.shape[:-1], PITCH), np.nan, dtype)
    made[..., : SHAPE[1]] = field
    return made.reshape(-1)


def carried(flow: Flow, q: Floats, dtype: str = "float64", mass: str = "float64", box: Any = BOX) -> Floats:
    """(levels, rows, columns) after a step on the device; no number where nothing was written."""
    levels = len(q)
    fields = {"mass_0": mass, "mass": mass, "u": dtype, "v": dtype, "mass_new": mass}
    on_device = [to_device(flat(q, dtype)), *(to_device(flat(getattr(flow, n), kind)) for n, kind in fields.items())]
    new = to_device(np.full(levels * SHAPE[0] * PITCH, np.nan, dtype))
    metric = flow.panel.cos_center, flow.panel.cos_face, transport.level_weights(flow.panel.interfaces)
    arguments: Any = (
        *on_device,
        *map(to_device, metric),
        *(1.0 / DISTANCE, TIMESTEP, SHAPE[0], PITCH, *box),
        tracer_cuda.make_work(levels, SHAPE[0], PITCH),
        new,
    )
    tracer_cuda.advance(*arguments)
    return new.copy_to_host().reshape(levels, SHAPE[0], PITCH)[..., : SHAPE[1]].astype(np.float64)


def rounded(flow: Flow, dtype: str, mass: str) -> Floats:
    """q of a flow whose fields are of the precisions of a model."""
    flow.u, flow.v, q = (a.astype(dtype).astype(np.float64) for a in (flow.u, flow.v, flow.q))
    flow.mass_0, flow.mass = (a.astype(mass).astype(np.float64) for a in (flow.mass_0, flow.mass))
    flow.mass_new = flow.mass_new.astype(mass).astype(np.float64)
    return q


def off(found: Floats, expected: Floats) -> float:
    """Largest difference of evolved cells, of the largest value."""
    return float(np.abs((found - expected)[INSIDE]).max() / np.abs(expected[INSIDE]).max())


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize(("dtype", "mass"), DTYPES)
def test_a_step_is_that_of_the_reference_and_touches_nothing_else(name: str, dtype: str, mass: str) -> None:
    flow = Flow(LEVELS[name])
    q = rounded(flow, dtype, mass)
    found = carried(flow, q, dtype, mass)
    assert off(found, flow.reference(q)) < MOST[dtype]
    found[INSIDE] = np.nan
    assert np.isnan(found).all()


@cache
def whole() -> tuple[Flow, Floats]:
    """A flow and the reference's answer."""
    flow = Flow(UNEVEN)
    return flow, flow.reference(flow.q)


@pytest.mark.parametrize("field", ["q", "mass_0", "mass", "u", "v", "mass_new"])
def test_a_field_that_is_off_by_a_millionth_is_told_apart(field: str) -> None:
    """In one cell, or on one face, of float64."""
    flow, expected = Flow(UNEVEN), whole()[1]
    place = (*(slice(None),) * (getattr(flow, field).ndim - 2), HALO + 4, HALO + 11)
    getattr(flow, field)[place] *= 1.0 + 1e-6
    assert off(carried(flow, flow.q), expected) > 1e-10


@pytest.mark.parametrize("kernel", ["move_cells", "carry_cells", "renew_columns"])
def test_a_kernel_that_was_not_launched_is_found(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its results are not there: the interpreter finds what reads them, or the answer is none."""
    honest = tracer_cuda.launch
    monkeypatch.setattr(
        tracer_cuda,
        "launch",
        lambda k, *grid: (lambda *_: None) if k is getattr(tracer_cuda, kernel) else honest(k, *grid),
    )
    flow = Flow(WATER)
    with pytest.raises((UninitialisedMemoryError, AssertionError)):
        assert off(carried(flow, flow.q), flow.reference(flow.q)) < MOST["float64"]


def test_regions_do_not_show() -> None:
    flow, _ = whole()
    expected, found = carried(flow, flow.q), np.full_like(flow.q, np.nan)
    rows, columns = (HALO, HALO + 4, HALO + ROWS), (HALO, HALO + 1, HALO + COLUMNS)
    for n, m in product(range(2), range(2)):
        part = carried(flow, flow.q, box=(*rows[n : n + 2], *columns[m : m + 2]))
        written = ~np.isnan(part)
        found[written] = part[written]
    assert np.array_equal(found[INSIDE], expected[INSIDE])


@pytest.mark.parametrize("interfaces", [WATER, UNEVEN], ids=["water", "uneven"])
def test_a_constant_stays_and_a_closed_panel_keeps_its_tracer(interfaces: Floats) -> None:
    flow = Flow(interfaces, closed=True)
    constant = np.full_like(flow.q, 3.0)
    assert np.abs(carried(flow, constant)[INSIDE] - 3.0).max() < 4e-15
    areas = flow.panel.cos_center[:, np.newaxis] * np.diff(interfaces)[:, np.newaxis, np.newaxis]
    before, after = (
        (areas * mass * q)[INSIDE].sum() for mass, q in ((flow.mass_0, flow.q), (flow.mass_new, carried(flow, flow.q)))
    )
    assert after == pytest.approx(before, rel=1e-14)
    leaking = Flow(interfaces)
    assert (areas * leaking.mass_new * carried(leaking, leaking.q))[INSIDE].sum() != pytest.approx(before, rel=1e-6)


def test_it_stays_positive_up_to_a_third_and_not_beyond_one() -> None:
    lowest = {}
    for most in (MOST_OUTFLOW, 1.5):
        values = []
        for seed in range(3):
            flow = Flow(WATER, seed, 50.0)
            scale = most / outflow(flow)
            flow.u, flow.v = flow.u * scale, flow.v * scale
            flow.mass_new = flow.mass_0 * flow.reference(np.ones_like(flow.q), flow.mass_0)[0]
            values.append(float(carried(flow, flow.q)[INSIDE].min()))
        lowest[most] = min(values)
    assert lowest[MOST_OUTFLOW] >= -1e-15 and lowest[1.5] < -1e-3


def test_a_step_moves_ten_words_of_the_fields_and_eight_of_float64_a_cell() -> None:
    """The part of the bytes, each counted once a launch, that grows with levels, rows and columns of the region."""
    moved = {}
    for levels, rows, columns in product((2, 3), (4, 6), (7, 12)):
        flow = Flow(np.linspace(0.0, 1.0, levels + 1))
        q = rounded(flow, "float32", "float64")
        with traffic() as counted:
            carried(flow, q, "float32", box=(HALO, HALO + rows, HALO, HALO + columns))
        moved[levels, rows, columns] = counted.read + counted.written
    growth = sum((-1) ** n * size for n, size in zip((1, 0, 0, 1, 0, 1, 1, 0), moved.values(), strict=True))
    assert growth == (10 * 4 + 8 * 8) * 2 * 5


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_cells_are_taken_and_the_halo_is_cut_off_below_zero_as_on_the_cpu(dtype: str) -> None:
    size = (2, SHAPE[0], PITCH, COLUMNS)
    made, old = np.random.default_rng(2).standard_normal((2, 2 * SHAPE[0] * PITCH)).astype(dtype)
    for name, arguments in (("take_cells", (made, *size)), ("cut_below_zero", size)):
        results = []
        for kernels, place in ((tracer_cpu, np.array), (tracer_cuda, to_device)):
            given: Any = [place(a) if isinstance(a, np.ndarray) else a for a in (*arguments, old.copy())]
            getattr(kernels, name)(*given)
            results.append(np.array(given[-1]) if kernels is tracer_cpu else given[-1].copy_to_host())
        assert np.array_equal(*results) and not np.array_equal(results[0], old)


def test_every_kernel_was_run_and_most_of_its_machine_code(request: pytest.FixtureRequest) -> None:
    whole_file_or_skip(request)
    assert not_run((tracer_cuda,)) == []
    assert part_run((tracer_cuda,)) > LEAST_COVERED
