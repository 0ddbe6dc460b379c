"""Charts as Vega-Lite specifications: for the page, and for pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

from clustermark.reports import CHARTS
from clustermark.reports.rows import ReportRow


def drawings(rows: Sequence[ReportRow]) -> dict[str, dict[str, Any]]:
    """Chart name → specification, in the order of `CHARTS`; without charts whose data lack their axes."""
    return specifications({name: draw(rows) for name, draw in CHARTS.items()})


def specifications(drawn: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Chart name → specification, of charts or None; without the latter."""
    # Tests hold every chart against the schema; doing so on each report would take as long as drawing it.
    return {name: chart.to_dict(validate=False) for name, chart in drawn.items() if chart is not None}


def vega_lite_version() -> str | None:
    """The Vega-Lite of vl-convert that Altair writes for; None, its newest, where it has not that one."""
    import altair as alt
    import vl_convert

    wanted = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    known = getattr(vl_convert, "get_vegalite_versions", list)  # absent in vl-convert 1.6
    return wanted if wanted in known() else None
