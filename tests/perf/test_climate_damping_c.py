"""Damping by hand in C, which climate_primitive.py measures ours against, damps what ours does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import climate_primitive
import pytest
from climate_shallow_data import DisagreementError
from md_sides import PeerError


def test_c_damps_as_ours_does_and_another_strength_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ROWS": 10, "COLUMNS": 23, "LEVELS": 3, "TRIAD_BYTES": 1024}.items():
        monkeypatch.setattr(climate_primitive, name, value)
    try:
        climate_primitive.kernels("float64", 2, tmp_path)
    except PeerError as error:
        pytest.skip(str(error))
    right = climate_primitive.c_calls

    def stronger(folder: Path, fields: Any, start: Any, metric: Any, strength: float, *others: Any) -> Any:
        return right(folder, fields, start, metric, strength * (1.0 + 1e-10), *others)

    monkeypatch.setattr(climate_primitive, "c_calls", stronger)
    with pytest.raises(DisagreementError, match="damps u otherwise"):
        climate_primitive.kernels("float64", 2, tmp_path)
