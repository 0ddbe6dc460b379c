"""Small climates for tests: scenarios by name, every cut of the panels for some ranks, and the fields they end with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from clustermark.apps.climate.driver import Simulation
from clustermark.apps.climate.setup import Setup


def setup_of(case: str, levels: int = 1, precision: str = "double", timestep: float = 600.0, **more: Any) -> Setup:
    """A setup on the coarsest grid, one thread."""
    return Setup(case, 12, levels, precision, timestep, **({"threads": 1, "damping_hours": None} | more))


# Name → setup and steps; five steps hold one damping.
SCENARIOS: dict[str, tuple[Setup, int]] = {
    "water": (setup_of("tc5"), 5),
    "water single": (setup_of("tc5", precision="single"), 5),
    "water damped": (setup_of("galewsky", damping_hours=4.0), 5),
    "atmosphere": (setup_of("held_suarez", 5), 5),
    "atmosphere in turns": (setup_of("held_suarez", 5, overlap=False), 5),
    "atmosphere mixed": (setup_of("held_suarez", 5, "mixed"), 5),
    "water with tracer": (setup_of("tc5", tracer="cosine_bell"), 5),
    "atmosphere with tracer": (setup_of("held_suarez", 5, "mixed", tracer="slotted_cylinder"), 5),
    "mountains": (setup_of("baroclinic_wave", 4, damping_hours=6.0), 5),
}


class OneAtATime:
    """The kernels of a core or tracer for ranks that are threads: not every thread layer of numba is open to two.

    What talks to other ranks is left alone: who waits for them holds no lock.
    """

    lock = threading.Lock()

    def __init__(self, kernels: Any, talking: tuple[str, ...] = ()) -> None:
        self._kernels, self._talking = kernels, talking

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._kernels, name)
        return self._locked(found) if callable(found) and name not in self._talking else found

    def _locked(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            with self.lock:
                return method(*arguments)

        return call


def simulation_of(setup: Setup, comm: Any) -> Simulation:
    """A simulation that may be one of several ranks in this process."""
    simulation = Simulation(setup, comm)
    if comm is not None:
        one_at_a_time: Any = OneAtATime(simulation.core)
        simulation.core = one_at_a_time
        if simulation.tracer is not None:
            tracer: Any = OneAtATime(simulation.tracer, ("share",))
            simulation.tracer = tracer
    return simulation


def cuts(ranks: int) -> list[tuple[int, int]]:
    """Every py × px that so many ranks allow: a panel for each half of them, or both panels for all."""
    found = []
    for boxes in {ranks, ranks // 2} if ranks % 2 == 0 else {ranks}:
        found += [(py, boxes // py) for py in range(1, boxes + 1) if boxes % py == 0]
    return sorted(found)


def fields_of(name: str, comm: Any, py: int = 0, px: int = 0, **changes: Any) -> dict[str, Any]:
    """What a scenario ends with, on rank 0: prognostic fields, step, time, the fixer's account; elsewhere nothing."""
    setup, steps = SCENARIOS[name]
    simulation = simulation_of(replace(setup, py=py, px=px, **changes), comm)
    simulation.advance(steps)
    return simulation.save() or {}
