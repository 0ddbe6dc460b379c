"""The process of one side of a check: started once, asked again and again, asleep in between."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from clustermark.core.errors import EXIT_USAGE, ClustermarkError, plain
from clustermark.runners.children import die_with_parent, end
from clustermark.runners.sides import Side

Progress = Callable[[str], None]
SCRIPT = Path(__file__).with_name("side.py")


class SideError(ClustermarkError):
    """A side that cannot do what it was asked; its exit code is the side's own."""

    def __init__(self, text: str, exit_code: int) -> None:
        """As the side said it."""
        super().__init__(text)
        self.exit_code = exit_code


class SideProcess:
    """A side's server (runners/side.py); use as a context manager."""

    def __init__(self, side: Side, log: Path) -> None:
        """Start it; `log` takes what it says to stderr. Raises SideError."""
        self.side = side
        self.log = log
        self._file: IO[bytes] = log.open("ab")
        try:
            self.process = subprocess.Popen(
                [side.python, "-P", str(SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._file,
                env=side.environment(os.environ),
                cwd=log.parent,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
            )
        except OSError as error:
            self._file.close()
            raise SideError(f"{self.named}: cannot be started ({error.strerror}); name another", EXIT_USAGE) from error
        try:
            self.version = str(self._reply()["ready"])
        except BaseException:
            self.close()
            raise

    @property
    def named(self) -> str:
        """``"baseline (git 418de6f (HEAD~1))"``."""
        return f"{self.side.name} ({self.side.what})"

    def ask(self, request: Mapping[str, Any], progress: Progress = lambda text: None) -> dict[str, Any]:
        """The answer to a request of runners/side.py; each case that ends meanwhile goes to `progress`.

        Raises SideError.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write((json.dumps(request) + "\n").encode())
            self.process.stdin.flush()
        except OSError:
            raise SideError(self._ended(), EXIT_USAGE) from None
        while True:
            reply = self._reply()
            if "answer" in reply:
                return reply["answer"]
            if "error" in reply:
                raise SideError(f"{self.named}: {reply['error']}", int(reply["exit"]))
            reason = f": {reply['reason']}" if reply["reason"] else ""
            progress(f"{reply['case']} {reply['status']}{reason}")

    def _reply(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        try:
            return json.loads(line)
        except ValueError:
            raise SideError(self._ended(), EXIT_USAGE) from None

    def _ended(self) -> str:
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        said = plain(lines[-1], 200) if lines else "without a word"
        return f"{self.named}: its Python ended ({said}); give an environment that has what it needs [log: {self.log}]"

    def close(self) -> None:
        """End it: it leaves when its stdin ends, and is made to where it does not."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # it may have ended already
                    pipe.close()
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            end(self.process)
        self._file.close()

    def __enter__(self) -> SideProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
