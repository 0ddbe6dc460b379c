"""Embedded-atom potentials in files: DYNAMO's funcfl (.eam) and setfl (.eam.alloy)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clustermark.apps.md.model import EmbeddedAtom, Floats
from clustermark.apps.md.tables import FEWEST_POINTS
from clustermark.apps.md.text_tables import TextTable
from clustermark.core.errors import UsageError, nearest, plain

# r·φ = 27.2 eV · 0.529 Å · Z_i·Z_j: the rounded hartree and bohr that funcfl files were fitted with.
HARTREE, BOHR = 27.2, 0.529

_SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm"
)
SYMBOLS = tuple(_SYMBOLS.split())

FORMATS = ("auto", "funcfl", "setfl")

AnyPath = str | Path


@dataclass(frozen=True)
class _Grids:
    """The third line of a funcfl and the fifth of a setfl file."""

    rho_points: int
    rho_spacing: float
    r_points: int
    r_spacing: float
    cutoff: float


def read_eam(
    paths: AnyPath | Sequence[AnyPath], elements: Sequence[str] = (), file_format: str = "auto"
) -> EmbeddedAtom:
    """An embedded-atom potential from one setfl file, or from one funcfl file per element.

    Parameters
    ----------
    paths : one path or several
    elements : names in the order of the atom types; none: all that the files have, in their order
    file_format : "funcfl", "setfl", or "auto": setfl where the fourth line counts and names elements

    Raises
    ------
    UsageError : a file that is missing, truncated, not of this format, or has no such element
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    if file_format not in FORMATS:
        raise UsageError(f"file format '{plain(file_format)}' is not known{nearest(file_format, FORMATS)}")
    if not files:
        raise UsageError("no file is given for the embedded-atom potential; name a .eam or .eam.alloy file")
    if file_format == "setfl" or (file_format == "auto" and _looks_like_setfl(files[0])):
        if len(files) > 1:
            raise UsageError(
                f"{plain(str(files[0]), 200)} is a setfl file, which holds all its elements, "
                f"but {len(files)} files are given; give it alone"
            )
        return read_setfl(files[0], elements)
    return read_funcfl(files, elements)


def _looks_like_setfl(path: AnyPath) -> bool:
    words = TextTable.read(path).peek(3).split()
    if len(words) < 2 or not words[0].isascii() or not words[0].isdigit():
        return False
    return len(words) == 1 + int(words[0][:9]) and not any(word[0].isdigit() for word in words[1:])


def read_setfl(path: AnyPath, elements: Sequence[str] = ()) -> EmbeddedAtom:
    """A DYNAMO setfl file: three comments, element names, grids, then F, f of each element, r·φ of each pair.

    Parameters
    ----------
    path : of the file
    elements : which of its elements, in the order of the atom types; none: all

    Raises
    ------
    UsageError : see `read_eam`
    """
    text = TextTable.read(path)
    text.skip(3)
    names = text.words("the number and names of the elements")
    count = text.integer(names[0], "number of elements", least=1)
    names = names[1:]
    if len(names) != count:
        raise text.wrong(f"names {len(names)} elements after the number {count}")
    if len(set(names)) != count:
        raise text.wrong("names an element twice")
    if count > 1 and text.name.endswith(".fs"):
        raise text.wrong("begins a Finnis-Sinclair file, whose f(r) depend on both elements")
    grids = _grids(text)
    masses, embedding, density = [], [], []
    for name in names:
        masses.append(_atomic_line(text, f"atomic number and mass of {plain(name, 10)}")[1])
        embedding.append(text.numbers(grids.rho_points, f"F(ρ) of {plain(name, 10)}"))
        density.append(text.numbers(grids.r_points, f"f(r) of {plain(name, 10)}"))
    pairs: dict[frozenset[str], Floats] = {}
    for first in range(count):
        for second in range(first + 1):
            what = f"r·φ of {plain(names[first], 10)} and {plain(names[second], 10)}"
            pairs[frozenset((names[first], names[second]))] = text.numbers(grids.r_points, what)
    text.finish()
    chosen = [_row_of(element, names, text.name) for element in elements] or list(range(count))
    kept = tuple(names[row] for row in chosen)
    return EmbeddedAtom(
        embedding=np.array([embedding[row] for row in chosen]),
        density=np.array([density[row] for row in chosen]),
        pair=np.array([[pairs[frozenset((a, b))] for b in kept] for a in kept]),
        rho_spacing=grids.rho_spacing,
        r_spacing=grids.r_spacing,
        cutoff=grids.cutoff,
        masses=np.array([masses[row] for row in chosen]),
        elements=kept,
    )


