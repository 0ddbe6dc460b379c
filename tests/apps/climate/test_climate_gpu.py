"""The CUDA kernels of the climate on a real GPU: the comparisons that the interpreter goes through."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")

import test_climate_cuda_atmosphere as atmosphere
import test_climate_cuda_step as steps
import test_climate_cuda_tracer as tracers
import test_climate_cuda_water as water
from climate_examples import setup_of
from cuda_helpers.real_gpu import RealGpu
from primitive_examples import Stage, differences, ground_of, rough_fields
from shallow_examples import TOLERANCE, layer, nothing, truth, worst

from clustermark.apps.climate import reference_primitive, sums, sums_cuda
from clustermark.apps.climate.layout import HALO
from clustermark.devices.numba_cuda import cuda

pytestmark = pytest.mark.gpu
# Several blocks of every kernel, in whole steps of the driver.
LARGER = {
    "atmosphere": setup_of(
        "held_suarez", 20, damping_hours=6.0, damping_every=1, overlap=True, tracer="slotted_cylinder"
    ),
    "water": setup_of("galewsky", precision="single", damping_hours=6.0, damping_every=1, overlap=True),
    "tracer on water": setup_of("tc5", damping_hours=6.0, tracer="cosine_bell"),
}


@pytest.fixture(autouse=True)
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    for module in (atmosphere, tracers, water):
        monkeypatch.setattr(module, "to_device", cuda.to_device)
        made = lambda shape, dtype: cuda.to_device(np.full(shape, np.nan, dtype))  # noqa: E731
        monkeypatch.setattr(module, "device_array", made, raising=False)
    monkeypatch.setattr(steps, "RESIDENT", RealGpu())
    with RealGpu().installed() as gpu:
        yield gpu


@pytest.mark.parametrize("dtype", water.DTYPES)
def test_a_stage_of_shallow_water_is_that_of_the_reference(dtype: str) -> None:
    given = layer(dtype)
    assert worst(water.stage(given, nothing(given)), truth(given)) < TOLERANCE[dtype]


def test_a_stage_of_the_atmosphere_is_that_of_the_reference() -> None:
    ground = ground_of(atmosphere.ROWS, atmosphere.COLUMNS)
    fields, start = rough_fields(ground), rough_fields(ground, seed=5)
    expected = reference_primitive.advance(fields, start, ground, atmosphere.STEP)
    found = atmosphere.run(Stage(ground, "float64"), fields, start)
    assert max(differences(found, expected, start)) < 1e-12
    found = atmosphere.run(Stage(ground, "float32"), atmosphere.single(fields), atmosphere.single(start))
    assert atmosphere.single_faults(found, expected, start) == []


@pytest.mark.parametrize("dtype", water.DTYPES)
@pytest.mark.parametrize("rings", [0, water.BUFFER])
def test_halos_of_both_panels_are_those_of_the_cpu(dtype: str, rings: int) -> None:
    water.test_halos_of_both_panels_and_the_blended_seam_are_those_of_the_cpu(dtype, rings)


@pytest.mark.parametrize("name", tracers.LEVELS)
@pytest.mark.parametrize(("dtype", "mass"), tracers.DTYPES)
def test_a_step_of_a_tracer_is_that_of_the_reference(name: str, dtype: str, mass: str) -> None:
    tracers.test_a_step_is_that_of_the_reference_and_touches_nothing_else(name, dtype, mass)


def test_a_tracer_keeps_its_mass_and_its_sign() -> None:
    tracers.test_a_constant_stays_and_a_closed_panel_keeps_its_tracer(tracers.UNEVEN)
    tracers.test_it_stays_positive_up_to_a_third_and_not_beyond_one()


def test_sums_have_the_words_of_the_cpu() -> None:
    """Cells of many blocks, added in whatever order these come."""
    random = np.random.default_rng(8)
    values, weights = (random.uniform(low, 1e5, (203, 512)) for low in (9e4, 1.0))
    words = np.array([5, -7, 1])
    on_gpu, rows, columns, scale = cuda.to_device(words), 203 - 2 * HALO, 481, 0.25
    for kernels, given in ((sums, (values, weights)), (sums_cuda, map(cuda.to_device, (values, weights)))):
        kernels.add_words(*given, rows, columns, scale, words if kernels is sums else on_gpu)
    assert on_gpu.copy_to_host().tolist() == words.tolist()
    assert words[2] > 1


@pytest.mark.parametrize("name", [*steps.CASES, *(f"larger {name}" for name in LARGER)])
def test_a_step_of_the_driver_is_that_of_the_cpu(name: str) -> None:
    setup = steps.CASES.get(name) or LARGER[name.removeprefix("larger ")]
    found, _, _ = steps.after_a_step(replace(setup, device="cuda"))
    start, expected = steps.start_of(setup), steps.on_cpu(setup)
    assert steps.differing(found, expected, start, setup) == []
    longer = steps.on_cpu(replace(setup, timestep=setup.timestep * 1.001))
    assert set(steps.differing(found, longer, start, setup)) == {name for name in steps.FIELDS if name in expected}
