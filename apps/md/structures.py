"""Configurations from files: extended XYZ, read and written here; every other format through ASE."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.apps.md.model import Atoms, Floats, Integers
from clustermark.core.errors import UsageError, plain

_PAIR = re.compile(r"""([A-Za-z_][\w-]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+))""")
_NUMERIC = {"R": np.float64, "I": np.int64}
_VELOCITIES = ("velo", "vel", "velocities")


@dataclass(frozen=True)
class Structure:
    """Atoms from a file; `elements` are the names of their types, in alphabetical order."""

    atoms: Atoms
    elements: tuple[str, ...]
    has_velocities: bool


def read_structure(path: Path, units: str) -> Structure:
    """A configuration from extended XYZ (.xyz, .extxyz), else from any file that ASE reads; the last frame of many.

    Parameters
    ----------
    path : the file; lengths and, in extended XYZ, velocities are in the units of the run
    units : "lj" or "metal"; ASE's velocities are turned into Å/ps

    Raises
    ------
    UsageError : not there, not readable, not finite, a box that is not orthorhombic and periodic, equal ids
    """
    if path.suffix.lower() in (".xyz", ".extxyz"):
        return read_extxyz(path)
    return _read_by_ase(path, units)


def read_extxyz(path: Path) -> Structure:
    """The last frame of an extended XYZ file.

    The comment line holds Lattice="9 numbers" (orthorhombic), Properties=species:S:1:pos:R:3 with optional
    velo:R:3 and id:I:1, optional pbc="T T T" and Origin="3 numbers"; other entries and columns are skipped.
    Raises UsageError.
    """
    where = plain(str(path), 200)
    try:
        lines = path.read_bytes().decode("utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{where}: cannot be read ({error.strerror}); give an extended XYZ file") from None
    except ValueError:
        raise UsageError(f"{where}: is not UTF-8 text; give an extended XYZ file") from None
    return parse_extxyz(lines, where)


def parse_extxyz(lines: Sequence[str], where: str) -> Structure:
    """The last frame of extended XYZ lines; `where` names them in messages. Raises UsageError."""
    start = 0
    frame: tuple[int, int] | None = None
    while start < len(lines) and (lines[start].strip() or frame is None):
        text = lines[start].strip()
        count = int(text) if text.isascii() and text.isdigit() and len(text) < 13 else 0
        if count < 1:
            raise UsageError(
                f"{where}: line {start + 1} is '{plain(text, 30)}', expected the number of atoms of a frame"
            )
        if start + 2 + count > len(lines):
            raise UsageError(f"{where}: ends within a frame of {count} atoms; take a whole copy of the file")
        frame = (start, count)
        start += 2 + count
    if frame is None:
        raise UsageError(f"{where}: is empty; give an extended XYZ file with at least one frame")
    start, count = frame
    return _frame(lines[start + 1], lines[start + 2 : start + 2 + count], f"{where}: frame at line {start + 1}")


def _frame(comment: str, rows: Sequence[str], where: str) -> Structure:
    entries = {name.lower(): a or b or c for name, a, b, c in _PAIR.findall(comment)}
    box, origin = _box(entries, where)
    table = _columns(entries.get("properties", ""), rows, where)
    if table.get("pos", np.zeros((0, 0))).shape[1:] != (3,) or table.get("species", np.zeros(0)).shape[1:] != (1,):
        raise UsageError(f"{where}: Properties has no species:S:1 and pos:R:3; write both columns")
    velocities = next((table[name] for name in _VELOCITIES if name in table), None)
    if velocities is not None and velocities.shape[1:] != (3,):
        raise UsageError(f"{where}: the velocities are not three real columns; write velo:R:3")
    if "id" in table and (table["id"].shape[1:] != (1,) or table["id"].dtype != np.int64):
        raise UsageError(f"{where}: the column id is no whole number; write id:I:1")
    ids = table["id"][:, 0] if "id" in table else np.arange(1, len(rows) + 1)
    return _structure(table["pos"] - origin, velocities, ids, list(table["species"][:, 0]), box, where)


def _box(entries: dict[str, str], where: str) -> tuple[Floats, Floats]:
    """Edge lengths and origin from the comment line."""
    lattice = _numbers(entries.get("lattice", ""), 9, f"{where}: Lattice").reshape(3, 3)
    origin = _numbers(entries["origin"], 3, f"{where}: Origin") if "origin" in entries else np.zeros(3)
    periodic = entries.get("pbc", "T T T").split()
    if [flag[:1].upper() for flag in periodic] not in (["T"] * 3, ["1"] * 3):
        raise UsageError(f"{where}: pbc is '{plain(entries['pbc'], 30)}', expected \"T T T\": boxes here are periodic")
    return _orthorhombic(lattice, where), origin


def _orthorhombic(cell: Floats, where: str) -> Floats:
    """The edges (3,) of a cell whose rows are its vectors. Raises UsageError unless along x, y, z."""
    edges = np.diagonal(cell).copy()
    if not (edges > 0).all():
        raise UsageError(f"{where}: box edges are {' '.join(f'{e:g}' for e in edges)}, expected three above 0")
    if np.abs(cell - np.diag(edges)).max() > 1e-9 * edges.max():
        raise UsageError(
            f"{where}: the box is not orthorhombic; only boxes with edges along x, y, z are simulated here"
        )
    return edges


def _numbers(text: str, count: int, where: str) -> Floats:
    words = text.split()
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        values = np.array([np.nan])
    if len(words) != count or not np.isfinite(values).all():
        raise UsageError(f"{where} is '{plain(text, 40)}', expected {count} finite numbers in quotes")
    return values


def _columns(properties: str, rows: Sequence[str], where: str) -> dict[str, Any]:
    """Name → (n, width) array, of the columns that Properties=name:kind:width:… describes."""
    words = properties.split(":")
    fields = [(words[k].lower(), words[k + 1], words[k + 2]) for k in range(0, len(words) - 2, 3)]
    good = [k in ("R", "I", "S", "L") and w.isascii() and w.isdigit() and 0 < int(w[:3]) < 100 for _, k, w in fields]
    if len(words) % 3 or not fields or not all(good):
        raise UsageError(f"{where}: Properties is '{plain(properties, 60)}', expected name:R|I|S|L:columns:…")
    total = sum(int(width) for _, _, width in fields)
    split = [row.split() for row in rows]
    for number, row in enumerate(split):
        if len(row) != total:
            raise UsageError(
                f"{where}: atom {number + 1} has {len(row)} columns, Properties describes {total}; mend the line"
            )
    table: dict[str, Any] = {}
    first = 0
    for name, kind, width in fields:
        last = first + int(width)
        table[name] = _array([row[first:last] for row in split], kind, f"{where}: column {plain(name, 20)}")
        first = last
    return table


def _array(cells: list[list[str]], kind: str, where: str) -> Any:
    if kind not in _NUMERIC:
        return np.array(cells, dtype=object)
    parse = float if kind == "R" else int
    for number, row in enumerate(cells):
        try:
            cells[number] = [parse(word) for word in row]  # type: ignore[misc]
        except ValueError:
            raise UsageError(f"{where}: atom {number + 1} has '{plain(' '.join(row), 40)}', expected numbers") from None
    try:
        return np.array(cells, dtype=_NUMERIC[kind])
    except OverflowError:
        raise UsageError(f"{where}: holds a whole number of more than 64 bits; give smaller ones") from None


def _structure(
    positions: Floats, velocities: Floats | None, ids: Integers, names: Sequence[str], box: Floats, where: str
) -> Structure:
    """Checked atoms: finite, wrapped, ids unique and from 1 on."""
    for name, array in (("position", positions), ("velocity", velocities)):
        bad = np.zeros(0, dtype=int) if array is None else np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(bad):
            shown = ", ".join(str(ids[k]) for k in bad[:5]) + (" …" if len(bad) > 5 else "")
            raise UsageError(f"{where}: the {name} of {len(bad)} atom(s) is not finite, ids {shown}; mend these lines")
    unique, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise UsageError(f"{where}: id {unique[counts > 1][0]} stands there more than once; give every atom its own id")
    if unique[0] < 1:
        raise UsageError(f"{where}: has id {unique[0]}, expected ids from 1 on")
    elements = tuple(sorted(set(names)))
    number = {name: index for index, name in enumerate(elements)}
    atoms = Atoms(
        positions=wrapped(positions, box),
        velocities=np.zeros_like(positions) if velocities is None else np.array(velocities, dtype=np.float64),
        ids=np.array(ids, dtype=np.int64),
        types=np.array([number[name] for name in names], dtype=np.int32),
        box=np.array(box, dtype=np.float64),
    )
    return Structure(atoms, elements, velocities is not None)


def wrapped(positions: Floats, box: Floats) -> Floats:
    """Positions (n, 3) inside [0, box)."""
    inside = positions - box * np.floor(positions / box)
    # −1e-20 comes out as the edge itself, the least of all numbers below zero as itself.
    return np.where((inside >= box) | (inside < 0.0), 0.0, inside)


def _read_by_ase(path: Path, units: str) -> Structure:
    where = plain(str(path), 200)
    if not path.is_file():
        raise UsageError(f"{where}: is not there or no file; give a configuration")
    try:
        import ase.io
        import ase.units
    except ImportError:
        raise UsageError(
            f"{where}: needs ASE to be read; pip install 'clustermark[md]', or give extended XYZ"
        ) from None
    try:
        found = ase.io.read(path, index=-1)
        system = found[-1] if isinstance(found, list) else found
        cell = np.array(system.cell.array, dtype=np.float64)
        names = system.get_chemical_symbols()
        positions = np.array(system.positions, dtype=np.float64)
        velocities = np.array(system.get_velocities()) if system.has("momenta") else None
        periodic = bool(np.all(system.pbc))
    except Exception as error:  # a parser of one of ASE's many formats: whatever it raises, the file is to blame
        raise UsageError(
            f"{where}: ASE cannot read it ({type(error).__name__}: {plain(str(error), 80)}); give extended XYZ"
        ) from None
    if not periodic:
        raise UsageError(f"{where}: is not periodic in x, y and z; give a periodic box")
    if not names:
        raise UsageError(f"{where}: holds no atoms; give a configuration")
    if velocities is not None and units != "metal":
        raise UsageError(f"{where}: has velocities in ASE's units; with units = '{units}' give extended XYZ instead")
    if velocities is not None:
        velocities = velocities * (1000 * ase.units.fs)
    return _structure(positions, velocities, np.arange(1, len(names) + 1), names, _orthorhombic(cell, where), where)


def extxyz_lines(
    atoms: Atoms, elements: Sequence[str], entries: dict[str, str] | None = None, forces: Floats | None = None
) -> Iterator[str]:
    """The lines of one extended XYZ frame; numbers have 17 digits, so that they are read back bit by bit.

    Parameters
    ----------
    atoms, elements : the configuration and the names of its types
    entries : more name → value pairs of the comment line
    forces : (n, 3) or None
    """
    box = atoms.box
    yield f"{len(atoms.ids)}\n"
    more = "".join(f" {name}={value}" for name, value in (entries or {}).items())
    columns = "species:S:1:pos:R:3:velo:R:3:id:I:1" + (":forces:R:3" if forces is not None else "")
    lattice = f"{box[0]:.17g} 0 0 0 {box[1]:.17g} 0 0 0 {box[2]:.17g}"
    yield f'Lattice="{lattice}" Properties={columns} pbc="T T T"{more}\n'
    for k in range(len(atoms.ids)):
        numbers = " ".join(f"{value:.17g}" for value in (*atoms.positions[k], *atoms.velocities[k]))
        force = "" if forces is None else "".join(f" {value:.17g}" for value in forces[k])
        yield f"{elements[atoms.types[k]]} {numbers} {atoms.ids[k]}{force}\n"
