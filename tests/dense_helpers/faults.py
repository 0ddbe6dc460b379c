"""Faults to plant in the distributed solvers; each must fail the check of its workload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

Put = Callable[[Any, str, Any], None]
Plant = Callable[[Put], None]


def wrong_pivot(put: Put) -> None:
    """The panel is right, but another row is said to have been its first pivot."""
    from clustermark.benchmarks.dense import factorisation

    real = factorisation.factor_with_pivoting

    def factor(panel: Any, *others: Any) -> None:
        real(panel, *others)
        if panel.start == 0:
            panel.positions[0] = panel.start + (panel.positions[0] + 1 - panel.start) % 60

    put(factorisation, "factor_with_pivoting", factor)


def lost_swap(put: Put) -> None:
    """Rows that make room for pivot rows are not written where those stood."""
    from clustermark.benchmarks.dense import factorisation

    real, none = factorisation.plan_moves, np.zeros(0, np.int64)
    put(factorisation, "plan_moves", lambda *given: replace(real(*given), kept=none, kept_from=none))


def stale_panel(put: Put) -> None:
    """The panel that is looked ahead to is factored before the panel before it has acted on it."""
    from clustermark.benchmarks.dense.factorisation import Factorisation

    real = Factorisation._updater

    def updater(self: Any, panel: Any) -> Any:
        update, calls = real(self, panel), []
        end = self.matrix.shape[1]

        def forgetful(first: int, last: int, transfer: Any) -> None:
            calls.append(first)
            if last == end or len(calls) > 1:
                update(first, last, transfer)

        return forgetful

    put(Factorisation, "_updater", updater)


def stale_message(put: Put) -> None:
    """Receivers of a panel compute with the numbers that its buffer held before; they know the right pivots."""
    from clustermark.benchmarks.dense.factorisation import Factorisation
    from clustermark.benchmarks.dense.lines import Transfer

    real = Factorisation._next_panel

    def following(self: Any, start: int, buffer: int) -> Any:
        before = self._buffers[buffer].copy()
        panel, transfer = real(self, start, buffer)
        head = panel.width + 1

        def wait() -> None:
            transfer.wait()
            if self.parts.columns.owner(start) != self.parts.grid.column:
                panel.message[head:] = before[head : panel.message.size]

        return panel, Transfer(wait, transfer.look)

    put(Factorisation, "_next_panel", following)


def no_refinement(put: Put) -> None:
    """GMRES gives back what it starts from."""
    from clustermark.benchmarks.dense import solvers
    from clustermark.benchmarks.dense.gmres import Solution

    put(solvers, "gmres", lambda multiply, precondition, right, wanted: Solution(precondition(right), 0, True))


def lost_slab(put: Put) -> None:
    """One slab of the inner indices is left out."""
    from clustermark.benchmarks.dense import summa

    real = summa.slabs
    put(summa, "slabs", lambda *given: real(*given)[:-1])


def on_the_gpu_too(put: Put) -> Put:
    """As `put`, also where the modules of the GPU have the planted functions by names of their own."""
    from clustermark.benchmarks.dense import factorisation, home_cuda, summa, summa_cuda

    twins: dict[Any, Any] = {factorisation: home_cuda, summa: summa_cuda}

    def put_both(place: Any, attribute: str, value: Any) -> None:
        put(place, attribute, value)
        if not isinstance(place, type) and hasattr(twins.get(place), attribute):
            put(twins[place], attribute, value)

    return put_both


# Name → workload, and what plants it through a function like pytest's monkeypatch.setattr.
FAULTS: dict[str, tuple[str, Plant]] = {
    "wrong pivot": ("hpl", wrong_pivot),
    "lost swap": ("hpl", lost_swap),
    "stale panel": ("hpl", stale_panel),
    "stale message": ("hpl", stale_message),
    "no refinement": ("hpl_mxp", no_refinement),
    "lost slab": ("summa", lost_slab),
}


def panels_not_waited_for(put: Put) -> None:
    """The product does not wait until the panels of others are on the GPU."""
    from clustermark.devices.cuda import CudaDevice

    put(CudaDevice, "default_stream_waits", lambda self, event: None)


# Of matrices on a GPU; the last one only where panels come from others.
GPU_FAULTS: dict[str, tuple[str, Plant]] = {
    **{name: FAULTS[name] for name in ("wrong pivot", "lost swap", "lost slab")},
    "panels not waited for": ("summa", panels_not_waited_for),
}
