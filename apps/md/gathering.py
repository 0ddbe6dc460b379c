"""Atoms from rank 0 to the bricks, and back in the order of their ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clustermark.apps.md.bricks import Bricks
from clustermark.apps.md.model import Atoms, Integers
from clustermark.apps.md.setup import Setup
from clustermark.apps.md.staging import Staging
from clustermark.core.errors import ClustermarkError, UsageError

Array = np.ndarray


class Ranks:
    """What the ranks of a run agree on; one rank without MPI where there is no communicator."""

    def __init__(self, comm: Any) -> None:
        """`comm` is an mpi4py communicator or None."""
        self.comm = comm
        self.rank, self.size = (comm.rank, comm.size) if comm is not None else (0, 1)
        self._one = np.empty(1)

    def total(self, value: float) -> float:
        """Sum over ranks, the same bits on all of them: mpi4py reduces objects on rank 0 and sends the result."""
        return float(self.comm.allreduce(value)) if self.comm is not None else float(value)

    def maximum(self, value: float) -> float:
        """Largest over ranks."""
        if self.comm is None:
            return value
        from mpi4py import MPI

        self._one[0] = value
        self.comm.Allreduce(MPI.IN_PLACE, self._one, MPI.MAX)
        return float(self._one[0])

    def share(self, value: Any) -> Any:
        """Rank 0's value on every rank."""
        return self.comm.bcast(value, 0) if self.comm is not None else value

    def together(self, action: Callable[[], object]) -> None:
        """Run `action` on every rank; the first ClustermarkError of any is raised on all."""
        error: ClustermarkError | None = None
        try:
            action()
        except ClustermarkError as raised:
            error = raised
        errors = [error] if self.comm is None else self.comm.allgather(error)
        for found in errors:
            if found is not None:
                raise found


def distribute(setup: Setup, staging: Staging, bricks: Bricks, comm: Any) -> None:
    """Fill `staging` with this rank's atoms: its own of a restart, else those of rank 0 that lie in its brick."""
    if setup.state is not None:
        atoms = setup.state.atoms
        staging.set_atoms(atoms.positions, atoms.velocities, atoms.ids, atoms.types)
        return
    if comm is None:
        assert setup.atoms is not None
        _refuse_no_numbers(setup.atoms)
        staging.set_atoms(setup.atoms.positions, setup.atoms.velocities, setup.atoms.ids, setup.atoms.types)
        return
    parts: list[tuple[Array, ...]] | None = None
    if comm.rank == 0:
        assert setup.atoms is not None
        whole = Staging()
        whole.set_atoms(setup.atoms.positions, setup.atoms.velocities, setup.atoms.ids, setup.atoms.types)
        try:
            _refuse_no_numbers(setup.atoms)
            whole.wrap(bricks.box)
        except Exception as error:  # told to every rank, which all wait for their part
            comm.bcast(error, 0)
            raise
        comm.bcast(None, 0)
        count = whole.atoms
        owner = bricks.owners(whole.positions[:count])
        arrays = [a[:count] for a in (whole.positions, whole.velocities, whole.ids, whole.types)]
        parts = [tuple(a[owner == rank] for a in arrays) for rank in range(comm.size)]
    else:
        error = comm.bcast(None, 0)
        if error is not None:
            raise error
    staging.set_atoms(*_scattered(comm, parts))


def _refuse_no_numbers(atoms: Atoms) -> None:
    """UsageError that names the first atom whose position or velocity is not finite."""
    for name, values in (("position", atoms.positions), ("velocity", atoms.velocities)):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if bad.size:
            found = ", ".join(str(x) for x in values[bad[0]])
            raise UsageError(
                f"atom {atoms.ids[bad[0]]} has the {name} ({found}): expected three finite numbers; mend the input"
            )


def _scattered(comm: Any, parts: list[tuple[Array, ...]] | None) -> tuple[Array, ...]:
    """Part k to rank k, array by array: a pickled list of everything would be limited to 2 GiB."""
    if comm.rank != 0:
        count = comm.recv(None, 0, 0)
        received = (np.empty((count, 3)), np.empty((count, 3)), np.empty(count, np.int64), np.empty(count, np.int32))
        for array in received:
            comm.Recv(array, 0, 1)
        return received
    assert parts is not None
    for rank in range(1, comm.size):
        comm.send(len(parts[rank][2]), rank, 0)
        for array in parts[rank]:
            comm.Send(np.ascontiguousarray(array), rank, 1)
    return parts[0]


def gather_rows(comm: Any, ids: Integers, columns: tuple[Array, ...]) -> tuple[Integers, list[Array]] | None:
    """Rows of every rank on rank 0, sorted by id; None elsewhere. Collective.

    Parameters
    ----------
    ids : (n,) of this rank
    columns : arrays with n rows
    """
    if comm is None:
        order = np.argsort(ids, kind="stable")
        return ids[order], [column[order] for column in columns]
    gathered = [_gathered(comm, np.ascontiguousarray(array)) for array in (ids, *columns)]
    if comm.rank != 0:
        return None
    order = np.argsort(gathered[0], kind="stable")
    return gathered[0][order], [array[order] for array in gathered[1:]]


def _gathered(comm: Any, array: Array) -> Array:
    counts = comm.gather(len(array), 0)
    if comm.rank != 0:
        comm.Send(array, 0, 2)
        return array
    parts = [array]
    for rank in range(1, comm.size):
        part = np.empty((counts[rank], *array.shape[1:]), array.dtype)
        comm.Recv(part, rank, 2)
        parts.append(part)
    return np.concatenate(parts)
