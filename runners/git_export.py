"""A commit of a clone as a folder of files."""

from __future__ import annotations

import io
import secrets
import shutil
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

from clustermark.core.errors import UsageError, plain

GIT_SECONDS = 120.0


def git(folder: Path, *words: str) -> str:
    """Output of git, "" where it fails. Raises UsageError where there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], check=False, capture_output=True, text=True, timeout=GIT_SECONDS
        )
    except FileNotFoundError:
        raise UsageError("git: is not installed; install it, or give a wheel or an environment") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"git {words[0]}: does not run ({error}); mend that first") from error
    return done.stdout if done.returncode == 0 else ""


def extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Extract what git packed; Python before 3.11.4 knows no filters, and gets the names looked at here.

    Raises tarfile.TarError for a name that leads out of the folder.
    """
    if hasattr(tarfile, "tar_filter"):
        archive.extractall(folder, filter="tar")
        return
    for member in archive.getmembers():
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise tarfile.TarError(f"{plain(member.name)} leads out of the folder")
    archive.extractall(folder)


def export(top: Path, commit: str, folder: Path) -> None:
    """The files of a commit as a folder, whole or absent. Raises UsageError."""
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    try:
        done = subprocess.run(
            ["git", "-C", str(top), "archive", "--format=tar", commit],
            check=True,
            capture_output=True,
            timeout=GIT_SECONDS,
        )
        partial.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            extract(archive, partial)
        partial.rename(folder)
    except (OSError, subprocess.SubprocessError, tarfile.TarError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        if not folder.is_dir():  # another check may have made it meanwhile
            raise UsageError(
                f"{folder}: commit {commit[:9]} cannot be exported ({error}); free space, or mend the clone"
            ) from error
