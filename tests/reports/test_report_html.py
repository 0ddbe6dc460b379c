"""The page: self-contained, escaped, small, complete; and Markdown's escapes."""

import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from fake_runs import allreduce, make_row, make_run, sample_rows

from clustermark.reports.html import asset, render_html, write_html
from clustermark.reports.markdown import markdown

HOSTILE = [
    "</script><script>document.documentElement.dataset.owned=1</script>",
    '"><img src=x onerror="document.documentElement.dataset.owned=1">',
    "<!--<script>",
    "$css ${js} {{x}}",
    "消息 שלום \u202eevil\u0007",
    "]]>&amp;\ud800",
]


def hostile_run(text):
    rows = []
    for size in (8, 64, 512):
        case, seconds, work = allreduce(size, text, precision=text)
        row = make_row(case, seconds, work=work, proven=False, conditions=(text,))
        assert row.check is not None
        rows.append(
            replace(
                row,
                reason=text,
                check=replace(row.check, name=text),
                fabric=replace(row.fabric, observed=text, evidence=text),
                case=replace(case, workload=text, params={**case.params, text: text}),
            )
        )
    environments = {text: {"facts": {"cpu": {"model": text}, text: [{text: text}]}}}
    return make_run(rows, suite=text, run_id=text, writer=text, environments=environments)


