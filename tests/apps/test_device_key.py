"""The key `device` of the programs: refused in one sentence without a GPU, bound by the rank's place on its node."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from clustermark.apps.console.devices import bind, refuse_missing
from clustermark.core.errors import UsageError
from clustermark.devices import DEVICES

EXAMPLES = {"md": "lj_melt", "climate": "held_suarez"}


def with_row(patch: pytest.MonkeyPatch, **changes: Any) -> None:
    patch.setitem(DEVICES, "cuda", replace(DEVICES["cuda"], **changes))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_program_without_a_gpu_says_so_in_one_sentence_and_writes_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_row(monkeypatch, missing=lambda: "needs a driver, and there is none")
    monkeypatch.chdir(tmp_path)
    program = import_module(f"clustermark.apps.{name}.program")
    assert program.main(["run", EXAMPLES[name], "--set", "device=cuda"]) == 2
    wanted = f"{name}: device 'cuda' needs a driver, and there is none\n"
    assert capsys.readouterr().err == wanted
    assert list(tmp_path.iterdir()) == []


def test_the_cpu_is_never_refused_and_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_missing("cpu")
    monkeypatch.setitem(DEVICES, "cpu", replace(DEVICES["cpu"], open=lambda local_rank: pytest.fail("opened")))
    bind("cpu", None)


class Node:
    """A communicator of four ranks on two nodes."""

    rank = 3

    def Split_type(self, kind: int) -> Any:
        return type("Shared", (), {"rank": 1, "Free": lambda self: None})()


@pytest.mark.parametrize(("comm", "expected"), [(None, 0), (Node(), 1)])
def test_a_rank_takes_the_gpu_of_its_place_on_its_node(
    comm: Any, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    with_row(monkeypatch, missing=lambda: "", open=opened.append)
    bind("cuda", comm)
    assert opened == [expected]


def test_a_device_that_is_missing_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    with_row(monkeypatch, missing=lambda: "is not here", open=lambda local_rank: pytest.fail("opened"))
    with pytest.raises(UsageError, match="device 'cuda' is not here"):
        bind("cuda", None)
