"""Rank program: MPI's C functions from compiled code on two ranks, and what becomes of planted faults."""

from __future__ import annotations

import ctypes
import json
import sys
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from clustermark.benchmarks import BENCHMARKS, callers
from clustermark.core.case import Case
from clustermark.core.context import Collective, Context, Copy, Exchange
from clustermark.core.errors import DeviceError, LaunchError
from clustermark.core.precision import PRECISIONS
from clustermark.devices.cpu import CpuDevice
from clustermark.runners.launch_world import start_mpi

PLANTED = 17


def said(call: Any, kind: type[Exception]) -> str:
    """What an error of that kind says."""
    try:
        call()
    except kind as error:
        return str(error)
    return ""


def wrong_copies(world: Any) -> list[str]:
    """Blocks cut out of larger ones, of every width of word, in rows short and long, that are copied wrong."""
    wrong = []
    for dtype in ("uint8", "float16", "float32", "float64"):
        for shape in ((3, 4, 5), (2, 3, 40), (7, 3), (11,), (2, 0, 3)):
            whole = np.arange(np.prod([extent + 3 for extent in shape])).reshape([extent + 3 for extent in shape])
            block = whole.astype(dtype)[tuple(slice(1, 1 + extent) for extent in shape)]
            packed, back = np.zeros(shape, dtype), np.zeros_like(whole, dtype)
            target = back[tuple(slice(2, 2 + extent) for extent in shape)]
            expected = np.zeros_like(back)
            expected[tuple(slice(2, 2 + extent) for extent in shape)] = block
            world.compile_step([Copy(block, packed), Copy(packed, target)])(1)
            if not ((packed == block).all() and (back == expected).all()):
                wrong.append(f"{dtype} {shape}")
    return wrong


def main(fabric: str) -> None:
    """Rank 0 prints what was found, by name."""
    mpi = start_mpi(fabric, 2)
    from clustermark.transports import mpi as transport_module
    from clustermark.transports.mpi import MpiTransport, symbols
    from clustermark.transports.mpi_calls import MpiStep
    from clustermark.transports.mpi_compiled import ALL_REDUCE, START_SEND
    from clustermark.transports.mpi_symbols import NoSymbolsError, Symbols, find_symbols, large_counts_missing

    world = MpiTransport()
    peer = 1 - world.rank
    found = symbols()
    assert isinstance(found, Symbols), found
    data, into = np.arange(6, dtype=np.float64) + world.rank, np.zeros(6)
    answer: dict[str, Any] = {"handle": found.handle, "status": found.status_bytes}

    both = [Exchange([(data, peer), (data[:2], peer)], [(into, peer), (into[:2], peer)])]
    world.compile_step(both)(3)
    answer["moved"] = bool((into == np.arange(6) + peer).all())

    # An error code of the library, at once: too small a buffer, and a rank that there is not.
    send, take = Exchange(sends=[(data, peer)], blocking=True), Exchange(receives=[(into[:1], peer)], blocking=True)
    steps = world.compile_step([send] if world.rank == 0 else [take])
    text = said(lambda: steps(1), LaunchError)
    answer["truncated"] = world.broadcast(mpi.COMM_WORLD.gather(text, 0))[1]
    answer["nobody"] = said(lambda: world.compile_step([Exchange([(data, 7)], blocking=True)])(5), LaunchError)

    # A planted code: the table stops there, and nothing after it is called.
    calls = [0]
    signature = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int64] * 7)

    def refuse(*arguments: int) -> int:
        calls[0] += 1
        return PLANTED

    planted = signature(refuse)
    addresses = list(found.addresses)
    addresses[START_SEND] = addresses[ALL_REDUCE] = ctypes.cast(planted, ctypes.c_void_p).value or 0
    told = replace(found, addresses=tuple(addresses))
    broken = MpiStep(world.comm, told, [Exchange([(data, peer)] * 3)])
    answer["planted"], answer["calls"] = said(lambda: broken(100), LaunchError), calls[0]
    together = MpiStep(world.comm, told, [Copy(data, into), Collective("allreduce", into)])
    answer["planted sum"], answer["calls"] = said(lambda: together(100), LaunchError), calls[0]
    world.barrier()

    strided = (Exchange([(data[::2], peer)]), Collective("broadcast", data[::2]))
    answer["strided"] = [said(lambda part=part: world.compile_step([part]), ValueError) for part in strided]
    answer["shapes"] = said(lambda: world.compile_step([Copy(data, into[:2])]), ValueError)
    answer["copied wrong"] = wrong_copies(world)
    answer["absent"] = said(lambda: find_symbols(mpi, ctypes.CDLL("libm.so.6")), NoSymbolsError)

    # The caller that a case asks for, and the one that it gets where one rank alone has no symbols.
    def caller(asked: str, name: str = "pingpong") -> str:
        params = {p.name: p.default for p in BENCHMARKS[name].params} | {"caller": asked}
        case = Case(name, 2, params, "fp64", "cpu", "mpi", "shm", 2, 2)
        trial = BENCHMARKS[name].prepare(case, Context(CpuDevice(), world, PRECISIONS["fp64"], None))  # type: ignore[arg-type]
        trial.step()
        assert trial.check().passed
        return trial.caller

    answer["callers"] = [caller(asked) for asked in ("auto", "compiled", "python")]
    names = [name for name, workload in BENCHMARKS.items() if workload.param("caller") and name != "pairs"]
    answer["workloads"] = {name: caller("auto", name) for name in names}
    # Where eight bytes are more than an int is said to count: MPI-4's calls from Python, or a refusal.
    callers.MOST_ELEMENTS = 7
    answer["further"] = [large_counts_missing(mpi)]
    if answer["further"] == [""]:
        answer["further"].append(caller("auto"))
    answer["too far"] = said(lambda: caller("compiled"), DeviceError)
    callers.MOST_ELEMENTS = 2**31 - 1

    # Windows on a plan: those whose time has not come are waited for, those whose time has gone are late.
    step = world.compile_step([Copy(data, into)])
    now = perf_counter()
    (early, _), waited = step.windows_at(1, 3, now + 0.02, 0.01), perf_counter() - now
    late, missed = step.windows_at(1, 4, now - 1.0, 1e-4)
    answer["planned"] = [min(early) >= 0, waited >= 0.04, min(late) > 0.9, missed, max(step.windows(1, 2)) < 0.9]
    if world.rank == 1:
        transport_module.symbols = lambda: "planted: no symbols here"  # type: ignore[assignment]
    answer["without"] = [caller("auto"), said(lambda: caller("compiled"), DeviceError)]
    world.barrier()
    if world.rank == 0:
        print(json.dumps(answer), flush=True)
    mpi.Finalize()


if __name__ == "__main__":
    main(*sys.argv[1:])
