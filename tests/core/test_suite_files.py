"""Whatever a suite file holds, it ends in a plan or in one line that says what to mend."""

import json
import time
from pathlib import Path

import pytest
from core_examples import SUITE, plan_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clustermark.core.errors import EXIT_USAGE, UsageError
from clustermark.core.plan import Plan
from clustermark.core.suite import AXES, load_suite, parse_suite


def planned_or_refused(text: str) -> Plan | None:
    """The plan of a text, taken through JSON; None if it was refused in one line."""
    try:
        plan = plan_of(text)
    except UsageError as error:
        message = str(error)
        assert message.isprintable(), message
        assert len(message) < 800, message
        assert error.exit_code == EXIT_USAGE
        return None
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict(), allow_nan=False))) == plan
    assert len({case.id for case in plan.cases}) == len(plan.cases)
    assert all(case.label.isprintable() for case in plan.cases)
    return plan


@given(st.text(max_size=200))
@example("a = " + "[" * 2000)
@example("a = " + "{ b = " * 2000)
@example("launches = 0x" + "f" * 5000)
@example("launches = " + "9" * 5000)
@example('"\\n\\u202e" = 1')
@example("\x00")
def test_any_text_is_planned_or_refused_in_one_line(text: str) -> None:
    planned_or_refused(text)


# Values as TOML spells them, the hostile ones among them.
NUMBERS = st.one_of(
    st.integers(-5, 2000).map(str),
    st.sampled_from(
        ["nan", "inf", "-inf", "-0.0", "1e308", "1e-9", "0x" + "f" * 4000, "9" * 30, "9223372036854775807"]
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
HOSTILE = ["8B", "64KiB", "9999999TiB", "", "\u202egnp.exe", "a\nb", "\x1b[2J", "é", "x" * 3000, "\x7f", "\x00"]
WORDS = st.sampled_from(
    ["fp64", "bf16", "fp128", "cpu", "cuda", "mpi", "local", "tcp", "ib", "self", "ompi-tcp", "gemm", "row", *HOSTILE]
).map(json.dumps)
SCALARS = st.one_of(NUMBERS, WORDS, st.sampled_from(["true", "false", "1979-05-27", "07:32:00", "[[1]]", "{a = 1}"]))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=4).map(lambda items: f"[{', '.join(items)}]"))
TOP_KEYS = st.sampled_from(["name", "summary", "launches", "seed", "sampling", "matrix", "launch", '"\\u001b"'])
AXIS_KEYS = st.sampled_from([*AXES, "workload", "params", "rank", '"\\n"'])
PARAM_KEYS = st.sampled_from(["bytes", "in_place", "n", "alpha", "layout", "byte", '"a\\u202e"'])


def _lines(pairs: dict[str, str]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in pairs.items())


@st.composite
def suites(draw: st.DrawFn) -> str:
    """TOML in the shape of a suite, with any keys and values in it; often nearly right."""
    text = _lines(draw(st.dictionaries(TOP_KEYS, VALUES, max_size=2)))
    if draw(st.booleans()):
        sampling = st.sampled_from(["seconds", "min_samples", "max_samples", "interval", "timeout", "second"])
        text += "[sampling]\n" + _lines(draw(st.dictionaries(sampling, SCALARS, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        workload = draw(st.sampled_from(['"gemm"', '"allreduce"', '"alreduce"', "3"]))
        text += f"[[matrix]]\nworkload = {workload}\n" + _lines(draw(st.dictionaries(AXIS_KEYS, VALUES, max_size=3)))
        if draw(st.booleans()):
            text += "[matrix.params]\n" + _lines(draw(st.dictionaries(PARAM_KEYS, VALUES, max_size=3)))
    return text


@settings(max_examples=600)
@given(suites())
def test_any_suite_shaped_toml_is_planned_or_refused_in_one_line(text: str) -> None:
    planned_or_refused(text)


@settings(max_examples=500)
@given(st.lists(st.tuples(st.integers(0, len(SUITE)), st.integers(0, 6), st.text(max_size=3)), min_size=1, max_size=3))
def test_any_mutation_of_a_good_suite_is_planned_or_refused_in_one_line(edits: list[tuple[int, int, str]]) -> None:
    text = SUITE
    for position, removed, inserted in edits:
        text = text[:position] + inserted + text[position + removed :]
    planned_or_refused(text)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 100), VALUES), min_size=1, max_size=2))
def test_any_value_replaced_in_a_good_suite_is_planned_or_refused_in_one_line(edits: list[tuple[int, str]]) -> None:
    lines: list[str] = [*SUITE.splitlines()]
    for number, value in edits:
        key, equals, _ = lines[number % len(lines)].partition(" = ")
        if equals:
            lines[number % len(lines)] = f"{key} = {value}"
    planned_or_refused("\n".join(lines))


