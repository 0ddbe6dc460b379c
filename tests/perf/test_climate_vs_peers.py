"""The stage of shallow water holds its targets against C by hand, Devito and GT4Py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from climate_shallow_sides import find_climate_peers
from climate_vs_peers import CASES, compare, describe, notes_of, rows_of, show
from conditions import MISSED, UNCLEAR
from md_sides import PeerError
from pytest_benchmark.fixture import BenchmarkFixture

from clustermark.runners.launcher import usable_cores


@pytest.fixture(scope="module")
def peers() -> str | None:
    try:
        return find_climate_peers(make=True)
    except (PeerError, OSError):
        return None


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("builds")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", list(CASES))
def test_a_stage_of_shallow_water_is_as_fast_as_c_and_faster_than_peers(
    benchmark: BenchmarkFixture, say: Callable[[str], None], peers: str | None, builds: Path, name: str
) -> None:
    if CASES[name][1] > usable_cores():
        pytest.skip("two threads on one core measure the scheduler")
    try:
        found = benchmark.pedantic(compare, args=(name, peers, builds), rounds=1)
    except PeerError as error:
        pytest.skip(str(error))
    rows = rows_of(found)
    say("\n".join([describe(found), show(rows, found.load), *notes_of(found)]))

    def those(verdict: str) -> str:
        judged = [row for row in rows if row["verdict"].startswith(verdict)]
        return "; ".join(f"{row['side']} {row['÷ ours']} ({row['interval']}), target {row['target']}" for row in judged)

    assert not those(MISSED), those(MISSED)
    for verdict in ("not judged", UNCLEAR):
        if those(verdict):
            pytest.skip(f"{verdict}: {those(verdict)}")
    if found.missing:
        pytest.skip("; ".join(f"{other} takes no part: {reason}" for other, reason in found.missing.items()))
