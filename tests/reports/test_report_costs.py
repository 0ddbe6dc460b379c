"""The cost file, and what its prices make of measured rates."""

import re

import pytest
from fake_apps import COSTS, app_row
from fake_runs import make_run, write_run
from hypothesis import given, settings
from hypothesis import strategies as st

from clustermark.core.errors import ClustermarkError, UsageError
from clustermark.reports.charts import cost, energy, rent_or_buy
from clustermark.reports.costs import Costs, Owning, costs_of, read_costs
from clustermark.reports.rows import report_rows

FILE = """
currency = "EUR"
[rent]
node_hour = 2.5
[own]
capex_per_node = 30_000
lifetime_years = 4
utilisation = 0.7
yearly_per_node = 1500
[energy]
pue = 1.3
price_per_kwh = 0.25
co2_g_per_kwh = 380
"""


def records(chart):
    data = chart.to_dict()["datasets"]
    return [record for values in data.values() for record in values if "price" in record]


def test_a_whole_file_is_read(tmp_path):
    (tmp_path / "costs.toml").write_text(FILE)
    assert read_costs(tmp_path / "costs.toml") == COSTS


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("node_hour = 2.5", "node_hours = 2.5", "did you mean 'node_hour'"),
        ("[rent]", "[rents]", "did you mean 'rent'"),
        ("node_hour = 2.5", "", r"\[rent\] needs node_hour"),
        ("utilisation = 0.7", "utilisation = 70", "own.utilisation is 70, expected a number from 0.0001 to 1"),
        ("pue = 1.3", "pue = 0.9", "energy.pue is 0.9"),
        ("pue = 1.3", "pue = true", "energy.pue is True"),
        ("pue = 1.3", "pue = nan", "energy.pue is nan"),
        ("node_hour = 2.5", 'node_hour = "2.5"', "rent.node_hour is '2.5'"),
        ('currency = "EUR"', "", "currency is ''"),
        ('currency = "EUR"', 'currency = "EUR', "is no TOML"),
    ],
)
def test_a_fault_in_the_file_is_one_sentence(tmp_path, old, new, words):
    assert old in FILE
    (tmp_path / "costs.toml").write_text(FILE.replace(old, new))
    with pytest.raises(UsageError, match=words) as caught:
        read_costs(tmp_path / "costs.toml")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_has_no_prices_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_costs(tmp_path / "costs.toml")
    with pytest.raises(UsageError, match="has no prices"):
        costs_of({"currency": "EUR"}, "costs.toml")


_VALUES = st.one_of(
    st.integers(-10, 10**400), st.floats(), st.text(max_size=20), st.booleans(), st.lists(st.integers(), max_size=2)
)
_NAMES = st.sampled_from(["node_hour", "capex_per_node", "lifetime_years", "utilisation", "pue", "price"])


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["currency", "rent", "own", "energy", "x"]),
        st.one_of(_VALUES, st.dictionaries(_NAMES, _VALUES, max_size=4)),
    )
)
def test_any_document_is_read_or_refused_in_a_sentence(data):
    try:
        found = costs_of(data, "costs.toml")
    except ClustermarkError as error:
        assert str(error).isprintable()
    else:
        assert isinstance(found, Costs)


def test_the_cost_of_work_is_price_times_time_over_work():
    row = app_row(cells=10, metered=False)
    rows = report_rows([make_run([row])], Costs("EUR", 3.6, Owning(87660.0, 10.0, 0.5)))
    assert row.time is not None
    by_kind = {record["kind"]: record["price"] for record in records(cost.draw(rows))}
    per_step = row.time.value * 3.6 / 3600 / (4 * 10**3 * 20)
    assert by_kind["rented"] == f"{per_step * 1e12:.3g} EUR per 10¹² atom-step"
    # 87660 over 10 years of 8766 hours is 1 an hour, at half use 2 an hour of work.
    owned = float(by_kind["owned"].split()[0])
    assert owned == pytest.approx(float(by_kind["rented"].split()[0]) * 2 / 3.6, rel=0.01)


def test_several_nodes_are_all_paid_for():
    costs = Costs("EUR", 1.0)
    one, two = (app_row(ranks=2, ranks_per_node=each, share=0.1) for each in (2, 1))
    prices = [records(cost.draw(report_rows([make_run([row])], costs)))[0]["price"] for row in (one, two)]
    first, second = (float(price.split()[0]) for price in prices)
    assert second == pytest.approx(2 * first, rel=0.01)


def test_energy_that_was_not_stored_is_unavailable_never_zero():
    rows = report_rows([make_run([app_row(metered=False)])], COSTS)
    assert energy.draw(rows) is None
    chart = cost.draw(rows).to_dict()
    assert any("unavailable, no energy was stored" in note for note in chart["usermeta"]["notes"])
    assert chart["usermeta"]["table"]["rows"][0][4] == "unavailable"
    assert any("unavailable" in note for note in rent_or_buy.draw(rows).to_dict()["usermeta"]["notes"])


def test_stored_energy_gives_joules_and_grams_per_work():
    row = app_row()
    (record,) = records(energy.draw(report_rows([make_run([row])], COSTS)))
    assert row.time is not None
    joules = 180.0 / (row.metrics[0].value)
    assert float(record["price"].split()[0]) == pytest.approx(joules * 1e6, rel=0.03)
    table = energy.draw(report_rows([make_run([row])], COSTS)).to_dict()["usermeta"]["table"]
    grams = float(table["rows"][0][2].removesuffix(" g")) / float(table["rows"][0][1].removesuffix(" J"))
    assert grams == pytest.approx(1.3 * 380 / 3.6e6, rel=0.01)


def test_the_break_even_is_where_both_cost_the_same():
    use = rent_or_buy.break_even(COSTS, 0.06)
    assert use is not None
    assert COSTS.own is not None
    assert COSTS.own.node_hour(use) + 0.06 == pytest.approx(2.5)
    assert rent_or_buy.break_even(COSTS, 2.6) is None


def test_rent_or_buy_needs_both_prices():
    row = app_row()
    for costs in (None, Costs("EUR", 2.5), Costs("EUR", None, COSTS.own)):
        assert rent_or_buy.draw(report_rows([make_run([row])], costs)) is None
    texts = rent_or_buy.draw(report_rows([make_run([row])], COSTS)).to_dict()["usermeta"]["notes"]
    assert re.search(r"Owning is cheaper where a node works more than \d+ %", texts[0])
    dear = Costs("EUR", 0.1, COSTS.own)
    assert (
        "Renting is cheaper at any use."
        in rent_or_buy.draw(report_rows([make_run([row])], dear)).to_dict()["description"]
    )


def test_the_command_line_reads_costs_and_refuses_a_fault_in_one_sentence(clustermark, tmp_path):
    written = write_run(tmp_path / "results").path.parent
    (tmp_path / "costs.toml").write_text(FILE)
    done = clustermark("report", written, "--costs", tmp_path / "costs.toml")
    assert done.returncode == 0, done.stderr
    assert 'id="chart-rent_or_buy"' in (written / "report.html").read_text()
    (tmp_path / "costs.toml").write_text(FILE.replace("node_hour", "hour"))
    done = clustermark("report", written, "--costs", tmp_path / "costs.toml")
    assert done.returncode == 2
    assert "'hour' is no key of [rent]" in done.stderr
    assert "Traceback" not in done.stderr
