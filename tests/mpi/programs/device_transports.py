"""Rank program: every transport for device memory on the fake GPU, right, and with a fault planted in it.

device_transports.py FABRIC RANKS
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
from comm_helpers.benchmark_cases import cases
from comm_helpers.collective_checks import wrong_calls
from comm_helpers.device_faults import faults, notices
from fake_gpu.gpu import FakeGpu
from fake_gpu.nccl import MpiWire

from clustermark.core.context import Context
from clustermark.core.precision import PRECISIONS
from clustermark.devices import DEVICES
from clustermark.devices.gpu_links import NVLINK_DATA_SENT
from clustermark.runners.launch_world import start_mpi
from clustermark.runners.launcher import local_rank

CHUNK = 1000  # [B]: the vectors of the checks take one chunk, a few, and hundreds
COUNTS = (0, 1, 3, 1000, 7001)
DTYPES = ("float64", "float32")
# More ranks than cores: less of everything.
FEW_COUNTS, FEW_DTYPES = (3, 2001), ("float32",)
Make = Callable[[], Any]


def transports(device: Any, mpi: Any) -> dict[str, Make]:
    """Name → opens it; the staged ones with two to four slots."""
    from clustermark.transports.mpi_device import DeviceMpiTransport
    from clustermark.transports.nccl import NcclTransport
    from clustermark.transports.nccl_mpi import HierarchicalTransport
    from clustermark.transports.staged import StagedTransport
    from clustermark.transports.staging import Slots

    world = mpi.COMM_WORLD
    pairs = world.Split(world.rank // 2, world.rank)

    def hierarchical(node: Any) -> Any:
        opened = HierarchicalTransport(device, node)
        opened.slots.chunk_bytes = CHUNK
        return opened

    found: dict[str, Make] = {
        f"staged, {count} slots": lambda count=count: StagedTransport(device, world, Slots(device, CHUNK, count))
        for count in (2, 3, 4)
    }
    found |= {
        "mpi_device": lambda: DeviceMpiTransport(device),
        "nccl": lambda: NcclTransport(device),
        "nccl_mpi, one node": lambda: hierarchical(world),
    }
    if world.size % 2 == 0:
        found["nccl_mpi, nodes of 2"] = lambda: hierarchical(pairs)
    return found


def right(device: Any, mpi: Any, gpu: FakeGpu) -> list[str]:
    """What a transport without faults gets wrong: nothing."""
    wrong = []
    counts, dtypes = (COUNTS, DTYPES) if mpi.COMM_WORLD.size == 2 else (FEW_COUNTS, FEW_DTYPES)
    for name, make in transports(device, mpi).items():
        wrong += [f"{name}: {call}" for call in wrong_calls(make(), device, counts, dtypes)]
        if gpu.pending():
            wrong.append(f"{name} leaves {gpu.pending()}")
    return wrong


def like_the_cpu(device: Any, mpi: Any) -> list[str]:
    """All-reduces of random numbers that differ from the CPU's in a bit (two ranks: one sum, one rounding)."""
    from clustermark.transports.mpi import MpiTransport

    random = np.random.default_rng(mpi.COMM_WORLD.rank)
    wrong = []
    for name, make in transports(device, mpi).items():
        for count in (1, 257, 4099):
            for dtype in DTYPES:
                values = random.normal(size=count).astype(dtype)
                cpu, gpu = np.zeros_like(values), device.empty((count,), dtype)
                MpiTransport().prepare_allreduce(values, cpu)()
                make().prepare_allreduce(device.from_host(values), gpu)()
                if not np.array_equal(device.to_host(gpu), cpu):
                    wrong.append(f"{name} {dtype} {count}")
    return wrong


def low_precisions(device: Any, mpi: Any) -> list[str]:
    """Sums of two bytes by NCCL, through the benchmark that checks them."""
    from clustermark.benchmarks import BENCHMARKS
    from clustermark.core.case import Case
    from clustermark.transports.nccl import NcclTransport

    ranks = mpi.COMM_WORLD.size
    wrong = []
    for name in ("allreduce", "reduce_scatter"):
        for precision in ("fp16", "bf16"):
            for in_place in (False, True):
                params = {"bytes": 2002, "in_place": in_place, "caller": "auto"}
                case = Case(name, 1, params, precision, "cuda", "nccl", "shm", ranks, ranks)
                context = Context(device, NcclTransport(device), PRECISIONS[precision], np.random.default_rng(1))
                wrong += verdict(BENCHMARKS[name].prepare(case, context), case.label)
    return wrong


