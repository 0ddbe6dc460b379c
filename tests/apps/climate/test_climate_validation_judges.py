"""The judges of the climate's validation say yes to good runs and no to planted faults; what measures, measures."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from validate import (
    climate_baroclinic,
    climate_held_suarez,
    climate_measures,
    climate_pictures,
    climate_runs,
    climate_shallow,
    climate_transport,
)
from validate.climate_validate import VALIDATION
from validate.md_judges import CAUGHT, MISSED, NO, YES

from clustermark.apps.climate.cases.williamson import TC2, TC5

Found = dict[str, dict[str, Any]]


# --- answers as good runs leave them --------------------------------------------------------------------------


def kept(mass: float = 1.0, energy: float = 1.0, drift: float = 0.0) -> dict[str, float]:
    return {"mass": mass, "energy": energy, "raw_mass_drift": drift, "fixer_work": -drift}


def shallow_found() -> Found:
    found: Found = {}
    for tilt in ("0", "π_4"):
        for cells, l2 in ((20, 7.0e-4), (40, 1.9e-4), (80, 5.1e-5)):
            found[f"tc2.{tilt}.{cells}"] = {"l1": l2, "l2": l2, "l_infinity": l2, "planted": 1.1e-3}
    for case, day, errors in (
        ("tc5", "15.0", (4e-3, 1.2e-3, 3e-4)),
        ("tc6", "10.0", (9e-3, 2.4e-3, 6e-4)),
        ("galewsky", "6.0", (0.9, 0.7, 0.3)),
    ):
        runs = {
            str(cells): {"l2": {day: error}, "start": kept(), "end": kept(1.0 + 1e-15, 1.0 - 1e-5, 1e-15)}
            for cells, error in zip((20, 40, 80), errors, strict=True)
        }
        found[case] = {**runs, "160": {"l2": {}, "extremes": {day: [-1e-4, 1.6e-4]}, "start": kept(), "end": kept()}}
    return found | {"galewsky_steady.40": {"l2": 4e-4}, "galewsky_steady.80": {"l2": 1e-4}}


def baroclinic_found() -> Found:
    found: Found = {}
    depths = {22: 970.0, 30: 961.0, 45: 952.0, 60: 947.0}
    for case, cells_of_case in (("baroclinic_wave", (22, 30, 45, 60)), ("baroclinic_steady", (22, 30, 45))):
        for cells in cells_of_case:
            least = np.interp(np.arange(1, 11), [4, 9, 10], [999.0, depths[cells], depths[cells] - 15.0]).tolist()
            quiet = [0.2 * (45 / cells) ** 2] * 10
            found[f"{case}.{cells}"] = {"least": least, "quiet": quiet, "departure": [1.0 * (22 / cells) ** 2] * 10}
            found[f"{case}.{cells}"] |= {"start": kept(), "end": kept(1.0 + 1e-15, 1.0, 1e-15)}
    return found


def climate_found() -> Found:
    """A climate as the paper's figures show it, with a little weather in each segment."""
    latitudes = np.radians(np.linspace(-88.0, 88.0, 44))
    sigma = (np.arange(20) + 0.5) / 20
    s, y = sigma[:, None], latitudes[None, :]
    bump = np.exp(-(((np.abs(y) - np.radians(44)) / 0.25) ** 2))
    aloft = np.exp(-(((s - 0.25) / 0.2) ** 2))
    u = 31.0 * bump * aloft + 7.0 * bump * s**4 - 7.0 * np.exp(-(((np.abs(y) - 0.3) / 0.15) ** 2)) * s**4
    temperature = np.maximum(190.0, 303.0 * s**0.19 - 43.0 * np.sin(y) ** 2 * s)
    heat = 20.0 * bump * s * np.sign(y)
    random = np.random.default_rng(1)
    segments = []
    for _ in range(8):
        weather = random.normal(size=44)[None, :] * 0.3
        v = 0.0 * u
        segments.append([x.tolist() for x in (u + weather, temperature + 0.1 * weather, 0.0 * u, v, heat)])
        warm = np.array(segments[-1][1])
        segments[-1][2] = (warm**2 + 38.0 * bump * s).tolist()
    areas = np.cos(latitudes)
    return {
        "held_suarez": {
            "latitudes": latitudes.tolist(),
            "areas": areas.tolist(),
            "sigma": sigma.tolist(),
            "segments": segments,
            "start": kept(),
            "end": kept(1.0 + 1e-15),
        }
    }


def transport_found() -> Found:
    bells = {20: (0.36, 0.7), 40: (0.08, 0.43), 80: (0.02, 0.22)}
    return {
        f"tc1.{tilt}.{cells}": {"l1": l2, "l2": l2, "l_infinity": l2, "least": 1e-50, "planted": planted}
        for tilt in ("0", "π_2", "54.7°")
        for cells, (l2, planted) in bells.items()
    }


GOOD: dict[str, tuple[Any, Callable[[], Found]]] = {
    "shallow": (climate_shallow, shallow_found),
    "baroclinic": (climate_baroclinic, baroclinic_found),
    "climate": (climate_held_suarez, climate_found),
    "transport": (climate_transport, transport_found),
}


