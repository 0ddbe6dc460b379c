"""cvt: between integers and floats, with rounding and saturation (PTX ISA, 9.7.9 "cvt")."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ptx.exact import add_to_odd, directed, flushed, narrowed
from ptx.formats import Format

TO_INTEGRAL = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}


def convert(values: np.ndarray, source: Format, target: Format, modifiers: tuple[str, ...]) -> np.ndarray:
    """Values of one type as values of another.

    Parameters
    ----------
    modifiers : "rn", "rz", "rm", "rp" where the target is a narrower float; "rni" … to whole numbers; "sat"; "ftz"
    """
    with np.errstate(all="ignore"):
        if source.kind == "f":
            if "ftz" in modifiers and source.bits == 32:
                values = flushed(values)
            for name, rounding in TO_INTEGRAL.items():
                if name in modifiers:
                    values = rounding(values)
            result = _from_float(values, target, modifiers)
        else:
            result = _from_integer(values, target, modifiers)
        if "ftz" in modifiers and target.kind == "f" and target.bits == 32:
            result = flushed(result)
        return result


def _mode(modifiers: tuple[str, ...]) -> str:
    return next((mode for mode in ("rz", "rm", "rp") if mode in modifiers), "rn")


def _from_float(values: np.ndarray, target: Format, modifiers: tuple[str, ...]) -> np.ndarray:
    if target.kind == "f":
        if target.bits < 8 * values.dtype.itemsize:
            wide = values.astype(np.float64)
            values = narrowed(add_to_odd(wide, np.zeros_like(wide)), target.values, _mode(modifiers))
        values = values.astype(target.values)
        if "sat" in modifiers:
            values = np.where(np.isnan(values), 0, np.clip(values, 0, 1)).astype(target.values)
        return values
    signed = target.kind == "s"
    lowest = -(2 ** (target.bits - 1)) if signed else 0
    highest = 2 ** (target.bits - 1) - 1 if signed else target.mask
    wide = np.trunc(np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf))
    above, below = wide >= float(highest) + (target.bits < 64), wide < lowest
    above |= wide >= 2.0 ** (target.bits - signed)
    inside = np.where(above | below, 0.0, wide).astype(target.values)
    return np.where(above, highest, np.where(below, lowest, inside)).astype(target.values)


def _from_integer(values: np.ndarray, target: Format, modifiers: tuple[str, ...]) -> np.ndarray:
    if target.kind != "f":
        if "sat" not in modifiers:
            return values.astype(target.values)
        limits = np.iinfo(target.values)
        objects = np.array([min(max(int(v), int(limits.min)), int(limits.max)) for v in values], object)
        return objects.astype(target.values)
    mode = _mode(modifiers)
    if target.bits == 16:
        wide = values.astype(np.float64)  # rounds above 2^53 only, far beyond the largest float16
        return narrowed(wide, target.values, mode)
    rounded = values.astype(target.values)
    if mode == "rn":
        return rounded
    exact = [(Fraction(int(v)), Fraction(float(r))) for v, r in zip(values, rounded, strict=True)]
    return directed(rounded, np.array([float(v > r) - float(v < r) for v, r in exact]), mode)