def benchmarks(device: Any, mpi: Any) -> list[str]:
    """Benchmarks of communication whose check fails on a transport for device memory."""
    from clustermark.benchmarks import BENCHMARKS

    wrong = []
    for name, make in transports(device, mpi).items():
        if name in ("staged, 3 slots", "mpi_device", "nccl"):
            for case in cases(mpi.COMM_WORLD.size, (7, 5003) if mpi.COMM_WORLD.size < 3 else (5003,)):
                context = Context(device, make(), PRECISIONS["fp64"], np.random.default_rng(1))
                wrong += verdict(BENCHMARKS[case.workload].prepare(case, context), f"{name}: {case.label}")
    return wrong


def verdict(trial: Any, label: str) -> list[str]:
    """The label, if the trial's check fails after two steps."""
    for _ in range(2):
        if trial.reset is not None:
            trial.reset()
        trial.step()
    check = trial.check()
    return [] if check.passed else [f"{label}: {check.detail}"]


def planted(device: Any, mpi: Any, gpu: FakeGpu) -> dict[str, list[str]]:
    """Fault → calls that no rank noticed it in."""
    from clustermark.transports import nccl

    found: dict[str, list[str]] = {}
    for fault in faults(gpu, device):
        missed = found.setdefault(f"{fault.transport}: {fault.what}", [])
        for call in fault.calls:
            nccl.COMMUNICATORS.clear()
            with fault.patch:
                noticed = notices(transports(device, mpi)[fault.transport](), device, call)
            gpu.forget()
            if not mpi.COMM_WORLD.allreduce(int(noticed)):
                missed.append(call)
    return found


class CountedLinks:
    """NVML's counters of a GPU whose NVLink counts a part of what NCCL sends; `gpu` records the calls."""

    def __init__(self, gpu: FakeGpu, part: float) -> None:
        self.gpu, self.part = gpu, part

    def links(self) -> list[int]:
        return [0]

    def ask(self, name: str, *arguments: Any) -> int:
        return 2

    def field(self, number: int, scope: int = 0) -> int | None:
        sent = sum(call.arguments[1] for call in self.gpu.calls if call.name == "ncclSend")
        return int(self.part * sent / 1024) if number == NVLINK_DATA_SENT else None


def wires(device: Any, gpu: FakeGpu) -> list[str]:
    """What is wrong with the proof of the wire between GPUs: it must see NVLink, and must not see what stood still."""
    from clustermark.transports import gpu_wires
    from clustermark.transports.nccl import NcclTransport

    health, wrong = device.health, []
    with mock.patch.object(gpu_wires, "MESSAGE_BYTES", 1 << 16):
        for part, expected in ((1.0, "nvlink"), (0.0, ""), (0.7, "")):
            device.health = CountedLinks(gpu, part)
            found = gpu_wires.prove(NcclTransport(device), device, wait=lambda seconds: None)
            wrong += [] if found[0] == expected else [f"a counter of {part} of the bytes shows {found}"]
    device.health = health
    return wrong


def main(fabric: str, ranks: str) -> None:
    """Rank 0 prints what went wrong, and which faults nobody noticed."""
    mpi = start_mpi(fabric, int(ranks))
    from clustermark.transports.cuda_aware import try_addresses

    gpu = FakeGpu(count=int(ranks))
    gpu.wire = MpiWire(mpi.COMM_WORLD)
    with gpu.installed():
        device = DEVICES["cuda"].open(local_rank(os.environ))
        answer = {
            "wrong": right(device, mpi, gpu),
            "bits": like_the_cpu(device, mpi) if int(ranks) == 2 else [],
            "two bytes": low_precisions(device, mpi),
            "benchmarks": benchmarks(device, mpi) if int(ranks) < 4 else [],
            "probe": try_addresses(device, mpi.COMM_WORLD),
            "wires": wires(device, gpu),
        }
        missed = planted(device, mpi, gpu) if int(ranks) == 2 else {}
    gathered = mpi.COMM_WORLD.gather(answer, 0)
    if gathered is not None:
        merged: dict[str, Any] = {key: sorted({item for each in gathered for item in each[key]}) for key in answer}
        print(json.dumps(merged | {"missed": missed}), flush=True)
    mpi.Finalize()


if __name__ == "__main__":
    main(*sys.argv[1:])
