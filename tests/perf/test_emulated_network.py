"""An emulated network is held against what it is meant to be: a slower rate and a longer delay are called so."""

from __future__ import annotations

from typing import Any

import pytest
from conditions import MET, MISSED, NOT_JUDGED
from emulated_network import PAYLOAD, lines_of, sizes_for, suite_for

from clustermark.core.suite import parse_suite
from clustermark.runners.emulation.shape import Shape

SHAPE = Shape(2, 1e9, 50e-6)


def timed(seconds: float) -> Any:
    return {"time": {"value": seconds, "low": seconds * 0.999, "high": seconds * 1.001}}


def verdicts(rate: float, latency: float, load: str = "") -> list[str]:
    """Of a latency and of a window of 1 MiB, on a network of that rate [bit/s] and half of a round trip [s]."""
    rows = {
        ("pingpong", 8): timed(2 * latency),
        ("pingpong", 1 << 20): timed(2 * (latency + (8 << 20) / rate)),
        ("multi_pair", 1 << 20): timed((64 << 20) / rate),
    }
    own = {("pingpong", 8): timed(2 * 40e-6)}
    return [line.row(load)["verdict"] for line in lines_of(rows, own, SHAPE) if line.target]


@pytest.mark.parametrize(
    ("rate", "latency", "expected"),
    [
        (0.99, 92e-6, [MET, MET]),
        (0.97, 92e-6, [MET, MISSED]),
        (1.03, 92e-6, [MET, MISSED]),
        (1.0, 120e-6, [MISSED, MET]),
        (1.0, 60e-6, [MISSED, MET]),
    ],
)
def test_a_rate_and_a_latency_that_are_not_the_nominal_ones_are_missed(
    rate: float, latency: float, expected: list[str]
) -> None:
    assert verdicts(rate * 1e9 * PAYLOAD, latency) == expected
    assert verdicts(rate * 1e9 * PAYLOAD, latency, "busy") == [NOT_JUDGED, NOT_JUDGED]


def test_slow_links_are_spared_messages_that_take_seconds() -> None:
    assert sizes_for(1e9) == [1 << 20, 4 << 20, 8 << 20]
    assert sizes_for(1e8) == [1 << 20]
    assert sizes_for(1e6) == [1 << 20]
    suite = parse_suite(suite_for(sizes_for(1e9), 0.5), "suite")
    assert [block.workload for block in suite.blocks] == ["pingpong", "multi_pair"]
    assert len(parse_suite(suite_for([], 0.5), "suite").blocks) == 1
