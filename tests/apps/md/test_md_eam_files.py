"""Reading and writing potentials: what was written comes back, and a damaged file is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from physics_examples import POTENTIALS, fcc, two_metals

from clustermark.apps.md.eam_files import read_eam, read_funcfl, read_setfl, write_setfl
from clustermark.apps.md.model import EmbeddedAtom
from clustermark.apps.md.reference import pair_energy_forces
from clustermark.apps.md.sutton_chen import METALS, sutton_chen
from clustermark.core.errors import ClustermarkError, UsageError

ARRAYS = ("embedding", "density", "pair", "masses")


def polynomial(x: np.ndarray) -> np.ndarray:
    return 1.0 - 0.3 * x + 0.05 * x**2 + 0.01 * x**3


def funcfl(points: int = 12, spacing: float = 0.5, number: int = 29) -> str:
    """A funcfl file of cubic polynomials: F = P(ρ), Z = P(r)/2, f = P(r)/4."""
    grid = polynomial(spacing * np.arange(points))
    head = f"comment\n {number} 63.55 3.615 FCC\n {points} {spacing} {points} {spacing} {spacing * (points - 1)}\n"
    return head + "".join(" ".join(f"{factor * y:.16e}" for y in grid) + "\n" for factor in (1.0, 0.5, 0.25))


def written(folder: Path, text: str | bytes, name: str = "x.eam") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def same(one: EmbeddedAtom, other: EmbeddedAtom) -> bool:
    scalars = ("rho_spacing", "r_spacing", "cutoff", "elements")
    return all(np.array_equal(getattr(one, a), getattr(other, a)) for a in ARRAYS) and all(
        getattr(one, s) == getattr(other, s) for s in scalars
    )


def test_a_setfl_file_comes_back_bit_by_bit(tmp_path: Path) -> None:
    potential = two_metals(points=101)
    write_setfl(potential, tmp_path / "x.eam.alloy", comment="two\nmetals")
    assert same(read_setfl(tmp_path / "x.eam.alloy"), potential)
    assert same(read_eam(tmp_path / "x.eam.alloy"), potential)
    assert not same(read_eam(tmp_path / "x.eam.alloy", ["Ag", "Cu"]), potential)


def test_elements_are_taken_in_the_order_asked_for(tmp_path: Path) -> None:
    potential = two_metals(points=101)
    write_setfl(potential, tmp_path / "x.eam.alloy")
    found = read_eam(str(tmp_path / "x.eam.alloy"), ["Ag", "Cu", "Ag"])
    assert found.elements == ("Ag", "Cu", "Ag")
    assert np.array_equal(found.density, potential.density[[1, 0, 1]])
    assert np.array_equal(found.pair, potential.pair[np.ix_([1, 0, 1], [1, 0, 1])])
    assert np.array_equal(found.masses, potential.masses[[1, 0, 1]])


def test_a_funcfl_file_gives_charges_in_hartree_and_bohr_and_loses_its_last_point(tmp_path: Path) -> None:
    found = read_eam(written(tmp_path, funcfl(points=12, spacing=0.5)))
    grid = polynomial(0.5 * np.arange(11))
    assert found.elements == ("Cu",) and found.masses.tolist() == [63.55] and found.cutoff == 5.5
    assert found.embedding[0] == pytest.approx(grid, rel=1e-13)
    assert found.density[0] == pytest.approx(grid / 4, rel=1e-13)
    assert found.pair[0, 0] == pytest.approx(27.2 * 0.529 * grid**2 / 4, rel=1e-13)


def test_two_funcfl_files_meet_on_the_wider_grid(tmp_path: Path) -> None:
    fine = written(tmp_path, funcfl(points=41, spacing=0.12, number=28), "ni.eam")
    wide = written(tmp_path, funcfl(points=12, spacing=0.5), "cu.eam")
    found = read_funcfl([fine, wide], ["Ni", "Cu"])
    assert (found.r_spacing, found.rho_spacing, found.cutoff) == (0.5, 0.5, 5.5)
    grid = polynomial(0.5 * np.arange(11))
    inside = slice(0, 10)  # the finer table ends at 4.8
    assert found.density[0, inside] == pytest.approx(grid[inside] / 4, rel=1e-12)
    assert found.pair[0, 1, inside] == pytest.approx(27.2 * 0.529 * grid[inside] ** 2 / 4, rel=1e-12)
    assert np.array_equal(found.pair[0, 1], found.pair[1, 0])


def test_exponents_of_fortran_are_read(tmp_path: Path) -> None:
    text = funcfl()
    head, body = text.split("5.5\n")
    plain, fortran = (read_eam(written(tmp_path, head + "5.5\n" + b)) for b in (body, body.replace("e", "D")))
    assert same(plain, fortran)


def damaged(text: str, line: int, new: str) -> str:
    lines = text.split("\n")
    lines[line] = new
    return "\n".join(lines)


SETFL_HEAD = "a\nb\nc\n2 Cu Ag\n5 1.0 5 1.0 4.0\n"
FIVE = "0 1 2 3 4\n"
SETFL = SETFL_HEAD + ("29 63.5 3.6 fcc\n" + FIVE + FIVE) + ("47 107.9 4.1 fcc\n" + FIVE + FIVE) + 3 * FIVE


@pytest.mark.parametrize(
    ("text", "elements", "sentence"),
    [
        ("", (), "ends after 0 lines, before atomic number and mass"),
        (funcfl()[:-60], (), r"line 6, has '.*' as f\(r\), expected a number|ends after 6 lines"),
        (funcfl() + "0.5 0.5\n", (), "line 7, goes on beyond the last of the tables"),
        (damaged(funcfl(), 2, "12 0.5 11 0.5 5.0"), (), r"line 5, has 1 more than the 11 values of Z\(r\)"),
        (damaged(funcfl(), 2, "12 0.5 12 0.5"), (), "line 3, has 4 words, expected the five"),
        (
            damaged(funcfl(), 2, "12 0.5 4 0.5 1.0"),
            (),
            "has '4' as number of points of r, expected a whole number from 5",
        ),
        (damaged(funcfl(), 2, "12 0.5 12 -0.5 5.5"), (), "has '-0.5' as spacing of r, expected a positive number"),
        (damaged(funcfl(), 2, "12 0.5 12 0.5 9.5"), (), "cutoff of 9.5 beyond the table of r, which ends at 5.5"),
        (damaged(funcfl(), 3, "1 2 three"), (), r"line 4, has 'three' as F\(ρ\), expected a number"),
        (damaged(funcfl(), 3, "1 2 nan"), (), "has 'nan' as"),
        (damaged(funcfl(), 3, "1 2 1_0"), (), "has '1_0' as"),
        (damaged(funcfl(), 3, "1 2 1e999"), (), "has '1e999' as"),
        (damaged(funcfl(), 4, "1 2 1e308"), (), "has '1e308' as"),
        (damaged(funcfl(), 2, "12 1e308 12 0.5 5.5"), (), "has '1e308' as spacing of ρ"),
        (damaged(funcfl(), 2, "12 1e-320 12 0.5 5.5"), (), "has '1e-320' as spacing of ρ"),
        (damaged(funcfl(), 1, "129 63.5"), (), "has the atomic number 129, expected 1 to 96"),
        (damaged(funcfl(), 1, "29"), (), "line 2, has 1 words, expected atomic number and mass"),
        (funcfl(), ("Ni",), "is a potential of Cu, not of 'Ni'"),
        (funcfl(), ("Cu", "Ni"), "1 funcfl files are given for 2 elements"),
        (SETFL, ("Cu", "Agg"), "has no element 'Agg' .did you mean 'Ag'"),
        (SETFL.replace("2 Cu Ag", "2 Cu Cu"), (), "line 4, names an element twice"),
        (SETFL[: -len(FIVE)], (), r"ends after 13 lines, before value 1 of 5 of r·φ of Ag and Ag"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, text: str, elements: tuple[str, ...], sentence: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError, match=sentence) as caught:
        read_eam(path, elements)
    assert "x.eam" in str(caught.value) or "funcfl files are given" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pairs_of_three_elements_stand_row_by_row_below_the_diagonal(tmp_path: Path) -> None:
    """1-1, 2-1, 2-2, 3-1, 3-2, 3-3, as DYNAMO has them."""
    element = "29 63.5 3.6 fcc\n" + FIVE + FIVE
    tables = "".join(f"{k} {k} {k} {k} {k}\n" for k in (11, 21, 22, 31, 32, 33))
    path = written(tmp_path, SETFL_HEAD.replace("2 Cu Ag", "3 Cu Ag Au") + 3 * element + tables)
    found = read_eam(path)
    assert found.pair[:, :, 0].tolist() == [[11, 21, 31], [21, 22, 32], [31, 32, 33]]
    assert read_eam(path, ["Au", "Cu"]).pair[:, :, 4].tolist() == [[33, 31], [31, 11]]
    write_setfl(found, tmp_path / "again.eam.alloy")
    assert same(read_eam(tmp_path / "again.eam.alloy"), found)


def test_a_wrong_choice_of_files_is_one_sentence(tmp_path: Path) -> None:
    setfl = written(tmp_path, SETFL)
    assert read_eam(setfl).elements == ("Cu", "Ag")
    with pytest.raises(UsageError, match=r"holds all its elements, but 2 files are given"):
        read_eam([setfl, setfl])
    with pytest.raises(UsageError, match=r"absent.eam does not exist; .*lammps-data"):
        read_eam(tmp_path / "absent.eam")
    with pytest.raises(UsageError, match=r"cannot be read \(Is a directory\)"):
        read_eam(tmp_path)
    with pytest.raises(UsageError, match=r"cannot be read"):
        read_eam("nul\0byte")
    with pytest.raises(UsageError, match=r"no file is given"):
        read_eam([])
    with pytest.raises(UsageError, match=r"file format 'setfll' is not known .did you mean 'setfl'"):
        read_eam(setfl, file_format="setfll")
    with pytest.raises(UsageError, match=r"Finnis-Sinclair"):
        read_eam(written(tmp_path, SETFL, "x.eam.fs"))
    with pytest.raises(UsageError, match=r"line 4, has '1.0000.*' as number of elements"):
        read_eam(written(tmp_path, funcfl()), file_format="setfl")
    with pytest.raises(UsageError, match=r"cannot be written"):
        write_setfl(two_metals(points=101), tmp_path / "absent" / "x.eam.alloy")


FILES = {"funcfl": funcfl().encode(), "setfl": SETFL.encode()}


def read_or_refuse(path: Path) -> None:
    """The reader gives a potential with finite numbers, or one sentence."""
    for file_format in ("auto", "funcfl", "setfl"):
        try:
            found = read_eam(path, file_format=file_format)
        except ClustermarkError as error:
            assert isinstance(error, UsageError) and str(error) and "\n" not in str(error)
        else:
            assert all(np.isfinite(getattr(found, name)).all() for name in ARRAYS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(FILES)), where=st.integers(0, 900), new=st.binary(max_size=6), gone=st.integers(0, 40)
)
def test_no_damaged_bytes_make_a_traceback(tmp_path: Path, name: str, where: int, new: bytes, gone: int) -> None:
    whole = FILES[name]
    where %= len(whole)
    read_or_refuse(written(tmp_path, whole[:where] + new + whole[where + gone :]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(FILES)),
    place=st.integers(0, 200),
    word=st.sampled_from(
        ["0", "-1", "1e400", "1e308", "1e-320", "nan", "٣", "5.0", "999999999", "", "1d5", "\x85", "\x1c"]
    ),
)
def test_no_damaged_word_makes_a_traceback(tmp_path: Path, name: str, place: int, word: str) -> None:
    words = FILES[name].decode().split(" ")
    words[place % len(words)] = word
    read_or_refuse(written(tmp_path, " ".join(words)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_no_foreign_file_makes_a_traceback(tmp_path: Path, content: bytes) -> None:
    read_or_refuse(written(tmp_path, content))


def test_copper_of_foiles_has_the_energy_that_lammps_finds() -> None:
    path = POTENTIALS / "Cu_u3.eam"
    if not path.exists():
        pytest.skip(f"{path} is not there (Debian's package lammps-data)")
    copper = fcc((4, 4, 4), 3.615)
    per_atom = pair_energy_forces(copper, read_eam(path)).potential_energy / len(copper.ids)
    assert per_atom * 32000 == pytest.approx(-113280, abs=0.5)
    assert per_atom == pytest.approx(-3.54, abs=5e-5)


# Energy of the endless sums of the published parameters at the published lattice constant [eV/atom].
COHESIVE = {"Ni": -4.4401, "Cu": -3.5002, "Ag": -2.9600, "Au": -3.7799, "Al": -3.3402}


@pytest.mark.parametrize("element", METALS)
def test_sutton_chen_metals_are_bound_as_published_but_for_the_cutoff(element: str) -> None:
    a = METALS[element].lattice_constant
    crystal = fcc((4, 4, 4), a)
    errors = [
        pair_energy_forces(crystal, sutton_chen(element, cutoff)).potential_energy / 256 / COHESIVE[element] - 1
        for cutoff in (None, 4 * a)
    ]
    assert -0.02 < errors[0] < 0
    assert abs(errors[1]) < 0.0025


def test_sutton_chen_functions_end_smoothly_and_are_finite_at_zero() -> None:
    potential = sutton_chen("Cu")
    for values in (potential.density[0], potential.pair[0, 0], potential.embedding[0]):
        assert np.isfinite(values).all()
    for values in (potential.density[0], potential.pair[0, 0]):
        slopes = np.gradient(values, potential.r_spacing)
        assert values[-1] == 0 and abs(slopes[-1]) < 1e-4 * np.abs(slopes[len(slopes) // 2])
        assert (np.diff(values[len(values) // 5 :]) <= 0).all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"element": "Pb"}, "metal 'Pb' is not known"),
        ({"cutoff": 3.0}, "cutoff of Sutton-Chen Cu is 3 Å, expected 3.61 Å"),
        ({"cutoff": float("nan")}, "is nan"),
        ({"points": 10}, "are 10, expected 100 or more"),
    ],
)
def test_a_wrong_metal_is_one_sentence(arguments: dict, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        sutton_chen(**arguments)
