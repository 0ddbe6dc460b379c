"""Files of a run: HDF5 images that are whole or absent, and what a damaged one makes of itself: one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from clustermark.core.errors import ClustermarkError, StoreError, UsageError, plain

T = TypeVar("T")


def write_file(path: Path, data: bytes) -> None:
    """Replace a file by `data`, or leave it as it was. Raises StoreError with what to do."""
    from clustermark.core.files import atomic_write

    try:
        atomic_write(path, data)
    except StoreError as error:
        raise cannot_write(path, error.__cause__ or error) from error


def write_image(path: Path, fill: Callable[[Any], None]) -> None:
    """A sealed HDF5 file that `fill` fills, whole or absent. Raises StoreError."""
    from clustermark.core.store import image

    try:
        data = image(fill)
    except (OSError, RuntimeError, ValueError, MemoryError) as error:  # HDF5's own failures, before any disk is touched
        raise cannot_write(path, error) from error
    write_file(path, data)


def cannot_write(path: Path, error: BaseException) -> StoreError:
    """The sentence for a failed write: which file, why, what to do."""
    reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
    return StoreError(
        f"{plain(str(path), 200)}: cannot be written ({plain(str(reason), 80)}); what was written before stays: "
        f"free space or mend the permission, then go on from the last restart file"
    )


def prepare_folder(folder: Path, names: list[str], overwrite: bool) -> None:
    """Make the output folder and see that no file of an earlier run is in the way.

    Raises
    ------
    UsageError : a file exists and `overwrite` is false, or the folder cannot be made
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--output {plain(str(folder), 200)}: cannot be made ({error.strerror}); name another folder"
        ) from None
    for name in names:
        path = folder / name
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(f"{plain(str(path), 200)}: is a folder or stands in none; give the output another name")
        if path.exists() and not overwrite:
            raise UsageError(
                f"{plain(str(path), 200)}: exists already; choose another folder with --output, or add --overwrite"
            )


def damaged(path: Path, what: str, read: Callable[[], T]) -> T:
    """Run a read; whatever a damaged file makes h5py or the parsers raise becomes one UsageError."""
    try:
        return read()
    except ClustermarkError:
        raise
    except FileNotFoundError:
        raise UsageError(f"{plain(str(path), 200)}: is not there; give a {what}") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{plain(str(path), 200)}: cannot be read ({plain(reason, 80)}); give a {what}") from None
    except Exception as error:  # whatever it is, the file is to blame and the user needs the file's name
        raise UsageError(
            f"{plain(str(path), 200)}: is no {what} or damaged ({type(error).__name__}: {plain(str(error), 80)}); "
            f"give a whole one"
        ) from error


def opened_image(path: Path) -> Any:
    """A sealed HDF5 file, read whole and opened in memory. Raises OSError or ValueError; use inside `damaged`."""
    import h5py

    from clustermark.core.seal import unsealed

    return h5py.File(h5py.h5f.open_file_image(unsealed(path.read_bytes())))
