"""How a vector is cut among ranks: equal parts, the first ranks one element longer where it does not divide."""

from __future__ import annotations


def part_counts(count: int, ranks: int) -> list[int]:
    """Elements of each rank's part of `count` elements; they differ by one at most."""
    least, longer = divmod(count, ranks)
    return [least + (rank < longer) for rank in range(ranks)]


def part_starts(count: int, ranks: int) -> list[int]:
    """First element of each rank's part."""
    least, longer = divmod(count, ranks)
    return [rank * least + min(rank, longer) for rank in range(ranks)]


def part_of(count: int, ranks: int, rank: int) -> slice:
    """The elements of one rank's part."""
    start = part_starts(count, ranks)[rank]
    return slice(start, start + part_counts(count, ranks)[rank])
