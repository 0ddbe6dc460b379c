"""What a run says while it runs: lines above a progress bar, and why nothing happens for so long."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

# A start that takes longer is told to be compiling.
COMPILING_SECONDS = 4.0


def say(text: str, bar: bool = False) -> None:
    """A line on stdout, above a progress bar; where the reader of a pipe has gone the run goes on in silence."""
    try:
        if bar:
            from tqdm import tqdm

            tqdm.write(text, file=sys.stdout)
        else:
            print(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def compiling_note(program: str, talks: bool) -> Iterator[None]:
    """Says on stderr what takes so long, where it does: kernels are compiled once per machine and precision."""
    text = f"{program}: compiling kernels, once per machine and precision (up to a minute)"
    timer = threading.Timer(COMPILING_SECONDS, lambda: print(text, file=sys.stderr, flush=True))
    timer.daemon = True
    if talks:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
