"""Rows of InfiniBand, RoCE and Slingshot on a made tree of /sys/class: choosing, refusing, counting, planted lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from clustermark.transports import fabrics
from clustermark.transports.fabrics import FABRICS, apply_fabric, fabric_aliases, refuse_fabrics
from clustermark.transports.port_fabrics import PORT_ROWS
from clustermark.transports.ports import PORT_WIRES, active_ports, bytes_sent, link_rate, missing_ports, port_bytes
from clustermark.transports.proof import judge, port_ratios

LAYERS = {"infiniband": "InfiniBand", "roce": "Ethernet"}


def plant_port(sysfs: Path, name: str, wire: str, words: int = 0, state: str = "4: ACTIVE") -> Path:
    """A port of verbs as the kernel shows it; `name` is ``mlx5_0:1``. Returns its counter."""
    device, _, number = name.partition(":")
    port = sysfs / "infiniband" / device / "ports" / number
    (port / "counters").mkdir(parents=True)
    (port / "state").write_text(f"{state}\n")
    (port / "link_layer").write_text(f"{LAYERS[wire]}\n")
    counter = port / "counters" / "port_xmit_data"
    counter.write_text(f"{words}\n")
    return counter


def plant_slingshot(sysfs: Path, name: str, packets: dict[str, int]) -> Path:
    """A Cassini device with its telemetry. Returns the folder of the counters."""
    telemetry = sysfs / "cxi" / name / "device" / "telemetry"
    telemetry.mkdir(parents=True)
    for bin_name, count in packets.items():
        (telemetry / f"hni_tx_ok_{bin_name}").write_text(f"{count}@1700000000.123456789\n")
    return telemetry


def test_active_ports_are_found_by_their_link_layer(tmp_path: Path) -> None:
    plant_port(tmp_path, "mlx5_0:1", "infiniband")
    plant_port(tmp_path, "mlx5_1:1", "infiniband", state="1: DOWN")
    plant_port(tmp_path, "mlx5_2:1", "roce")
    plant_slingshot(tmp_path, "cxi0", {"2048_to_4095": 1})
    assert active_ports("infiniband", tmp_path) == ["mlx5_0:1"]
    assert active_ports("roce", tmp_path) == ["mlx5_2:1"]
    assert active_ports("slingshot", tmp_path) == ["cxi0"]
    assert [missing_ports(wire, tmp_path) for wire in PORT_WIRES] == ["", "", ""]


def test_a_node_without_the_adapter_is_refused_with_the_reason(tmp_path: Path) -> None:
    plant_port(tmp_path, "mlx5_0:1", "infiniband", state="2: INIT")
    for wire, shown in (("infiniband", "InfiniBand"), ("roce", "RoCE"), ("slingshot", "Slingshot")):
        assert missing_ports(wire, tmp_path).startswith(f"needs an active {shown} port, and {tmp_path}")
    for mpi in ("openmpi", "mpich"):
        without = refuse_fabrics(mpi, "", 2, lambda wire: missing_ports(wire, tmp_path))
        here = refuse_fabrics(mpi, "", 2, lambda wire: "")
        elsewhere = refuse_fabrics(mpi, "", None, lambda wire: missing_ports(wire, tmp_path))
        one_node = refuse_fabrics(mpi, "", 1, lambda wire: "")
        for row in (row for row in PORT_ROWS if row.mpi == mpi):
            assert "needs an active" in without[row.name]
            assert here[row.name] == elsewhere[row.name] == ""
            assert "joins nodes" in one_node[row.name]


def test_words_of_four_bytes_and_packets_of_two_kibibytes_are_bytes(tmp_path: Path) -> None:
    words = plant_port(tmp_path, "mlx5_0:1", "infiniband", 1000)
    plant_port(tmp_path, "mlx5_2:1", "roce", 5)
    telemetry = plant_slingshot(tmp_path, "cxi0", {"64": 900, "1024_to_2047": 7, "2048_to_4095": 10, "8192_to_max": 2})
    before = port_bytes(tmp_path)
    assert before == {"infiniband": {"mlx5_0:1": 4000}, "roce": {"mlx5_2:1": 20}, "slingshot": {"cxi0": 12 * 2048}}
    words.write_text("1500\n")
    (telemetry / "hni_tx_ok_2048_to_4095").write_text("30@1700000001.0\n")
    assert bytes_sent(before, port_bytes(tmp_path)) == {"infiniband": 2000, "roce": 0, "slingshot": 20 * 2048}


def test_the_rate_of_a_link_is_what_its_driver_tells_and_nothing_made_up(tmp_path: Path) -> None:
    for name, speed, real in (("eth0", "25000", True), ("veth0", "10000", False), ("eth1", "-1", True)):
        (tmp_path / "net" / name / ("device" if real else "")).mkdir(parents=True)
        (tmp_path / "net" / name / "speed").write_text(f"{speed}\n")
    busy = {"lo": [0, 0, 900, 0], "eth0": [5, 0, 105, 0], "veth0": [0, 0, 5, 0], "eth1": [0, 0, 1, 0]}
    assert link_rate("network", busy, tmp_path) == 25e9 / 8
    assert link_rate("network", busy | {"veth0": [0, 0, 500, 0]}, tmp_path) is None
    assert link_rate("network", busy | {"eth1": [0, 0, 500, 0]}, tmp_path) is None
    assert link_rate("network", {}, tmp_path) is None
    for name in ("mlx5_0:1", "mlx5_1:1"):
        plant_port(tmp_path, name, "infiniband")
        (tmp_path / "infiniband" / name[:6] / "ports" / "1" / "rate").write_text("100 Gb/sec (4X EDR)\n")
    assert link_rate("infiniband", busy, tmp_path) == 2 * 100e9 / 8
    assert [link_rate(wire, busy, tmp_path) for wire in ("roce", "slingshot", "none", "loopback")] == [None] * 4


def test_counters_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    plant_port(tmp_path, "mlx5_0:1", "infiniband").write_text("N/A (no PMA)\n")
    plant_slingshot(tmp_path, "cxi0", {})
    assert port_bytes(tmp_path) == {}
    assert bytes_sent({}, {"roce": {"mlx5_2:1": 7}}) == {"roce": 0}
    assert port_bytes(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("fabric", "variables"),
    [
        ("ompi-ucx-infiniband", {"OMPI_MCA_pml": "ucx", "UCX_TLS": "self,rc", "UCX_NET_DEVICES": "mlx5_0:1,mlx5_1:1"}),
        ("mpich-ucx-roce", {"MPIR_CVAR_CH4_NETMOD": "ucx", "UCX_TLS": "self,rc", "UCX_NET_DEVICES": "mlx5_2:1"}),
        (
            "ompi-ofi-infiniband",
            {
                **{"OMPI_MCA_pml": "cm", "OMPI_MCA_mtl": "ofi", "FI_VERBS_DEVICE_NAME": "mlx5_0"},
                "OMPI_MCA_mtl_ofi_provider_include": "verbs;ofi_rxm",
            },
        ),
        ("mpich-ofi-roce", {"FI_PROVIDER": "verbs;ofi_rxm", "FI_VERBS_DEVICE_NAME": "mlx5_2"}),
        ("ompi-ofi-slingshot", {"OMPI_MCA_mtl_ofi_provider_include": "cxi", "FI_CXI_DEVICE_NAME": "cxi0,cxi1"}),
        ("mpich-ofi-slingshot", {"FI_PROVIDER": "cxi", "MPIR_CVAR_NOLOCAL": "1"}),
    ],
)
def test_a_row_sets_its_variables_for_the_ports_of_its_node(
    fabric: str, variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, wire in (("mlx5_0:1", "infiniband"), ("mlx5_1:1", "infiniband"), ("mlx5_2:1", "roce")):
        plant_port(tmp_path, name, wire)
    for name in ("cxi0", "cxi1"):
        plant_slingshot(tmp_path, name, {})
    monkeypatch.setattr(fabrics, "active_ports", lambda wire: active_ports(wire, tmp_path))
    environment = {"UCX_TLS": "all", "FI_PROVIDER": "tcp"}
    apply_fabric(fabric, environment)
    assert environment.items() >= variables.items()
    assert not any("{" in value for value in environment.values())


def test_where_no_port_is_known_the_choice_is_left_to_the_library() -> None:
    environment: dict[str, str] = {}
    apply_fabric("mpich-ucx-infiniband", environment)
    assert environment["UCX_TLS"] == "self,rc"
    if missing_ports("infiniband"):
        assert "UCX_NET_DEVICES" not in environment


def test_every_row_is_called_unmeasured_and_has_an_alias_of_its_mpi() -> None:
    for row in PORT_ROWS:
        assert row.summary.endswith("unmeasured")
        assert FABRICS[fabric_aliases(row.mpi)[row.alias]] is row


# --- proof --------------------------------------------------------------------------------------------------

PAYLOAD = 16 * (4 << 20)


def rounds(**ratios: float) -> list[dict[str, float]]:
    """Two rounds in which counters saw these shares of the payload."""
    return [{"tcp": 0.0, "lo": 0.0, "network": 0.001, **ratios}] * 2


def test_bytes_of_a_tree_become_the_share_of_what_crosses_between_nodes(tmp_path: Path) -> None:
    counter = plant_port(tmp_path, "mlx5_0:1", "infiniband", 10**6)
    before = port_bytes(tmp_path)
    counter.write_text(str(10**6 + PAYLOAD * 102 // 100 // 4))
    sent = bytes_sent(before, port_bytes(tmp_path))
    # Two ranks a node: rank 1 sends to rank 2 and rank 3 to rank 0; what stays on a node passes no port.
    rows = [("one", sent), ("one", sent), ("two", sent), ("two", sent)]
    assert port_ratios(rows, PAYLOAD) == {"infiniband": pytest.approx(1.02, abs=1e-3)}


@pytest.mark.parametrize("row", PORT_ROWS, ids=lambda row: row.name)
def test_a_row_of_adapters_is_proven_by_its_ports_and_by_nothing_else(row) -> None:  # type: ignore[no-untyped-def]
    assert judge(row, rounds(**{row.wire: 1.02})).proven
    assert judge(row, [{"lo": 0.0, "network": 0.0, row.wire: 1.02}] * 2).proven
    others = [wire for wire in PORT_WIRES if wire != row.wire]
    for lie in (
        rounds(),  # nothing was seen: shared memory
        rounds(tcp=1.0, network=1.004),  # TCP over the network
        rounds(**{row.wire: 1.02}, tcp=1.0),  # TCP, while others used the ports
        rounds(**{row.wire: 0.6}),
        rounds(**{row.wire: 3.0}),
        rounds(**{others[0]: 1.02}),  # the other adapter
        rounds(**{row.wire: 1.0, others[1]: 1.0}),
        [*rounds(**{row.wire: 1.02})[:1], *rounds()[:1]],  # one round only
    ):
        assert not judge(row, lie).proven, lie


def test_a_row_that_says_tcp_or_memory_is_not_believed_while_ports_carry_the_bytes() -> None:
    for fabric in ("ompi-tcp", "ompi-network", "mpich-ofi-network", "ompi-sm-cma", "mpich-shm-copy"):
        found = judge(FABRICS[fabric], rounds(infiniband=1.01))
        assert (found.proven, found.observed) == (False, "ports of InfiniBand")
