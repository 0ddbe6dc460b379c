"""Errors that end in one sentence on the terminal, never in a traceback.

A message names the case or key, what it is, what was expected, and what to do next.
"""

from collections.abc import Iterable

EXIT_OK = 0
EXIT_REGRESSION = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3
EXIT_FAILED = 4
EXIT_NOT_COMPARABLE = 5
EXIT_INTERRUPTED = 130

# A worker's own exit status when the result directory cannot be written (EX_IOERR of sysexits.h).
EXIT_CANNOT_WRITE = 74


class ClustermarkError(Exception):
    """A problem that the user can mend; `exit_code` is what the command line returns."""

    exit_code = EXIT_FAILED


class UsageError(ClustermarkError):
    """Bad input: an unknown key, a value of the wrong kind, a file that is not there."""

    exit_code = EXIT_USAGE


class StoreError(ClustermarkError):
    """A result file or journal that cannot be written or read."""

    exit_code = EXIT_FAILED


class ResultFileError(UsageError):
    """A file given as a result that is not a readable clustermark result."""


class LaunchError(ClustermarkError):
    """An MPI launch that could not be started or was not what was asked for."""

    exit_code = EXIT_USAGE


class DeviceError(ClustermarkError):
    """A GPU that cannot be used, was lost, or has too little memory."""

    exit_code = EXIT_FAILED


def plain(text: str, most: int = 60) -> str:
    """Foreign text as part of a sentence: one line, no control or direction characters, at most `most` long."""
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return shown if shown.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)


def nearest(name: str, known: Iterable[str]) -> str:
    """``" (did you mean 'gemm'?)"``, or the list of known names when nothing is close.

    Parameters
    ----------
    name : what was given
    known : the names that would have been right

    Returns
    -------
    str : text to append to an error sentence; empty if nothing is known
    """
    import difflib

    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f" (did you mean '{close[0]}'?)"
    return f" (known: {', '.join(names)})" if names else ""