def _row_of(element: str, names: Sequence[str], file: str) -> int:
    if element not in names:
        raise UsageError(f"{file} has no element '{plain(element)}'{nearest(element, names)}")
    return names.index(element)


def _grids(text: TextTable) -> _Grids:
    what = "points and spacing of ρ, points and spacing of r, cutoff"
    words = text.words(what)
    if len(words) != 5:
        raise text.wrong(f"has {len(words)} words, expected the five {what}")
    grids = _Grids(
        text.integer(words[0], "number of points of ρ", least=FEWEST_POINTS),
        text.number(words[1], "spacing of ρ", positive=True),
        text.integer(words[2], "number of points of r", least=FEWEST_POINTS),
        text.number(words[3], "spacing of r", positive=True),
        text.number(words[4], "cutoff", positive=True),
    )
    # Files of record have cutoffs up to one spacing beyond their last point, where the functions have died out.
    if grids.cutoff > 1.000001 * grids.r_points * grids.r_spacing:
        raise text.wrong(
            f"has a cutoff of {grids.cutoff:g} beyond the table of r, which ends at "
            f"{(grids.r_points - 1) * grids.r_spacing:g}"
        )
    return grids


def _atomic_line(text: TextTable, what: str) -> tuple[int, float]:
    words = text.words(what)
    if len(words) < 2:
        raise text.wrong(f"has {len(words)} words, expected {what}")
    return text.integer(words[0], "atomic number", least=0), text.number(words[1], "mass", positive=True)


@dataclass(frozen=True)
class _Funcfl:
    """One funcfl file: F(ρ), the effective charge Z(r) and f(r) on grids of its own."""

    element: str
    mass: float
    grids: _Grids
    embedding: Floats
    charge: Floats
    density: Floats


def read_funcfl(paths: Sequence[AnyPath], elements: Sequence[str] = ()) -> EmbeddedAtom:
    """DYNAMO funcfl files, one per element: a comment, atomic number and mass, grids, then F(ρ), Z(r), f(r).

    r·φ_ab = 27.2·0.529·Z_a·Z_b (Foiles, Baskes & Daw 1986). The common grids have the widest spacings and reach as far
    as the longest ones less one spacing; values between points are Lagrange cubics: all as LAMMPS' pair_style eam.

    Parameters
    ----------
    paths : one file per atom type
    elements : their names, checked against the atomic numbers; none: as the atomic numbers say

    Raises
    ------
    UsageError : see `read_eam`
    """
    files = [_one_funcfl(path) for path in paths]
    if elements and len(elements) != len(files):
        raise UsageError(f"{len(files)} funcfl files are given for {len(elements)} elements; give one for each element")
    for element, file, path in zip(elements, files, paths, strict=False):
        if element != file.element:
            raise UsageError(
                f"{plain(str(path), 200)} is a potential of {file.element}, not of '{plain(element)}'; "
                f"name the element {file.element} or another file"
            )
    grids = [file.grids for file in files]
    rho = _common_grid([(g.rho_points, g.rho_spacing) for g in grids])
    r = _common_grid([(g.r_points, g.r_spacing) for g in grids])
    if min(len(rho), len(r)) < FEWEST_POINTS:
        raise UsageError(f"the grids of {plain(str(paths[0]), 200)} have too few points in common; give longer tables")
    charges = np.array([_lagrange(file.charge, file.grids.r_spacing, r) for file in files])
    return EmbeddedAtom(
        embedding=np.array([_lagrange(file.embedding, file.grids.rho_spacing, rho) for file in files]),
        density=np.array([_lagrange(file.density, file.grids.r_spacing, r) for file in files]),
        pair=HARTREE * BOHR * (charges[:, None, :] * charges[None, :, :]),
        rho_spacing=max(g.rho_spacing for g in grids),
        r_spacing=max(g.r_spacing for g in grids),
        cutoff=max(g.cutoff for g in grids),
        masses=np.array([file.mass for file in files]),
        elements=tuple(file.element for file in files),
    )


