"""Runs that several tests read."""

import os
import shutil

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


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; a switch turns its absence from a skip into a failure."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        if os.environ.get("CLUSTERMARK_REQUIRE_CHROMIUM") == "1":
            pytest.fail("CLUSTERMARK_REQUIRE_CHROMIUM=1, but no chromium is on the PATH: install one")
        pytest.skip("no chromium on the PATH: install one to test the page in a browser")
    return found
