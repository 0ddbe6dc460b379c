"""The page in a real browser: charts stand, nothing is clipped, light and dark, sorting and filtering."""

import html
import json
import os
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from fake_apps import COSTS, app_row
from fake_runs import make_case, make_row, make_run, sample_rows
from test_report_html import HOSTILE, hostile_run

from clustermark.reports import CHARTS
from clustermark.reports.html import render_html
from clustermark.reports.html_table import MOST_FOLDED_ROWS

pytestmark = pytest.mark.browser
DARK, LIGHT = 0, 1
CATCH = """<script>window.caught = [];
addEventListener("error", (event) => caught.push(String(event.message)));
addEventListener("unhandledrejection", (event) => caught.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) => caught.push("blocked " + event.blockedURI));</script>"""
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=20000"),
)


def look(chromium, folder, page, scheme=LIGHT, width=1380, planted=""):
    """What `page_probe.js` finds in a copy of the page."""
    probe = (Path(__file__).parent / "page_probe.js").read_text()
    head, end = page.index("<head>") + len("<head>"), page.rindex("</body>")
    copy = f"{page[:head]}{CATCH}{page[head:end]}{planted}<script>{probe}</script>{page[end:]}"
    (folder / "page.html").write_text(copy, errors="replace")
    command = [chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={width},1000"]
    command += [f"--blink-settings=preferredColorScheme={scheme}", "--dump-dom", (folder / "page.html").as_uri()]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        dom, errors = process.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    match = re.search(r'<pre id="probe">(.*?)</pre>', dom, re.S)
    assert match, f"the page left no findings: {dom[-500:]} {errors[-500:]}"
    found = json.loads(html.unescape(match[1]))
    assert "broken" not in found, found
    return found


@pytest.fixture(scope="module")
def whole_page(runs):
    """The page that has every chart."""
    return render_html(runs, COSTS)


@pytest.fixture(scope="module", params=[LIGHT, DARK], ids=["light", "dark"])
def everything(request, chromium, whole_page, tmp_path_factory):
    """Findings in the page that has every chart, in both themes."""
    return look(chromium, tmp_path_factory.mktemp("whole"), whole_page, request.param)


@pytest.fixture(scope="module", params=[LIGHT, DARK], ids=["light", "dark"])
def found(request, chromium, run, tmp_path_factory):
    """Findings in the page of the ordinary run, in both themes."""
    page = render_html([run])
    return request.param, look(chromium, tmp_path_factory.mktemp("page"), page, request.param)


def assert_readable(charts):
    """Every chart stands, and no text of it is cut off or covered by another."""
    for chart in charts:
        assert chart["svg"], chart["id"]
        assert (chart["id"], chart["clipped"], chart["overlapping"]) == (chart["id"], [], [])


def test_every_chart_stands_without_an_error(everything):
    assert everything["errors"] == []
    assert [chart["id"] for chart in everything["charts"]] == [f"chart-{name}" for name in CHARTS]
    for chart in everything["charts"]:
        assert chart["marks"] > 10
        assert len(chart["label"]) > 40


def test_no_text_of_a_chart_is_clipped_or_covered(everything):
    assert_readable(everything["charts"])
    for chart in everything["charts"]:
        assert len(chart["texts"]) > 8
        assert not chart["scrolls"], chart["id"]


def test_every_chart_has_contrast_in_both_themes(everything):
    for chart in everything["charts"]:
        assert chart["contrast"] >= 4.5, chart["id"]
    assert everything["contrast"] >= 4.5
    assert everything["toggledContrast"] >= 4.5


def test_sizes_have_binary_prefixes_and_times_units(found):
    _, page = found
    texts = next(chart["texts"] for chart in page["charts"] if chart["id"] == "chart-message_time")
    assert {"8 B", "2 KiB", "8 MiB"} <= set(texts)
    assert {"10 µs", "1 ms"} <= set(texts)
    assert "ompi-tcp — NOT verified" in texts


def test_the_page_follows_the_theme_and_the_button_turns_it(found):
    scheme, page = found
    light, dark = "rgb(246, 246, 244)", "rgb(18, 20, 24)"
    assert (page["background"], page["toggled"]) == ((light, dark) if scheme == LIGHT else (dark, light))


def test_the_table_sorts_both_ways_with_empty_cells_last(found):
    _, page = found
    for way, aria in (("up", "ascending"), ("down", "descending")):
        assert page["sort"][way]["aria"] == aria
        values = page["sort"][way]["values"]
        figures = [float(value) for value in values if value]
        assert figures == sorted(figures, reverse=way == "down")
        assert values == [value for value in values if value] + [""] * values.count("")
        assert len(figures) > 30
    words = page["sort"]["status"]["values"]
    assert words == sorted(words)
    assert page["buttons"], "every header can be reached by keyboard"


def test_the_table_filters_by_words_and_by_status(found, run):
    _, page = found
    labels = [row.case.label for row in run.rows]
    both = [label for label in labels if "tcp" in label and "fp32" in label]
    assert sorted(page["filter"]["words"]["rows"]) == sorted(both)
    assert page["filter"]["words"]["count"] == f"{len(both)} of {len(labels)} shown"
    assert len(page["filter"]["wrong"]["rows"]) == 2
    unproven = [row.case.label for row in run.rows if row.status == "ok" and "tcp" in row.case.label]
    assert sorted(page["filter"]["doubt"]["rows"]) == sorted(unproven)
    assert len(page["filter"]["sure"]["rows"]) == sum(row.status == "ok" for row in run.rows) - len(unproven)
    assert page["filter"]["none"]["rows"] == []
    assert len(page["filter"]["all"]["rows"]) == len(labels)


def test_hostile_labels_run_nothing_and_fetch_nothing(chromium, tmp_path):
    runs = [hostile_run(text) for text in HOSTILE[:3]]
    page = look(chromium, tmp_path, render_html(runs))
    assert page["owned"] is None
    assert page["errors"] == []
    assert all(chart["svg"] for chart in page["charts"])
    assert "<" in page["tooltip"]["text"], "the tooltip shows a hostile label as text"
    assert set(page["tooltip"]["elements"]) <= {"TABLE", "TBODY", "TR", "TD", "H2"}


def test_rows_beyond_the_first_hundreds_are_counted_found_and_sorted(chromium, tmp_path):
    hostile = "</script><script>document.documentElement.dataset.owned=1</script>"
    rows = [make_row(make_case(hostile, params={"n": n}, ranks=1), 1e-3 * (n + 1), 1) for n in range(1200)]
    wanted = make_row(make_case("last", fabric="ompi-tcp", precision="fp32"), 1e-6, 1)
    page = look(chromium, tmp_path, render_html([make_run([*rows, wanted])]))
    assert (page["owned"], page["errors"]) == (None, [])
    assert page["filter"]["all"]["count"] == "first 300 of 1201 shown"
    assert len(page["filter"]["all"]["rows"]) == 300
    assert page["filter"]["words"]["rows"] == [wanted.case.label]
    assert page["filter"]["words"]["count"] == "1 of 1201 shown"
    assert float(page["sort"]["down"]["values"][0]) == pytest.approx(1.2, rel=0.02)
    assert float(page["sort"]["up"]["values"][0]) == pytest.approx(1e-6, rel=0.02)


def test_a_long_ranking_is_made_whole_when_it_is_opened(chromium, tmp_path):
    hostile = "</script><script>document.documentElement.dataset.owned=1</script>"
    rows = [
        make_row(make_case(hostile, params={"n": n}, fabric=fabric), 1e-3 * (n + 1), 1)
        for n in range(250)
        for fabric in ("ompi-sm-cma", "ompi-tcp")
    ]
    page = look(chromium, tmp_path, render_html([make_run(rows)]))
    assert (page["owned"], page["errors"]) == (None, [])
    assert page["ranking"] == {"closed": MOST_FOLDED_ROWS, "open": 250}


LONG = "very long name " * 400


@pytest.mark.parametrize(
    "text", [HOSTILE[0], "消息传递基准测试 שלום עולם مرحبا", LONG], ids=["script", "scripts of the world", "long"]
)
def test_hostile_labels_of_applications_stay_text_in_every_chart(chromium, tmp_path, text):
    runs = []
    for number in range(3):
        rows = [
            app_row(text, ranks=ranks, precision=precision, share=0.1, slower=1 + number, fabric=fabric)
            for precision in ("fp64", "fp32")
            for ranks, fabric in ((1, "self"), (2, text))
        ]
        named = [replace(row, case=replace(row.case, params={text: text, **row.case.params})) for row in rows]
        runs.append(make_run(named, number, suite=text))
    page = look(chromium, tmp_path, render_html(runs, COSTS))
    assert page["owned"] is None
    assert page["errors"] == []
    assert len(page["charts"]) == 9
    assert not page["pageScrolls"]
    assert_readable(page["charts"])


def test_many_panels_runs_and_fabrics_stay_readable_on_a_narrow_window(chromium, tmp_path):
    fabrics = ("ompi-sm-cma", "ompi-tcp", "mpich-shm-cma", "mpich-ofi-tcp")
    runs = [make_run(sample_rows(fabrics=fabrics, ranks=(2, 4)), number) for number in range(3)]
    page = look(chromium, tmp_path, render_html(runs), width=520)
    assert page["errors"] == []
    assert not page["pageScrolls"], "charts and tables scroll inside their frames"
    assert_readable(page["charts"])


def test_the_probe_notices_what_it_looks_for(chromium, tmp_path, run):
    planted = """<script>
      setTimeout(() => { throw new Error("planted"); }, 0);
      const wait = () => {
        const texts = document.querySelectorAll("#chart-message_time svg text");
        if (!texts.length) { setTimeout(wait, 1); return; }
        texts[0].setAttribute("transform", "translate(-500, 0)");
        const last = texts[texts.length - 1], copy = last.cloneNode(true);
        copy.textContent = "on top";
        last.after(copy);
        last.style.fill = "#fafafa";
        document.querySelector("h1").style.color = "#eeeeee";
      };
      wait();
    </script>"""
    page = look(chromium, tmp_path, render_html([run]), planted=planted)
    assert any("planted" in error for error in page["errors"])
    assert len(page["charts"][0]["clipped"]) == 1
    assert any("on top" in pair for pair in page["charts"][0]["overlapping"])
    assert page["charts"][0]["contrast"] < 1.5
    assert page["contrast"] < 1.5
    with pytest.raises(AssertionError):
        assert_readable(page["charts"])
