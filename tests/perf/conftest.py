"""Figures against their targets: judged at once, and shown together at the end of the session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conditions import MET, MISSED, Figure, Judge, worst

_LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def judge(request: pytest.FixtureRequest) -> Judge:
    """Record figures; fail the test if a target was missed, skip it if the machine was too busy to say."""
    lines = request.config.stash.setdefault(_LINES, [])

    def decide(load: str, *figures: Figure) -> None:
        verdicts = [figure.verdict(load) for figure in figures]
        said = [
            f"{figure.what}: {figure.value:.4g} {figure.target.unit}; target {figure.target}: {verdict}"
            for figure, verdict in zip(figures, verdicts, strict=True)
        ]
        lines.extend(f"{line} ({load})" if load else line for line in said)
        overall = worst(verdicts)
        reasons = "; ".join(line for line, verdict in zip(said, verdicts, strict=True) if verdict == overall)
        if overall == MISSED:
            pytest.fail(reasons, pytrace=False)
        if overall != MET:
            pytest.skip(f"{reasons} ({load})" if load else reasons)

    return decide


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print text at the end of the session."""
    return request.config.stash.setdefault(_LINES, []).append


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make test` does not know the benchmarks at all; `make perf` (--benchmark-only) runs nothing else."""
    only = bool(config.getoption("--benchmark-only"))
    kept = [item for item in items if ("benchmark" in getattr(item, "fixturenames", ())) == only]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print every figure with its target and verdict."""
    lines = config.stash.get(_LINES, [])
    if lines:
        terminalreporter.section("measured against targets")
        for line in lines:
            terminalreporter.write_line(line)
