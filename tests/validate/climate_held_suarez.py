"""Climate of Held & Suarez 1994 at 4° with 20 levels: jets, winds near the ground, temperature, eddies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from validate.climate_measures import climate
from validate.climate_shallow import ROUNDING
from validate.md_judges import Estimate, Row, below, caught, number, of_segments, verdict

from clustermark.apps.climate.norms import eddy_covariance, hemisphere_peak, hemispheric_difference

TITLE = "Held–Suarez climate"
# 4.1°: the width of a cell nearest to 4° of which a quarter turn has a whole number.
CELLS = 22
SOURCE = "Held & Suarez 1994, read from figures or remembered"


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {"held_suarez": partial(climate, CELLS)}


def measures(document: Mapping[str, Any], means: np.ndarray) -> dict[str, float]:
    """What the figures show, as numbers; angles in degrees.

    Parameters
    ----------
    document : with latitudes and areas
    means : (5, levels, bands) of u, T, T², v, vT
    """
    latitudes, areas = np.array(document["latitudes"]), np.array(document["areas"])
    u, temperature, square, v, flux = means
    variance, heat = eddy_covariance(square, temperature, temperature), eddy_covariance(flux, v, temperature)
    found: dict[str, float] = {}
    middle = np.abs(np.degrees(latitudes)) < 70.0
    for name, side in (("north", 1), ("south", -1)):
        jet = hemisphere_peak(u, latitudes, side)
        warm = hemisphere_peak(np.where(middle, variance, 0.0)[len(u) // 2 :], latitudes, side)
        found |= {
            f"jet {name}": jet.value,
            f"jet latitude {name}": abs(np.degrees(jet.latitude)),
            f"jet sigma {name}": document["sigma"][jet.level],
            f"variance {name}": warm.value,
            f"variance latitude {name}": abs(np.degrees(warm.latitude)),
            f"heat flux {name}": float((side * heat[:, latitudes * side > 0.0]).max()),
            f"westerly {name}": float(u[-1][latitudes * side > 0.0].max()),
            f"trade wind {name}": float(u[-1][(latitudes * side > 0.0) & (np.abs(np.degrees(latitudes)) < 35.0)].min()),
        }
    equator = np.abs(latitudes).argsort()[:2]
    return found | {
        "T equator": float(temperature[-1, equator].mean()),
        "T poles": float(temperature[-1, [0, -1]].mean()),
        "T least": float(temperature.min()),
        "difference u": hemispheric_difference(u, areas),
        "difference T": hemispheric_difference(temperature, areas),
    }


# measure → unit, reference, what is allowed
EXPECTED: dict[str, tuple[str, str, tuple[float, float]]] = {
    "jet": ("m/s", "about 30", (28.0, 34.0)),
    "jet latitude": ("°", "about 45", (38.0, 50.0)),
    "jet sigma": ("", "about 0.25", (0.15, 0.35)),
    "westerly": ("m/s", "about 8", (4.0, 11.0)),
    "trade wind": ("m/s", "about −8", (-11.0, -4.0)),
    "variance": ("K²", "about 40", (20.0, 55.0)),
    "variance latitude": ("°", "about 45", (35.0, 55.0)),
    "heat flux": ("K m/s", "about 20", (10.0, 30.0)),
}
EXPECTED_GLOBAL: dict[str, tuple[str, str, tuple[float, float]]] = {
    "T equator": ("K", "about 303", (298.0, 308.0)),
    "T poles": ("K", "about 260", (250.0, 270.0)),
    "T least": ("K", "about 190", (180.0, 200.0)),
}


def rows(found: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Both hemispheres as two samples of one climate, the symmetry between them, mass and energy."""
    document = found["held_suarez"]
    each = [measures(document, np.array(segment)) for segment in document["segments"]]
    overall = measures(document, np.mean([np.array(segment) for segment in document["segments"]], axis=0))
    lines = []
    for measure, (unit, reference, bounds) in EXPECTED.items():
        for side in ("north", "south"):
            name = f"{measure} {side}"
            error = of_segments([segment[name] for segment in each]).error
            lines.append(_row(name, Estimate(overall[name], error), unit, reference, bounds))
    for name, (unit, reference, bounds) in EXPECTED_GLOBAL.items():
        error = of_segments([segment[name] for segment in each]).error
        lines.append(_row(name, Estimate(overall[name], error), unit, reference, bounds))
    lines += _symmetry_rows(document, each, overall)
    mass = document["end"]["mass"] / document["start"]["mass"] - 1.0
    lines.append(Row("change of mass", number(mass, 2), "0", "fixer", number(ROUNDING), verdict(below(mass, ROUNDING))))
    return lines


def _row(name: str, ours: Estimate, unit: str, reference: str, bounds: tuple[float, float]) -> Row:
    low, high = bounds
    return Row(
        f"{name} [{unit}]" if unit else name,
        str(ours),
        reference,
        SOURCE,
        f"{number(low)} to {number(high)}",
        verdict(low <= ours.mean <= high),
    )


def _symmetry_rows(document: Mapping[str, Any], each: list[dict[str, float]], overall: dict[str, float]) -> list[Row]:
    """The mean over all time is as symmetric as independent segments allow: their own asymmetry over √segments."""
    lines = []
    for quantity, unit, index in (("u", "m/s", 0), ("T", "K", 1)):
        name = f"difference {quantity}"
        scatter = float(np.sqrt(np.mean([segment[name] ** 2 for segment in each])))
        bound = 2.0 * scatter / np.sqrt(len(each))
        means = np.mean([np.array(segment) for segment in document["segments"]], axis=0)
        means[index] += 2.0 * scatter * np.sign(np.array(document["latitudes"]))
        leaning = measures(document, means)[name]
        for planted, value in ((False, overall[name]), (True, leaning)):
            lines.append(
                Row(
                    f"{'planted: one hemisphere pushed: ' if planted else ''}half the difference of hemispheres, "
                    f"{quantity} [{unit}]",
                    number(value, 3),
                    "0",
                    "both have one climate",
                    f"≤ {number(bound, 3)}, twice what independent segments leave",
                    (caught if planted else verdict)(value <= bound),
                )
            )
    return lines
