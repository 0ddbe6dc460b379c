"""Our ping-pong and random ring within 10 % of HPCC's b_eff."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from c_side import prepare
from conditions import MISSED, NOT_JUDGED, UNCLEAR
from hpcc_side import NoPeerError
from interconnect_vs_hpcc import compare, show, table
from pytest_benchmark.fixture import BenchmarkFixture

from clustermark.core.errors import LaunchError


@pytest.mark.mpi
@pytest.mark.timeout(300)
@pytest.mark.parametrize("wire", ["shm", "tcp"])
def test_messages_are_measured_as_hpcc_measures_them(
    benchmark: BenchmarkFixture, say: Callable[[str], None], tmp_path: Path, wire: str
) -> None:
    try:
        side = prepare(sys.executable, tmp_path)
        if isinstance(side, str):
            pytest.skip(side)
        found = benchmark.pedantic(compare, args=(side, wire), rounds=1)
    except (LaunchError, NoPeerError) as error:
        pytest.skip(str(error))
    say(show(found, side))
    if found.load:
        pytest.skip(f"{NOT_JUDGED} ({found.load})")
    verdicts = {row["figure"]: row["verdict"] for row in table(found)}
    missed = [name for name, verdict in verdicts.items() if verdict == MISSED]
    assert not missed, missed
    if UNCLEAR in verdicts.values():
        pytest.skip(f"the interval holds the bound: {[n for n, v in verdicts.items() if v == UNCLEAR]}")