def verdicts(topic: str, found: Found) -> list[str]:
    return [row.verdict for row in GOOD[topic][0].rows(found)]


@pytest.mark.parametrize("topic", GOOD)
def test_good_runs_are_good_and_planted_faults_are_caught(topic: str) -> None:
    found = verdicts(topic, GOOD[topic][1]())
    assert set(found) == {YES, CAUGHT}


def planted() -> dict[str, tuple[str, Callable[[Found], None]]]:
    """What is wrong → topic, and how to make it so."""

    def jets(found: Found, factor: float) -> None:
        for segment in found["held_suarez"]["segments"]:
            segment[0] = (np.array(segment[0]) * factor).tolist()

    def north(found: Found) -> None:
        for segment in found["held_suarez"]["segments"]:
            segment[0] = (np.array(segment[0]) + 3.0 * (np.array(found["held_suarez"]["latitudes"]) > 0)).tolist()

    return {
        "a steady flow of first order": ("shallow", lambda f: f["tc2.0.80"].update(l2=9e-5)),
        "a steady flow that fell to nothing": ("shallow", lambda f: f["tc2.0.40"].update(l2=float("nan"))),
        "a tilt that costs too much": ("shallow", lambda f: f["tc2.π_4.40"].update(l2=9e-4)),
        "a mountain worse than GME": ("shallow", lambda f: f["tc5"]["80"]["l2"].update({"15.0": 1e-3})),
        "a wave worse than GME": ("shallow", lambda f: f["tc6"]["40"]["l2"].update({"10.0": 9.1e-3})),
        "a jet smoothed away": ("shallow", lambda f: f["galewsky"]["160"]["extremes"].update({"6.0": [-5e-5, 9e-5]})),
        "a jet that breaks by itself": ("shallow", lambda f: f["galewsky_steady.80"].update(l2=3e-4)),
        "mass that leaks": ("shallow", lambda f: f["tc5"]["80"]["end"].update(mass=1.0 + 1e-9)),
        "a seam that leaks": ("shallow", lambda f: f["tc5"]["80"]["end"].update(raw_mass_drift=1e-7)),
        "a seam of air that leaks": (
            "baroclinic",
            lambda f: f["baroclinic_wave.60"]["end"].update(raw_mass_drift=1e-7),
        ),
        "energy that grows": ("shallow", lambda f: f["tc6"]["80"]["end"].update(energy=1.01)),
        "a wave that fills with resolution": (
            "baroclinic",
            lambda f: f["baroclinic_wave.60"].update(least=f["baroclinic_wave.22"]["least"]),
        ),
        "a noisy hemisphere": ("baroclinic", lambda f: f["baroclinic_wave.45"].update(quiet=[0.6] * 10)),
        "a steady state worse on a finer grid": (
            "baroclinic",
            lambda f: f["baroclinic_steady.45"].update(departure=[9.0] * 10),
        ),
        "a bell that spreads": ("transport", lambda f: f["tc1.0.40"].update(l2=0.12)),
        "a bell below zero": ("transport", lambda f: f["tc1.π_2.80"].update(least=-1e-12)),
        "a bell of first order": ("transport", lambda f: f["tc1.54.7°.80"].update(l2=0.04)),
        "jets too weak": ("climate", lambda f: jets(f, 0.7)),
        "jets of the wrong sign": ("climate", lambda f: jets(f, -1.0)),
        "one hemisphere windier": ("climate", north),
    }


@pytest.mark.parametrize("fault", planted())
def test_a_wrong_run_is_seen(fault: str) -> None:
    topic, spoil = planted()[fault]
    found = copy.deepcopy(GOOD[topic][1]())
    spoil(found)
    assert NO in verdicts(topic, found)


def test_a_judge_that_cannot_see_its_planted_fault_says_so() -> None:
    found = shallow_found()
    found["tc2.0.20"]["planted"] = 1e-5
    assert MISSED in verdicts("shallow", found)


# --- what measures ----------------------------------------------------------------------------------------------


@dataclass
class Still:
    """A simulation whose fields stand still, so that its errors are known."""

    case: str
    cells: int
    fields: Callable[[climate_runs.Cells, float], dict[str, Any]]
    step: int = 0
    sigma: Any = field(default_factory=lambda: (np.arange(20) + 0.5) / 20)
    setup: Any = field(default_factory=lambda: SimpleNamespace(timestep=3600.0))

    def advance(self, steps: int) -> None:
        assert steps > 0
        self.step += steps

    def gather(self, name: str) -> Any:
        return self.fields(climate_runs.cells_of(self.case, self.cells), self.step * 3600.0)[name]

    def look(self) -> Any:
        return SimpleNamespace(mass=1.0, energy=2.0, raw_mass_drift=0.0, fixer_work=0.0)


def test_a_flow_that_stays_has_no_error_and_a_wrong_one_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def stays(places: climate_runs.Cells, _time: float) -> dict[str, Any]:
        return {"h": TC2.depth(places.longitudes, places.latitudes)}

    monkeypatch.setattr(climate_measures, "simulation", lambda case, cells, *_: Still(case, cells, stays))
    found = climate_measures.steady(0.0, 12, Path())
    assert found["l2"] == 0.0
    assert found["planted"] == pytest.approx(1e-3)


