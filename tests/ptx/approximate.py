"""The fast approximations of the GPU, with an error as large as PTX allows them (PTX ISA, 9.7.3).

What a GPU returns is not specified bit by bit, only bounded. Here each argument gets an error of its own within the
bound, always the same one: a result that passes under it does not rest on approximations being better than promised.
But for one thing: ex2 is exact for whole numbers, which NVIDIA's own library of float64 functions rests on.

float64 has gross approximations (.ftz), of the upper 32 bits of the argument, in the upper 32 bits of the result; and
rsqrt.approx.f64, which the assembler makes a sequence of, good to a unit in the last place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ptx.exact import flushed

_HALF_UNIT = 2.0**-24


@dataclass(frozen=True)
class Approximation:
    """One function.

    Attributes
    ----------
    exact : in float64
    relative, absolute : bounds on the error that is added before the result is rounded to its type
    """

    exact: Callable[..., np.ndarray]
    relative: float
    absolute: float = 0.0


def _reciprocal(x: np.ndarray) -> np.ndarray:
    return 1 / x


def _reciprocal_root(x: np.ndarray) -> np.ndarray:
    return 1 / np.sqrt(x)


# Units in the last place less the half unit of the rounding: rcp 1 unit, div 2, sqrt and ex2 2^-23 and 2 units,
# rsqrt 2^-22.9, lg2 2^-22, sin and cos 2^-20.5 absolute, tanh 2^-11.
FLOAT32: dict[str, Approximation] = {
    "rcp": Approximation(_reciprocal, _HALF_UNIT),
    "div": Approximation(np.divide, 3 * _HALF_UNIT),
    "sqrt": Approximation(np.sqrt, _HALF_UNIT),
    "rsqrt": Approximation(_reciprocal_root, _HALF_UNIT),
    "ex2": Approximation(np.exp2, 3 * _HALF_UNIT),
    "lg2": Approximation(np.log2, 3 * _HALF_UNIT, 2.0**-23),
    "sin": Approximation(np.sin, 0.0, 2.0**-21),
    "cos": Approximation(np.cos, 0.0, 2.0**-21),
    "tanh": Approximation(np.tanh, 2.0**-12),
}
FLOAT64: dict[str, Approximation] = {
    "rcp": Approximation(_reciprocal, 0.0),
    "rsqrt": Approximation(_reciprocal_root, 2.0**-53),
}
_UPPER_HALF = np.uint64(0xFFFFFFFF00000000)


def error_of(bits: np.ndarray) -> np.ndarray:
    """A number from −1 to 1 for the bits of an argument, always the same one, without a pattern."""
    mixed = bits.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1


def gross(name: str, argument: np.ndarray) -> np.ndarray:
    """rcp.approx.ftz.f64 and rsqrt.approx.ftz.f64: 20 bits behind the point."""
    with np.errstate(all="ignore"):
        upper = (np.ascontiguousarray(argument).view(np.uint64) & _UPPER_HALF).view(np.float64)
        upper = np.where(np.isnan(argument), argument, flushed(upper))
        exact = flushed(FLOAT64[name].exact(upper))
        cut = (np.ascontiguousarray(exact).view(np.uint64) & _UPPER_HALF).view(np.float64)
        return np.where(np.isnan(exact), exact, cut)


def approximate(name: str, arguments: list[np.ndarray]) -> np.ndarray:
    """The function `name` of PTX of float32 or float64 arguments, with its error; special values are exact."""
    dtype = arguments[0].dtype
    form = (FLOAT32 if dtype != np.float64 else FLOAT64)[name]
    with np.errstate(all="ignore"):
        exact = np.asarray(form.exact(*(argument.astype(np.float64) for argument in arguments)))
        bits = sum(
            np.ascontiguousarray(argument).view(f"u{dtype.itemsize}").astype(np.uint64) * np.uint64(2 * place + 1)
            for place, argument in enumerate(arguments)
        )
        error = error_of(np.asarray(bits))
        value = exact * (1 + form.relative * error) + form.absolute * error
        known = ~np.isfinite(exact) | (exact == 0)
        if name == "ex2":
            known |= arguments[0] == np.rint(arguments[0])
        return np.where(known, exact, value).astype(dtype)
