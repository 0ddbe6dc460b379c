"""The ranks of a run: how they begin, agree on an error, and leave together."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from clustermark.core.errors import EXIT_FAILED, EXIT_INTERRUPTED, ClustermarkError, LaunchError
from clustermark.transports.world import World, initialised_mpi, inside_launch

T = TypeVar("T")

# mpirun ends every rank at the first bad exit status: the silent ranks leave rank 0 the time to say why.
SILENT_SECONDS = 1.0
# How long a rank with an error waits for the others to come with theirs before it ends the launch; rank 0 may have
# a large file to close first.
PATIENCE_SECONDS = 30.0
# MPICH's mpirun drops what it has not yet passed on when a rank aborts: the sentence is given time to come out.
FORWARDING_SECONDS = 0.5


def world() -> World:
    """The launch that this process stands in; one rank without MPI where there is none."""
    return inside_launch(os.environ) or World("", 0, 1)


def on_root(comm: Any, action: Callable[[], T]) -> T | None:
    """Run `action` on rank 0 only; its ClustermarkError is raised on every rank. Returns None elsewhere."""
    if comm is None:
        return action()
    result, error = None, None
    if comm.rank == 0:
        try:
            result = action()
        except ClustermarkError as raised:
            error = raised
    error = comm.bcast(error, 0)
    if error is not None:
        raise error
    return result


def shared(comm: Any, action: Callable[[], T]) -> T:
    """Run `action` on rank 0 and hand its result, or its ClustermarkError, to every rank."""
    result: Any = on_root(comm, action)
    return result if comm is None else comm.bcast(result, 0)


def together(place: World, work: Callable[[Any], int], program: str, mpi: bool = False) -> int:
    """Start MPI where there is more than one rank, work, and leave with every rank or end the launch.

    Parameters
    ----------
    place : this process in its launch
    work : gets a communicator, or None for a single rank; returns the exit code
    program : its name, before every message on stderr
    mpi : start MPI even where the launch does not show itself in the environment, as under some `srun`

    Returns
    -------
    int : what `work` returned; on a ClustermarkError, which only one rank tells, its exit code

    A ClustermarkError that not every rank has, and any other exception, end all ranks.
    """
    if place.size == 1 and not mpi:
        return _said(lambda: work(None), program)
    MPI = initialised_mpi()
    comm, farewell = MPI.COMM_WORLD, MPI.COMM_WORLD.Dup()
    try:
        if place.size not in (1, comm.size):
            raise LaunchError(
                f"the launch has {place.size} ranks and MPI sees {comm.size}: launcher and MPI library differ; "
                f"`clustermark doctor` shows both"
            )
        code = work(comm if comm.size > 1 else None)
    except ClustermarkError as error:
        code = error.exit_code
        alone = not _all_arrive(farewell)
        if comm.rank == 0 or alone:
            print(f"{program}: {error}", file=sys.stderr, flush=True)
        if alone:
            time.sleep(FORWARDING_SECONDS)
            comm.Abort(code)
        if comm.rank != 0:
            time.sleep(SILENT_SECONDS)
    except KeyboardInterrupt:
        comm.Abort(EXIT_INTERRUPTED)
        raise
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        time.sleep(FORWARDING_SECONDS)
        comm.Abort(EXIT_FAILED)
        raise
    MPI.Finalize()
    return code


def say_before_mpi(place: World, error: ClustermarkError, program: str) -> int:
    """Tell an error that every rank has found for itself, before MPI begins; returns the exit code."""
    if place.rank == 0:
        print(f"{program}: {error}", file=sys.stderr, flush=True)
    else:
        time.sleep(SILENT_SECONDS)
    return error.exit_code


def _said(work: Callable[[], int], program: str) -> int:
    try:
        return work()
    except ClustermarkError as error:
        print(f"{program}: {error}", file=sys.stderr, flush=True)
        return error.exit_code


def _all_arrive(farewell: Any) -> bool:
    """Whether every rank comes here within the patience: then all share the error and can leave cleanly."""
    request = farewell.Ibarrier()
    end = time.monotonic() + PATIENCE_SECONDS
    while not request.Test():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