def test_the_error_against_the_finest_run_is_that_of_the_coarser_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(cells: int) -> Callable[[climate_runs.Cells, float], dict[str, Any]]:
        def fields(places: climate_runs.Cells, _time: float) -> dict[str, Any]:
            smooth = TC5.depth(places.longitudes, places.latitudes) + TC5.bottom(places.longitudes, places.latitudes)
            return {"surface": smooth * (1.0 + 0.32 / cells**2)}

        return fields

    monkeypatch.setattr(climate_measures, "simulation", lambda case, cells, *_: Still(case, cells, wrong(cells)))
    found = climate_measures.against_the_finest("tc5", (12, 24, 96), (5.0, 15.0), "surface", Path())
    assert found["12"]["l2"]["15.0"] == pytest.approx(0.32 / 144, rel=0.05)
    assert found["24"]["l2"]["5.0"] == pytest.approx(0.32 / 576, rel=0.1)
    assert found["96"]["l2"] == {}


def test_a_wave_is_measured_in_its_hemisphere(monkeypatch: pytest.MonkeyPatch) -> None:
    def low(places: climate_runs.Cells, time: float) -> dict[str, Any]:
        hole = np.exp(-(((places.latitudes - 0.9) / 0.2) ** 2)) * time / 86400.0
        return {"ps": 1e5 - 500.0 * hole + 20.0 * (places.latitudes < 0.0)}

    monkeypatch.setattr(climate_measures, "simulation", lambda case, cells, *_: Still(case, cells, low))
    found = climate_measures.wave("baroclinic_wave", 12, (1.0, 2.0), Path())
    assert found["least"] == pytest.approx([995.0, 990.0], abs=0.5)
    assert found["quiet"] == pytest.approx([0.2, 0.2])


def test_a_climate_is_sampled_in_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    def zonal(places: climate_runs.Cells, _time: float) -> dict[str, Any]:
        u = 30.0 * np.sin(2.0 * places.latitudes)[:, None] * np.linspace(1.0, 0.1, 20)[:, None, None]
        return {"u_east": u, "v_north": 0.0 * u + 1.0, "temperature": 250.0 + u}

    monkeypatch.setattr(climate_measures, "simulation", lambda case, cells, **_: Still(case, cells, zonal))
    monkeypatch.setattr(climate_measures, "SEGMENT_DAYS", 1.0)
    found = climate_measures.climate(12, Path())
    means = np.array(found["segments"])
    assert means.shape == (climate_measures.SEGMENTS, 5, 20, 24)
    np.testing.assert_allclose(means[0, 4], means[0, 1])
    np.testing.assert_allclose(means[0, 0], means[0, 1] - 250.0)
    np.testing.assert_allclose(means[-1], means[0])


@pytest.mark.parametrize("fine", [32, 64])
def test_a_field_on_a_coarser_grid_is_of_fourth_order(fine: int) -> None:
    def smooth(cells: int) -> Any:
        places = climate_runs.cells_of("tc2", cells)
        return np.sin(2.0 * places.longitudes) * np.cos(places.latitudes) ** 3 + np.sin(places.latitudes)

    coarse = climate_runs.on_grid(smooth(fine), fine, 16)
    core = climate_runs.cells_of("tc2", 16).weights > 0.0
    assert np.abs(coarse - smooth(16))[:, core].max() < 1e-3 * (32 / 16) ** 4 / 16
    assert coarse.shape == smooth(16).shape


def test_every_part_has_a_name_for_a_file_and_every_topic_its_rows() -> None:
    parts = VALIDATION.parts()
    assert len(parts) > 15
    assert all("/" not in name for name in parts)
    assert all(topic.TITLE and topic.PARTS for topic in VALIDATION.topics)


def test_pictures_are_drawn_from_what_parts_keep_and_all_stand_in_the_page(tmp_path: Path) -> None:
    found = shallow_found() | baroclinic_found() | climate_found()
    wavy = np.sin(np.linspace(0.0, 6.0, 36))[:, None] + np.cos(np.linspace(0.0, 6.0, 72))
    for part in ("tc5", "tc6", "galewsky", "baroclinic_wave.60"):
        found[part]["map"] = wavy.tolist()
    files = climate_pictures.draw(found, tmp_path / "images")
    page = VALIDATION.page.read_text(encoding="utf-8")
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    assert [file.name for file in files if f"(images/{file.name})" not in page] == []


def test_a_map_has_north_last_and_begins_at_greenwich() -> None:
    cells = 12
    places = climate_runs.cells_of("tc2", cells)
    values = np.array(climate_measures.on_map(np.sin(places.latitudes), cells))
    assert values.shape == (180, 360)
    assert np.allclose(values[:, 0], np.sin(np.radians(np.arange(-89.5, 90.0))), atol=1e-4)
    x = np.cos(places.latitudes) * np.cos(places.longitudes)
    assert np.array(climate_measures.on_map(x, cells))[90, 0] > 0.99
