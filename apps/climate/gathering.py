"""Fields of all ranks on rank 0, and from rank 0 to all: evolved cells of both panels, without halos."""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.apps.climate.decomposition import PANELS, Domain, evolved
from clustermark.apps.climate.layout import Array

_GATHER_TAG = 11
_SCATTER_TAG = 12


def gather(domain: Domain, array: Array, comm: Any) -> Array | None:
    """The evolved cells of every block on rank 0; None elsewhere. Collective.

    Parameters
    ----------
    array : (blocks, [levels,] rows, pitch), any dtype, as all ranks have it
    comm : mpi4py communicator, or None for one rank

    Returns
    -------
    whole : (2, [levels,] rows, columns) of the panels
    """
    own = np.ascontiguousarray(evolved(array, domain.blocks[0].columns))
    if domain.rank != 0:
        comm.Send(own, 0, _GATHER_TAG)
        return None
    levels = array.shape[1:-2]
    whole = np.empty((PANELS, *levels, domain.grid.rows, domain.grid.columns), array.dtype)
    for rank in range(domain.ranks):
        if rank == 0:
            part = own
        else:
            part = np.empty(_part_shape(domain, rank, levels), array.dtype)
            comm.Recv(part, rank, _GATHER_TAG)
        _place(domain, rank, whole, part, into_whole=True)
    return whole


def scatter(domain: Domain, whole: Array | None, array: Array, comm: Any) -> None:
    """The evolved cells of every block from rank 0; halos are left as they are. Collective.

    Parameters
    ----------
    whole : (2, [levels,] rows, columns) on rank 0; not looked at elsewhere
    array : (blocks, [levels,] rows, pitch), whose evolved cells are set; its dtype is taken on
    comm : mpi4py communicator, or None for one rank
    """
    levels = array.shape[1:-2]
    own = evolved(array, domain.blocks[0].columns)
    if domain.rank != 0:
        part = np.empty(own.shape, array.dtype)
        comm.Recv(part, 0, _SCATTER_TAG)
        own[...] = part
        return
    assert whole is not None
    for rank in range(domain.ranks):
        part = np.empty(_part_shape(domain, rank, levels), array.dtype)
        _place(domain, rank, whole, part, into_whole=False)
        if rank == 0:
            own[...] = part
        else:
            comm.Send(part, rank, _SCATTER_TAG)


def _part_shape(domain: Domain, rank: int, levels: tuple[int, ...]) -> tuple[int, ...]:
    blocks = domain.blocks_of(rank)
    return len(blocks), *levels, blocks[0].rows, blocks[0].columns


def _place(domain: Domain, rank: int, whole: Array, part: Array, into_whole: bool) -> None:
    """Copy a rank's part into the whole, or out of it."""
    for slot, block in enumerate(domain.blocks_of(rank)):
        rows = slice(block.first_row, block.first_row + block.rows)
        columns = slice(block.first_column, block.first_column + block.columns)
        if into_whole:
            whole[block.panel, ..., rows, columns] = part[slot]
        else:
            part[slot] = whole[block.panel, ..., rows, columns]
