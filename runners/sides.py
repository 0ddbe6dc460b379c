"""The two sides of a check: which clustermark, which Python, which settings.

A side is a git ref, a wheel, a Python environment, a source folder, or the version that asks; a ref is exported and
runs with this Python and its libraries where they suffice, which takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import clustermark
from clustermark.core.environment import git_state
from clustermark.core.errors import ClustermarkError, UsageError, plain
from clustermark.runners.git_export import export, git
from clustermark.runners.launcher import THREAD_VARIABLES
from clustermark.transports.fabrics import FABRICS

SETTABLE_AXES = ("fabric", "transport", "device", "threads")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
LONGEST = 1000


@dataclass(frozen=True)
class Side:
    """One side, ready to run.

    Attributes
    ----------
    name : "baseline" or "candidate"
    what : for people: "git 418de6f (HEAD~1)"
    kind : "git", "wheel", "python", "folder" or "here"
    python : interpreter
    path : put in front of PYTHONPATH; "" for none
    folder : where a command of the user runs
    variables : environment variables set on this side only
    axes : axes of the matrix replaced on this side only
    commit : of the source, "" where it is not known
    """

    name: str
    what: str
    kind: str
    python: str
    path: str
    folder: str
    variables: Mapping[str, str] = field(default_factory=dict)
    axes: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` takes it back."""
        return asdict(self) | {"variables": dict(self.variables), "axes": dict(self.axes)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Side:
        """The side that `to_dict` wrote. Raises UsageError."""
        try:
            return Side(**data)
        except TypeError:
            raise UsageError(
                "check.json: has a side that this clustermark does not know; start the check anew"
            ) from None

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The variables of its processes."""
        environment = dict(inherited) | dict(self.variables)
        paths = [] if self.kind in ("python", "wheel") else inherited.get("PYTHONPATH", "").split(os.pathsep)
        paths = [entry for entry in ([self.path] if self.path else []) + paths if entry]
        environment.pop("PYTHONPATH", None)
        return environment | ({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})


# (environment variables, axes)
Settings = tuple[dict[str, str], dict[str, Any]]


def parse_settings(assignments: Sequence[str], option: str) -> Settings:
    """NAME=VALUE words as (environment variables, axes): capitals are a variable, `fabric` or `threads` an axis.

    Raises UsageError.
    """
    variables: dict[str, str] = {}
    axes: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {plain(text)}: is no assignment; write OMP_NUM_THREADS=1 or fabric=tcp")
        _refuse_overwritten(name, f"{option} {plain(text)}")
        if name in SETTABLE_AXES:
            if name == "threads" and not (value.isdigit() and 0 < int(value) <= 4096):
                raise UsageError(f"{option} {plain(text)}: threads is no whole number from 1 to 4096; write threads=2")
            axes[name] = int(value) if name == "threads" else value
        elif _VARIABLE.fullmatch(name):
            variables[name] = value
        else:
            raise UsageError(
                f"{option} {plain(text)}: '{plain(name)}' is no variable in capitals and none of "
                f"{', '.join(SETTABLE_AXES)}: other settings change the work; "
                f"`clustermark compare` shows such runs side by side"
            )
    return variables, axes


def _refuse_overwritten(name: str, where: str) -> None:
    """A variable that every launch sets by itself would change nothing. Raises UsageError."""
    if name in THREAD_VARIABLES:
        raise UsageError(f"{where}: every launch sets this variable itself; write threads=N")
    if any(name in row.environment for row in FABRICS.values()):
        raise UsageError(f"{where}: the fabric of a launch sets this variable; write fabric=NAME")


def resolve(
    name: str, given: str | None, source: Path, cache: Path, settings: Settings = ({}, {}), own_project: bool = False
) -> Side:
    """The side that the user means.

    Parameters
    ----------
    name : "baseline" or "candidate"
    given : a wheel, an environment or its python, a source folder, a git ref; None for this very version
    source : in the checkout in which refs are looked up
    cache : where exports and environments are kept
    settings : of this side alone, from `parse_settings`
    own_project : what is not given is the folder `source`, not the clustermark that asks

    Raises
    ------
    UsageError : none of these, or it cannot be made
    """
    variables, axes = settings
    own = {"variables": variables, "axes": axes}
    if given is None and own_project:
        return _folder(name, source.resolve(), "the files as they are", "folder", own)
    if given is None:
        return _here(name, source, own)
    if not given.isprintable() or len(given) > LONGEST:
        return _ref(name, "", source, cache, own, given)
    path = Path(given)
    if given.endswith(".whl"):
        if not path.is_file():
            raise UsageError(f"--{name} {plain(given, 200)}: is no file; give a wheel that is there")
        return _wheel(name, path.resolve(), cache, own)
    python = _interpreter(path)
    if python is not None:
        return Side(
            name, f"Python environment {plain(given, 200)}", "python", str(python), "", str(source.resolve()), **own
        )
    if (path / "src" / "clustermark").exists() or (path / "pyproject.toml").exists():
        return _folder(name, path.resolve(), f"folder {plain(given, 200)}", "folder", own)
    return _ref(name, given, source, cache, own, given)


def _here(name: str, source: Path, own: dict[str, Any]) -> Side:
    package = Path(clustermark.__file__).resolve().parents[1]
    state = git_state(package)
    dirty = " with uncommitted changes" if state.get("dirty") else ""
    commit = str(state.get("commit", ""))
    what = f"this version, clustermark {clustermark.__version__}"
    what += f", git {commit[:9]}{dirty}" if commit else ""
    return Side(name, what, "here", sys.executable, str(package), str(source.resolve()), commit=commit, **own)


def _interpreter(path: Path) -> Path | None:
    """The python meant by an environment's folder or by the file itself; a link into an environment stays a link."""
    candidate = path / "bin" / "python" if path.is_dir() else path
    usable = len(path.parts) > 1 and candidate.is_file() and os.access(candidate, os.X_OK)
    return Path(os.path.abspath(candidate)) if usable else None  # noqa: PTH100 - resolve would leave the environment


def _folder(name: str, folder: Path, what: str, kind: str, own: dict[str, Any], commit: str = "") -> Side:
    path = folder / "src" if (folder / "src").is_dir() else folder
    return Side(name, what, kind, sys.executable, str(path), str(folder), commit=commit, **own)


def _ref(name: str, ref: str, source: Path, cache: Path, own: dict[str, Any], given: str) -> Side:
    """`ref` is "" for what cannot be one; `given` is what the user wrote."""
    top = git(source, "rev-parse", "--show-toplevel").strip()
    if not top:
        raise UsageError(
            f"--{name} {plain(given)}: is no wheel, environment or folder, and {plain(str(source), 200)} is no git "
            f"checkout in which it could be a ref; stand in one or name it with --source"
        )
    commit = (
        ""
        if not ref or ref.startswith("-")
        else git(Path(top), "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").strip()
    )
    if not commit:
        raise UsageError(
            f"--{name} {plain(given)}: is no wheel, environment or folder, and no commit of {top}; "
            f"where the clone is shallow, `git fetch --deepen=10` first"
        )
    folder = cache / "sources" / f"{Path(top).name}-{commit[:12]}"
    if not folder.is_dir():
        export(Path(top), commit, folder)
    return _folder(name, folder, f"git {commit[:9]} ({plain(ref)})", "git", own, commit)


def _wheel(name: str, wheel: Path, cache: Path, own: dict[str, Any]) -> Side:
    """An environment for the wheel alone: with the libraries of this one where they suffice, else with its own."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()[:12]
    folder = cache / "environments" / f"{wheel.stem[:60]}-{digest}"
    python = folder / "bin" / "python"
    if not python.exists():
        partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
        try:
            _install(wheel, partial)
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    own = own | {"variables": {**_libmpi(), **own["variables"]}}
    return Side(name, f"wheel {plain(wheel.name, 200)}", "wheel", str(python), "", str(folder), **own)


def _install(wheel: Path, folder: Path) -> None:
    """Raises UsageError."""
    steps = [
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        [
            *(sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")),
            *("install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", str(wheel)),
        ],
    ]
    for step in steps:
        done = subprocess.run(step, check=False, capture_output=True, text=True, timeout=600)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason given"]
            raise UsageError(
                f"{plain(wheel.name, 200)}: cannot be installed ({plain(said[0], 200)}); try it by hand in a venv"
            )
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "libraries_of_the_check.pth").write_text(
        "\n".join(entry for entry in sys.path if "-packages" in entry) + "\n"
    )


def _libmpi() -> dict[str, str]:
    """mpi4py looks for the library beside its own interpreter; a new environment has none there."""
    from clustermark.runners.children import ask, probe_arguments

    found = ask(probe_arguments("mpi"), os.environ, 30).documents()
    path = found[0].get("path") if found else None
    return {"MPI4PY_LIBMPI": str(path)} if path else {}


def default_cache() -> Path:
    """$XDG_CACHE_HOME/clustermark, or ~/.cache/clustermark. Raises UsageError where there is no home."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        raise ClustermarkError("no home folder for the cache; name a folder with --cache") from None
    return Path(base) / "clustermark"
