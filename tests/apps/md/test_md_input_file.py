"""Input files: what is taken, what is refused and how it is said; nothing ever ends in a traceback."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.apps.console.keys import keys_table
from clustermark.apps.console.values import CHECKS as GENERAL
from clustermark.apps.console.values import checked
from clustermark.apps.md.input_file import Input, input_of, load_input, parse_input
from clustermark.apps.md.input_values import CHECKS
from clustermark.apps.md.keys import KEYS
from clustermark.core.errors import UsageError

HERE = Path("/nowhere")
MELT = """
[system]
lattice = "fcc"
cells = 10
density = 0.8442
temperature = 1.44
[potential]
cutoff = 2.5
[run]
steps = 100
"""


def parsed(text: str, *overrides: str) -> Input:
    return parse_input(text, "melt.toml", HERE, overrides)


def refusal(text: str, *overrides: str) -> str:
    with pytest.raises(UsageError) as caught:
        parsed(text, *overrides)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_what_a_file_leaves_out_has_the_default_of_its_key() -> None:
    data = parsed(MELT)
    assert data.system.cells == (10, 10, 10)
    assert (data.run.steps, data.run.timestep, data.list.skin, data.list.check) == (100, 0.005, 0.3, True)
    assert (data.units, data.precision, data.ensemble.kind, data.output.per_atom) == ("lj", "double", "nve", True)


def test_metal_units_have_defaults_of_their_own() -> None:
    copper = 'units = "metal"\n[system]\nlattice = "fcc"\ncells = 3\nconstant = 3.615\n'
    data = parsed(copper + '[potential]\nkind = "sutton-chen"\nelements = "Cu"')
    assert (data.run.timestep, data.output.per_atom, data.potential.elements) == (0.001, False, ("Cu",))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["system.densty=1"], "--set: unknown key 'system.densty' (did you mean 'system.density'?)"),
        (["run.steps=-1"], "run.steps: is -1, expected 0 to"),
        (["run.steps=1.5"], "run.steps: is a number (1.5), expected a whole number"),
        (["run.steps=true"], "run.steps: is true/false (True), expected a whole number"),
        (["run.timestep=nan"], "run.timestep: is nan, expected a finite number"),
        (["run.timestep=0"], "run.timestep: is 0, expected a number above 0"),
        (["system.density=inf"], "system.density: is inf, expected a finite number"),
        (["potential.cutoff=-2.5"], "potential.cutoff: is -2.5, expected a number above 0"),
        (["system.cells=[1,2]"], "system.cells: has 2 numbers, expected one or three"),
        (["system.cells=[9999,99999,99999]"], "choose fewer cells"),
        (["potential.style=cutt"], "potential.style: is 'cutt' (did you mean 'cut'?)"),
        (["precision=half"], "precision: is 'half'"),
        (["system.constant=1.6"], "give one of system.density and system.constant"),
        (["system.density="], "give one of system.density and system.constant"),
        (["system.file=a.xyz"], "system.lattice and system.file are both set"),
        (["system.lattice="], "has no atoms"),
        (["potential.cutoff="], "potential.cutoff is missing"),
        (["ensemble.temperature=1"], "ensemble.temperature belongs to a thermostat, ensemble.kind is 'nve'"),
        (["ensemble.kind=langevin"], "ensemble.temperature is missing"),
        (["ensemble.kind=csvr", "ensemble.temperature=1"], "ensemble.time is missing"),
        (["ensemble.kind=csvr", "ensemble.temperature=1", "ensemble.time=0.001"], "below run.timestep"),
        (["output.trajectory=t.h5"], "output.trajectory_interval is missing"),
        (["output.trajectory_interval=5"], "output.trajectory_interval is set and output.trajectory is not"),
        (["restart.interval=5"], "restart.interval is set and restart.write is not"),
        (["restart.write=thermo.h5"], "two outputs have the name 'thermo.h5'"),
        (["restart.redistribute=true"], "restart.read is not"),
        (["potential.tail=true", "potential.style=force-shifted"], "potential.tail corrects a plain cutoff"),
        (["potential.kind=eam"], "potential.cutoff belongs to potential.kind 'lj', not 'eam'"),
        (["potential.kind=eam", "potential.cutoff="], "needs units = 'metal'"),
        (["units=metal"], "potential.epsilon is missing"),
        (["system.elements=['A', 'A']"], "names 'A' twice"),
        (["system.elements=['A', 'B']"], "system.fractions is missing"),
        (["system.elements=['A', 'B']", "system.fractions=[0.5, 0.4]"], "sums to 0.9, expected 1"),
        (["potential.epsilon=[1, 2, 3]"], "potential.epsilon has 3 values for 1 type(s)"),
        (["potential.pairs=[{types=['X', 'Y'], epsilon=1, sigma=1}]"], "names type 'Y'"),
        (["potential.pairs=[{types=['X', 'X'], epsilon=1}]"], "a pair has no sigma"),
        (["potential.pairs=[{types=['X'], epsilon=1, sigma=1}]"], "names 1 types, expected two"),
        (["potential.pairs=[1]"], "holds a whole number, expected tables"),
        (["run.steps"], "has no '='"),
        (["system.seed=$%"], "is no TOML value"),
        (["output.thermo='a\\u202eb'"], ""),
    ],
)
def test_a_bad_value_or_combination_is_one_sentence(overrides: list[str], expected: str) -> None:
    if expected:
        assert expected in refusal(MELT, *overrides)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[system", "is not TOML"),
        ("sytem = 1", "unknown key 'sytem'"),
        ("system = 1", "system is a whole number, expected a table; write [system]"),
        ("[system]\nlattise = 'fcc'", "unknown key 'system.lattise' (did you mean 'system.lattice'?)"),
        ("[run.steps]\nx = 1", "run.steps: is a table"),
        ("[run]\nsteps = 99999999999999999999999", "a number of over 20 digits"),
        ("a = " + "[" * 2000, "is not TOML"),
        ("", "has no atoms"),
    ],
)
def test_a_bad_file_is_one_sentence(text: str, expected: str) -> None:
    assert expected in refusal(text)


def test_overrides_take_text_without_quotes_and_remove_keys() -> None:
    data = parsed(MELT, "ensemble.kind=langevin", "ensemble.temperature=0.7", "ensemble.time=1", "run.steps=")
    assert (data.ensemble.kind, data.ensemble.temperature, data.run.steps) == ("langevin", 0.7, 0)


def test_paths_are_relative_to_the_file_and_on_the_command_line_to_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "a.toml").write_text('[system]\nfile = "x.xyz"\n[potential]\ncutoff = 2.5\n')
    monkeypatch.chdir(tmp_path / "here")
    assert load_input(tmp_path / "a.toml").system.file == str(tmp_path / "x.xyz")
    assert load_input(tmp_path / "a.toml", ["system.file=x.xyz"]).system.file == str(tmp_path / "here" / "x.xyz")


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "none.toml", tmp_path / "bytes.toml"):
        with pytest.raises(UsageError, match="cannot be read"):
            load_input(path)


def test_every_key_has_a_unit_a_meaning_and_a_default_of_its_own_kind() -> None:
    for name, key in KEYS.items():
        assert key.help, name
        if key.default not in (None, ""):
            assert checked(key.default, key, name, {**GENERAL, **CHECKS}) == key.default
    assert all(f"| `{name}` |" in keys_table(KEYS) for name in KEYS)


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["fcc", "lj", "eam", "metal", "A", "csvr", 1, 2.5, [1, 2, 3], ["A", "B"], [0.5, 0.5]]),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["types", "epsilon", "x"]), inner),
    max_leaves=6,
)


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for name, value in flat.items():
        section, point, key = name.partition(".")
        if point:
            tables.setdefault(section, {})[key] = value
        else:
            tables[name] = value
    return tables


@given(st.dictionaries(st.sampled_from(sorted(KEYS)) | st.text(max_size=6).filter(lambda t: "." not in t), _VALUES))
def test_no_tables_of_any_kind_end_in_a_traceback(flat: dict[str, Any]) -> None:
    try:
        data = input_of(_nested(flat), "any.toml", HERE)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert math.isfinite(data.run.timestep)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_end_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "a.toml"
    path.write_bytes(data)
    with pytest.raises(UsageError):
        load_input(path)


@given(st.text(max_size=20), st.sampled_from([*KEYS, ""]))
def test_no_override_ends_in_a_traceback(text: str, key: str) -> None:
    try:
        parsed(MELT, f"{key}={text}")
    except UsageError as error:
        assert "\n" not in str(error)
