"""Nothing from a suite, a site or the command line reaches a shell unquoted or becomes a directive; bash is asked."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shell import HOSTILE, directives, shell_words
from virtual import toml

from clustermark.cli import main
from clustermark.core.errors import UsageError
from clustermark.runners import slurm_render
from clustermark.runners.slurm_arrays import Array, Shape, Task
from clustermark.runners.slurm_render import Batch, render_array, render_collector
from clustermark.runners.slurm_site import Site

ARRAY = Array(0, Shape(2, 4, 2, 1, 0), 7, (Task((0,), ((0, 0),)), Task((1,), ((0, 1),))))
BATCH = Batch("/results/run-1", 0, "smoke", "/venv/bin/python")


@settings(max_examples=60)
@given(suite=HOSTILE, folder=HOSTILE, value=HOSTILE, module=HOSTILE, python=HOSTILE)
def test_no_hostile_word_reaches_the_shell_unquoted(
    tmp_path_factory: pytest.TempPathFactory, suite: str, folder: str, value: str, module: str, python: str
) -> None:
    """bash itself is asked: the program gets each word as it was, and nothing else ran."""
    tmp_path = tmp_path_factory.mktemp("shell")
    run = "/results/" + folder.replace("\0", "").replace("/", "")
    python = python.replace("\0", "") or "python"
    try:
        site = Site.from_dict({"environment": {"A": value}, "modules": [module]})
    except UsageError:
        site = Site()
    batch = Batch(run, 0, suite, python)
    if not (run + python).isprintable():
        with pytest.raises(UsageError, match="control characters"):
            render_array(ARRAY, site, batch)
        return
    for text, last in ((render_array(ARRAY, site, batch), ["3"]), (render_collector(site, batch), [])):
        words, variables = shell_words(text, site, tmp_path)
        assert words[0] == python
        assert words[1] == "-m"
        assert run in words
        assert words[len(words) - len(last) :] == last
        assert variables == dict(site.environment)
        assert len(directives(text)) == sum(line.startswith("#SBATCH --") for line in text.splitlines())
        expected = 12 if last else 6
        assert len(directives(text)) == expected, "no word of a file became a directive"
    assert [path.name for path in tmp_path.iterdir()] == ["stub"]


@settings(max_examples=150)
@given(
    key=st.sampled_from(["partition", "account", "qos", "constraint", "reservation", "memory", "gpu_type", "mpi_type"]),
    value=HOSTILE,
)
def test_a_word_for_the_scheduler_is_one_plain_word_or_refused(key: str, value: str) -> None:
    try:
        site = Site.from_dict({key: value})
    except UsageError as error:
        assert "\n" not in str(error)
        return
    for line in directives(render_array(replace(ARRAY, shape=replace(ARRAY.shape, gpus_per_node=1)), site, BATCH)):
        assert not set(line) & set(" \t'\"\\#$`;<>\n\0")


@given(
    st.dictionaries(
        st.text(max_size=20),
        st.none() | st.booleans() | st.integers() | HOSTILE | st.lists(HOSTILE, max_size=2),
        max_size=4,
    )
)
def test_any_site_table_is_a_site_or_one_sentence(data: dict[str, Any]) -> None:
    try:
        site = Site.from_dict(data)
    except UsageError as error:
        assert str(error).isprintable()
        return
    assert Site.from_dict(json.loads(json.dumps(site.to_dict()))) == site


def test_a_word_that_is_not_quoted_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: a renderer that joins words without quotes."""
    monkeypatch.setattr(slurm_render.shlex, "join", " ".join)
    text = render_array(ARRAY, Site(), replace(BATCH, run="/results/$(touch ran)"))
    words, _ = shell_words(text, Site(), tmp_path)
    assert "/results/$(touch ran)" not in words
    assert (tmp_path / "ran").exists()


