"""From which use on a bought node is cheaper than a rented one."""

from collections.abc import Sequence
from typing import Any

from clustermark.reports.charts import style
from clustermark.reports.charts.energy import joules
from clustermark.reports.costs import Costs
from clustermark.reports.rows import ReportRow, latest_rows
from clustermark.reports.text import counted, shown_percent

TITLE = "Rent or buy: cost of a node-hour against its use"
_LEAST_USE, _POINTS = 0.05, 96


def draw(rows: Sequence[ReportRow]) -> Any:
    """Cost of an owned node-hour against utilisation, the rent as a level line, and where they meet.

    Parameters
    ----------
    rows : any; those with costs tell the prices, those with stored energy the power of a node

    Returns
    -------
    altair chart, or None where the user did not give both a rent and what a node costs to own
    """
    costs = next((row.costs for row in rows if row.costs is not None), None)
    if costs is None or costs.own is None or costs.rent_node_hour is None:
        return None
    import altair as alt

    hourly, energy_note = _electricity(rows, costs)
    meeting = break_even(costs, hourly)
    uses = [_LEAST_USE + (1 - _LEAST_USE) * index / (_POINTS - 1) for index in range(_POINTS)]
    curve = [
        {"use": use, "cost": costs.own.node_hour(use) + hourly, "line": "owned", "dash": [1, 0]} for use in uses
    ] + [{"use": use, "cost": costs.rent_node_hour, "line": "rented", "dash": [6, 3]} for use in (0.0, 1.0)]
    planned = costs.own.node_hour() + hourly
    top = 1.1 * max(costs.rent_node_hour * 2.0, planned)
    marks = [{"use": costs.own.utilisation, "cost": planned, "what": "as planned"}]
    if meeting is not None and _LEAST_USE <= meeting <= 1.0:
        marks.append({"use": meeting, "cost": costs.rent_node_hour, "what": "equal"})
    names = ["owned", "rented"]
    hue = style.scale_of(names, [style.colour(slot) for slot in range(2)])
    legend = alt.Legend(orient="top", direction="horizontal", title=None, offset=10)
    x = alt.X(
        "use:Q",
        title="share of its life that a node works (utilisation)",
        scale=alt.Scale(domain=[0, 1], nice=False),
        axis=alt.Axis(format="%", tickCount=10),
    )
    y = alt.Y(
        "cost:Q",
        title=f"cost of a node-hour [{costs.currency}]",
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(tickCount=6),
    )
    lines = alt.Chart(alt.InlineData(values=curve)).encode(x=x, y=y)
    points = alt.Chart(alt.InlineData(values=marks)).encode(x=x, y=y)
    forms = style.scale_of(["as planned", "equal"], ["circle", "diamond"])
    layers = [
        lines.mark_line(strokeWidth=2, clip=True).encode(
            color=alt.Color("line:N", scale=hue, legend=legend, title=None),
            strokeDash=alt.StrokeDash("dash", type="nominal", scale=None, legend=None),
        ),
        points.mark_point(size=110, filled=True, opacity=1, color="#828282").encode(
            shape=alt.Shape("what:N", scale=forms, legend=legend, title=None),
            tooltip=[alt.Tooltip("use:Q", format=".0%"), alt.Tooltip("cost:Q", format=".3g"), alt.Tooltip("what:N")],
        ),
    ]
    answer = _answer(costs, meeting, planned)
    own = costs.own
    notes = [
        answer,
        f"Owned: ({own.capex_per_node:g} {costs.currency} ÷ {own.lifetime_years:g} years + {own.yearly_per_node:g} a "
        "year) ÷ hours of work; capital costs no interest here.",
        energy_note,
        "Source: prices as given by the user; nothing here was measured but stored energy.",
    ]
    texts = {
        "title": TITLE,
        "description": f"Cost of an owned node-hour against its use, beside the rent. {answer}",
        "usermeta": {"notes": [note for note in notes if note], "table": None},
    }
    return alt.layer(*layers, width=960, height=320, **texts)


def break_even(costs: Costs, hourly: float) -> float | None:
    """Utilisation at which an owned node-hour costs the rent; None where no use makes it as cheap.

    Parameters
    ----------
    costs : with a rent and an owned node
    hourly : electricity of an hour of work, which does not depend on use
    """
    assert costs.own is not None
    assert costs.rent_node_hour is not None
    left = costs.rent_node_hour - hourly
    return costs.own.node_hour(1.0) / left if left > 0 else None


def _answer(costs: Costs, meeting: float | None, planned: float) -> str:
    if meeting is None or meeting > 1:
        return "Renting is cheaper at any use."
    own = costs.own
    assert own is not None
    cheaper = "owning" if own.utilisation > meeting else "renting"
    return (
        f"Owning is cheaper where a node works more than {shown_percent(meeting)} of its life; at the "
        f"{shown_percent(own.utilisation)} planned, an owned hour costs {planned:.3g} {costs.currency} and "
        f"{cheaper} is cheaper."
    )


def _electricity(rows: Sequence[ReportRow], costs: Costs) -> tuple[float, str]:
    """Price of an hour of work's electricity per node, from the median of the stored powers; and what to say of it."""
    if costs.price_per_kwh is None:
        return 0.0, "Electricity of the owned node is left out: no price of it was given."
    powers = sorted(
        energy / time.value / row.case.nodes
        for row in latest_rows(rows)[0]
        if row.ranked and (energy := joules(row)) is not None and (time := row.speed("time")) is not None
    )
    if not powers:
        return 0.0, "Electricity of the owned node: unavailable, no energy was stored with these results."
    median = powers[len(powers) // 2]
    hourly = costs.energy_cost(median * 3600.0) or 0.0
    return hourly, f"Electricity: {median:.3g} W a node (median of {counted(len(powers), 'case')}), PUE {costs.pue:g}."
