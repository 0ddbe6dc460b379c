"""A price of a unit of work, whatever the price is counted in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clustermark.core.summary import Metric
from clustermark.reports.charts.bars import MOST_BAR_PANELS, MOST_BARS, bar_panel, case_lines, looks
from clustermark.reports.charts.panels import facts, title_of
from clustermark.reports.charts.sweep import SIZE
from clustermark.reports.rows import ReportRow
from clustermark.reports.text import plain, spoken

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True)
class Priced:
    """A case and what a unit of its work costs, per way to pay: ``{"rented": 3.2e-12}``."""

    row: ReportRow
    metric: Metric
    prices: Mapping[str, float]


def work_rate(row: ReportRow) -> Metric | None:
    """The headline rate where it counts work per second; a message of one size is no work."""
    if SIZE in row.case.params:
        return None
    headline = row.headline
    metric = row.speed(headline.name) if headline else None
    return metric if metric is not None and metric.unit.endswith("/s") else None


def panels_of(priced: Sequence[Priced]) -> tuple[dict[tuple[str, str], list[Priced]], int]:
    """(workload, unit of work) → its cases, as many as are drawn; and how many are not."""
    panels: dict[tuple[str, str], list[Priced]] = {}
    for one in priced:
        panels.setdefault((one.row.case.workload, one.metric.unit.removesuffix("/s")), []).append(one)
    kept = {key: members[:MOST_BARS] for key, members in list(panels.items())[:MOST_BAR_PANELS]}
    return kept, len(priced) - sum(map(len, kept.values()))


def panel_charts(panels: Mapping[tuple[str, str], Sequence[Priced]], unit: str, kinds: Sequence[str]) -> list[Any]:
    """Bars of each panel; the amount of work is the power of a thousand that makes the prices readable.

    Parameters
    ----------
    panels : from `panels_of`
    unit : of the price, such as "EUR" or "J"
    kinds : ways to pay, in order
    """
    return [_panel_chart(key, members, unit, kinds) for key, members in panels.items()]


def per_amount(panels: Sequence[Priced], work: str) -> tuple[float, str]:
    """Factor and words of the amount that the prices are of: (1e9, "10⁹ atom-step")."""
    top = max(price for one in panels for price in one.prices.values())
    power = max(3 * math.ceil(-math.log10(top) / 3), 0) if top > 0 else 0
    words = f"10{str(power).translate(_SUPERSCRIPTS)} {plain(work)}" if power else plain(work)
    return 10.0**power, words


def _panel_chart(key: tuple[str, str], members: Sequence[Priced], unit: str, kinds: Sequence[str]) -> Any:
    factor, amount = per_amount(members, key[1])
    lines = case_lines([one.row for one in members])
    values = [
        {**facts(one.row, one.metric), "line": line, "kind": kind, "value": one.prices[kind] * factor}
        for one, line in zip(members, lines, strict=True)
        for kind in kinds
        if kind in one.prices
    ]
    for record in values:
        price = f"{record['value']:.3g} {unit}"
        record |= looks(record["filled"]) | {"label": price, "price": f"{price} per {amount}"}
    top = max(record["value"] for record in values)
    title = title_of([key[0]])
    return bar_panel(values, lines, title, f"{unit} per {amount}", top or 1.0, [("price", "price")], kinds)


def cheapest(panels: Mapping[tuple[str, str], Sequence[Priced]], unit: str) -> str:
    """The lowest undoubted price of each panel, in words."""
    texts = []
    for (workload, work), members in panels.items():
        sure = [(price, kind, one) for one in members if one.row.ranked for kind, price in one.prices.items()]
        if not sure:
            texts.append(f"{spoken(workload)}: every figure is in doubt")
            continue
        factor, amount = per_amount(members, work)
        price, kind, one = min(sure, key=lambda item: item[0])
        label = plain(one.row.case.label)
        texts.append(f"{spoken(workload)}: lowest {price * factor:.3g} {unit} per {amount}, {kind}, {label}")
    return "; ".join(texts)
