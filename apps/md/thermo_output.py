"""Thermodynamic output: columns for people, a JSON document, an HDF5 file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from clustermark import __version__
from clustermark.apps.console.files import write_image
from clustermark.apps.md.model import Thermo, Units

# Quantities of a row after its step, each with its unit's name in `Units.names`; EXTENSIVE ones divide by the atoms.
QUANTITIES: dict[str, str] = {
    "temperature": "temperature",
    "potential_energy": "energy",
    "kinetic_energy": "energy",
    "total_energy": "energy",
    "virial": "energy",
    "pressure": "pressure",
}
EXTENSIVE = ("potential_energy", "kinetic_energy", "total_energy", "virial")
_WIDTH = 18

FILE_FORMAT = "clustermark-md-thermo"
SCHEMA_VERSION = 1


def header(units: Units, per_atom: bool) -> str:
    """Two lines above the columns: names, and units in brackets."""
    names, below = f"{'step':>10}", f"{'':>10}"
    for quantity, kind in QUANTITIES.items():
        unit = units.names.get(kind, "")
        names += f"{quantity:>{_WIDTH}}"
        shown = f"[{unit}/atom]" if per_atom and quantity in EXTENSIVE else f"[{unit}]"
        below += f"{shown:>{_WIDTH}}"
    return f"{names}\n{below}"


def columns(row: Thermo, atoms: int, per_atom: bool) -> str:
    """One row in columns of fixed width, 10 significant digits.

    Parameters
    ----------
    row : energies are totals
    atoms : how many there are
    per_atom : divide energies and virial by `atoms`
    """
    values = quantities(row, atoms if per_atom else 1)
    return f"{row.step:>10}" + "".join(f"{_number(value):>{_WIDTH}}" for value in values.values())


def _number(value: float) -> str:
    return f"{value:.10g}"


def quantities(row: Thermo, divisor: int = 1) -> dict[str, float]:
    """Quantity → value, the extensive ones divided."""
    return {
        name: float(getattr(row, name)) / divisor if name in EXTENSIVE else float(getattr(row, name))
        for name in QUANTITIES
    }


def row_document(row: Thermo, atoms: int) -> dict[str, Any]:
    """A row of the JSON document: step, totals, and under "per_atom" the extensive quantities per atom."""
    each = {name: value for name, value in quantities(row, atoms).items() if name in EXTENSIVE}
    return {"step": int(row.step), **quantities(row), "per_atom": each}


class ThermoFile:
    """The HDF5 file of all rows, written anew and whole at each flush: a kill loses nothing that was flushed.

    Attributes of the file: format, schema_version, writer, atoms. Datasets: `step` int64 and one float64 per
    quantity, of equal length, each with its `units`; totals, not per atom. `input`: the checked input as JSON.
    """

    def __init__(self, path: Path, units: Units, atoms: int, text: str, seconds: float = 5.0) -> None:
        """Rows are kept until `seconds` have passed since the last flush; `text` is the input as JSON."""
        self._path, self._units, self._atoms, self._text, self._seconds = path, units, atoms, text, seconds
        self._rows: list[Thermo] = []
        self._flushed, self._last = 0, -float("inf")

    def add(self, row: Thermo) -> None:
        """Keep a row, and write the file if it is time. Raises StoreError."""
        self._rows.append(row)
        if time.monotonic() - self._last >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Write all rows so far, unless they stand there already. Raises StoreError."""
        if self._flushed == len(self._rows):
            return
        write_image(self._path, self._fill)
        self._flushed, self._last = len(self._rows), time.monotonic()

    def _fill(self, file: Any) -> None:
        from clustermark.core.store import write_text

        file.attrs.update(
            {
                "format": FILE_FORMAT,
                "schema_version": SCHEMA_VERSION,
                "writer": f"clustermark {__version__}",
                "atoms": self._atoms,
            }
        )
        file.create_dataset("step", data=np.array([row.step for row in self._rows], dtype=np.int64))
        for name, kind in QUANTITIES.items():
            values = np.array([getattr(row, name) for row in self._rows], dtype=np.float64)
            file.create_dataset(name, data=values).attrs["units"] = self._units.names.get(kind, "")
        write_text(file, "input", self._text)
