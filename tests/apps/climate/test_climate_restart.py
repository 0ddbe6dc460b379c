"""Restart files of the climate model: every bit comes back, and what is damaged or of another run is one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.apps.climate.restart import FILE_FORMAT, fitting, read_restart, write_restart
from clustermark.apps.climate.setup import Setup, physics
from clustermark.apps.console.files import write_image
from clustermark.core.errors import StoreError, UsageError

SETUP = Setup(case="held_suarez", cells=18, levels=10, precision="mixed", timestep=450.0)
FACTS = physics(SETUP)
STATE: dict[str, Any] = {
    "ps": np.linspace(0.9e5, 1.1e5, 24).reshape(2, 3, 4) / 3,
    "u": np.linspace(-30, 30, 240, dtype=np.float32).reshape(2, 10, 3, 4) / 7,
    "reference": np.array([2**62 + 1, -5], dtype=np.int64),
    "step": np.int64(7),
    "time": np.float64(3150.0),
}
SHAPES = {name: np.shape(array) for name, array in STATE.items()}


def written(path: Path, facts: dict[str, str] = FACTS, **changed: Any) -> Path:
    state = {name: array for name, array in {**STATE, **changed}.items() if array is not None}
    write_restart(path, 7, 3150.0, facts, state)
    return path


def refusal(path: Path, facts: dict[str, str] = FACTS) -> str:
    with pytest.raises(UsageError) as caught:
        fitting(read_restart(path), facts, SHAPES, path.name)
    sentence = str(caught.value)
    assert sentence.isprintable()
    return sentence


def test_every_bit_of_every_kind_of_number_comes_back(tmp_path: Path) -> None:
    found = read_restart(written(tmp_path / "r.h5"))
    assert (found.step, found.time, found.physics) == (7, 3150.0, FACTS)
    assert set(found.state) == set(STATE)
    for name, array in STATE.items():
        assert found.state[name].dtype == np.asarray(array).dtype
        assert found.state[name].tobytes() == np.asarray(array).tobytes(), name
    assert fitting(found, FACTS, SHAPES, "r.h5") == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"cells": 36}, "r.h5: grid.resolution was '5' and is now '2.5'; set it back"),
        ({"levels": 20}, "r.h5: grid.levels was '10' and is now '20'; set it back"),
        ({"case": "baroclinic_wave"}, "r.h5: case was 'held_suarez' and is now 'baroclinic_wave'; set it back"),
    ],
)
def test_another_case_or_grid_is_refused_with_both_named(
    tmp_path: Path, changed: dict[str, Any], expected: str
) -> None:
    now = physics(Setup(**{**{name: getattr(SETUP, name) for name in SETUP.__dataclass_fields__}, **changed}))
    assert expected in refusal(written(tmp_path / "r.h5"), now)


def test_another_step_or_damping_is_told_and_taken(tmp_path: Path) -> None:
    now = {**FACTS, "run.timestep": "400.0", "damping.hours": "1.0"}
    sentences = fitting(read_restart(written(tmp_path / "r.h5")), now, SHAPES, "r.h5")
    assert sentences == [
        "run.timestep was 450.0 and is now 400.0: the run goes on, not bit by bit",
        "damping.hours was of the case and is now 1.0: the run goes on, not bit by bit",
    ]


def test_a_missing_field_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    sentence = refusal(written(tmp_path / "r.h5", u=None))
    assert "has no field 'u' (it has ps, reference, step, time); take a file of the same equations" in sentence


def test_a_field_of_another_shape_is_named_with_both_shapes(tmp_path: Path) -> None:
    sentence = refusal(written(tmp_path / "r.h5", ps=np.zeros((2, 3, 5))))
    assert "ps has the shape (2, 3, 5), expected (2, 3, 4)" in sentence


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    assert "u is not finite" in refusal(written(tmp_path / "r.h5", u=np.full((2, 10, 3, 4), np.nan)))


def test_what_is_no_restart_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no")
    write_image(tmp_path / "other.h5", lambda file: file.attrs.update({"format": "clustermark-md-restart"}))
    write_image(tmp_path / "newer.h5", lambda file: file.attrs.update({"format": FILE_FORMAT, "schema_version": 9}))
    with h5py.File(tmp_path / "unsealed.h5", "w") as file:
        file.attrs["format"] = FILE_FORMAT
    assert "its format is not clustermark-climate-restart" in refusal(tmp_path / "other.h5")
    assert "has schema version 9, this clustermark reads up to 1" in refusal(tmp_path / "newer.h5")
    assert "no clustermark checksum" in refusal(tmp_path / "unsealed.h5")
    for name in ("text.h5", "none.h5", "."):
        assert "restart file of the climate model" in refusal(tmp_path / name)


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="go on from the last restart file"):
        written(tmp_path / "gone" / "r.h5")


@given(st.integers(0, 10**9), st.integers(1, 255), st.booleans())
def test_no_damaged_byte_and_no_missing_end_goes_unseen(
    tmp_path_factory: pytest.TempPathFactory, place: int, flip: int, cut: bool
) -> None:
    path = written(tmp_path_factory.mktemp("damage") / "r.h5")
    data = bytearray(path.read_bytes())
    if cut:
        data = data[: place % len(data)]
    else:
        data[place % len(data)] ^= flip
    path.write_bytes(bytes(data))
    with pytest.raises(UsageError) as caught:
        read_restart(path)
    assert str(caught.value).isprintable()
