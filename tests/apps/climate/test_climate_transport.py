"""Piecewise parabolic transport: the kernel against the reference, and what the scheme promises."""

from __future__ import annotations

import numpy as np
import pytest

from clustermark.apps.climate import tracer_cpu, transport
from clustermark.apps.climate.layout import HALO, Array, Floats, pitch_of
from clustermark.apps.climate.memory import aligned_zeros
from clustermark.apps.climate.reference_transport import Panel, edges, transported
from clustermark.apps.climate.transport import MOST_OUTFLOW
from clustermark.devices.simd import Width, native_width

ROWS, COLUMNS = 9, 21
SHAPE = ROWS + 2 * HALO, COLUMNS + 2 * HALO
UNEVEN = np.array([0.0, 0.05, 0.2, 0.3, 0.55, 0.8, 1.0])
INSIDE = np.s_[..., HALO:-HALO, HALO:-HALO]
TIMESTEP, DISTANCE = 300.0, 2e5


class Flow:
    """Fields of a panel drawn at random, closed or open at its rim, and mass after a step of its own continuity."""

    def __init__(self, interfaces: Floats, seed: int = 1, speed: float = 30.0, closed: bool = False) -> None:
        rng = np.random.default_rng(seed)
        latitudes = (np.arange(SHAPE[0]) - HALO - 3.5) * 0.05
        self.panel = Panel(interfaces, np.cos(latitudes), np.cos(latitudes + 0.025), DISTANCE)
        levels = len(interfaces) - 1
        self.q = np.abs(rng.normal(size=(levels, *SHAPE))) * (rng.random((levels, *SHAPE)) < 0.6)
        self.mass_0, self.mass = 1e5 * (1.0 + 0.02 * rng.normal(size=(2, *SHAPE)))
        self.u, self.v = speed * rng.normal(size=(2, levels, *SHAPE))
        if closed:
            for column in (HALO - 1, -HALO - 1):
                self.u[..., column] = 0.0
            for row in (HALO - 1, -HALO - 1):
                self.v[..., row, :] = 0.0
        self.mass_new = self.mass_0 * self.reference(np.ones_like(self.q), self.mass_0)[0]

    def reference(self, q: Floats, mass_new: Floats | None = None) -> Floats:
        """q after a step."""
        new = self.mass_new if mass_new is None else mass_new
        return transported(q, self.mass_0, self.mass, self.u, self.v, new, self.panel, TIMESTEP)

    def kernel(self, q: Floats, dtype: str = "float64", chunks: int = 1) -> Floats:
        """The same of the kernel."""
        pitch = pitch_of(COLUMNS)

        def flat(field: Array, kind: str = "float64") -> Array:
            made = aligned_zeros((*field.shape[:-1], pitch), kind)
            made[..., : SHAPE[1]] = field
            return made.reshape(-1)

        levels = len(q)
        new = flat(np.zeros_like(q), dtype)
        tracer_cpu.advance(
            flat(q, dtype), flat(self.mass_0), flat(self.mass), flat(self.u, dtype), flat(self.v, dtype),
            flat(self.mass_new), self.panel.cos_center, self.panel.cos_face,
            transport.level_weights(self.panel.interfaces),
            1.0 / DISTANCE, TIMESTEP, SHAPE[0], pitch, HALO, HALO + ROWS, HALO, HALO + COLUMNS,
            Width(native_width("float64")), tracer_cpu.make_work(chunks, levels, pitch), new,
        )  # fmt: skip
        return new.reshape(levels, SHAPE[0], pitch)[..., : SHAPE[1]].astype(np.float64)


WATER = np.array([0.0, 1.0])


@pytest.mark.parametrize("interfaces", [WATER, np.linspace(0.0, 1.0, 3), UNEVEN], ids=["water", "two levels", "uneven"])
@pytest.mark.parametrize(("dtype", "most"), [("float64", 1e-14), ("float32", 3e-7)])
def test_the_kernel_does_what_the_reference_does(interfaces: Floats, dtype: str, most: float) -> None:
    flow = Flow(interfaces)
    q, flow.u, flow.v = (a.astype(dtype).astype(np.float64) for a in (flow.q, flow.u, flow.v))
    expected = flow.reference(q)[INSIDE]
    assert np.abs(flow.kernel(q, dtype)[INSIDE] - expected).max() < most * np.abs(expected).max()


