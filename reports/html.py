"""One self-contained page: opens offline, in light and dark, and prints."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from clustermark.core.files import atomic_write
from clustermark.core.runfile import Run
from clustermark.reports.charts import style
from clustermark.reports.costs import Costs
from clustermark.reports.drawing import drawings, vega_lite_version
from clustermark.reports.html_table import MOST_FOLDED_ROWS, cases_table, escape, small_table
from clustermark.reports.ranking import RANKING_RULE, Ranking, ranking_lines, ranking_sentences, rankings_of
from clustermark.reports.rows import oldest_first, report_rows, run_labels
from clustermark.reports.text import counted
from clustermark.reports.verdict import Counts, count_runs, machine_facts, sentence, warnings_of

PAGE_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
SECTIONS = ("banner", "warnings", "machine", "ranking", "table", "environments", "provenance", "later")
_TILES = {"ok": "good", "wrong": "bad", "failed": "bad", "skipped": "", "unfinished launches": "warning"}


def write_html(runs: Sequence[Run], target: Path, costs: Costs | None = None) -> None:
    """Write the page. Raises StoreError if it cannot be written."""
    atomic_write(target, render_html(runs, costs).encode("utf-8", "replace"))


def render_html(runs: Sequence[Run], costs: Costs | None = None) -> str:
    """The page: verdict, machine, charts, every case, environments, provenance; nothing is loaded from elsewhere."""
    ordered = oldest_first(runs)
    rows = report_rows(runs, costs)
    specs = drawings(rows)
    table, later = cases_table(rows, several=len(ordered) > 1)
    suites = ", ".join(dict.fromkeys(run.suite for run in ordered))
    heading = ordered[0].suite if len(ordered) == 1 else f"{counted(len(ordered), 'run')} of {suites}"
    return page(
        "report",
        heading,
        _when(ordered),
        specs,
        banner=_banner(count_runs(runs)),
        warnings=warning_list(warnings_of(runs)),
        machine=fact_list(machine_facts(runs)),
        ranking=_ranking(rankings_of(runs)),
        table=table,
        later=later,
        environments=_environments(ordered),
        provenance=_provenance(ordered),
    )


def page(kind: str, heading: str, subheading: str, specs: Mapping[str, Mapping[str, Any]], **sections: str) -> str:
    """A whole page with its charts and everything that draws them.

    Parameters
    ----------
    kind : "report", "check", "compare"
    heading, subheading : plain text
    specs : chart name → specification
    sections : HTML for the places of assets/report.html; a place that is not named stays empty
    """
    parts = dict.fromkeys(SECTIONS, "") | sections
    parts |= {
        "kind": kind,
        "title": escape(f"{heading} – clustermark {kind}"),
        "heading": escape(heading),
        "subheading": escape(subheading),
        "css": asset("report.css"),
        "js": asset("report.js"),
        "charts": _figures(specs),
        "specs": _script_json({name: _page_spec(spec) for name, spec in specs.items()}),
        "vega": _vega() if specs else "",
    }
    return Template(asset("report.html")).substitute(parts)


def asset(name: str) -> str:
    """Text of a file in `assets/`."""
    return files("clustermark.reports").joinpath("assets", name).read_text(encoding="utf-8")


def _script_json(data: object) -> str:
    """JSON inside a script element: no character in it can end the element or open a comment."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _vega() -> str:
    """Vega, Vega-Lite and vega-embed, to stand in a script element."""
    import vl_convert

    # The stub declares no default for the snippet; the library has one.
    bundle = vl_convert.javascript_bundle(vl_version=vega_lite_version())  # pyright: ignore[reportCallIssue]
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _page_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The page sets the title and the notes in HTML, and the colour of the ink by CSS."""
    kept = {key: value for key, value in spec.items() if key not in ("title", "usermeta")}
    # The chart is one picture with one text alternative; a name on each of thousands of marks would only slow the page.
    return kept | {"config": style.config("currentColor", PAGE_FONT) | {"aria": False}}


def _when(runs: Sequence[Run]) -> str:
    first, last = runs[0].created_utc, runs[-1].created_utc
    return shown_date(first) if len(runs) == 1 else f"{shown_date(first)} to {shown_date(last)}"


def shown_date(utc: str) -> str:
    """``"2026-01-02T03:04:05Z"`` → ``"2026-01-02 03:04 UTC"``."""
    return f"{utc[:10]} {utc[11:16]} UTC"


def _banner(counts: Counts) -> str:
    numbers = {**counts.cases, "unfinished launches": counts.unfinished}
    tiles = "".join(tile(name, numbers[name], kind) for name, kind in _TILES.items())
    return (
        f'<section class="banner {counts.level}" aria-label="Verdict"><p class="verdict">{escape(sentence(counts))}</p>'
        f'<dl class="tiles">{tiles}</dl></section>'
    )


def tile(name: str, number: int, kind: str) -> str:
    """A number of the banner, in the colour of its kind where it is not zero."""
    shade = kind if number else "zero"
    return f'<div class="{shade}"><dt>{name}</dt><dd data-count="{name}">{number}</dd></div>'


def warning_list(warnings: Sequence[str]) -> str:
    """Sentences that belong under the banner."""
    if not warnings:
        return ""
    lines = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f'<ul class="warnings" aria-label="Warnings">{lines}</ul>'


def fact_list(facts: Sequence[tuple[str, str]], label: str = "Machine") -> str:
    """Names and values side by side."""
    if not facts:
        return ""
    lines = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f'<dl class="facts" aria-label="{escape(label)}">{lines}</dl>'


def _figures(specs: Mapping[str, Mapping[str, Any]]) -> str:
    """The section of the charts, with titles, text alternatives, notes and folded figures."""
    figures = "".join(_figure(name, spec) for name, spec in specs.items())
    return f"<section><h2>Charts</h2>{figures}</section>" if figures else ""


def _ranking(found: Sequence[Ranking]) -> str:
    if not found:
        return ""
    told = "".join(f"<p>{escape(sentence)}</p>" for sentence in ranking_sentences(found))
    table = small_table(*ranking_lines(found), most=MOST_FOLDED_ROWS)
    return (
        f'<section id="ranking"><h2>Fabrics ranked</h2><p class="muted">{escape(RANKING_RULE)}</p>{told}'
        f"<details{' open' if len(found) <= 8 else ''}><summary>{counted(len(found), 'benchmark')}</summary>"
        f"{table}</details></section>"
    )


def _figure(name: str, spec: Mapping[str, Any]) -> str:
    meta = spec.get("usermeta", {})
    title, described = escape(spec.get("title", name)), escape(spec.get("description", ""))
    notes = "".join(f"<p>{escape(note)}</p>" for note in meta.get("notes", []))
    table = ""
    if meta.get("table"):
        folded = small_table(meta["table"]["header"], meta["table"]["rows"], most=MOST_FOLDED_ROWS)
        table = (
            f"<details{' open' if len(meta['table']['rows']) <= 8 else ''}><summary>Figures</summary>{folded}</details>"
        )
    return (
        f'<figure><h3>{title}</h3><div class="chart" id="chart-{escape(name)}" role="img" aria-label="{described}">'
        f"<noscript>{described} The chart needs JavaScript; its figures are in the table of cases.</noscript></div>"
        f"<figcaption>{notes}</figcaption>{table}</figure>"
    )


def _environments(runs: Sequence[Run]) -> str:
    users: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    for run, label in zip(runs, run_labels(runs), strict=True):
        for fingerprint, environment in run.environments.items():
            found[fingerprint] = environment
            users.setdefault(fingerprint, []).append(label)
    if not found:
        return ""
    folded = "".join(
        f'<details class="environment"><summary>Environment <code>{escape(fingerprint)}</code> '
        f'<span class="muted">({escape(_users(users[fingerprint]))})</span></summary>'
        f"{small_table(['fact', 'value'], _environment_lines(environment))}</details>"
        for fingerprint, environment in found.items()
    )
    return f"<section><h2>Environment</h2>{folded}</section>"


def _environment_lines(environment: Any) -> list[list[str]]:
    """The facts under their own names, then everything else."""
    if not isinstance(environment, Mapping):
        return _flat(environment)
    others = {key: value for key, value in environment.items() if key not in ("facts", "fingerprint")}
    return _flat(environment.get("facts", {})) + _flat(others)


def _users(labels: Sequence[str]) -> str:
    return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more runs" if len(labels) > 3 else "")


def _flat(value: Any, name: str = "") -> list[list[str]]:
    """Nested facts as lines ``cpu.model | AMD …``; of long lists, such as ranks, the first 64 items."""
    if isinstance(value, Mapping) and value:
        return [line for key, item in value.items() for line in _flat(item, f"{name}.{key}" if name else str(key))]
    if isinstance(value, list) and any(isinstance(item, (Mapping, list)) for item in value):
        lines = [line for index, item in enumerate(value[:64]) for line in _flat(item, f"{name}[{index}]")]
        return lines + ([[name, f"{len(value) - 64} more"]] if len(value) > 64 else [])
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return [] if value in ("", None, {}) else [[name, str(value)]]


def _provenance(runs: Sequence[Run]) -> str:
    lines = [
        [
            label,
            run.run_id,
            run.writer,
            "complete" if run.complete else "partial",
            f"{run.plan.seed}",
            f"{run.plan.launches}",
        ]
        for run, label in zip(runs, run_labels(runs), strict=True)
    ]
    table = small_table(["run", "folder", "written by", "state", "seed", "launches"], lines)
    return (
        '<section class="provenance"><h2>Provenance</h2><p>Every figure is the median over launches of the slowest '
        "rank's time of one step; a rate is counted work divided by that time. Raw samples are in the run's "
        f"<code>run.h5</code>. A wrong or failed case has no speed.</p>{table}</section>"
    )
