"""One case on this rank: prepare → warm up → sample → check."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from clustermark.core.case import Case
from clustermark.core.result import Result
from clustermark.core.rundir import utc_now
from clustermark.core.suite import Sampling
from clustermark.core.workload import Workload
from clustermark.runners.gpus import Devices, HealthWatch, explained, gpu_node, sharing


def run_case(
    case: Case,
    launch: int,
    workload: Workload,
    sampling: Sampling,
    floor: float,
    devices: Devices,
    alive: Callable[[], None],
) -> Result | None:
    """Prepare, sample, check; collective. An error of a device becomes a sentence.

    Returns
    -------
    Result on rank 0, without fabric proof and fingerprint; None elsewhere
    """
    try:
        return _run_case(case, launch, workload, sampling, floor, devices, alive)
    except Exception as error:
        told = explained(case.device, error)
        if told is error:
            raise
        raise told from error


def _run_case(
    case: Case,
    launch: int,
    workload: Workload,
    sampling: Sampling,
    floor: float,
    devices: Devices,
    alive: Callable[[], None],
) -> Result | None:
    import numpy as np

    from clustermark.core.context import Context
    from clustermark.core.precision import PRECISIONS
    from clustermark.devices.energy import Rapl
    from clustermark.runners.energy_watch import METER, EnergyWatch
    from clustermark.runners.measure import measure
    from clustermark.runners.surroundings import NoiseWatch
    from clustermark.transports import TRANSPORTS

    started = utc_now()
    device = devices.get(case.device)
    transport = TRANSPORTS[case.transport].open(device)
    gpu = devices.gpu if case.device == "cuda" else None
    seeds = np.random.SeedSequence((case.seed, int(case.id, 16)), spawn_key=(transport.rank,))
    context = Context(device, transport, PRECISIONS[case.precision], np.random.default_rng(seeds))
    trial = workload.prepare(case, context)
    alive()
    shared = _shared(transport, gpu)
    noise, health = NoiseWatch(transport), HealthWatch(transport, gpu.health if gpu else None)
    meters = EnergyWatch(transport, Rapl(), os.environ.get(METER, ""))

    def between() -> None:
        alive()
        health.look()
        meters.look()

    measurement = measure(trial, transport, sampling, floor, between, device)
    conditions, shares = noise.stop()
    flags, energy = health.stop(gpu.gpu.uuid if gpu else "")
    energy |= meters.stop(measurement, sum(energy.values()) if energy else None)
    check = trial.check()
    alive()
    if measurement is None:
        return None
    return Result(
        case=case,
        launch=launch,
        status="ok" if check.passed else "wrong",
        reason="" if check.passed else f"{check.name}: {check.error:.3g}, allowed {check.bound:.3g}; {check.detail}",
        measurement=measurement,
        work=trial.work,
        check=check,
        conditions=(*conditions, *flags, *shared),
        started_utc=started,
        ceiling=workload.ceiling_on(case.device),
        counters={**trial.counters, **shares, **energy},
        arithmetic=trial.arithmetic,
        caller=trial.caller,
    )


def _shared(transport: Any, gpu: Any) -> tuple[str, ...]:
    """Labels where ranks share a GPU; every rank decides alike."""
    if gpu is None:
        return ()
    return sharing(transport.broadcast(transport.gather(gpu_node(gpu))))
