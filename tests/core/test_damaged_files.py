"""Damaged, foreign and newer result files end in one sentence: no other exception, no crash, no endless loop."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from core_examples import case_of, opened, recorded_run, result_of

from clustermark.core.errors import ResultFileError
from clustermark.core.runfile import read_run, read_samples
from clustermark.core.seal import sealed, unsealed
from clustermark.core.store import read_case, write_case, write_text

SMALL = 'launches = 2\n[[matrix]]\nworkload = "allreduce"\nranks = [1, 2]\n'


@pytest.fixture(scope="module")
def run_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    run = recorded_run(tmp_path_factory.mktemp("run"), SMALL)
    run.assemble()
    return run.run_file.read_bytes()


@pytest.fixture(scope="module")
def case_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("case") / "c.h5"
    write_case(path, result_of(case_of(), 0))
    return path.read_bytes()


# In a process of its own: a crash of the HDF5 library would be its exit status, an endless loop its time-out.
MUTATE = """
import random, sys
from pathlib import Path
from clustermark.core.errors import ResultFileError
from clustermark.core.runfile import read_run, read_samples
from clustermark.core.store import read_case

good, target, readers = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), sys.argv[3]
read = {"run": [read_run, read_samples], "case": [read_case]}[readers]
for seed in range(400):
    chance = random.Random(seed)
    data = bytearray(good)
    kind = chance.choice(["bit", "bytes", "cut", "zeros", "swap", "noise"])
    at = chance.randrange(len(data))
    if kind == "bit":
        data[at] ^= 1 << chance.randrange(8)
    elif kind == "bytes":
        for _ in range(chance.choice([1, 4, 64])):
            data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
    elif kind == "cut":
        del data[at:]
    elif kind == "zeros":
        data[at : at + 512] = bytes(len(data[at : at + 512]))
    elif kind == "swap":
        data = data[at:] + data[:at]
    else:
        data[8:] = chance.randbytes(chance.randrange(4096))
    if bytes(data) == good:
        continue
    target.write_bytes(data)
    for one in read:
        try:
            one(target)
        except ResultFileError as error:
            assert str(error).isprintable(), error
        else:
            raise SystemExit(f"seed {seed}: {kind} at {at} was not noticed")