class Reader(HTMLParser):
    """Tags, attributes and text of a page; script and style contents apart."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text, self.raw = [], [], "", {}
        self._open = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._open.append(tag)

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data):
        if self._open and self._open[-1] in ("script", "style"):
            self.raw.setdefault(self._open[-1], []).append(data)
        else:
            self.text += data


@pytest.fixture(scope="module")
def page(run):
    return render_html([run])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text, page):
    ordinary = Reader(page)
    reader = Reader(render_html([hostile_run(text)]))
    assert reader.tags.count("script") == ordinary.tags.count("script")
    assert "img" not in reader.tags
    assert not [name for _, name, _ in reader.attributes if name.startswith("on")]
    if text.startswith("$"):
        assert text in reader.text
    render_html([hostile_run(text)]).encode("utf-8", "replace")


def test_hostile_text_in_the_specifications_cannot_end_their_element():
    run = hostile_run(HOSTILE[0])
    (text,) = re.findall(r'<script type="application/json" id="specs">(.*?)</script>', render_html([run]), re.S)
    assert "<" not in text
    assert HOSTILE[0] in json.dumps(json.loads(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_in_markdown(text):
    shown = markdown([hostile_run(text)])
    outside_code = re.sub(r"`[^`\n]*`", "", shown)
    assert "<" not in outside_code.replace("&lt;", "")
    header = next(line for line in shown.splitlines() if line.startswith("| case"))
    for line in shown.splitlines():
        if line.startswith("| `"):
            assert len(re.findall(r"(?<!\\)\|", line)) == header.count("|")


def test_the_page_is_whole_in_itself(page):
    reader = Reader(page)
    assert not {"link", "iframe", "img", "object", "embed"} & set(reader.tags)
    loads = [value for _, name, value in reader.attributes if name in ("src", "href") and not value.startswith("#")]
    assert loads == []
    assert "url(" not in "".join(reader.raw["style"])
    assert "default-src 'none'" in page


def test_the_page_stays_below_two_megabytes(page):
    assert len(page.encode()) < 2_000_000
    assert page.count("window.vegaEmbed=") == 1, "the charts' JavaScript stands in the page once"


def test_the_page_of_a_run_without_charts_carries_no_chart_library():
    assert len(render_html([make_run([])]).encode()) < 60_000


def test_every_case_is_in_the_table_with_its_status_check_and_proof(run, page):
    rows = re.findall(r'<tr data-status="(\w+)"[^>]*>(.*?)</tr>', page)
    assert [status for status, _ in rows] == [row.status for row in run.rows]
    text = [Reader(cells).text for _, cells in rows]
    for row, shown in zip(run.rows, text, strict=True):
        assert row.case.label in shown
        assert row.reason in shown
    unproven = [
        row for row in run.rows if row.status in ("ok", "wrong") and row.case.ranks > 1 and not row.fabric.proven
    ]
    assert len(unproven) == sum("NOT verified" in shown for shown in text) == 14


def test_several_runs_have_a_column_of_their_own():
    runs = [make_run(sample_rows(sizes=(8, 64), gemm=()), number) for number in range(2)]
    assert ">run</button>" in render_html(runs)
    assert ">run</button>" not in render_html(runs[:1])


def test_no_path_of_the_machine_is_in_the_page(page):
    assert "/results/" not in page


def test_two_hundred_runs_make_a_page_in_seconds_of_cpu(tmp_path):
    rows = sample_rows(ranks=(2, 4), precisions=("fp64", "fp32"), fabrics=("ompi-sm-cma", "ompi-tcp"))[:60]
    runs = [make_run(rows, number) for number in range(200)]
    began = time.process_time()
    write_html(runs, tmp_path / "report.html")
    assert time.process_time() - began < 30, "CPU time: 4 s here; the clock of a shared machine says nothing"
    assert "200 runs of smoke" in (tmp_path / "report.html").read_text()


def test_markdown_has_banner_warnings_and_a_line_per_case(run):
    text = markdown([run])
    assert text.startswith("## clustermark: ❌ 34 of 37 cases ok, 2 wrong, 1 failed; 1 skipped")
    assert "fabric not verified in 14 cases" in text
    assert text.count("\n| `") == len(run.rows)


def test_markdown_of_many_runs_is_cut_and_says_so():
    text = markdown([make_run(sample_rows(), number) for number in range(20)])
    assert text.count("\n| `") == 500
    assert "more cases are in the run file" in text
    assert len(text) < 1_000_000


def test_cases_of_several_environments_name_theirs_in_the_table():
    rows = sample_rows(sizes=(8, 64), gemm=())
    elsewhere = [replace(row, fingerprints=("feedfacefeedface",)) for row in rows]
    assert ">environment</button>" not in render_html([make_run(rows)])
    page = render_html([make_run(rows), make_run(elsewhere, 1)])
    assert ">environment</button>" in page
    assert page.count("<td><code>feedfacefeedface</code></td>") == len(rows)


def themes():
    """Theme → variable → colour, of the rules that set them in the style sheet."""
    css = asset("report.css")
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", css[: css.index("@media")]))
    dark = dict(
        re.findall(r"--([\w-]+): (#[0-9a-f]+)", re.findall(r':root\[data-theme="dark"\] \{(.*?)\}', css, re.S)[0])
    )
    system = re.findall(r'prefers-color-scheme: dark\) \{\s*:root:not\(\[data-theme="light"\]\) \{(.*?)\}', css, re.S)[
        0
    ]
    paper = re.findall(r"@media print \{.*?\{(.*?)\}", css, re.S)[0]
    found = {"light": light, "dark": dark, "system": {}, "print": {}}
    for name, block in (("system", system), ("print", paper)):
        found[name] = dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", block))
    return found


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


_INKS = {
    "ink": "page sheet faint",
    "soft": "page sheet faint good-sheet warning-sheet bad-sheet",
    "accent": "page sheet",
}
_INKS |= {state: f"sheet {state}-sheet" for state in ("good", "warning", "bad")}
_INKS["ink"] += " good-sheet warning-sheet bad-sheet"


@pytest.mark.parametrize("theme", ["light", "dark", "system", "print"])
def test_every_ink_meets_wcag_aa_on_every_sheet_it_stands_on(theme):
    colours = themes()[theme]
    assert len(colours) >= 13
    poor = {
        (ink, sheet): round(contrast(colours[ink], colours[sheet]), 2)
        for ink, sheets in _INKS.items()
        for sheet in sheets.split()
        if contrast(colours[ink], colours[sheet]) < 4.5
    }
    assert poor == {}


def test_the_theme_of_the_system_and_of_the_button_are_one():
    found = themes()
    assert found["system"] == found["dark"]


def test_the_measure_of_contrast_knows_black_white_and_a_poor_grey():
    assert contrast("#000000", "#fff") == pytest.approx(21)
    assert contrast("#999999", "#ffffff") == pytest.approx(2.85, abs=0.01)
