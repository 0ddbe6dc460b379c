"""The two sides of a check: refs, wheels, environments, folders; and what is none of these."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from clustermark.core.errors import UsageError
from clustermark.runners.git_export import extract
from clustermark.runners.sides import Side, parse_settings, resolve


def git(folder: Path, *words: str) -> str:
    """Output of git in a folder, with an author."""
    identity = ["-c", "user.name=A. Tester", "-c", "user.email=tester@example.org"]
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def said(side: Side, script: str, inherited: Mapping[str, str]) -> str:
    """What a script prints in a process of the side."""
    environment = side.environment(inherited)
    return subprocess.run(
        [side.python, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Two commits of a package with a link in it."""
    folder = tmp_path / "project"
    (folder / "src" / "package").mkdir(parents=True)
    (folder / "src" / "package" / "__init__.py").write_text("VERSION = 1\n")
    (folder / "src" / "door").symlink_to("../src/package")
    git(folder, "init", "-q")
    for version in (1, 2):
        (folder / "src" / "package" / "__init__.py").write_text(f"VERSION = {version}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", f"version {version}")
    return folder


def test_a_git_ref_is_exported_once_with_its_links(checkout: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    side = resolve("baseline", "HEAD~1", checkout / "src", cache)
    assert side.commit == git(checkout, "rev-parse", "HEAD~1")
    assert side.what == f"git {side.commit[:9]} (HEAD~1)"
    assert (Path(side.path) / "package" / "__init__.py").read_text() == "VERSION = 1\n"
    assert (Path(side.path) / "door").is_symlink()
    script = "import package; print(package.VERSION)"
    assert said(side, script, os.environ) == "1\n"
    (Path(side.folder) / "mark").touch()
    assert resolve("baseline", side.commit, checkout, cache).folder == side.folder
    assert (Path(side.folder) / "mark").exists()
    assert not list(cache.glob("*/.*.tmp"))


@pytest.mark.parametrize("ref", ["nowhere", "HEAD~7", "--help", "-1", "HEAD:src", "a b", "\x00", "x" * 5000])
def test_a_ref_that_is_none_is_refused_in_one_sentence(checkout: Path, tmp_path: Path, ref: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve("baseline", ref, checkout, tmp_path / "cache")
    assert "is no wheel, environment or folder, and no commit of" in str(error.value)
    assert "git fetch --deepen" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_ref_outside_a_checkout_names_the_option_for_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no git checkout .*--source"):
        resolve("baseline", "HEAD", tmp_path, tmp_path / "cache")


def test_an_environment_keeps_its_own_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    environment = Path(sys.executable).parent.parent
    for given in (environment, Path(sys.executable)):
        side = resolve("candidate", str(given), tmp_path, tmp_path)
        assert side.kind == "python"
        assert Path(side.python).parent == Path(sys.executable).parent  # the link, not what it points to
        assert "PYTHONPATH" not in side.environment(os.environ)


def test_a_folder_and_this_version_run_with_this_python(checkout: Path, tmp_path: Path) -> None:
    side = resolve("baseline", str(checkout), tmp_path, tmp_path) if (checkout / "pyproject.toml").exists() else None
    assert side is None
    (checkout / "pyproject.toml").touch()
    side = resolve("baseline", str(checkout), tmp_path, tmp_path)
    assert (side.kind, side.python, side.path) == ("folder", sys.executable, str(checkout / "src"))
    here = resolve("candidate", None, tmp_path, tmp_path)
    assert (here.kind, here.python) == ("here", sys.executable)
    own = resolve("candidate", None, checkout, tmp_path, own_project=True)
    assert (own.kind, own.path) == ("folder", str(checkout / "src"))


def test_a_wheel_gets_an_environment_with_the_libraries_of_this_one(tmp_path: Path) -> None:
    wheel = tmp_path / "tiny_tool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_tool.py", "WHERE = __file__\n")
        archive.writestr("tiny_tool-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-tool\nVersion: 1.0\n")
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr("tiny_tool-1.0.dist-info/WHEEL", tags)
        archive.writestr("tiny_tool-1.0.dist-info/RECORD", "")
    side = resolve("baseline", str(wheel), tmp_path, tmp_path / "cache")
    script = "import numpy, tiny_tool; print(tiny_tool.WHERE)"
    assert said(side, script, {}).startswith(str(tmp_path / "cache" / "environments"))
    assert resolve("baseline", str(wheel), tmp_path, tmp_path / "cache").python == side.python


def test_a_file_that_is_no_wheel_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(b"no zip")
    for name, said in (("broken-1.0-py3-none-any.whl", "cannot be installed"), ("gone.whl", "is no file")):
        with pytest.raises(UsageError, match=said):
            resolve("baseline", str(tmp_path / name), tmp_path, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*/*"))


def test_settings_are_variables_in_capitals_and_axes_by_name() -> None:
    assert parse_settings(["UCX_RNDV_THRESH=64", "fabric=tcp", "threads=2"], "--x") == (
        {"UCX_RNDV_THRESH": "64"},
        {"fabric": "tcp", "threads": 2},
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fabric", "is no assignment"),
        ("=1", "is no assignment"),
        ("threads=two", "threads is no whole number"),
        ("n=512", "other settings change the work"),
        ("OMP_NUM_THREADS=2", "every launch sets this variable itself; write threads=N"),
        ("OMPI_MCA_btl=self,tcp", "the fabric of a launch sets this variable; write fabric=NAME"),
    ],
)
def test_a_setting_that_would_change_nothing_or_the_work_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_settings([text], "--set-baseline")


def test_a_side_survives_json_and_its_variables_reach_its_processes(tmp_path: Path) -> None:
    side = resolve("candidate", None, tmp_path, tmp_path, parse_settings(["A_B=1", "fabric=tcp"], "--x"))
    assert Side.from_dict(side.to_dict()) == side
    assert side.environment({"A_B": "0", "C": "2"})["A_B"] == "1"


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../b"])
def test_an_archive_that_leads_out_of_its_folder_is_refused_without_filters(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python before 3.11.4 has none."""
    monkeypatch.delattr(tarfile, "tar_filter", raising=False)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a/good"))
        archive.addfile(tarfile.TarInfo(name))
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive, pytest.raises(tarfile.TarError, match="leads out of the folder"):
        extract(archive, tmp_path)
    assert not list(tmp_path.iterdir())