def test_a_wrong_weight_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above sees an edge that is a thousandth off."""
    flow = Flow(UNEVEN)

    honest = transport.level_weights

    def spoilt(interfaces: Floats) -> Floats:
        weights = honest(interfaces)
        weights[:, 8] *= 1.001
        return weights

    monkeypatch.setattr(transport, "level_weights", spoilt)
    assert np.abs(flow.kernel(flow.q) - flow.reference(flow.q))[INSIDE].max() > 1e-7


def test_chunks_change_no_bit() -> None:
    flow = Flow(UNEVEN)
    assert np.array_equal(flow.kernel(flow.q), flow.kernel(flow.q, chunks=3))


@pytest.mark.parametrize("interfaces", [WATER, UNEVEN], ids=["water", "uneven"])
def test_a_constant_stays(interfaces: Floats) -> None:
    flow = Flow(interfaces)
    constant = np.full_like(flow.q, 3.0)
    assert np.abs(flow.kernel(constant)[INSIDE] - 3.0).max() < 2e-15


@pytest.mark.parametrize("interfaces", [WATER, UNEVEN], ids=["water", "uneven"])
def test_a_closed_panel_keeps_its_tracer(interfaces: Floats) -> None:
    flow = Flow(interfaces, closed=True)
    areas = flow.panel.cos_center[:, np.newaxis] * np.diff(interfaces)[:, np.newaxis, np.newaxis]
    before, after = (
        (areas * mass * q)[INSIDE].sum() for mass, q in ((flow.mass_0, flow.q), (flow.mass_new, flow.kernel(flow.q)))
    )
    assert after == pytest.approx(before, rel=1e-14)
    leaking = Flow(interfaces)
    assert (areas * leaking.mass_new * leaking.kernel(leaking.q))[INSIDE].sum() != pytest.approx(before, rel=1e-6)


def outflow(flow: Flow) -> float:
    """Largest sum of the parts of a cell that leave it."""
    east = 0.5 * (flow.mass + np.roll(flow.mass, -1, 1)) * flow.u
    north = 0.5 * (flow.mass + np.roll(flow.mass, -1, 0)) * flow.panel.cos_face[:, np.newaxis] * flow.v
    leaving = np.maximum(east, 0) + np.maximum(-np.roll(east, 1, 2), 0)
    leaving += np.maximum(north, 0) + np.maximum(-np.roll(north, 1, 1), 0)
    parts = TIMESTEP / DISTANCE * leaving / (flow.mass_0 * flow.panel.cos_center[:, np.newaxis])
    return float(parts[INSIDE].max())


def test_it_stays_positive_up_to_a_third_and_not_much_beyond() -> None:
    """Spikes on nothing, random winds: the bound of the proof is no rounding matter."""
    lowest = {}
    for speed in (50.0, 300.0):
        values = []
        for seed in range(20):
            flow = Flow(WATER, seed, speed)
            scale = (MOST_OUTFLOW if speed == 50.0 else 1.5) / outflow(flow)
            flow.u, flow.v = flow.u * scale, flow.v * scale
            flow.mass_new = flow.mass_0 * flow.reference(np.ones_like(flow.q), flow.mass_0)[0]
            values.append(float(flow.kernel(flow.q)[INSIDE].min()))
        lowest[speed] = min(values)
    assert lowest[50.0] >= -1e-15
    assert lowest[300.0] < -1e-3


def test_parabolas_keep_the_order_and_the_mean() -> None:
    """Edges lie between the neighbours' means; a straight line is met exactly, also on uneven levels."""
    widths = np.diff(UNEVEN)[:, np.newaxis, np.newaxis]
    middles = 0.5 * (UNEVEN[1:] + UNEVEN[:-1])[:, np.newaxis, np.newaxis]
    first, last = edges(2.0 + 3.0 * middles, widths, 0)
    assert np.allclose(first[2:-1, 0, 0], 2.0 + 3.0 * UNEVEN[2:-2], atol=1e-14)
    assert np.allclose(last[1:-2, 0, 0], 2.0 + 3.0 * UNEVEN[2:-2], atol=1e-14)
    flow = Flow(UNEVEN)
    for axis, width in ((0, widths * np.ones_like(flow.q)), (2, np.ones((1, *SHAPE)))):
        first, last = edges(flow.q, width, axis)
        assert first.min() >= -1e-15 and last.min() >= -1e-15
        assert (np.maximum(first, last) <= 3.0 * flow.q + 1e-14).all()
