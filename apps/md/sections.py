"""Where the time of a run goes: seconds per section, on one rank."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

SECTIONS = ("force", "list", "halo", "migrate", "integrate")


class SectionClock:
    """Adds up the time between two marks; a section inside another takes its time away from the outer one."""

    def __init__(self) -> None:
        """All sections at zero."""
        self.seconds: dict[str, float] = dict.fromkeys(SECTIONS, 0.0)
        self._inner = 0.0

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Time a `with` block as part of section `name`."""
        outer, self._inner = self._inner, 0.0
        begun = perf_counter()
        try:
            yield
        finally:
            elapsed = perf_counter() - begun
            self.seconds[name] += elapsed - self._inner
            self._inner = outer + elapsed
