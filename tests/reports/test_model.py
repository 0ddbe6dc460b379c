"""The model of larger machines: fits, routes, and the steps of each algorithm, each against an independent count."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runs import make_case, make_result
from hypothesis import given, settings
from hypothesis import strategies as st

from clustermark.core.case import Case
from clustermark.core.counters import COMMUNICATION_SHARE
from clustermark.core.errors import UsageError
from clustermark.core.summary import summarise
from clustermark.core.workload import Amount
from clustermark.reports.fit import HockneyFit
from clustermark.reports.model.application import Scaling, scalings
from clustermark.reports.model.collectives import ALGORITHMS, Machine, seconds
from clustermark.reports.model.messages import MessageModel, Piece, fit_messages
from clustermark.reports.model.predict import Measured, measured_messages, predict
from clustermark.reports.model.topology import Dragonfly, FatTree
from clustermark.reports.rows import ReportRow

ALPHA, BETA = 2e-6, 1e9
LINE = MessageModel((Piece(math.inf, HockneyFit(ALPHA, BETA, 0.0)),), 0.0)
SIZES = [8.0 * 4**k for k in range(12)]


# --- messages ------------------------------------------------------------------------------------------------


def test_one_line_is_one_piece() -> None:
    model = fit_messages(SIZES, [ALPHA + size / BETA for size in SIZES])
    assert model is not None
    assert len(model.pieces) == 1
    assert model.pieces[0].fit.alpha == pytest.approx(ALPHA)
    assert model.pieces[0].fit.beta == pytest.approx(BETA)


def test_eager_and_rendezvous_are_told_apart() -> None:
    def time(size: float) -> float:
        return 1e-6 + size / 2e9 if size <= 32768 else 9e-6 + size / 12e9

    shuffled = SIZES[::-1]
    model = fit_messages(shuffled, [time(size) for size in shuffled])
    assert model is not None
    assert [piece.fit.beta for piece in model.pieces] == pytest.approx([2e9, 12e9])
    assert 32768 < model.pieces[0].up_to < 131072
    assert model.seconds(8.0) == pytest.approx(time(8.0))
    assert model.seconds(2**25) == pytest.approx(time(2**25))


def test_noise_of_a_percent_makes_no_second_piece() -> None:
    noise = 1 + 0.01 * np.random.default_rng(5).uniform(-1, 1, len(SIZES))
    model = fit_messages(SIZES, [(ALPHA + size / BETA) * f for size, f in zip(SIZES, noise, strict=True)])
    assert model is not None
    assert len(model.pieces) == 1
    assert 0 < model.error < 0.03


def test_two_sizes_are_no_model() -> None:
    assert fit_messages([8, 64], [1e-6, 2e-6]) is None


# --- topologies against routes that are walked one by one ----------------------------------------------------


def fat_tree_route(half: int, source: int, target: int) -> list[tuple[object, ...]]:
    """Links of the way, D-mod-k: the ports upward are digits of the target."""
    edge, pod = (lambda n: n // half), (lambda n: n // half**2)
    links: list[tuple[object, ...]] = [("up", source), ("down", target)]
    if edge(source) != edge(target):
        links += [("edge up", edge(source), target % half), ("edge down", edge(target), target % half)]
    if pod(source) != pod(target):
        core = (target % half, target // half % half)
        links += [("pod up", pod(source), *core), ("pod down", pod(target), *core)]
    return links


def dragonfly_route(p: int, source: int, target: int) -> list[tuple[object, ...]]:
    """Links of the minimal way: to the router with the global link, over it, to the router of the target."""
    router, group = (lambda n: n // p), (lambda n: n // (2 * p * p))

    def gate(own: int, other: int) -> int:
        return own * 2 * p + (other if other < own else other - 1) // p

    one, other = group(source), group(target)
    way = [router(source)]
    links: list[tuple[object, ...]] = [("up", source), ("down", target)]
    if one != other:
        links.append(("global", one, other))
        for first, last in ((router(source), gate(one, other)), (gate(other, one), router(target))):
            if first != last:
                links.append(("local", first, last))
    elif way[0] != router(target):
        links.append(("local", way[0], router(target)))
    return links


@given(st.integers(2, 200), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_most_loaded_link_is_that_of_all_routes(nodes: int, random: object) -> None:
    targets = np.array(random.sample(range(nodes), nodes))  # type: ignore[attr-defined]
    sources = np.arange(nodes)
    routes: list[tuple[FatTree | Dragonfly, Callable[[int, int], list[tuple[object, ...]]]]] = [
        (FatTree(nodes), lambda s, t: fat_tree_route(FatTree(nodes).half_ports, s, t)),
        (Dragonfly(nodes), lambda s, t: dragonfly_route(Dragonfly(nodes).per_router, s, t)),
    ]
    for topology, route in routes:
        ways = [route(s, t) for s, t in zip(sources.tolist(), targets.tolist(), strict=True) if s != t]
        counts = Counter(link for way in ways for link in way)
        load, hops = topology.load(sources, targets)
        assert load == max(counts.values(), default=0)
        assert hops >= max((len(way) for way in ways), default=2)


def test_the_trees_have_room_for_their_nodes() -> None:
    for nodes in (2, 16, 17, 128, 1024, 16384):
        assert 2 * FatTree(nodes).half_ports ** 3 >= nodes
        p = Dragonfly(nodes).per_router
        assert 2 * p * p * (2 * p * p + 1) >= nodes


def test_oversubscription_slows_only_what_leaves_the_switch() -> None:
    near = (np.array([0]), np.array([1]))
    far = (np.array([0]), np.array([15]))
    assert FatTree(16, 4.0).load(*near) == (1.0, 2)
    assert FatTree(16, 4.0).load(*far) == (4.0, 6)
    assert FatTree(16).load(*far) == (1.0, 6)


# --- algorithms ----------------------------------------------------------------------------------------------


@given(st.integers(2, 70), st.sampled_from(["recursive doubling", "tree"]))
def test_every_rank_has_every_part_in_the_end(nodes: int, name: str) -> None:
    have = [{rank} for rank in range(nodes)]
    for step in ALGORITHMS[name](nodes, 1.0):
        before = [set(parts) for parts in have]
        for source, target in zip(step.sources.tolist(), step.targets.tolist(), strict=True):
            have[target] = before[source] | (have[target] if step.adds else set())
    assert all(parts == set(range(nodes)) for parts in have)


@pytest.mark.parametrize("name", ["ring", "Rabenseifner"])
def test_the_least_possible_is_sent(name: str) -> None:
    sent = Counter[int]()
    for step in ALGORITHMS[name](16, 1600.0):
        for source in step.sources.tolist():
            sent[source] += round(step.size * step.repeated)
    assert set(sent.values()) == {2 * 15 * 100}


@given(st.integers(1, 6), st.floats(8, 1e8))
def test_without_shared_links_the_times_are_the_closed_forms(log: int, size: float) -> None:
    nodes = 1 << log
    wide = Machine(LINE)
    crossbar = FatTree(nodes)
    exact = {
        "ring": 2 * (nodes - 1) * (ALPHA + size / nodes / BETA),
        "tree": 2 * log * (ALPHA + size / BETA),
    }
    for name, time in exact.items():
        assert seconds(ALGORITHMS[name](nodes, size), crossbar, wide) == pytest.approx(time)
    # Partners at a distance share the links upward of a fat tree that routes by destination.
    shared = {
        "recursive doubling": log * (ALPHA + size / BETA),
        "Rabenseifner": 2 * log * ALPHA + 2 * (nodes - 1) / nodes * size / BETA,
    }
    for name, time in shared.items():
        assert seconds(ALGORITHMS[name](nodes, size), crossbar, wide) >= time * (1 - 1e-12)


def test_adding_up_and_hops_cost_what_they_are_said_to() -> None:
    plain = seconds(ALGORITHMS["ring"](16, 1.6e6), FatTree(16), Machine(LINE))
    adding = seconds(ALGORITHMS["ring"](16, 1.6e6), FatTree(16), Machine(LINE, 0.0, 1e-9))
    assert adding - plain == pytest.approx(15 * 1e5 * 1e-9)
    hops = seconds(ALGORITHMS["ring"](16, 1.6e6), FatTree(16), Machine(LINE, 1e-7))
    assert hops - plain == pytest.approx(30 * 4e-7)


def test_small_sums_take_few_steps_and_large_ones_little_traffic() -> None:
    measured = Measured("run", "pingpong", "ompi-tcp", True, LINE, 0.0, ())
    small, large = predict(measured, "fat-tree", [1024], [8, 64 << 20], 1e-7, 1.0)
    assert small.algorithm == "recursive doubling"
    assert large.algorithm in ("Rabenseifner", "ring")


@pytest.mark.parametrize(
    ("topology", "nodes", "oversubscription", "told"),
    [
        ("torus", 16, 1.0, "--topology torus: is not known; write fat-tree or dragonfly"),
        ("fat-tree", 1, 1.0, "--nodes 1: expected 2 to 65536"),
        ("fat-tree", 16, 0.5, "--oversubscription must be 1 to 64"),
    ],
)
def test_what_cannot_be_modelled_is_refused(topology: str, nodes: int, oversubscription: float, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        predict(Measured("r", "w", "f", True, LINE, 0.0, ()), topology, [nodes], [8], 1e-7, oversubscription)


def rows_of(cases: list[tuple[Case, float, dict[str, Any]]]) -> list[ReportRow]:
    rows = []
    for case, time, more in cases:
        counters = more.pop("counters", {})
        row = summarise(case, [replace(make_result(case, time, **more), counters=counters)], 1)
        rows.append(ReportRow("run", "2026-01-01T00:00:00Z", row))
    return rows


def ping_pong(size: int, **fields: Any) -> tuple[Case, float, dict[str, Any]]:
    work = {"bandwidth": Amount(2.0 * size, "B"), "message_rate": Amount(2.0, "message")}
    return make_case("pingpong", params={"bytes": size}, **fields), 2 * (ALPHA + size / BETA), {"work": work}


def test_messages_are_read_from_whatever_counts_messages() -> None:
    rows = rows_of([ping_pong(size) for size in (8, 64, 4096, 1 << 20)] + [ping_pong(8, fabric="ompi-tcp")])
    (measured,) = measured_messages(rows)
    assert (measured.workload, measured.fabric, measured.proven) == ("pingpong", "ompi-sm-cma", True)
    assert measured.messages.seconds(1 << 20) == pytest.approx(ALPHA + (1 << 20) / BETA, rel=0.02)
    with pytest.raises(UsageError, match="no messages between 2 ranks at 3 sizes or more over fabric 'ompi-tcp'"):
        measured_messages(rows, "ompi-tcp")


def test_an_unproven_wire_stays_unproven_and_a_wrong_answer_has_no_time() -> None:
    cases = [ping_pong(size) for size in (8, 64, 4096)]
    for _, _, more in cases:
        more["proven"] = False
    assert not measured_messages(rows_of(cases))[0].proven
    cases[0][2]["status"] = "wrong"
    with pytest.raises(UsageError, match="3 sizes or more"):
        measured_messages(rows_of(cases))


def test_an_application_without_communication_scales_and_one_that_only_talks_does_not() -> None:
    source = Measured("run", "pingpong", "ompi-sm-cma", True, LINE, 0.0, ())

    def modelled(share: float) -> Scaling:
        more = {"counters": {COMMUNICATION_SHARE: share}}
        (each,) = scalings(rows_of([(make_case("md"), 1.0, more)]), source, "fat-tree", [2, 16], 0.0, 1.0)
        return each

    silent, talking = modelled(0.0), modelled(1.0)
    assert silent.nodes == 16
    assert silent.efficiency(silent.fast) == pytest.approx(1.0)
    assert talking.slow == pytest.approx(talking.seconds, rel=1e-3)
    assert talking.fast == pytest.approx(talking.seconds * (2 / 16) ** (2 / 3))


def test_an_application_of_another_run_is_taken_unless_that_run_has_messages_of_its_own() -> None:
    source = Measured("messages", "pingpong", "ompi-sm-cma", True, LINE, 0.0, ())
    application = (make_case("md"), 1.0, {"counters": {COMMUNICATION_SHARE: 0.5}})
    assert len(scalings(rows_of([application]), source, "fat-tree", [16], 0.0, 1.0)) == 1
    assert scalings(rows_of([application, ping_pong(8)]), source, "fat-tree", [16], 0.0, 1.0) == []


def test_simgrid_finds_the_same_times() -> None:
    simgrid = "/usr/bin/python3"
    if (
        shutil.which(simgrid) is None
        or subprocess.run([simgrid, "-c", "import simgrid"], check=False, capture_output=True).returncode
    ):
        pytest.skip("SimGrid is not installed: apt-get install python3-simgrid")
    sys.path.append(str(Path(__file__).parents[1] / "perf"))
    from model_vs_simgrid import compare  # type: ignore[import-not-found]

    rows = compare(simgrid, [12], (65536,))
    assert len(rows) == len(ALGORITHMS)
    assert all(abs(row.difference) < 0.02 for row in rows), rows
