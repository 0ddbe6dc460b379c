"""Ranks on a periodic Cartesian grid: its shape and each rank's neighbours, without a communicator."""

from __future__ import annotations


def balanced_shape(ranks: int, dimensions: int) -> tuple[int, ...]:
    """Extents whose product is `ranks`, as equal as can be, the largest first (as MPI_Dims_create)."""
    if dimensions == 1:
        return (ranks,)
    shapes = [
        (extent, *balanced_shape(ranks // extent, dimensions - 1))
        for extent in range(1, ranks + 1)
        if ranks % extent == 0
    ]
    return min((tuple(sorted(shape, reverse=True)) for shape in shapes), key=lambda shape: (max(shape), -min(shape)))


def place_of(rank: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Coordinates of a rank; the last axis runs fastest."""
    place = []
    for extent in reversed(shape):
        rank, coordinate = divmod(rank, extent)
        place.append(coordinate)
    return tuple(reversed(place))


def rank_at(place: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """The rank at coordinates, which may lie outside: the grid is periodic."""
    rank = 0
    for coordinate, extent in zip(place, shape, strict=True):
        rank = rank * extent + coordinate % extent
    return rank


def neighbours(rank: int, shape: tuple[int, ...], axis: int) -> tuple[int, int]:
    """The ranks before and after along an axis."""
    place = place_of(rank, shape)

    def beside(step: int) -> int:
        return rank_at((*place[:axis], place[axis] + step, *place[axis + 1 :]), shape)

    return beside(-1), beside(1)
