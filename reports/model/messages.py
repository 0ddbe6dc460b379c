"""Time of one message against its size: Hockney's t(n) = α + n/β, piece by piece (eager, rendezvous, …)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustermark.reports.fit import LEAST_SIZES, HockneyFit, fit_hockney

MOST_PIECES = 3
# Errors below this are the measurement's, not the model's: no piece is added for them.
_FLOOR = 5e-3


@dataclass(frozen=True)
class Piece:
    """Hockney's line up to a size.

    Attributes
    ----------
    up_to : [B] largest size that it holds for, infinite for the last piece
    fit : its parameters
    """

    up_to: float
    fit: HockneyFit


@dataclass(frozen=True)
class MessageModel:
    """Pieces in order of size; `error` is the largest |fit - measured| ÷ measured over the points."""

    pieces: tuple[Piece, ...]
    error: float

    def seconds(self, size: float) -> float:
        """Modelled time of a message of `size` bytes, [s]."""
        return self.piece(size).fit.seconds(size)

    def piece(self, size: float) -> Piece:
        """The piece that holds for a size."""
        return next(piece for piece in self.pieces if size <= piece.up_to)


def fit_messages(sizes: Sequence[float], seconds: Sequence[float]) -> MessageModel | None:
    """Hockney's lines through one to three runs of neighbouring sizes, as many as Akaike's corrected criterion keeps.

    Parameters
    ----------
    sizes : [B] positive, any order, one value each
    seconds : [s] time of one message of each

    Returns
    -------
    MessageModel | None : None with fewer than three sizes
    """
    order = np.argsort(sizes)
    n, t = [float(sizes[i]) for i in order], [float(seconds[i]) for i in order]
    if len(set(n)) < LEAST_SIZES:
        return None
    candidates = [_fitted(n, t, cuts) for count in range(1, MOST_PIECES + 1) for cuts in _cuts(len(n), count)]
    return min((model for model in candidates if model is not None), key=lambda model: _criterion(model, n, t))


def _cuts(points: int, pieces: int) -> list[tuple[int, ...]]:
    """All ways to cut `points` neighbours into runs of at least three: indices where a run begins, after the first."""
    if pieces == 1:
        return [()]
    found = []
    for first in range(LEAST_SIZES, points - LEAST_SIZES * (pieces - 1) + 1):
        found += [(first, *(first + cut for cut in rest)) for rest in _cuts(points - first, pieces - 1)]
    return found


def _fitted(n: Sequence[float], t: Sequence[float], cuts: tuple[int, ...]) -> MessageModel | None:
    edges = (0, *cuts, len(n))
    pieces = []
    for begin, end in itertools.pairwise(edges):
        fit = fit_hockney(n[begin:end], t[begin:end])
        if fit is None:
            return None
        pieces.append(Piece(math.inf if end == len(n) else math.sqrt(n[end - 1] * n[end]), fit))
    return MessageModel(tuple(pieces), max(piece.fit.max_relative_error for piece in pieces))


def _criterion(model: MessageModel, n: Sequence[float], t: Sequence[float]) -> float:
    """AICc of the relative errors, with three numbers a piece (α, β, where it ends)."""
    errors = [(model.seconds(size) - seconds) / seconds for size, seconds in zip(n, t, strict=True)]
    square = sum(error * error for error in errors) / len(n) + _FLOOR**2
    numbers = 3 * len(model.pieces) - 1
    room = len(n) - numbers - 1
    return len(n) * math.log(square) + 2 * numbers + (2 * numbers * (numbers + 1) / room if room > 0 else math.inf)
