"""PTX that one process of a test run has made, kept for the other ones and for later tests of the same run.

Compilers take most of the time of the files that audit and interpret kernels, and several files ask for the same ones.
What is kept is found by all that a kernel is made of: its code, that of the functions that it calls, the numbers that
it takes from its surroundings, the types of its arguments, and what it is compiled for. A kernel that is made of
anything else is compiled each time. The folder ends with the run. A pytest plug-in.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pytest

FOLDER = "CLUSTERMARK_KEPT_PTX"


class UnknownPartError(Exception):
    """A kernel takes something from its surroundings whose content is not known here."""


def pytest_configure(config: pytest.Config) -> None:
    """The process that starts the others makes the folder; they are told by the environment."""
    if FOLDER not in os.environ:
        folder = os.environ[FOLDER] = tempfile.mkdtemp(prefix="clustermark-ptx-")

        def end() -> None:
            shutil.rmtree(folder, ignore_errors=True)
            os.environ.pop(FOLDER, None)

        config.add_cleanup(end)


def name_of(*parts: Any) -> str:
    """What a text is kept under, "" where it cannot be."""
    digest = hashlib.sha256()
    try:
        for piece in _pieces(parts, set()):
            digest.update(f"{len(piece)}:{piece}".encode())
    except UnknownPartError:
        return ""
    return digest.hexdigest()


def kept(name: str) -> str | None:
    """The text of that name; None where nobody has made it yet."""
    folder = os.environ.get(FOLDER, "")
    try:
        return (Path(folder) / name).read_text(encoding="utf-8") if name and folder else None
    except FileNotFoundError:
        return None


def keep(name: str, text: str) -> None:
    """Whole at once: another process may look meanwhile."""
    folder = os.environ.get(FOLDER, "")
    if not name or not folder:
        return
    made = Path(folder) / f"{name}.{os.getpid()}"
    made.write_text(text, encoding="utf-8")
    made.replace(Path(folder) / name)


def _pieces(value: Any, seen: set[int]) -> Iterator[str]:
    """The content of a value in words; functions by what they are made of, each once."""
    numba_types = sys.modules.get("numba.core.types")
    if numba_types is not None and isinstance(value, numba_types.Type):
        text = str(value)
        if " at 0x" in text:
            raise UnknownPartError(text)
        yield f"type {text}"
    elif value is None or isinstance(value, bool | int | float | complex | str | bytes | np.generic | np.dtype):
        yield f"{type(value).__name__} {value!r}"
    elif isinstance(value, np.ndarray):
        yield f"array {value.dtype} {value.shape} {value.tobytes().hex()}"
    elif isinstance(value, tuple | list):
        yield f"{type(value).__name__} of {len(value)}"
        for each in value:
            yield from _pieces(each, seen)
    elif isinstance(value, frozenset):
        yield from _pieces(sorted(map(repr, value)), seen)
    elif isinstance(value, dict):
        yield from _pieces([*value.items()], seen)
    elif isinstance(value, ModuleType | BuiltinFunctionType):
        yield f"named {getattr(value, '__module__', '')} {value.__name__}"
    elif isinstance(value, type):
        if "<locals>" in value.__qualname__:
            raise UnknownPartError(value.__qualname__)
        yield f"class {value.__module__} {value.__qualname__}"
    elif isinstance(value, FunctionType):
        yield from _function(value, seen)
    elif isinstance(getattr(value, "py_func", None), FunctionType):
        yield f"compiled with {sorted(value.targetoptions.items())}"
        yield from _function(value.py_func, seen)
    else:
        raise UnknownPartError(repr(value))


def _function(function: FunctionType, seen: set[int]) -> Iterator[str]:
    if id(function) in seen:
        return
    seen.add(id(function))
    yield f"function {function.__qualname__}"
    codes = [*_codes(function.__code__)]
    for code in codes:
        yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_argcount}"
        yield from _pieces([each for each in code.co_consts if not isinstance(each, CodeType)], seen)
    yield from _pieces(function.__defaults__, seen)
    for cell in function.__closure__ or ():
        yield from _pieces(cell.cell_contents, seen)
    for name in sorted({name for code in codes for name in code.co_names}):
        if name in function.__globals__:
            yield name
            yield from _pieces(function.__globals__[name], seen)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)
