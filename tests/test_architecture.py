"""The house rules, each with a planted fault that its checker must find.

A checker takes source text or a folder and returns sentences, one per broken rule: what, where, what to do.
"""

from __future__ import annotations

import ast
import configparser
import importlib
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("core", "devices", "transports", "benchmarks", "apps", "runners", "reports", "cli")
HEAVY = frozenset({"mpi4py", "cupy", "numba"})
LONGEST = 300

# Folders of rooms of workloads that are none, each with its reason.
NO_WORKLOADS = {
    "apps/console": "what the programs of all applications share",
    "benchmarks/dense": "what hpl, hpl_mxp and summa time",
    "benchmarks/kernels": "what the benchmarks time",
}

# Runs on the compute node, inside mpirun: the only module of runners that may import what ranks need.
WORKER_SIDE = ("runners/worker.py", "runners/measure.py")


def sources(*patterns: str) -> list[Path]:
    """Python files of the rooms that match any of the patterns below ROOT."""
    return sorted({path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()})


def room_sources() -> list[Path]:
    return sources(*(f"{room}/**/*.py" for room in ROOMS), "slurm/**/*.py")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# --- checkers -----------------------------------------------------------------------------------------------


def module_level_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, module) of each import that runs when the module is imported; `if TYPE_CHECKING` does not run."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def eager_imports(text: str, banned: Iterable[str], where: str) -> list[str]:
    return [
        f"{where}:{line}: imports {module} when it is imported; move the import into the function that needs it"
        for line, module in module_level_imports(ast.parse(text))
        if module.split(".")[0] in set(banned)
    ]


