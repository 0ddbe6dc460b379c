"""Change points come from another Python; one that gives none is refused in one sentence."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from clustermark.core.errors import UsageError
from clustermark.runners.otava import change_points, find_otava

STUB = """
from types import SimpleNamespace
def compute_change_points(series, window_len, max_pvalue, min_magnitude):
    steps = [SimpleNamespace(index=i) for i in range(1, len(series)) if series[i] > 1.5 * series[i - 1]]
    return steps, []
"""


def test_points_come_back_from_the_python_that_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "otava").mkdir()
    (tmp_path / "otava" / "__init__.py").touch()
    (tmp_path / "otava" / "analysis.py").write_text(STUB)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    series = [[1.0, 1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0], [1.0, 9.0]]
    assert change_points(sys.executable, series) == [[3], [], []]  # three points are too few to look at


@pytest.mark.parametrize("python", ["/nowhere/python", sys.executable, "/bin/echo"])
def test_a_python_without_otava_is_refused_with_the_way_to_get_it(
    python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UsageError, match="pip install apache-otava") as error:
        change_points(python, [[1.0] * 5])
    assert "\n" not in str(error.value)


def test_the_python_is_the_given_one_then_the_environments_then_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTERMARK_OTAVA_PYTHON", "/b")
    assert find_otava("/a") == "/a"
    assert find_otava(None) == "/b"
    monkeypatch.delenv("CLUSTERMARK_OTAVA_PYTHON")
    assert find_otava(None) in (None, sys.executable)


def test_apache_otava_itself_finds_a_plain_step() -> None:
    python = os.environ.get("CLUSTERMARK_OTAVA_PYTHON")
    if not python:
        pytest.skip("no environment with Apache Otava (name its python in CLUSTERMARK_OTAVA_PYTHON)")
    level = np.random.default_rng(0).normal(1, 0.01, 60)
    level[45:] *= 1.1
    assert change_points(python, [list(level)]) == [[45]]
