"""Child processes that end: asked with a time-out, ended with all of their session, tied to their parent's life."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

END_SECONDS = 3.0
_PR_SET_PDEATHSIG = 1

# Launchers end with advice and exit codes; what went wrong stands in a line such as these.
_TELLING = re.compile(r"error|abort|fatal|fail|cannot|could not|not found|no such|refuse|denied", re.I)
# The last line of a stack that Open MPI prints of a crash.
_NOT_TELLING = "End of error message"
# What a shell and mpirun add to the number of the signal that ended a program.
_SIGNALLED = 128


@dataclass(frozen=True)
class Ended:
    """How a child ended, and what it wrote.

    Attributes
    ----------
    status : exit status; negative for a signal; None if it could not be started or had to be killed
    stdout, stderr : up to 1 MiB each
    why : end of a sentence where `status` is None
    """

    status: int | None
    stdout: str = ""
    stderr: str = ""
    why: str = ""

    def documents(self) -> list[dict[str, Any]]:
        """The JSON objects among the lines of stdout: one per rank that could print its own."""
        found = []
        for line in self.stdout.splitlines():
            try:
                data = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(data, dict):
                found.append(data)
        return found

    def complaint(self) -> str:
        """Exit status and the most telling line of stderr, as the end of a sentence."""
        lines = [line.strip() for line in self.stderr.splitlines() if any(c.isalnum() for c in line)]
        telling = [line for line in lines if _TELLING.search(line) and _NOT_TELLING not in line] or lines
        said = f", saying: {telling[-1][:200]}" if telling else ""
        if self.status is None:
            return f"{self.why}{said}"
        if self.status < 0:
            return f"was killed by {signal_name(-self.status)}{said}"
        signalled = self.status - _SIGNALLED
        meaning = f", {signal_name(signalled)}" if signalled in signal.valid_signals() else ""
        return f"ended with exit status {self.status}{meaning}{said}"


# (argv, environment, timeout in seconds) -> Ended; tests put their own in its place.
Ask = Callable[[Sequence[str], Mapping[str, str], float], Ended]


def signal_name(number: int) -> str:
    """``9`` → ``"signal 9 (SIGKILL)"``."""
    known = number in signal.valid_signals()
    return f"signal {number} ({signal.Signals(number).name})" if known else f"signal {number}"


def ask(argv: Sequence[str], environment: Mapping[str, str], timeout: float, folder: Path | None = None) -> Ended:
    """Run a program in a folder to its end, or end it and all of its session after `timeout` seconds.

    Files take its output: a pipe would stay open as long as any stray grandchild lives.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            return Ended(None, why=f"cannot be started ({error.strerror or error})")
        status = None
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if status is None:
                end(process)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(1 << 20).decode("utf-8", errors="replace"))
        return Ended(status, *texts, why="" if status is not None else f"did not end within {timeout:g} s")


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the session of a child that lives, and SIGKILL to what is left of it; ranks die with their parent."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(END_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def die_with_parent(signal_number: int = signal.SIGKILL) -> None:
    """Ask Linux to send this process a signal when its parent ends; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def probe_arguments(*words: str) -> list[str]:
    """The argv that runs runners.probe in a process of its own."""
    return [sys.executable, "-m", "clustermark.runners.probe", *words]
