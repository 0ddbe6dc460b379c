"""The molecular dynamics holds its targets against LAMMPS, and two ranks theirs against one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conditions import MISSED, UNCLEAR
from md_cases import CASES, PAIRS
from md_sides import PeerError, find_peers
from md_vs_lammps import compare, describe, notes_of, rank_rows, rows_of, show
from pytest_benchmark.fixture import BenchmarkFixture

from clustermark.core.errors import LaunchError
from clustermark.runners.launcher import usable_cores


@pytest.fixture(scope="module")
def peers() -> str:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("sides are bound to a core, which is written for Linux")
    try:
        found = find_peers(make=True)
    except (PeerError, OSError) as error:
        pytest.skip(f"no environment with LAMMPS: {error}; name one in CLUSTERMARK_PEERS_PYTHON")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


def decide(rows: list[dict[str, str]], figure: str) -> None:
    """Fail where a target was missed, skip where that cannot be said."""

    def those(verdict: str) -> str:
        found = [row for row in rows if row["verdict"].startswith(verdict)]
        return "; ".join(f"{row['case']}: {row[figure]} ({row['interval']}), target {row['target']}" for row in found)

    assert not those(MISSED), those(MISSED)
    for verdict in ("not judged", UNCLEAR):
        if those(verdict):
            pytest.skip(f"{verdict}: {those(verdict)}")


# A million atoms take six minutes: the script prints them.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["lj-32k", "eam-32k", "lj-256k"])
def test_molecular_dynamics_is_faster_than_lammps_as_promised(
    benchmark: BenchmarkFixture, say: Callable[[str], None], peers: str, states: Path, name: str
) -> None:
    found = benchmark.pedantic(compare, args=(CASES[name], peers, states), rounds=1)
    say("\n".join([describe(found), show(rows_of(found), found.load), *notes_of(found)]))
    decide(rows_of(found), "ratio")


@pytest.mark.mpi
@pytest.mark.timeout(900)
def test_two_ranks_are_nearly_twice_as_fast_as_one(
    benchmark: BenchmarkFixture, say: Callable[[str], None], peers: str, states: Path
) -> None:
    if usable_cores() < 2:
        pytest.skip("two ranks on one core measure the scheduler")
    try:
        rows = benchmark.pedantic(rank_rows, args=(peers, states, PAIRS, CASES["lj-256k"]), rounds=1)
    except LaunchError as error:
        pytest.skip(str(error))
    say(show(rows))
    decide(rows, "speedup")