def _common_grid(grids: Sequence[tuple[int, float]]) -> Floats:
    """Points with the widest spacing, over the longest range less one spacing."""
    spacing = max(width for _, width in grids)
    longest = max((points - 1) * width for points, width in grids)
    return np.arange(int(longest / spacing + 0.5), dtype=np.float64) * spacing


def _one_funcfl(path: AnyPath) -> _Funcfl:
    text = TextTable.read(path)
    text.skip(1)
    number, mass = _atomic_line(text, "atomic number and mass")
    if not 1 <= number <= len(SYMBOLS):
        raise text.wrong(f"has the atomic number {number}, expected 1 to {len(SYMBOLS)}")
    grids = _grids(text)
    embedding = text.numbers(grids.rho_points, "F(ρ)")
    charge = text.numbers(grids.r_points, "Z(r)")
    density = text.numbers(grids.r_points, "f(r)")
    text.finish()
    return _Funcfl(SYMBOLS[number - 1], mass, grids, embedding, charge, density)


def _lagrange(values: Floats, spacing: float, places: Floats) -> Floats:
    """Cubic through the four points around each place; far beyond the last point the value there."""
    scaled = places / spacing
    k = np.clip(scaled.astype(np.int64), 1, len(values) - 3)
    p = np.minimum(scaled - k, 2.0)
    return (
        -p * (p - 1.0) * (p - 2.0) / 6.0 * values[k - 1]
        + (p * p - 1.0) * (p - 2.0) / 2.0 * values[k]
        - p * (p + 1.0) * (p - 2.0) / 2.0 * values[k + 1]
        + p * (p * p - 1.0) / 6.0 * values[k + 2]
    )


def write_setfl(potential: EmbeddedAtom, path: AnyPath, comment: str = "") -> None:
    """A setfl file with 17 digits, which read_setfl and LAMMPS' pair_style eam/alloy read back to the same bits.

    Parameters
    ----------
    potential : what to write
    path : of the file
    comment : its first line

    Raises
    ------
    UsageError : the file cannot be written
    """
    points = f"{potential.embedding.shape[-1]} {potential.rho_spacing!r} {potential.density.shape[-1]}"
    lines = [plain(comment, 200), "", "setfl: F(rho) and f(r) of each element, r*phi of each pair"]
    lines += [f"{len(potential.elements)} {' '.join(potential.elements)}"]
    lines += [f"{points} {potential.r_spacing!r} {potential.cutoff!r}"]
    for row, element in enumerate(potential.elements):
        number = SYMBOLS.index(element) + 1 if element in SYMBOLS else 0
        lines += [f"{number} {float(potential.masses[row])!r} 0.0 none"]
        lines += _in_lines(potential.embedding[row]) + _in_lines(potential.density[row])
    for first in range(len(potential.elements)):
        for second in range(first + 1):
            lines += _in_lines(potential.pair[first, second])
    try:
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{plain(str(path), 200)} cannot be written ({error}); choose another place") from None


def _in_lines(values: Floats) -> list[str]:
    words = [f"{value:.16e}" for value in values]
    return [" ".join(words[start : start + 5]) for start in range(0, len(words), 5)]
