"""One stage of shallow water that all sides compute: fields on a panel, and whether two sides agree.

NumPy only, because peers run in an environment of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

HALO = 3
RADIUS, GRAVITY, ROTATION = 6.37122e6, 9.80616, 7.292e-5
# Large against its change in a stage, so that a side which forgets a term is seen.
TIMESTEP = 20.0
NAMES = ("h", "u", "v", "h0", "u0", "v0", "bottom", "coriolis")
RESULTS: tuple[str, ...] = ("h", "u", "v")


@dataclass(frozen=True)
class Panel:
    """Inputs of a stage.

    Attributes
    ----------
    fields : NAMES → (rows + 2·HALO, columns + 2·HALO)
    cos_center, cos_face : (rows + 2·HALO,)
    inverse_spacing : 1/(aΔ) [1/m]
    """

    fields: dict[str, Array]
    cos_center: Array
    cos_face: Array
    inverse_spacing: float


def panel(rows: int, columns: int, dtype: str) -> Panel:
    """Waves of many lengths around a layer of 5 km over hills, between 45° south and north; the same on every side."""
    spacing = np.pi / 2 / rows
    latitude = -np.pi / 4 + (np.arange(rows + 2 * HALO) - HALO + 0.5) * spacing
    face = latitude + spacing / 2
    longitude = (np.arange(columns + 2 * HALO) - HALO + 0.5) * spacing

    def waves(mean: float, size: float, phase: float) -> Array:
        total = np.full((latitude.size, longitude.size), mean)
        for number in (1, 4, 15, 60, 200):
            shape = np.sin(number * longitude + phase)[None, :] * np.cos(number * latitude + 2 * phase)[:, None]
            total += size / number**0.5 * shape
        return total.astype(dtype)

    means = {"h": (5000.0, 100.0), "u": (10.0, 15.0), "v": (0.0, 15.0), "bottom": (500.0, 100.0)}
    fields = {name: waves(*means[name.rstrip("0")], phase) for phase, name in enumerate(NAMES) if name != "coriolis"}
    fields["coriolis"] = np.repeat((2 * ROTATION * np.sin(face)).astype(dtype)[:, None], longitude.size, axis=1)
    return Panel(fields, np.cos(latitude).astype(dtype), np.cos(face).astype(dtype), 1 / (RADIUS * spacing))


def fingerprint(results: dict[str, Array]) -> dict[str, list[float]]:
    """Some hundred values and the mean of each field, spread over it, as JSON can carry them.

    Parameters
    ----------
    results : RESULTS → (rows, columns), without halo
    """
    found = {}
    for name in RESULTS:
        field = results[name]
        sample = field[:: max(1, field.shape[0] // 10), :: max(1, field.shape[1] // 10)]
        found[name] = [float(np.mean(field, dtype=np.float64)), *map(float, sample.ravel())]
    return found


class DisagreementError(AssertionError):
    """Two sides that should have computed the same stage have not."""


def agree(name: str, ours: dict[str, list[float]], theirs: dict[str, list[float]], dtype: str) -> None:
    """That a side has computed what we have, to a few units of rounding of the largest value.

    Raises
    ------
    DisagreementError : names the side, the field and the difference
    """
    for field in RESULTS:
        a, b = np.array(ours[field]), np.array(theirs[field])
        allowed = 64 * float(np.finfo(dtype).eps) * float(abs(a).max())
        difference = float(abs(a - b).max())
        if not difference <= allowed:
            raise DisagreementError(
                f"{name}: {field} differs from ours by {difference:.3g}, where {allowed:.3g} is rounding: the two have "
                f"not computed the same stage"
            )
