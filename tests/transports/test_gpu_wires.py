"""Which wire joins GPUs is believed where its counters moved with the payload, in rounds of two sizes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_gpu.stubs import compile_stub

from clustermark.devices import gpu_links
from clustermark.devices.gpu_links import NVLINK_DATA_SENT, PCIE_SENT, bytes_sent, remotes, sent_between
from clustermark.devices.health import Health
from clustermark.transports import gpu_wires
from clustermark.transports.gpu_wires import MESSAGE_BYTES, judge, prove, ratios_of, with_wire
from clustermark.transports.nccl_evidence import nccl_proof

P2P = "n:1:2 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM/read\n"
SHARED = "n:1:2 [1] NCCL INFO Channel 00 : 1[2000] -> 0[1000] via SHM/direct/direct\n"
IDENTITY = ("GPU-00000000-0000-0000-0000-000000000000", "0000:17:00.0")


# --- a pair of ranks, of which this process is the first -------------------------------------------------------


@dataclass
class Wires:
    """Counters of a GPU, as devices.health.Health gives them, and what a byte of a message adds to each."""

    adds: dict[int, float]
    up: int = 2
    counts: dict[int, float] = field(default_factory=lambda: {NVLINK_DATA_SENT: 7.0, PCIE_SENT: 10.0})

    def links(self) -> list[int]:
        return list(range(self.up))

    def field(self, number: int, scope: int = 0) -> int | None:
        return int(self.counts[number]) if number in self.adds else None

    def ask(self, name: str, *arguments: Any) -> Any:
        return 2

    def carry(self, size: int) -> None:
        for number, part in self.adds.items():
            self.counts[number] += part * size / (1024 if number == NVLINK_DATA_SENT else 1)


class Pair:
    """A transport of two ranks whose other one does as this one."""

    rank, size, name = 0, 2, "nccl"

    def __init__(self, wires: Wires, corrupt: int = 0, other: str = "GPU-1") -> None:
        self.wires, self.corrupt, self.other = wires, corrupt, other

    def prepare_sendrecv(self, send: Any, destination: int, receive: Any, source: int) -> Callable[[], None]:
        def call() -> None:
            receive[...] = source + self.corrupt
            self.wires.carry(send.nbytes)

        return call

    def barrier(self) -> None: ...

    def gather(self, value: Any) -> list[Any]:
        return [value, (value[0], self.other, value[2]) if isinstance(value, tuple) else value]

    def broadcast(self, value: Any) -> Any:
        return value


def device_of(wires: Wires) -> Any:
    return SimpleNamespace(
        health=wires,
        gpu=SimpleNamespace(uuid="GPU-0"),
        from_host=np.array,
        empty=np.zeros,
        to_host=np.array,
        synchronize=lambda: None,
    )


def proven(wires: Wires, **options: Any) -> Any:
    pair: Any = Pair(wires, **options)
    return prove(pair, device_of(wires), wait=lambda seconds: None)


NVLINK = {NVLINK_DATA_SENT: 1.0, PCIE_SENT: 0.0}


def test_nvlink_that_carried_the_payload_is_proven() -> None:
    found = proven(Wires(NVLINK))
    assert found == ("nvlink", "NVLink, counted", {"nvlink": 1.0, "pcie": 0.0})
    proof = with_wire(nccl_proof("ompi-sm-cma", [P2P, P2P]), found)
    assert (proof.observed, proof.evidence, proof.proven) == ("NCCL over NVLink, counted", "counter", True)
    assert proof.detail["NVLink bytes/payload"] == 1.0 and proof.detail["nccl connections"] == {"P2P": 2}


def test_pcie_that_carried_the_payload_is_proven_though_it_counts_headers() -> None:
    assert proven(Wires({NVLINK_DATA_SENT: 0.0, PCIE_SENT: 1.2}))[0] == "pcie"
    assert proven(Wires({PCIE_SENT: 1.02}, up=0))[:2] == ("pcie", "PCIe, counted")


def test_nvlink_whose_counters_stand_still_is_refused() -> None:
    """The lie: links are up, NCCL says P2P, and nothing went over them."""
    found = proven(Wires({NVLINK_DATA_SENT: 0.0}))
    proof = with_wire(nccl_proof("ompi-sm-cma", [P2P]), found)
    assert found[0] == "" and not proof.proven
    assert "NVLink is up and its counters stood still" in proof.observed


@pytest.mark.parametrize(
    "adds",
    [
        {NVLINK_DATA_SENT: 0.6, PCIE_SENT: 0.6},
        {NVLINK_DATA_SENT: 1.0, PCIE_SENT: 1.0},
        {NVLINK_DATA_SENT: 2.0, PCIE_SENT: 0.0},
        {NVLINK_DATA_SENT: 0.7, PCIE_SENT: 0.0},
    ],
)
def test_counters_that_do_not_fit_the_payload_prove_nothing(adds: dict[int, float]) -> None:
    found = proven(Wires(adds))
    assert found[0] == "" and "do not agree with the payload" in found[1]


def test_a_counter_that_rises_by_itself_fits_one_size_and_not_two() -> None:
    class Clockwork(Wires):
        def carry(self, size: int) -> None: ...

        def field(self, number: int, scope: int = 0) -> int | None:
            self.counts[number] += gpu_wires.ROUNDS[0] * MESSAGE_BYTES / 1024
            return super().field(number, scope)

    assert proven(Clockwork({NVLINK_DATA_SENT: 0.0}))[0] == ""


def test_where_nothing_is_counted_nothing_is_exchanged_and_nothing_changes() -> None:
    found = proven(Wires({}), corrupt=1)
    said = nccl_proof("ompi-sm-cma", [P2P])
    assert found == gpu_wires.UNCOUNTED and with_wire(said, found) == said


def test_ranks_on_one_gpu_prove_nothing() -> None:
    assert proven(Wires(NVLINK), other="GPU-0")[0] == ""


def test_another_word_of_nccl_is_not_proven_by_a_counter_of_links() -> None:
    for lines in ([SHARED], [P2P, SHARED], [""]):
        proof = with_wire(nccl_proof("ompi-sm-cma", lines), ("nvlink", "NVLink, counted", {"nvlink": 1.0}))
        assert not proof.proven


def test_bytes_that_arrive_wrong_are_an_error() -> None:
    with pytest.raises(RuntimeError, match="received other bytes than rank 1 sent"):
        proven(Wires(NVLINK), corrupt=1)


def test_the_payload_is_what_crosses_between_gpus_of_a_node() -> None:
    rows: Any = [("a", "0", {"nvlink": 30}), ("a", "1", {"nvlink": 10}), ("b", "2", {"nvlink": 0})]
    assert ratios_of(rows, 10) == {"nvlink": 4.0}
    assert ratios_of([*rows, ("b", "3", {})], 10) == {}
    assert judge([], True) == ("", "no counter of a link tells")


# --- NVML --------------------------------------------------------------------------------------------------------


@pytest.fixture
def health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Health]:
    """The real nvidia-ml-py on the stand-in, which plays what is written down for it."""
    pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed: make test CUDA=1")
    monkeypatch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(compile_stub("libnvidia-ml.so.1", tmp_path))))
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.setenv("FAKE_NVML", str(tmp_path / "nvml.txt"))

    def played(text: str) -> Health:
        (tmp_path / "nvml.txt").write_text(text)
        return Health(*IDENTITY, pynvml)

    return played


def test_links_lead_to_switches_or_to_gpus(health: Any) -> None:
    assert remotes(health("links 18\n")) == {"NVSwitch": 18}
    assert remotes(health("links 4\nremote 0\n")) == {"GPU 0000:20:00.0": 2, "GPU 0000:21:00.0": 2}
    assert remotes(health("links 2\nremote 255\n")) == {"unknown": 2}
    assert remotes(health("links 0\n")) == {}


def test_bytes_are_those_of_the_fields_and_what_is_not_counted_is_left_out(health: Any) -> None:
    assert bytes_sent(health("field138 5\nfield197 77\n")) == {"nvlink": 5 * 1024, "pcie": 77}
    assert bytes_sent(health("field138 5\n")) == {"nvlink": 5 * 1024}
    assert bytes_sent(health("links 0\nfield197 7\n")) == {"pcie": 7}
    assert bytes_sent(health("field138 !3\nfield197 !3\n")) == {}
    assert sent_between({"nvlink": 5, "pcie": 9}, {"nvlink": 8, "pcie": 3}) == {"nvlink": 3}


def test_the_numbers_of_the_fields_are_those_of_nvidia_ml_py() -> None:
    pynvml: Any = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed: make test CUDA=1")
    assert pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX == NVLINK_DATA_SENT
    assert pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES == PCIE_SENT
    assert (
        {0, 1, 2}
        == set(gpu_links._DEVICES)
        == {
            pynvml.NVML_NVLINK_DEVICE_TYPE_GPU,
            pynvml.NVML_NVLINK_DEVICE_TYPE_IBMNPU,
            pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH,
        }
    )
    assert callable(pynvml.nvmlDeviceGetNvLinkRemotePciInfo) and callable(pynvml.nvmlDeviceGetNvLinkRemoteDeviceType)