print("all refused")
"""


@pytest.mark.parametrize("kind", ["run", "case"])
def test_any_mutation_is_refused(kind: str, tmp_path: Path, run_bytes: bytes, case_bytes: bytes) -> None:
    good = tmp_path / "good.h5"
    good.write_bytes(run_bytes if kind == "run" else case_bytes)
    words = [sys.executable, "-c", MUTATE, str(good), str(tmp_path / "bad.h5"), kind]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "all refused\n"), done.stderr + done.stdout


def test_a_file_cut_at_any_place_is_refused(tmp_path: Path, run_bytes: bytes) -> None:
    path = tmp_path / "cut.h5"
    for size in [*range(12), *range(12, len(run_bytes), 997), *range(len(run_bytes) - 90, len(run_bytes))]:
        path.write_bytes(run_bytes[:size])
        with pytest.raises(ResultFileError, match=r"cut short|is not a readable HDF5 file"):
            read_run(path)


def resealed(data: bytes, path: Path, change: Callable[[Any], object]) -> Path:
    """A file with a good seal and other contents, as a program with a mistake would write it."""
    path.write_bytes(unsealed(data))
    with opened(path, "r+") as file:
        change(file)
    path.write_bytes(sealed(path.read_bytes()))
    return path


def replaced(name: str, text: str) -> Callable[[Any], object]:
    def change(file: Any) -> None:
        del file[name]
        write_text(file, name, text)

    return change


def without(name: str) -> Callable[[Any], object]:
    return lambda file: file.__delitem__(name)


WRONG_CONTENTS: dict[str, Callable[[Any], object]] = {
    "no plan": without("plan/json"),
    "no overview": without("overview/json"),
    "no environment": without("environment"),
    "no suite": lambda file: file.attrs.__delitem__("suite"),
    "no schema version": lambda file: file.attrs.__delitem__("schema_version"),
    "text for a schema version": lambda file: file.attrs.__setitem__("schema_version", "one"),
    "a plan that is no JSON": replaced("plan/json", "{"),
    "a plan that is a list": replaced("plan/json", "[]"),
    "a plan that is nested deeply": replaced("plan/json", "[" * 100_000),
    "an environment that is a list": replaced("environment/json", "[]"),
    "an overview of numbers": replaced("overview/json", "[1, 2]"),
    "an overview without fields": replaced("overview/json", "[{}]"),
}


@pytest.mark.parametrize("kind", WRONG_CONTENTS)
def test_wrong_contents_are_a_sentence(kind: str, tmp_path: Path, run_bytes: bytes) -> None:
    path = resealed(run_bytes, tmp_path / "r.h5", WRONG_CONTENTS[kind])
    with pytest.raises(ResultFileError, match=r"r\.h5: is damaged \(\w+: .*\); rebuild it from its folder") as caught:
        read_run(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["launch_json", "warmup_time", "samples", "steps_per_sample", "stopped_by", "launch"])
def test_a_missing_column_is_a_sentence(name: str, tmp_path: Path, run_bytes: bytes) -> None:
    path = resealed(run_bytes, tmp_path / "r.h5", without(f"cases/000000/{name}"))
    with pytest.raises(ResultFileError, match="is damaged"):
        read_samples(path)


def test_a_newer_schema_names_both_versions_and_the_way_out(
    tmp_path: Path, run_bytes: bytes, case_bytes: bytes
) -> None:
    def newer(file: Any) -> None:
        file.attrs["schema_version"] = 2

    sentence = "has schema version 2, this clustermark reads up to 1; install a newer clustermark"
    with pytest.raises(ResultFileError, match=sentence):
        read_run(resealed(run_bytes, tmp_path / "r.h5", newer))
    with pytest.raises(ResultFileError, match=sentence):
        read_case(resealed(case_bytes, tmp_path / "c.h5", newer))


def test_another_programs_hdf5_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "a.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(ResultFileError, match="is HDF5 but its last line is no clustermark checksum"):
        read_run(tmp_path / "a.h5")
    (tmp_path / "a.h5").write_bytes(sealed((tmp_path / "a.h5").read_bytes()))
    with pytest.raises(ResultFileError, match="is HDF5 but no clustermark-result file"):
        read_run(tmp_path / "a.h5")


def test_a_file_changed_with_h5py_is_refused(tmp_path: Path, run_bytes: bytes) -> None:
    (tmp_path / "r.h5").write_bytes(run_bytes)
    with opened(tmp_path / "r.h5", "r+") as file:
        file["summary/value"][0] = 1e99
    with pytest.raises(ResultFileError, match="changed"):
        read_run(tmp_path / "r.h5")


def test_what_is_no_hdf5_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "empty.h5").write_text("")
    (tmp_path / "folder.h5").mkdir()
    for name, sentence in {
        "text.h5": "is not a readable HDF5 file; give a run.h5",
        "empty.h5": "is not a readable HDF5 file; give a run.h5",
        "none.h5": "is not there; give a run.h5 or the folder of a run",
        "text.h5/run.h5": "is not there",
        "x" * 300: "cannot be read .File name too long.",
        "nul\0": "embedded null byte",
        ".": r"run\.h5: is not there; give a run.h5 or the folder of a run",
    }.items():
        with pytest.raises(ResultFileError, match=sentence):
            read_run(tmp_path / name)
    with pytest.raises(ResultFileError, match=r"folder\.h5: is a folder"):
        read_case(tmp_path / "folder.h5")


def test_a_device_is_not_read_for_ever() -> None:
    with pytest.raises(ResultFileError, match="/dev/zero: is not a regular file"):
        read_run(Path("/dev/zero"))
