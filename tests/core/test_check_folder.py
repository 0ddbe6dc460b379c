"""The folder of a check: it goes on from any state, and a damaged one is refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustermark.core.check_folder import CheckFolder
from clustermark.core.environment import fact_differences
from clustermark.core.errors import UsageError
from clustermark.core.gate_rules import Rules
from clustermark.core.pairing import Matched

SIDE = {"name": "x", "what": "git 1234", "axes": {}, "variables": {}}


def new(root: Path) -> CheckFolder:
    """A check of two cases with one stage."""
    sides = {side: dict(SIDE) for side in ("baseline", "candidate")}
    folder = CheckFolder.create(
        root, name="smoke/…", method="lockstep", rules=Rules(), seed=1, sides=sides, request={"only": []}
    )
    folder.matched = [Matched("a", "id1", "id2"), Matched("b", "id3", "", "gone")]
    folder.stages = [{"baseline": "baseline/run1", "candidate": "candidate/run2", "pairs": 10}]
    folder.notes = ["candidate: matrix 2: workload 'x' is not known"]
    folder.save()
    return folder


def test_a_check_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    folder = new(tmp_path)
    assert CheckFolder.open(folder.path) == folder
    assert folder.path.name.endswith(folder.path.name.split("-check-")[1])
    assert (folder.path / "baseline").is_dir()


def test_two_processes_do_not_run_one_check(tmp_path: Path) -> None:
    folder = new(tmp_path)
    other = CheckFolder.open(folder.path)
    with folder.locked(), pytest.raises(UsageError, match="is still running"), other.locked():
        pass
    with other.locked():
        pass


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 2}, "was made by a newer clustermark"),
        ({"format": "other"}, "is damaged"),
        ({"stages": [{"baseline": "../../etc", "candidate": "candidate/x", "pairs": 1}]}, "is damaged"),
        ({"stages": [{"baseline": "baseline/..", "candidate": "candidate/x", "pairs": 1}]}, "is damaged"),
        ({"rules": {"pairs": 1, "other": 2}}, "is damaged"),
        ({"sides": {"baseline": {}}}, "is damaged"),
    ],
)
def test_a_check_that_is_none_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    folder = new(tmp_path)
    path = folder.path / "check.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UsageError, match=said):
        CheckFolder.open(folder.path)


def test_a_folder_without_a_check_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no check"):
        CheckFolder.open(tmp_path)


json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just([]) | st.just({})


@settings(max_examples=60)
@given(st.data())
def test_one_damaged_value_never_makes_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = new(tmp_path_factory.mktemp("check"))
    path = folder.path / "check.json"
    document = json.loads(path.read_text())
    holder, key = document, data.draw(st.sampled_from(sorted(document)))
    while isinstance(holder[key], (dict, list)) and holder[key] and data.draw(st.booleans()):
        holder = holder[key]
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))))
    holder[key] = data.draw(json_values)
    path.write_text(json.dumps(document))
    try:
        CheckFolder.open(folder.path)
    except UsageError as error:
        assert "\n" not in str(error)


def test_facts_that_differ_are_named_by_their_path() -> None:
    one = {"cpu": {"model": "a", "cores": 2}, "mpi": {}, "same": [1, 2]}
    other = {"cpu": {"model": "b", "cores": 2}, "mpi": {"name": "x"}, "same": [1, 2]}
    assert fact_differences(one, other) == [("cpu.model", "a", "b"), ("mpi", "{}", "–"), ("mpi.name", "–", "x")]
    assert fact_differences(one, one) == []
