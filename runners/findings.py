"""What `clustermark doctor` finds, one row per check, and how it asks a child process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warning", "problem", "absent"]
END_SECONDS = 3.0
STATUSES: tuple[Status, ...] = ("ok", "warning", "problem", "absent")

# Launchers end with advice and exit codes; what went wrong stands in a line such as these.
_TELLING = re.compile(r"error|abort|fatal|fail|cannot|could not|not found|no such|refuse|denied", re.I)


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes
    ----------
    name : what was looked at
    status : "ok"; "warning": runs work, but a figure or a fabric suffers; "problem": runs or reports do not
        work; "absent": something optional is not there, or could not be tried
    what : what was found, one sentence
    mend : the command or step that mends it, "" where there is nothing to mend
    """

    name: str
    status: Status
    what: str
    mend: str = ""

    def to_dict(self) -> dict[str, str]:
        """Plain JSON types."""
        return asdict(self)


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
        telling = [line for line in lines if _TELLING.search(line)] or lines
        said = f", saying: {telling[-1][:200]}" if telling else ""
        if self.status is None:
            return f"{self.why}{said}"
        if self.status < 0:
            return f"was killed by {_signal_name(-self.status)}{said}"
        return f"ended with exit status {self.status}{said}"


# (argv, environment, timeout in seconds) -> Ended; tests put their own in its place.
Ask = Callable[[Sequence[str], Mapping[str, str], float], Ended]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def ask(argv: Sequence[str], environment: Mapping[str, str], timeout: float) -> Ended:
    """Run a program to its end, or end it and all of its session after `timeout` seconds.

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
                _end(process)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(1 << 20).decode("utf-8", errors="replace"))
        return Ended(status, *texts, why="" if status is not None else f"did not end within {timeout:g} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the session, and SIGKILL to what is left of it; ranks die with their parent."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(END_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def probe_arguments(*words: str) -> list[str]:
    """The argv that runs runners.probe in a process of its own."""
    return [sys.executable, "-m", "clustermark.runners.probe", *words]
