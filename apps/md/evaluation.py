"""Forces of one step: local list, halo, ghost list, forces sent home; communication beside the local work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from clustermark.apps.console.sections import SectionClock
from clustermark.apps.md.backend import Backend, make_backend
from clustermark.apps.md.halo import Halo
from clustermark.apps.md.interactions import Embedded, Interaction, bound_to, make_interaction
from clustermark.apps.md.layout import Layout, PairList
from clustermark.apps.md.model import EmbeddedAtom, Potential
from clustermark.apps.md.tables import spline_table

# What is done to some rows of a list; how a message starts and ends.
Rows = Callable[[int, int], None]
Transfer = tuple[Callable[[], None], Callable[[], None]]


@dataclass(frozen=True)
class Sums:
    """Of this rank: energy, virial Σ r·f of its pairs (and embedding), pairs in range."""

    energy: float
    virial: float
    pairs: int


class Evaluation:
    """Evaluates a potential on a Layout; one object serves a whole run."""

    def __init__(
        self, potential: Potential, overlap: bool, clock: SectionClock, backend: Backend | None = None
    ) -> None:
        """`overlap` works on the local list while messages travel; without it the two take turns.

        `backend` has the kernels and the memory of the layouts; None: those of the CPU.
        """
        self.potential = potential
        self.overlap = overlap
        self.clock = clock
        self.backend = backend or make_backend("cpu")
        self.kernels, self.memory = self.backend.pairs, self.backend.memory
        self._interaction: Interaction | None = None
        self.splines = spline_table(potential) if isinstance(potential, EmbeddedAtom) else None
        if self.splines is not None:
            self._embedding = self.memory.from_host(self.splines.embedding.reshape(-1))

    def prepare(self, layout: Layout) -> None:
        """To be called after every new list: the arrays may have moved."""
        slots = (layout.types, layout.embedding_slope)
        made = self._interaction
        if made is None:
            made = self.backend.on_device(make_interaction(self.potential, str(layout.kernel_type), *slots))
        self._interaction = bound_to(made, *slots)
        # Views of every step, made once for a list.
        local = layout.local * layout.lanes
        self._own_ids, self._slope_of_ghosts = layout.ids[:local], layout.embedding_slope[local:]

    @property
    def interaction(self) -> Interaction:
        """What the kernels are given; there is one from the first `prepare` on."""
        assert self._interaction is not None
        return self._interaction

    def forces(self, layout: Layout, halo: Halo, fresh_ghosts: bool, want_sums: bool) -> Sums | None:
        """Fill layout.forces; collective.

        Parameters
        ----------
        fresh_ghosts : the ghosts' positions are those of this step already (straight after a new list)
        want_sums : also energy, virial and pairs
        """
        totals = np.zeros(3) if want_sums else None
        embedding = 0.0
        with self.clock.section("force"):
            self.memory.clear(layout.forces, 3 * layout.clusters * layout.lanes)
            if isinstance(self.interaction, Embedded):
                embedding = self._embed(layout, halo, fresh_ghosts)
                fresh_ghosts = True
            done = 0
            size = layout.local_list.size

            def local_rows(first: int, last: int) -> None:
                self._pairs(layout, layout.local_list, first, last, totals)

            if not fresh_ghosts:
                middle = size // 2 if len(halo) else 0
                self._beside(self._positions_forward(layout, halo), 0, middle, local_rows)
                done = middle
            for pairs in (layout.ghost_list, layout.home_list):
                if pairs.size:
                    self._pairs(layout, pairs, 0, pairs.size, totals)
            self._beside(self._forces_home(layout, halo), done, size, local_rows)
        if totals is None:
            return None
        return Sums(totals[0] + float(embedding), totals[1], int(totals[2]))

    def _pairs(self, layout: Layout, pairs: PairList, first: int, last: int, totals: np.ndarray | None) -> None:
        self.kernels.pair_forces(
            self.interaction,
            layout.positions,
            pairs.runs,
            pairs.entries,
            layout.shifts,
            first,
            last,
            layout.width,
            layout.forces,
            totals,
        )

    def _positions_forward(self, layout: Layout, halo: Halo) -> list[Transfer]:
        start, finish = halo.start_positions, halo.finish_positions
        return [
            (partial(start, number, layout.positions), partial(finish, number, layout.positions))
            for number in range(len(halo))
        ]

    def _forces_home(self, layout: Layout, halo: Halo) -> list[Transfer]:
        start, finish = halo.start_forces, halo.finish_forces
        return [
            (partial(start, number, layout.forces), partial(finish, number, layout.forces))
            for number in reversed(range(len(halo)))
        ]

    def _beside(self, transfers: list[Transfer], first: int, last: int, work: Rows) -> None:
        """Start each transfer, do a part of the rows, finish it; without overlap the rows come last."""
        if not self.overlap:
            for start, finish in transfers:
                with self.clock.section("halo"):
                    start()
                    finish()
            transfers = []
        parts = max(1, len(transfers))
        bounds = [first + (last - first) * part // parts for part in range(parts + 1)]
        for part, (start, finish) in enumerate(transfers):
            with self.clock.section("halo"):
                start()
            work(bounds[part], bounds[part + 1])
            with self.clock.section("halo"):
                finish()
        if not transfers:
            work(first, last)

    def _embed(self, layout: Layout, halo: Halo, fresh_ghosts: bool) -> Any:
        """Densities, the embedding energy of this rank's atoms (as a float when asked), F'(ρ) of atoms and ghosts."""
        assert self.splines is not None
        slots = layout.clusters * layout.lanes
        self.memory.clear(layout.electron_density, slots)

        def local_rows(first: int, last: int) -> None:
            self._densities(layout, layout.local_list, first, last)

        transfers = [] if fresh_ghosts else self._positions_forward(layout, halo)
        self._beside(transfers, 0, layout.local_list.size, local_rows)
        for pairs in (layout.ghost_list, layout.home_list):
            if pairs.size:
                self._densities(layout, pairs, 0, pairs.size)
        with self.clock.section("halo"):
            halo.add_scalars_back(layout.electron_density)
        table = self.splines
        local = layout.local * layout.lanes
        energy = self.kernels.embed(
            self._own_ids,
            layout.types,
            layout.electron_density,
            self._embedding,
            table.embedding.shape[1],
            table.rho_spacing_inverse,
            table.largest_density,
            layout.embedding_slope,
        )
        self.memory.clear(self._slope_of_ghosts, slots - local)
        with self.clock.section("halo"):
            halo.forward_scalars(layout.embedding_slope)
        return energy

    def _densities(self, layout: Layout, pairs: PairList, first: int, last: int) -> None:
        self.kernels.densities(
            self.interaction,
            layout.positions,
            pairs.runs,
            pairs.entries,
            layout.shifts,
            first,
            last,
            layout.width,
            layout.electron_density,
        )