# Where a word can be given: options of the command line, keys of a suite, keys and the name of a site.
OPTIONS = ("--out", "--set", "--only", "--nodes", "--fabric", "--precision", "--device", "--mpirun", "--site")
SUITE_KEYS = ("name", "summary", "fabric", "precision", "bytes")
SITE_KEYS = ("summary", "partition", "memory", "fabric", "python", "slurm_conf", "mpiexec", "modules", "srun_options")
PLACES = st.sampled_from(
    [("", option) for option in OPTIONS]
    + [("suite", key) for key in SUITE_KEYS]
    + [("site", key) for key in (*SITE_KEYS, "environment")]
    + [("file", "suite"), ("file", "site")]
)
# Where any printable word is taken: what is planted here reaches the scripts.
FREE = st.sampled_from(
    [("", "--out"), ("", "--mpirun"), ("suite", "name"), ("suite", "summary"), ("file", "suite"), ("site", "python"),
     *(("site", key) for key in ("summary", "slurm_conf", "mpiexec", "srun_options", "environment"))]
)  # fmt: skip
WORDS = HOSTILE.map(lambda word: word.replace("\0", ""))
Planted = Mapping[tuple[str, str], str]


def quoted(word: str) -> str:
    """As a TOML string."""
    return json.dumps(word, ensure_ascii=False).replace("\x7f", "\\u007f")


def files(folder: Path, planted: Planted) -> tuple[Path, Path]:
    """A suite and a site with the words in their places."""
    keys = {key: quoted(word) for (kind, key), word in planted.items() if kind == "suite"}
    axes = {key: keys.pop(key) for key in ("fabric", "precision") if key in keys}
    params = f"params = {{ bytes = {keys.pop('bytes', toml('8B'))} }}\n"
    block = '[[matrix]]\nworkload = "allreduce"\n' + "".join(f"{k} = {v}\n" for k, v in axes.items()) + params
    suite = folder / f"{planted.get(('file', 'suite'), 'suite').replace('/', '')}.toml"
    suite.write_text("".join(f"{k} = {v}\n" for k, v in ({"name": '"s"'} | keys).items()) + block)
    words = {key: quoted(word) for (kind, key), word in planted.items() if kind == "site"}
    table = f"[environment]\nA = {words.pop('environment', toml(''))}\n"
    lists = {key: f"[{words.pop(key)}]" for key in ("modules", "srun_options") if key in words}
    site = folder / f"{planted.get(('file', 'site'), 'site').replace('/', '')}.toml"
    site.write_text('mpi = "openmpi"\n' + "".join(f"{k} = {v}\n" for k, v in (words | lists).items()) + table)
    return suite, site


@settings(max_examples=80)
@given(st.dictionaries(PLACES, WORDS, min_size=1, max_size=3) | st.dictionaries(FREE, WORDS, min_size=1, max_size=4))
@example(
    {("", "--out"): "$(touch ran)", ("suite", "name"): "a\ntouch ran\n", ("site", "environment"): "'; touch ran; '"}
)
@example(
    {("site", "python"): "`touch ran`", ("site", "modules"): "x; touch ran #", ("file", "site"): "\n#SBATCH --wrap=x"}
)
def test_whatever_the_command_line_a_suite_and_a_site_say_only_the_program_runs(
    tmp_path_factory: pytest.TempPathFactory, planted: Planted
) -> None:
    """`submit --print`, then bash: each script starts one program with the run's folder as one word, and no more."""
    folder = tmp_path_factory.mktemp("submit")
    suite, site = files(folder, planted)
    given_words = [f"{option}={word}" for (kind, option), word in planted.items() if not kind]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(["submit", str(suite), f"--site={site}", "--print", *given_words])
        except SystemExit as refused:  # the parser of the options
            code = refused.code
    said = err.getvalue().rstrip("\n")
    if code != 0:
        assert code == 2, said
        assert "Traceback" not in said
        assert len(said.splitlines()) == 1, "one sentence"
        return
    place = Path(planted.get(("", "--out"), "results")).resolve() / "RUN"
    python = planted.get(("site", "python"), "") or sys.executable
    environment = Site(environment={"A": planted.get(("site", "environment"), "")})
    scripts = out.getvalue().split("# sbatch --parsable ")[1:]
    assert len(scripts) == 2
    shell = folder / "shell"
    shell.mkdir()
    for script, count in zip(scripts, (12, 6), strict=True):
        text = script.partition("\n")[2]
        words, variables = shell_words(text, environment, shell)
        assert words[0] == python
        assert str(place) in words
        assert variables == dict(environment.environment)
        extra = ("--partition", "--mem")
        assert sum(not each.startswith(extra) for each in directives(text)) == count
    assert [path.name for path in shell.iterdir()] == ["stub"]
