"""Runs that several tests read."""

import pytest
from fake_apps import full_runs
from fake_runs import mixed_run

from clustermark.core.runfile import Run


@pytest.fixture(scope="session")
def run() -> Run:
    """A run with all that a report must show: see `mixed_run`."""
    return mixed_run()


@pytest.fixture(scope="session")
def runs() -> list[Run]:
    """Runs that together have the axes of every chart: see `full_runs`."""
    return full_runs()