BLOCK = '[[matrix]]\nworkload = "gemm"\n'
REFUSALS = {
    "an unknown key names the nearest": ("launch = 3\n" + BLOCK, "unknown key 'launch' (did you mean 'launches'?)"),
    "an unknown axis names the nearest": (BLOCK + "rank = 2", "unknown key 'rank' (did you mean 'ranks'?)"),
    "an unknown sampling key names the nearest": (
        "[sampling]\nsecond = 1\n" + BLOCK,
        "unknown key 'second' (did you mean 'seconds'?)",
    ),
    "no block": ("launches = 1", "has no [[matrix]] table"),
    "a matrix that is no table": ("matrix = [1]", "has no [[matrix]] table"),
    "no workload": ("[[matrix]]\nranks = 1", "names no workload"),
    "an unknown workload": ('[[matrix]]\nworkload = "gem"', "'gem' is not known (did you mean 'gemm'?)"),
    "an unknown precision": (BLOCK + 'precision = "fp46"', "'fp46' is not known (did you mean 'fp64'?)"),
    "an unknown device": (BLOCK + 'device = "gpu"', "device: 'gpu' is not known"),
    "an unknown transport": (BLOCK + 'transport = "mpl"', "transport: 'mpl' is not known"),
    "an unknown fabric": (BLOCK + 'ranks = 2\nfabric = "tpc"', "fabric: 'tpc' is not known (did you mean 'tcp'?)"),
    "an unknown parameter": (BLOCK + "params = { m = 1 }", "workload 'gemm' has no parameter 'm'"),
    "a parameter of another kind": (BLOCK + 'params = { n = "big" }', "is 'big', expected a value such as 512"),
    "a refused value": (BLOCK + "params = { n = 7 }", "params.n: is 7, must be even"),
    "a boolean for a number": (BLOCK + "params = { n = true }", "is True, expected a value such as 512"),
    "a size that is none": (
        '[[matrix]]\nworkload = "allreduce"\nparams = { bytes = "8 apples" }',
        "is not a size; write a whole number of bytes",
    ),
    "params that are no table": (BLOCK + "params = 3", "params is a whole number, expected a table"),
    "an empty list": (BLOCK + "ranks = []", "is an empty list"),
    "a nested list": (BLOCK + "ranks = [[1]]", "holds a list, expected plain values"),
    "a date": (BLOCK + "ranks = 1979-05-27", "holds a date, expected plain values"),
    "no ranks": (BLOCK + "ranks = 0", "is 0, expected 1 to 1000000"),
    "a fraction of a rank": (BLOCK + "ranks = 1.5", "is a number (1.5), expected a whole number"),
    "a huge hexadecimal number": (BLOCK + "ranks = 0x" + "f" * 5000, "whole number of more than 64 bits"),
    "many launches": ("launches = 1001\n" + BLOCK, "launches: is 1001, expected 1 to 1000"),
    "a parameter that is not a number": (BLOCK + "params = { alpha = nan }", "is nan, expected a finite number"),
    "an infinite parameter": (BLOCK + "params = { alpha = [1.0, inf] }", "is inf, expected a finite number"),
    "seconds that are not a number": ("[sampling]\nseconds = nan\n" + BLOCK, "seconds: is nan, expected 1e-06 to"),
    "sampling that is no table": ("sampling = 3\n" + BLOCK, "sampling is a whole number, expected a table"),
    "crossed limits": ("[sampling]\nmin_samples = 9\nmax_samples = 8\n" + BLOCK, "max_samples is 8, below min_samples"),
    "a control character": (BLOCK + 'params = { layout = "a\\u001b[2J" }', "holds control characters"),
    "text that runs backwards": ('name = "\\u202eelif"\n' + BLOCK, "holds control characters"),
    "a key that breaks the line": ('"a\\nb" = 1\n' + BLOCK, "unknown key 'a\\nb'"),
    "a number for a name": ("name = 3\n" + BLOCK, "name: is a whole number, expected text in quotes"),
    "too many cases in a block": (
        BLOCK + f"ranks = {list(range(1, 400))}\nthreads = {list(range(1, 400))}",
        "has 159201 cases, more than 100000; split it",
    ),
    "no TOML": ("ranks 3", "is not TOML"),
    "deep nesting": ("a = " + "[" * 5000, "is not TOML"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_bad_suite_is_refused_with_the_key_and_what_was_expected(kind: str) -> None:
    text, sentence = REFUSALS[kind]
    with pytest.raises(UsageError) as caught:
        plan_of(text)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("suite test.toml")
    assert str(caught.value).isprintable()


def test_a_suite_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read .No such file"):
        load_suite(tmp_path / "none.toml")
    with pytest.raises(UsageError, match=r"cannot be read .Is a directory"):
        load_suite(tmp_path)


def test_a_suite_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not UTF-8"):
        load_suite(tmp_path / "s.toml")


def test_a_suite_without_a_name_takes_that_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "nightly.toml").write_text(BLOCK)
    assert load_suite(tmp_path / "nightly.toml").name == "nightly"


def test_a_suite_of_many_blocks_is_read_in_a_moment() -> None:
    started = time.perf_counter()
    suite = parse_suite(BLOCK * 2000, "s")
    assert len(suite.blocks) == 2000
    assert time.perf_counter() - started < 5
