"""The journal of a run: one JSON line per event, each on the disk before the next begins.

Events: `environment`, `start`, `done`, `retry`, `interrupted`, `scheduler`. A kill can tear only the last line, which
is then ignored; whatever a torn line announced is simply not done.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clustermark.core.errors import StoreError
from clustermark.core.files import cannot_write, sync_folder, write_all

Event = dict[str, Any]


class Journal:
    """Append-only writer; `append` returns when the line is on the disk."""

    def __init__(self, path: Path) -> None:
        """Open for appending; raises StoreError."""
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise cannot_write(path, error) from error
        sync_folder(path.parent)

    def append(self, event: Mapping[str, Any]) -> None:
        """Write one line and fsync; on failure the file is cut back to what it was. Raises StoreError."""
        line = (json.dumps(event, separators=(",", ":")) + "\n").encode()
        with _alone(self._descriptor):
            before = None
            try:
                before = os.fstat(self._descriptor).st_size
                write_all(self._descriptor, self._end_of_torn_line(before) + line)
                os.fsync(self._descriptor)
            except BaseException as error:
                if before is not None:
                    with contextlib.suppress(OSError):
                        os.ftruncate(self._descriptor, before)
                if isinstance(error, OSError):
                    raise cannot_write(self.path, error) from error
                raise

    def _end_of_torn_line(self, size: int) -> bytes:
        """A newline if the file ends inside a line: launcher and rank 0 both append, and either may be killed."""
        return b"\n" if size and os.pread(self._descriptor, 1, size - 1) != b"\n" else b""

    def close(self) -> None:
        """Close the file; `append` must not be called again."""
        os.close(self._descriptor)


@contextlib.contextmanager
def _alone(descriptor: int) -> Iterator[None]:
    """Lock out the other writer for one line; a file system without locks goes unguarded."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def parse_events(text: bytes) -> list[Event]:
    """The events of whole lines, in order; torn or foreign lines are passed over."""
    events: list[Event] = []
    for line in text.split(b"\n")[:-1]:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            events.append(event)
    return events


def read_journal(path: Path) -> list[Event]:
    """Every event on the disk; an absent journal has none. Raises StoreError if it cannot be read."""
    try:
        return parse_events(path.read_bytes())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}); check the disk and the permission") from error


class JournalReader:
    """Follows a journal that another process writes."""

    def __init__(self, path: Path, offset: int = 0) -> None:
        """Start reading at a byte offset."""
        self.path = path
        self.offset = offset

    def new_events(self) -> list[Event]:
        """Events whose lines were completed since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                text = file.read()
        except OSError:
            return []
        whole = text.rfind(b"\n") + 1
        self.offset += whole
        return parse_events(text[:whole])