def forbidden_constructs(text: str, where: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            found.append(f"{where}:{node.lineno}: is a relative import; write clustermark.… in full")
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if {"pickle", "cPickle", "dill", "marshal"} & {module.split(".")[0] for module in modules}:
                found.append(f"{where}:{node.lineno}: imports pickle; foreign data are JSON or HDF5")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            found.append(f"{where}:{node.lineno}: calls {node.func.id}; code is not passed as text")
    return found


def undocumented(text: str, where: str) -> list[str]:
    """Public functions, classes and methods without a docstring; a method that only fills a slot needs none."""
    found: list[str] = []

    def visit(node: ast.Module | ast.ClassDef, prefix: str) -> None:
        for child in node.body:
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if child.name.startswith("_") or "overload" in {ast.unparse(d) for d in child.decorator_list}:
                continue
            if ast.get_docstring(child) is None:
                found.append(f"{where}:{child.lineno}: {prefix}{child.name} has no docstring; say what it is")
            if isinstance(child, ast.ClassDef):
                visit(child, f"{prefix}{child.name}.")

    visit(ast.parse(text), "")
    return found


def too_long(text: str, where: str) -> list[str]:
    lines = text.count("\n")
    return [f"{where}: has {lines} lines, more than {LONGEST}; split it"] if lines > LONGEST else []


def missing_from_table(room: Path, table: Mapping[str, object], table_name: str) -> list[str]:
    """Workloads that exist in a room but that its table does not list, and the other way round.

    A folder with an ``__init__.py`` is a workload, unless `NO_WORKLOADS` has it; a file that is no private helper is
    one if it calls Workload(…).
    """
    found = {}
    for path in sorted(room.iterdir()):
        module = path / "__init__.py" if path.is_dir() else path
        if module.suffix != ".py" or path.name.startswith(("_", ".")) or not module.is_file():
            continue
        excepted = path.is_dir() and f"{room.name}/{path.name}" in NO_WORKLOADS
        if (path.is_dir() and not excepted) or _declares_a_workload(module):
            found[path.stem] = path.name
    files = [
        f"{room.name}/{file} exists but {table_name} does not list it" for n, file in found.items() if n not in table
    ]
    rows = [f"{table_name} lists '{name}' but {room.name}/ has no such workload" for name in table if name not in found]
    return files + rows


def _declares_a_workload(module: Path) -> bool:
    calls = (node for node in ast.walk(ast.parse(read(module))) if isinstance(node, ast.Call))
    return any(isinstance(call.func, ast.Name) and call.func.id == "Workload" for call in calls)


def doors_that_are_no_links(doorplate: Path, rooms: Iterable[str]) -> list[str]:
    found = []
    for room in rooms:
        door = doorplate / room
        if not door.is_symlink() or door.readlink() != Path("../..") / room:
            found.append(f"src/clustermark/{room}: is no symbolic link to ../../{room}; make it one")
    return found


# --- the house ----------------------------------------------------------------------------------------------


def test_login_node_code_imports_no_mpi_no_gpu_and_no_compiler() -> None:
    """Ranks on a shared file system pay every import, and a login node may have none of these."""
    files = sources(
        "core/**/*.py", "cli/**/*.py", "reports/**/*.py", "benchmarks/*.py", "apps/*.py", "apps/*/__init__.py"
    )
    files += [path for path in sources("runners/**/*.py") if named(path) not in WORKER_SIDE]
    assert files
    assert [s for path in files for s in eager_imports(read(path), HEAVY, named(path))] == []


def test_declarations_and_the_command_line_do_not_import_numpy() -> None:
    """So that `clustermark list` answers at once."""
    files = sources("benchmarks/*.py", "apps/*.py", "apps/*/__init__.py", "cli/**/*.py")
    assert [s for path in files for s in eager_imports(read(path), HEAVY | {"numpy", "h5py"}, named(path))] == []


def test_the_tables_load_without_numpy() -> None:
    script = (
        "import sys, clustermark.benchmarks, clustermark.apps; "
        "print(sorted({'numpy', 'h5py', 'mpi4py', 'cupy', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_an_import_inside_a_function_or_for_types_costs_nothing() -> None:
    allowed = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy\ndef f():\n    import numpy\n"
        "class A:\n    def g(self):\n        from numba import njit\n"
    )
    assert eager_imports(allowed, HEAVY | {"numpy"}, "x.py") == []


@pytest.mark.parametrize(
    "text",
    [
        "import numba",
        "import os, numba.cuda",
        "from numba import njit",
        "try:\n    import numba\nexcept ImportError:\n    pass",
        "if True:\n    from numba import njit",
        "class A:\n    import numba",
        "with open('x'):\n    import numba",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import numba",
    ],
)
def test_a_planted_import_is_found(text: str) -> None:
    (sentence,) = eager_imports(text, HEAVY, "core/x.py")
    assert "move the import into the function that needs it" in sentence


def test_no_relative_imports_no_pickle_no_code_as_text() -> None:
    assert [s for path in room_sources() for s in forbidden_constructs(read(path), named(path))] == []


@pytest.mark.parametrize(
    "text",
    ["from . import x", "from ..core import x", "import pickle", "from pickle import loads", "eval('1')", "exec('x')"],
)
def test_a_planted_construct_is_found(text: str) -> None:
    assert len(forbidden_constructs(f"def f():\n    {text}\n", "x.py")) == 1


def test_every_public_name_has_a_docstring() -> None:
    assert [s for path in room_sources() for s in undocumented(read(path), named(path))] == []


def test_a_planted_name_without_a_docstring_is_found() -> None:
    text = 'class A:\n    """x"""\n    def f(self): ...\n    def _g(self): ...\n'
    text += "def h(): ...\ndef _i(): ...\nclass B: ...\n"
    assert [s.split(": ")[1].split(" ")[0] for s in undocumented(text, "x.py")] == ["A.f", "h", "B"]


def test_no_file_is_long() -> None:
    assert [s for path in room_sources() for s in too_long(read(path), named(path))] == []


def test_a_planted_long_file_is_found() -> None:
    assert too_long("x\n" * LONGEST, "x.py") == []
    assert too_long("x\n" * (LONGEST + 1), "x.py") == ["x.py: has 301 lines, more than 300; split it"]


@pytest.mark.parametrize(("room", "table"), [("apps", "APPS"), ("benchmarks", "BENCHMARKS")])
def test_every_workload_is_in_its_table(room: str, table: str) -> None:
    rows = getattr(importlib.import_module(f"clustermark.{room}"), table, {})
    assert missing_from_table(ROOT / room, rows, table) == []


def test_a_planted_workload_that_no_table_lists_is_found(tmp_path: Path) -> None:
    apps = tmp_path / "apps"
    for name in ("md", "qmc", "console", "__pycache__", ".hidden"):
        (apps / name).mkdir(parents=True)
        (apps / name / "__init__.py").write_text("")
    (apps / "notes").mkdir()
    (apps / "__init__.py").write_text("")
    (apps / "helper.py").write_text("def f(): ...\n")
    (apps / "gemm.py").write_text("GEMM = Workload()\n")
    assert missing_from_table(apps, {"md": None, "gemm": None}, "APPS") == ["apps/qmc exists but APPS does not list it"]
    assert missing_from_table(apps, {"md": 0, "qmc": 0, "old": 0}, "APPS") == [
        "apps/gemm.py exists but APPS does not list it",
        "APPS lists 'old' but apps/ has no such workload",
    ]
    (apps / "console" / "__init__.py").write_text("CONSOLE = Workload()\n")
    rows = {"md": None, "qmc": None, "gemm": None}
    assert missing_from_table(apps, rows, "APPS") == ["apps/console exists but APPS does not list it"]


@pytest.mark.parametrize("folder", NO_WORKLOADS)
def test_an_excepted_folder_is_there_and_declares_no_workload(folder: str) -> None:
    declaring = [named(path) for path in (ROOT / folder).glob("*.py") if _declares_a_workload(path)]
    assert (ROOT / folder / "__init__.py").is_file()
    assert declaring == []


def test_every_room_has_its_door() -> None:
    rooms = [path.name for path in (ROOT / "src" / "clustermark").iterdir() if path.is_dir()]
    assert set(ROOMS) <= set(rooms)
    kept = [room for room in rooms if room != "__pycache__"]
    assert doors_that_are_no_links(ROOT / "src" / "clustermark", kept) == []


def test_a_planted_copy_of_a_room_is_found(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "cli").symlink_to("../../core")
    (tmp_path / "apps").symlink_to("../../apps")
    assert len(doors_that_are_no_links(tmp_path, ["core", "cli", "apps"])) == 2


def lint_imports(folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
    script = (
        "import sys; sys.path[:0] = [sys.argv[1]]; "
        "from importlinter.cli import lint_imports_command as run; run(sys.argv[2:])"
    )
    words = [sys.executable, "-c", script, str(folder), "--config", str(config), "--no-cache"]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def test_no_room_imports_from_a_floor_above() -> None:
    pytest.importorskip("importlinter")
    done = lint_imports(ROOT / "src", ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_a_planted_import_from_a_floor_above_is_found(tmp_path: Path) -> None:
    pytest.importorskip("importlinter")
    for room, text in {"core": "import house.cli\n", "cli": ""}.items():
        (tmp_path / "house" / room).mkdir(parents=True)
        (tmp_path / "house" / room / "__init__.py").write_text(text)
    (tmp_path / "house" / "__init__.py").write_text("")
    config = configparser.ConfigParser()
    config["importlinter"] = {"root_package": "house"}
    config["importlinter:contract:floors"] = {"name": "floors", "type": "layers", "layers": "\nhouse.cli\nhouse.core"}
    with (tmp_path / ".importlinter").open("w") as file:
        config.write(file)
    done = lint_imports(tmp_path, tmp_path / ".importlinter")
    assert done.returncode != 0
    assert "house.core is not allowed to import house.cli" in done.stdout
