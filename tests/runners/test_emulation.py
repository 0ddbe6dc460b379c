"""What an emulated cluster is asked for, the switch's clockwork, and files of hosts: as data, without root."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.environment import Environment
from clustermark.core.errors import UsageError
from clustermark.runners.emulation import cluster, network, start
from clustermark.runners.emulation.shape import Shape, make_shape, parse_delay, parse_rate
from clustermark.runners.emulation.start import Request, chosen_control, core_lists
from clustermark.runners.emulation.switch import Switch, wire_bytes
from clustermark.runners.hosts import VARIABLE, Hosts, hosts_here
from clustermark.runners.launcher import Launcher, launch_arguments
from clustermark.runners.surroundings import labels_of_launch
from clustermark.transports.fabrics import INTERFACE, apply_fabric, every_fabric, fabric_aliases, refuse_fabrics


@pytest.mark.parametrize(
    ("rate", "delay", "expected"),
    [
        ("1gbit", "50us", (1e9, 50e-6)),
        ("2.5GBit", "none", (2.5e9, 0)),
        ("none", "0", (0, 0)),
        ("100 mbit", "1ms", (1e8, 1e-3)),
    ],
)
def test_rates_and_delays_are_read(rate: str, delay: str, expected: tuple[float, float]) -> None:
    shape = make_shape(2, rate, delay)
    assert (shape.rate, shape.delay) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("nodes", "rate", "delay", "told"),
    [
        (1, "1gbit", "none", "--nodes 1: expected 2 to 16"),
        (2, "fast", "none", "--rate fast: is no rate; write 100mbit"),
        (2, "10gbit", "none", "this machine's own copying is what would be measured"),
        (2, "1gbit", "5us", "waking a process takes longer than the delay"),
        (2, "1gbit", "soon", "--delay soon: is no delay"),
        (2, "2gbit", "50us", "pass through a switch in user space, which keeps up to 1gbit"),
        (2, "none", "50us", "lower the rate or leave the delay out"),
    ],
)
def test_what_cannot_be_emulated_honestly_is_refused(nodes: int, rate: str, delay: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        make_shape(nodes, rate, delay)


@given(st.text(max_size=12))
def test_any_text_is_a_rate_and_a_delay_or_a_sentence(text: str) -> None:
    for parse in (parse_rate, parse_delay):
        try:
            assert parse(text) >= 0
        except UsageError as error:
            assert "write" in str(error)


def test_cores_are_dealt_out_and_shared_beyond_the_last() -> None:
    assert core_lists([0, 1], 3, 1) == ("0", "1", "0")
    assert core_lists([4, 5, 6, 7], 2, 2) == ("4,5", "6,7")
    with pytest.raises(UsageError, match="expected 1 to 2, the cores of this machine"):
        core_lists([0, 1], 2, 3)


def test_cubic_is_chosen_where_nobody_chooses_and_the_kernel_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "_CONTROLS", tmp_path / "offered")
    assert chosen_control("") == ""
    (tmp_path / "offered").write_text("reno cubic\n")
    assert (chosen_control(""), chosen_control("reno")) == ("cubic", "reno")
    with pytest.raises(UsageError, match="--congestion-control bbr: is not offered by this kernel"):
        chosen_control("bbr")


def test_a_request_comes_back_from_its_text() -> None:
    request = Request(Shape(2, 1e9, 5e-5), ("0", "1"), "reno", ("a b", "'"), True, "/run/x")
    assert Request.from_json(request.to_json()) == request


# --- the network, as commands --------------------------------------------------------------------------------


def test_both_ends_of_each_link_are_shaped_and_frames_fit_into_the_bucket() -> None:
    lines = [" ".join(words) for words in network.bridged(Shape(2, 1e9, 0.0), [100, 200])]
    held = network.bucket_bytes(Shape(2, 1e9, 0.0))
    assert held == 25_000
    buckets = [line for line in lines if f"tbf rate 1000000000bit burst {held}" in line]
    assert len(buckets) == 4
    assert sum(line.startswith("nsenter") for line in buckets) == 2
    assert sum(f"gso_max_size {held - 2048}" in line for line in lines) == 4


def test_frames_that_the_switch_delays_wait_for_the_link_at_their_sender() -> None:
    """What waited in the switch would count as sent, and acknowledgements would wait behind megabytes."""
    shape = Shape(2, 1e9, 5e-5)
    lines = [" ".join(words) for words in network.switched(shape, [100, 200], ["tap0", "tap1"])]
    buckets = [line for line in lines if "dev eth0 root tbf rate 1000000000bit" in line]
    # A frame of 25 kB and what a timer that is 600 µs late would let it miss.
    assert all(f"burst {25_000 + 75_000} " in line for line in buckets)
    assert [line.split()[2] for line in buckets] == ["100", "200"]
    assert network.bucket_bytes(shape) == 0


def test_without_a_rate_nothing_is_shaped() -> None:
    assert not any("tbf" in words for words in network.bridged(Shape(2, 0.0, 0.0), [1, 2]))
    assert network.bucket_bytes(Shape(2, 0.0, 0.0)) == network.bucket_bytes(Shape(2, 1e9, 1e-4)) == 0


# --- the switch ----------------------------------------------------------------------------------------------


def frame(target: int, length: int) -> bytes:
    head = bytes(10) + (network.hardware_address(target) if target >= 0 else b"\xff" * 6)
    return head + bytes(length - 6)


def a_switch(nodes: int, rate: float, delay: float) -> tuple[Switch, list[int]]:
    """A switch whose ports are pipes, and their reading ends."""
    pipes = [os.pipe() for _ in range(nodes)]
    addresses = [network.hardware_address(number) for number in range(nodes)]
    return Switch([write for _, write in pipes], addresses, rate, delay), [read for read, _ in pipes]


def test_a_frame_waits_for_the_link_and_then_for_the_delay() -> None:
    switch, readers = a_switch(2, 8e6, 0.5)  # a microsecond a byte
    switch.accept(0, frame(1, 1000), 10.0)
    switch.accept(0, frame(1, 1000), 10.0)
    assert [due for due, *_ in sorted(switch.under_way)] == pytest.approx([10.501, 10.502])
    switch.deliver(10.5005)
    assert len(switch.under_way) == 2
    switch.deliver(10.5015)
    assert os.read(readers[1], 4096) == frame(1, 1000)
    assert len(switch.under_way) == 1


def test_two_senders_share_the_link_of_their_receiver() -> None:
    switch, _ = a_switch(3, 8e6, 0.0)
    switch.accept(0, frame(2, 1000), 0.0)
    switch.accept(1, frame(2, 1000), 0.0)
    assert [due for due, *_ in sorted(switch.under_way)] == pytest.approx([1e-3, 2e-3])


def test_a_group_address_reaches_all_others_and_an_unknown_one_nobody() -> None:
    switch, _ = a_switch(3, 8e6, 0.0)
    switch.accept(1, frame(-1, 100), 0.0)
    assert sorted(target for _, _, target, _ in switch.under_way) == [0, 2]
    switch.accept(1, bytes(10) + bytes([2, 9, 9, 9, 9, 9]) + bytes(94), 0.0)
    assert len(switch.under_way) == 2


def test_segments_of_a_large_frame_have_headers_of_their_own() -> None:
    assert wire_bytes(1514) == 1514
    assert wire_bytes(66 + 10 * 1448) == 10 * 1514


# --- hosts ---------------------------------------------------------------------------------------------------


def some_hosts(folder: Path) -> Hosts:
    return Hosts(
        ("node0", "node1"), 1, "/x/shell", "eth0", str(folder), {"title": "2 nodes, 1 Gbit/s"}, {"payload_rate": 9e8}
    )


def test_a_file_of_hosts_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "hosts.json"
    path.write_text(some_hosts(tmp_path).to_json())
    assert hosts_here({VARIABLE: str(path)}) == some_hosts(tmp_path)
    assert hosts_here({}) is None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda of: st.lists(of) | st.dictionaries(st.text(max_size=5), of),
        max_leaves=6,
    )
)
def test_any_other_file_is_refused_in_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: object) -> None:
    path = tmp_path_factory.getbasetemp() / "hosts.json"
    for text in (json.dumps(data), json.dumps(asdict(some_hosts(path)) | {"cores": data, "names": data})):
        path.write_text(text)
        with pytest.raises(UsageError, match="is no file of hosts"):
            hosts_here({VARIABLE: str(path)})


def test_a_launcher_spreads_ranks_over_hosts(tmp_path: Path) -> None:
    hosts = some_hosts(tmp_path)
    tokens = launch_arguments(Launcher("/m", "openmpi", "5"), 2, 1, 1, True, hosts)
    assert tokens[:4] == ["/m", "--allow-run-as-root", "-n", "2"]
    assert "plm_ssh_agent" in tokens
    assert "mpi_yield_when_idle" not in tokens
    assert (tmp_path / "hosts.openmpi.2").read_text() == "node0 slots=1\nnode1 slots=1\n"
    assert "mpi_yield_when_idle" in launch_arguments(Launcher("/m", "openmpi", "5"), 4, 1, 1, True, hosts)
    tokens = launch_arguments(Launcher("/m", "mpich", "5"), 4, 1, 1, True, hosts)
    assert tokens[tokens.index("-launcher-exec") + 1] == "/x/shell"
    assert (tmp_path / "hosts.mpich.4").read_text() == "node0:2\nnode1:2\n"
    assert launch_arguments(Launcher("/m", "mpich", "5"), 1, 1, 1, True, hosts) == [
        "/m",
        "-n",
        "1",
        "-bind-to",
        "core:1",
    ]


def test_fabrics_of_one_node_and_of_several() -> None:
    for mpi in ("openmpi", "mpich"):
        one, two = refuse_fabrics(mpi, ""), refuse_fabrics(mpi, "", 2)
        network_row, shared = fabric_aliases(mpi)["network"], fabric_aliases(mpi)["shm"]
        assert "joins nodes, and there is one here" in one[network_row]
        assert two[network_row] == one[shared] == ""
        assert "joins ranks of one node, and there are 2 here" in two[shared]
        assert fabric_aliases(mpi, 2)["tcp"] == network_row


def test_every_fabric_claims_something_and_has_its_adapters_here() -> None:
    nowhere = lambda wire: "has no active port here"  # noqa: E731
    one, two = (every_fabric("openmpi", nodes, nowhere) for nodes in (1, 2))
    assert {"ompi-sm-cma", "ompi-sm-copy", "ompi-tcp", "ompi-ucx-cma"} <= set(one)
    assert set(two) == {"ompi-network", "ompi-ucx-network"}
    assert "ompi-ucx-infiniband" in every_fabric("openmpi", 2, lambda wire: "")
    assert "ompi-ucx-infiniband" not in every_fabric("openmpi", None, nowhere)
    assert every_fabric("", 1) == ()


def test_a_row_names_the_interface_where_one_is_known() -> None:
    known, unknown = {"CLUSTERMARK_INTERFACE": "eth7"}, {"OMPI_MCA_btl_tcp_if_include": "lo"}
    for environment in (known, unknown):
        apply_fabric("ompi-network", environment)
    assert known["OMPI_MCA_btl_tcp_if_include"] == "eth7"
    assert "OMPI_MCA_btl_tcp_if_include" not in unknown
    assert not any(INTERFACE in value for value in (known | unknown).values())


def test_ranks_on_nodes_of_one_machine_share_its_cores() -> None:
    facts = {"cpu": {"cores": 2}, "emulated_network": {"title": "3 nodes, 1 Gbit/s"}}
    ranks = [{"node": f"node{number}"} for number in range(3)]
    assert labels_of_launch(Environment(facts, {}, ranks, {}), 1) == (
        "oversubscribed: 3 threads on 2 cores",
        "emulated network: 3 nodes, 1 Gbit/s",
    )
    assert labels_of_launch(Environment({"cpu": {"cores": 2}}, {}, ranks, {}), 1) == ()


@pytest.mark.parametrize(
    ("late", "held", "trip"),
    [(22e-6, 28e-6, 211e-6), (-3e-6, 50e-6, 205e-6), (70e-6, 25e-6, 301e-6)],
)
def test_a_switch_whose_timer_is_late_holds_frames_shorter_by_half_of_the_delay_at_most(
    late: float, held: float, trip: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []
    ended: list[int] = []

    def started(ports: object, shape: Shape, delay: float) -> int:
        delays.append(delay)
        return len(delays)

    def measured(agent: str, verb: str) -> dict[str, float]:
        timer = 2 * (delays[-1] + late) if delays[-1] else 0.0
        return {"round_trip": 111e-6 + timer, "payload_rate": 1e9}

    monkeypatch.setattr(cluster, "start_switch", started)
    monkeypatch.setattr(cluster, "measure_link", measured)
    monkeypatch.setattr(cluster.os, "kill", lambda pid, how: ended.append(pid))
    monkeypatch.setattr(cluster.os, "waitpid", lambda pid, options: None)
    found = cluster.measured_network("agent", Shape(2, 1e9, 50e-6), [3, 4])
    assert ended == [1, 2], "the two that were tried, and not the one that stays"
    assert delays == pytest.approx([0.0, 50e-6, held])
    assert found["switch_delay"] == delays[-1]
    assert found["own_round_trip"] == pytest.approx(111e-6)
    assert found["round_trip"] == pytest.approx(trip)
