"""The pictures of the documentation: each is shown by a page, and made again it is the same picture."""

import struct
from pathlib import Path

import pytest
from fake_apps import COSTS, full_runs
from pictures import GROUPS, IMAGES, PLANNED, take

from clustermark.reports.html import render_html

DOCS = IMAGES.parent
EVERY = {name: picture for group in GROUPS.values() for name, picture in group.items()}


def size_of(png: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    return width, height


@pytest.mark.parametrize("name", EVERY)
def test_a_picture_is_shown_by_a_page(name):
    assert size_of(IMAGES / f"{name}.png") == EVERY[name][1:3]
    assert [page.name for page in DOCS.glob("*.md") if f"(images/{name}.png)" in page.read_text()]


@pytest.mark.browser
@pytest.mark.parametrize("name", GROUPS[PLANNED])
def test_a_picture_of_planned_figures_is_made_again(chromium, tmp_path, name):
    made = take(render_html(full_runs(), COSTS), name, tmp_path, tmp_path)
    assert size_of(made) == EVERY[name][1:3]
    kept = (IMAGES / made.name).stat().st_size
    assert 0.8 * kept < made.stat().st_size < 1.25 * kept, "an empty or a broken page compresses far better"


@pytest.mark.browser
def test_a_page_without_its_chart_is_not_taken_for_the_picture(chromium, tmp_path):
    name = "report-rent-or-buy"
    made = take(render_html(full_runs(), COSTS).replace("vegaEmbed(", "void ("), name, tmp_path, tmp_path)
    assert made.stat().st_size < 0.8 * (IMAGES / made.name).stat().st_size
