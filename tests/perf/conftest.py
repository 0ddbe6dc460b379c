"""Figures against their targets: judged at once, and shown together at the end of the session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conditions import MET, MISSED, NOT_JUDGED, Target

Judge = Callable[..., None]
_LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Record a figure, fail the test if its target was missed, skip it if the machine was too busy to say."""
    lines = request.config.stash.setdefault(_LINES, [])

    def decide(what: str, shown: str, target: Target, low: float, high: float, load: str = "") -> None:
        verdict = target.verdict(low, high, load)
        lines.append(f"{what}: {shown}; target {target}: {verdict}{f' ({load})' if load else ''}")
        if verdict == MISSED:
            pytest.fail(lines[-1], pytrace=False)
        if verdict != MET:
            pytest.skip(f"{NOT_JUDGED}: {lines[-1]}" if verdict != NOT_JUDGED else lines[-1])

    return decide


@pytest.fixture
def show(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print text at the end of the session."""
    return request.config.stash.setdefault(_LINES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print every figure with its target and verdict."""
    lines = config.stash.get(_LINES, [])
    if lines:
        terminalreporter.section("measured against targets")
        for line in lines:
            terminalreporter.write_line(line)
