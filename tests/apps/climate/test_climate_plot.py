"""Pictures of a run: what they show, from which frames, and that contours stand where the values are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_climate_netcdf import PLACES, written

from clustermark.apps.climate.contours import Axis, Picture, drawn, evenly, round_levels, specification
from clustermark.apps.climate.plot import plot
from clustermark.apps.console.growing_file import parts_folder
from clustermark.core.errors import UsageError

ACROSS = Axis("x", 0.0, 10.0, (0.0, 10.0))
DOWN = Axis("y", 0.0, 1.0, (0.0, 1.0))


def picture_of(values: Any, **options: Any) -> Picture:
    return Picture(np.asarray(values, float), "title", "unit", ACROSS, DOWN, 200, 100, **options)


def contour_columns(picture: Picture) -> list[float]:
    """Places across, in cells, at which the contours of a picture of columns stand, from the drawn SVG.

    Vertical lines are the only ones such a picture has: of each path the points between the padded edges.
    """
    svg = drawn(picture, "svg").decode()
    wide = picture.values.shape[1]
    cell = picture.width / wide
    points = [
        float(x) / cell for path in re.findall(r' d="(M[^"]*Z)"', svg) for x in re.findall(r"[ML](-?[\d.]+),", path)
    ]
    return sorted({round(x, 3) for x in points if 0.01 < x < wide - 0.01})


def test_a_contour_stands_where_the_values_between_two_cell_centres_reach_its_level() -> None:
    """Columns 0, 1, 2 … at cell centres 0.5, 1.5, …: the level 3 stands at 3.5 cells."""
    ramp = np.tile(np.arange(8.0), (5, 1))
    places = contour_columns(picture_of(ramp))
    assert 3.5 in places
    assert places == pytest.approx([level + 0.5 for level in round_levels(0.0, 7.0, False)], abs=1e-3)


def test_contours_move_with_the_values() -> None:
    """The control of the test above: what is larger by 0.3 of a cell's step has its contours 0.3 cells earlier."""
    ramp = np.tile(np.arange(8.0), (5, 1))
    before, after = contour_columns(picture_of(ramp)), contour_columns(picture_of(ramp + 0.3))
    moved = {round(place - 0.3, 3) for place in before[1:]}
    assert moved <= set(after)
    assert not moved <= set(before)


@given(st.floats(-1e7, 1e7), st.floats(1e-6, 1e7), st.booleans())
def test_levels_are_round_few_and_symmetric_where_signs_matter(low: float, extent: float, signed: bool) -> None:
    high = low + extent
    levels = round_levels(low, high, signed)
    assert 1 <= len(levels) <= 30
    assert levels == sorted(levels)
    if signed:
        assert np.allclose(levels, [-level for level in reversed(levels)])
    elif extent > 1e-9 * abs(low):
        step = (high - low) / 14
        assert low - step <= levels[0] and levels[-1] <= high + step


def test_a_constant_field_is_one_colour_and_no_error() -> None:
    assert drawn(picture_of(np.full((4, 6), 7.0)), "svg").startswith(b"<svg")
    assert drawn(picture_of(np.zeros((4, 6)), signed=True), "png").startswith(b"\x89PNG")


def test_levels_that_are_not_even_are_drawn_at_their_places() -> None:
    places = np.array([0.05, 0.1, 0.3, 0.9])
    found = evenly(np.stack([places, 2 * places], axis=1), list(places), 10)
    assert found[1:9, 0] == pytest.approx((np.arange(10) + 0.5)[1:9] / 10)
    assert np.array_equal(found[:, 1], 2 * found[:, 0])


def test_signed_fields_have_as_much_red_as_blue_and_zero_between() -> None:
    spec = specification(picture_of([[-3.0, 10.0]], signed=True))
    levels = next(scale["domain"] for scale in spec["scales"] if scale["name"] == "colour")
    assert 0.0 in levels
    assert levels[0] == -levels[-1]


def test_a_run_is_drawn_as_svg_and_png_with_its_days_in_the_title(tmp_path: Path) -> None:
    written(tmp_path / "run.nc")
    files = plot(tmp_path / "run.nc", tmp_path / "pictures", None, None, False)
    assert [path.name for path in files] == [
        "run_zonal_wind.svg",
        "run_zonal_wind.png",
        "run_map_ps.svg",
        "run_map_ps.png",
    ]
    text = (tmp_path / "pictures" / "run_zonal_wind.svg").read_text()
    assert "Zonal-mean eastward wind, day 0.0833333" in text
    assert "m/s" in text and "latitude [°]" in text
    assert "Surface pressure" in (tmp_path / "pictures" / "run_map_ps.svg").read_text()
    with pytest.raises(UsageError, match=r"run_zonal_wind\.svg: exists already"):
        plot(tmp_path / "run.nc", tmp_path / "pictures", None, None, False)
    plot(tmp_path / "run.nc", tmp_path / "pictures", [0, 1], "u_east", True)
    mean = (tmp_path / "pictures" / "run_map_u_east.svg").read_text()
    assert "Eastward wind, lowest level, mean of 3 frames, days 0 to 0.0833333" in mean


def test_a_growing_file_is_drawn_and_one_with_lost_parts_is_not(tmp_path: Path) -> None:
    written(tmp_path / "run.nc", closed=False)
    assert len(plot(tmp_path / "run.nc", None, None, None, False)) == 4
    parts_folder(tmp_path / "run.nc").rename(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=r"has gaps: the folder of parts beside the file is not complete"):
        plot(tmp_path / "run.nc", None, None, None, True)


def test_a_mistake_is_one_sentence(tmp_path: Path) -> None:
    written(tmp_path / "run.nc")
    (tmp_path / "text.nc").write_text("no")
    for options, expected in (
        ((tmp_path / "run.nc", None, [5, 6], None, False), "has no frame then; it has days 0 to 0.0833333"),
        ((tmp_path / "run.nc", None, None, "pss", False), "has no such map (did you mean 'ps'?); choose another"),
        ((tmp_path / "text.nc", None, None, None, False), "netCDF file of the climate model"),
        ((tmp_path / "none.nc", None, None, None, False), "none.nc: is not there"),
    ):
        with pytest.raises(UsageError) as caught:
            plot(*options)
        assert expected in str(caught.value)
        assert str(caught.value).isprintable()


def test_the_north_is_on_top_of_a_map() -> None:
    """Rows of a file go from south to north, rows of a picture from its top down."""
    assert PLACES.lat[0] < PLACES.lat[-1]
    spec = specification(picture_of([[1.0, 1.0], [0.0, 0.0]]))
    grid = spec["data"][0]["values"][0]
    assert grid["values"][: grid["width"]] == [1.0] * grid["width"]
