"""GPUs of a launch: bound first, told to the others, watched, and errors as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fake_gpu.errors import CUDARuntimeError, OutOfMemoryError
from fake_gpu.gpu import FakeGpu
from thread_ranks import on_ranks

from clustermark.core.errors import DeviceError
from clustermark.devices.health import Reading
from clustermark.runners.catalog import machine
from clustermark.runners.gpus import Devices, HealthWatch, explained, sharing
from clustermark.runners.launcher import local_rank
from clustermark.runners.surroundings import gather_environment
from clustermark.transports import TRANSPORTS, gpu_wires
from clustermark.transports.local import LocalTransport


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    with FakeGpu(count=2).installed() as installed:
        yield installed


def test_the_local_rank_is_the_launchers_then_slurms() -> None:
    assert local_rank({"OMPI_COMM_WORLD_LOCAL_RANK": "3", "SLURM_LOCALID": "0"}) == 3
    assert local_rank({"MPI_LOCALRANKID": "2", "SLURM_LOCALID": "0"}) == 2
    assert local_rank({"SLURM_LOCALID": "1"}) == 1
    assert local_rank({"SLURM_LOCALID": "?"}) == 0


def test_binding_makes_a_context_on_the_ranks_own_gpu_only(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_RANK", "1")
    devices = Devices.bind(["cpu", "cuda", "cuda"])
    assert devices.gpu.index == 1
    assert gpu.contexts == {1}
    assert [name for name in gpu.names() if name == "use"] == ["use"]


def test_a_gpu_that_cannot_be_opened_fails_its_own_cases_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeGpu(count=0).installed():
        devices = Devices.bind(["cpu", "cuda"])
    assert devices.get("cpu").name == "cpu"
    assert devices.gpu is None
    with pytest.raises(DeviceError, match="the driver shows no GPU any more"):
        devices.get("cuda")


def test_a_launch_without_gpu_cases_asks_nothing_of_cuda(gpu: FakeGpu) -> None:
    assert Devices.bind(["cpu"]).facts() == {}
    assert gpu.calls == []


def test_facts_of_the_gpu_are_fingerprinted_and_its_place_and_state_are_not(gpu: FakeGpu) -> None:
    seen = Devices.bind(["cuda"]).facts()

    def environment(**changes: Any) -> Any:
        found = gather_environment(LocalTransport(), {}, {}, 1, {**seen, **changes})
        assert found is not None
        return found

    plain = environment()
    assert plain.facts["gpus"] == [seen["facts"]]
    assert plain.facts["gpus"][0]["capability"] == "9.0"
    assert plain.ranks[0]["gpu"]["pci"] == "0000:17:00.0"
    assert "rank 0" in plain.state["gpus_at_start"]
    assert environment(place={"index": 7}, state={"temperature_c": 90}).fingerprint == plain.fingerprint
    assert environment(facts={**seen["facts"], "ecc": False}).fingerprint != plain.fingerprint
    without = gather_environment(LocalTransport(), {}, {}, 1)
    assert without is not None
    assert "gpus" not in without.facts


def test_the_plan_asks_the_gpu_for_the_hardware_of_a_precision() -> None:
    with FakeGpu(capability=(7, 5)).installed():
        refuse = machine(None, "no launcher").precisions["cuda"]
        assert refuse("fp64") == ""
        assert refuse("bf16").startswith("has no bf16 on Fake H100: it needs compute capability 8.0")


@pytest.mark.parametrize("transport", ["nccl", "nccl_mpi"])
def test_ranks_that_would_share_a_gpu_are_refused_by_nccl_before_any_launch(gpu: FakeGpu, transport: str) -> None:
    refuse, otherwise = machine(None, nodes=1).transports[transport], TRANSPORTS[transport].refuse
    assert refuse(2, "fp32", "cuda") == otherwise(2, "fp32", "cuda")
    assert refuse(3, "fp32", "cuda").startswith("wants a GPU for each rank, and there are 3 ranks and 2 GPU(s)")
    for nodes, ranks in ((2, 4), (None, 9)):  # None: each case has its own nodes
        asked = ranks, "fp32", "cuda"
        assert machine(None, nodes=nodes).transports[transport](*asked) == otherwise(*asked)
    assert machine(None, nodes=1).transports["mpi"](3, "fp32", "cuda") == ""


def test_ranks_that_share_a_gpu_are_labelled() -> None:
    assert sharing([("a", "x", 2), ("a", "y", 2), ("b", "x", 2), ("b", "y", 2)]) == ()
    assert sharing([("a", "x", 1), ("a", "x", 1), ("b", "z", 1)]) == ("GPU shared: 2 ranks on one",)
    assert sharing([("a", "x", 2), ("a", "y", 2), ("a", "x", 2)]) == ("GPU shared: 2 ranks on one",)
    assert sharing([]) == ()


def test_ranks_that_do_not_know_their_place_are_refused_where_gpus_stand_idle() -> None:
    with pytest.raises(DeviceError, match="2 ranks of node a took the same GPU though it has 4"):
        sharing([("a", "x", 4), ("a", "x", 4)])


# --- health -------------------------------------------------------------------------------------------------


class Scripted:
    """Readings in a row."""

    def __init__(self, *readings: Reading, reasons: int = 0) -> None:
        self.readings = iter(readings)
        self.mask = reasons

    def read(self) -> Reading:
        return next(self.readings)

    def reasons(self) -> int:
        return self.mask


class Ranks(LocalTransport):
    """The gather of ranks that are threads."""

    def __init__(self, comm: Any) -> None:
        self.comm = comm

    def gather(self, value: Any) -> list[Any] | None:
        return self.comm.gather(value, 0)


def test_labels_of_every_rank_reach_rank_zero_and_a_shared_gpu_is_counted_once() -> None:
    def rank(comm: Any) -> Any:
        errors = comm.rank  # rank 1's GPU has an error
        watch = HealthWatch(
            Ranks(comm),
            Scripted(Reading(0.0, {"PCIe replays": 0}, {}, 100.0), Reading(3.0, {"PCIe replays": errors}, {}, 700.0)),
        )
        return watch.stop("x" if comm.rank < 2 else "y")

    labels, energy = on_ranks(3, rank)[0]
    assert labels == ("GPU error counter changed: PCIe replays",)
    assert energy == {"GPU energy J": 1200.0}


def test_a_throttle_between_two_batches_is_seen() -> None:
    scripted = Scripted(Reading(0.0), Reading(1.0), reasons=0x20)
    watch = HealthWatch(LocalTransport(), scripted)
    watch.look()
    scripted.mask = 0
    assert watch.stop("x") == (("GPU throttled: software thermal slowdown",), {})


def test_energy_of_a_short_window_is_left_out() -> None:
    watch = HealthWatch(LocalTransport(), Scripted(Reading(0.0, energy=0.0), Reading(1.9, energy=900.0)))
    assert watch.stop("x") == ((), {})


def test_without_a_gpu_nothing_is_watched() -> None:
    watch = HealthWatch(LocalTransport(), None)
    watch.look()
    assert watch.stop("") == ((), {})


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OutOfMemoryError(1 << 33, 1 << 30), "the GPU's memory is full (Out of memory allocating 8,589,934,592 bytes"),
        (CUDARuntimeError("cudaErrorMemoryAllocation"), "the GPU's memory is full"),
        (CUDARuntimeError("cudaErrorLaunchFailure"), "the GPU was lost or a kernel crashed: `dmesg | grep Xid`"),
        (CUDARuntimeError("cudaErrorECCUncorrectable"), "ECC could not correct"),
        (CUDARuntimeError("cudaErrorIllegalAddress"), "a kernel touched memory that is not its own"),
        (CUDARuntimeError("cudaErrorInsufficientDriver"), "the driver is older than CuPy's CUDA"),
        (CUDARuntimeError("cudaErrorNotReady"), "CUDA says: cudaErrorNotReady"),
    ],
)
def test_errors_of_cuda_become_one_sentence_with_a_mend(error: Exception, sentence: str) -> None:
    told = explained("cuda", error)
    assert isinstance(told, DeviceError)
    assert str(told).startswith("device 'cuda': ")
    assert sentence in str(told)
    assert "\n" not in str(told)


def test_errors_of_others_stay_what_they_are() -> None:
    error = ValueError("negative")
    assert explained("cuda", error) is error
    memory = OutOfMemoryError(1, 1)
    assert explained("cpu", memory) is memory


def test_the_wire_between_the_gpus_of_a_launch_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def prove(transport: Any, device: Any) -> tuple[str, str, dict[str, float]]:
        asked.append((transport, device))
        return "nvlink", "NVLink, counted", {"nvlink": 1.0}

    monkeypatch.setattr(gpu_wires, "prove", prove)
    row: Any = SimpleNamespace(open=lambda device: f"nccl of {device}")
    monkeypatch.setitem(TRANSPORTS, "nccl", row)
    gpu: Any = "GPU 0"
    devices = Devices()
    devices._opened["cuda"] = gpu
    assert devices.wire() == devices.wire() == ("nvlink", "NVLink, counted", {"nvlink": 1.0})
    assert asked == [("nccl of GPU 0", "GPU 0")]
