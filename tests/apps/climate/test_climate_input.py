"""Input files of the climate model: what is taken, what is refused and how it is said; never a traceback."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.apps.climate.build import (
    COURANT,
    SIGNAL_SPEED,
    fitting_timestep,
    longest_timestep,
    make_setup,
    run_days,
)
from clustermark.apps.climate.cases import CASES
from clustermark.apps.climate.input_file import CHECKS, Input, input_of, load_input, parse_input
from clustermark.apps.climate.keys import KEYS
from clustermark.apps.climate.schedule import due, next_stop, pieces, steps_to_next
from clustermark.apps.console.keys import keys_table
from clustermark.apps.console.values import CHECKS as GENERAL
from clustermark.apps.console.values import checked
from clustermark.core.errors import UsageError

HERE = Path("/nowhere")
SMALL = """
case = "held_suarez"
[grid]
resolution = 5
levels = 10
[run]
days = 2
"""


def parsed(text: str, *overrides: str) -> Input:
    return parse_input(text, "small.toml", HERE, overrides)


def refusal(text: str, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        make_setup(parsed(text, *overrides))
    sentence = str(caught.value)
    assert sentence.isprintable()
    return sentence


def test_what_a_file_leaves_out_has_the_default_of_its_key() -> None:
    data = parsed(SMALL)
    assert (data.grid.resolution, data.grid.levels, data.run.days, data.run.timestep) == (5.0, 10, 2.0, None)
    assert (data.precision, data.fixer, data.overlap, data.threads) == ("double", True, True, 0)
    assert (data.output.file, data.output.interval, data.output.lat_lon) == ("run.nc", 24.0, True)
    assert parsed(SMALL, "run.timestep=auto").run.timestep is None
    assert parsed(SMALL, "run.timestep=300").run.timestep == 300.0


def test_a_setup_takes_levels_and_days_of_the_case_where_the_file_says_nothing() -> None:
    data = parsed('case = "held_suarez"')
    assert make_setup(data).levels == len(CASES["held_suarez"].interfaces) - 1  # type: ignore[union-attr]
    assert run_days(data) == CASES["held_suarez"].days
    water = make_setup(parsed('case = "tc2"\n[tc2]\nangle = 45'))
    assert (water.levels, water.angle, water.shallow) == (1, pytest.approx(math.pi / 4), True)


def test_every_case_of_the_key_is_a_case_with_a_signal_speed() -> None:
    choices = KEYS["case"].choices
    assert set(choices) <= set(CASES)
    assert set(choices) == set(SIGNAL_SPEED)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["grid.resolutoin=2"], "--set: unknown key 'grid.resolutoin' (did you mean 'grid.resolution'?)"),
        (
            ["grid.resolution=0.7"],
            "grid.resolution is 0.7°, and 90/0.7 = 128.571 is not whole; use 0.703125 or 0.6976744186",
        ),
        (["grid.resolution=0"], "grid.resolution: is 0, expected a number of 0.01 or more and up to 7.5"),
        (["grid.levels=1"], "grid.levels: is 1, expected 2 to 1000"),
        (["case=helt_suarez"], "case: is 'helt_suarez' (did you mean 'held_suarez'?)"),
        (["precision=single"], "precision is 'single', and case 'held_suarez' is the primitive equations"),
        (["case=tc5"], "grid.levels is set, and case 'tc5' is shallow water with one layer; remove the key"),
        (["case=tc5", "grid.levels=", "precision=mixed"], "'tc5' is shallow water; use 'double' or 'single'"),
        (["tc2.angle=10"], "tc2.angle is set, and case is 'held_suarez'"),
        (["run.timestep=fast"], "run.timestep: is 'fast', expected seconds or 'auto'"),
        (["run.timestep=true"], "run.timestep: is true/false (True), expected a number"),
        (["run.timestep=-3"], "run.timestep: is -3, expected a number of 0.01 or more"),
        (["run.timestep=2000"], "run.timestep is 2000 s, far beyond what is stable for case 'held_suarez' at 5°"),
        (["run.timestep=600", "run.days=0.001"], "run.days is 86.4 s, less than run.timestep = 600 s"),
        (["run.timestep=600", "output.interval=0.1"], "output.interval is 360 s, less than run.timestep = 600 s"),
        (["run.days=nan"], "run.days: is nan, expected a finite number"),
        (["damping.hours=0", "damping.every=3"], "damping.every is set and damping.hours is 0"),
        (["restart.interval=5"], "restart.interval is set and restart.write is not"),
        (["restart.write=run.nc"], "two outputs have the name 'run.nc'; rename one"),
        (["output.file=''", "output.lat_lon=false"], "output.lat_lon is set and output.file is empty"),
        (["run.days"], "has no '='; write --set run.days=30"),
    ],
)
def test_a_bad_value_or_combination_is_one_sentence(overrides: list[str], expected: str) -> None:
    assert expected in refusal(SMALL, *overrides)


@pytest.mark.parametrize("resolution", [7.5, 6.0, 4.5, 2.0, 0.5])
def test_every_case_left_to_itself_has_a_step_that_its_damping_allows(resolution: float) -> None:
    from clustermark.apps.climate.model import make_model

    for case in KEYS["case"].choices:
        model = make_model(make_setup(parsed(f'case = "{case}"', f"grid.resolution={resolution}")))
        assert 4 * model.setup.damping_every * model.setup.timestep <= 2 * model.damping_hours * 3600 or (
            model.damping_hours == 0
        )


def test_a_third_of_a_degree_written_with_many_digits_is_taken() -> None:
    assert make_setup(parsed(SMALL, "grid.resolution=0.33333333")).cells == 270


@pytest.mark.parametrize(("resolution", "expected"), [(4.5, 450.0), (2.0, 225.0)])
def test_the_longest_step_of_a_dry_atmosphere_is_the_one_that_ran_stably(resolution: float, expected: float) -> None:
    """Of the prototype: 450 s at 4.5°, 225 s at 2°."""
    longest = longest_timestep("held_suarez", round(90 / resolution), 6.371e6)
    assert longest == pytest.approx(expected, rel=0.05)
    assert fitting_timestep(longest, 86400.0) == pytest.approx(expected, rel=0.05)


@given(st.floats(0.5, 5000.0), st.integers(1, 240) | st.floats(0.02, 300.0))
def test_an_automatic_step_divides_the_output_interval_and_is_never_too_long(longest: float, hours: float) -> None:
    step = fitting_timestep(longest, hours * 3600)
    count = hours * 3600 / step
    assert 0 < step <= longest * (1 + 1e-12)
    assert abs(count - round(count)) < 1e-9 * count


def test_a_finer_grid_has_a_step_shorter_in_proportion() -> None:
    steps = [longest_timestep("tc5", cells, 6.371e6) * cells for cells in (40, 80, 160)]
    assert steps[0] == pytest.approx(steps[2], rel=0.1)
    assert COURANT < 0.72


@given(st.integers(0, 5000), st.floats(1.0, 3600.0), st.floats(1.0, 50.0))
def test_stops_are_the_steps_nearest_to_multiples_of_the_interval(begin: int, step: float, ratio: float) -> None:
    """With a step that does not divide the interval, every multiple is met once, within half a step."""
    interval = ratio * step
    time, met = begin * step, []
    for _ in range(5):
        count = steps_to_next(time, step, interval)
        assert not any(due(time + k * step, step, interval) for k in range(1, count) if ratio > 1.01)
        time += count * step
        assert abs(time / interval - round(time / interval)) * interval <= 0.5 * step * (1 + 1e-6)
        met.append(round(time / interval))
    assert met == list(range(met[0], met[0] + 5)) or ratio < 1.01


def test_a_run_stops_at_multiples_of_all_intervals_and_its_end() -> None:
    time, left, stops = 0.0, 20, []
    while left:
        count = next_stop(time, 600.0, left, [3000.0, 4800.0])
        time, left = time + count * 600.0, left - count
        stops.append(time / 600.0)
    assert stops == [5, 8, 10, 15, 16, 20]
    assert pieces(45, 600.0) == [18, 18, 9]
    assert not due(0.0, 600.0, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[grid", "is not TOML"),
        ("gird = 1", "unknown key 'gird'"),
        ("grid = 1", "grid is a whole number, expected a table; write [grid]"),
        ("[run.days]\nx = 1", "run.days: is a table"),
        ("[grid]\nlevels = 99999999999999999999999", "a number of over 20 digits"),
        ("a = " + "[" * 2000, "is not TOML"),
    ],
)
def test_a_bad_file_is_one_sentence(text: str, expected: str) -> None:
    assert expected in refusal(text)


def test_every_key_has_a_meaning_and_a_default_of_its_own_kind() -> None:
    for name, key in KEYS.items():
        assert key.help, name
        if key.default not in (None, "", "auto"):
            assert checked(key.default, key, name, {**GENERAL, **CHECKS}) == key.default
    assert all(f"| `{name}` |" in keys_table(KEYS) for name in KEYS)


def test_the_page_on_input_files_has_the_table_of_keys() -> None:
    page = (Path(__file__).parents[3] / "docs" / "climate-input.md").read_text(encoding="utf-8")
    assert keys_table(KEYS) in page


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["held_suarez", "tc5", "mixed", "auto", 2, 1.5, 0, "a.nc"]),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for name, value in flat.items():
        table, point, key = name.partition(".")
        if point:
            tables.setdefault(table, {})[key] = value
        else:
            tables[name] = value
    return tables


@given(st.dictionaries(st.sampled_from(sorted(KEYS)) | st.text(max_size=6).filter(lambda t: "." not in t), _VALUES))
def test_no_tables_of_any_kind_end_in_a_traceback(flat: dict[str, Any]) -> None:
    try:
        setup = make_setup(input_of(_nested(flat), "any.toml", HERE))
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert 0 < setup.timestep < math.inf


@given(st.text(max_size=20), st.sampled_from([*KEYS, ""]))
def test_no_override_ends_in_a_traceback(text: str, key: str) -> None:
    try:
        parsed(SMALL, f"{key}={text}")
    except UsageError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=60))
def test_no_bytes_end_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "a.toml"
    path.write_bytes(data)
    try:
        load_input(path)
    except UsageError as error:
        assert "\n" not in str(error)
