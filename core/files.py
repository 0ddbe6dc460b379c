"""Files that are whole or absent: temporary name, fsync, rename, fsync of the folder."""

import contextlib
import os
import secrets
from pathlib import Path

from clustermark.core.errors import StoreError


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; `os.write` may write fewer when the disk or a quota is nearly full. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that a rename inside it survives a crash; ignored where folders cannot be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def atomic_write(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, or leave it as it was.

    Raises
    ------
    StoreError : the disk is full, the quota is used up, the folder is not writable
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException as error:  # a signal's exception, too, must leave no temporary file
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise cannot_write(path, error) from error
        raise
    sync_folder(path.parent)


def cannot_write(path: Path, error: OSError) -> StoreError:
    """The sentence for a failed write: which file, why, what to do."""
    return StoreError(
        f"{path}: cannot be written ({error.strerror or error}); nothing that was finished is lost: "
        f"free space or mend the permission, then continue with `clustermark run --resume`"
    )
