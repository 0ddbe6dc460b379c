"""The CUDA kernels of the tree, found in its source text: nothing is imported, compiled or registered."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("devices", "transports", "benchmarks", "apps")
_BOUNDS = r"(?:__launch_bounds__\s*\([^)]*\)\s*)?"
_C_KERNEL = re.compile(rf"__global__\s+{_BOUNDS}void\s+{_BOUNDS}(\w+)\s*\(")


def kernels_of_the_tree(root: Path = ROOT) -> list[str]:
    """ "apps/md/halo_cuda.py:pack_rows", "benchmarks/kernels/stream.cu:stream_add": every kernel, in both languages."""
    found = []
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".py", ".cu", ".cuh") and path.is_file():
                text = path.read_text(encoding="utf-8")
                names = numba_kernels(text) if path.suffix == ".py" else _C_KERNEL.findall(text)
                found += [f"{path.relative_to(root)}:{name}" for name in names]
    return found


def numba_kernels(text: str) -> Iterator[str]:
    """Functions under @cuda.jit that are no device functions, those inside of functions included."""
    if "cuda" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and any(map(_makes_a_kernel, node.decorator_list)):
            yield node.name


def _makes_a_kernel(decorator: ast.expr) -> bool:
    call = decorator if isinstance(decorator, ast.Call) else None
    name = ast.unparse(call.func if call else decorator)
    device = call is not None and any(
        word.arg == "device" and ast.unparse(word.value) != "False" for word in call.keywords
    )
    return name.split(".")[-2:] == ["cuda", "jit"] and not device


@cache
def c_kernels() -> frozenset[str]:
    """Names of the CUDA C kernels of the tree."""
    return frozenset(name.split(":")[1] for name in kernels_of_the_tree() if ".cu" in name)


def plain_name(entry: str) -> str:
    """Name of a kernel of the tree by its name in PTX, whatever types it was compiled for; "" for any other.

    numba mangles names as C++ does: _ZN, then each part of the dotted name behind its length.
    """
    if entry in c_kernels():
        return entry
    parts, rest = [], entry.removeprefix("_ZN")
    while match := re.match(r"\d+", rest):
        start = len(match[0])
        parts.append(rest[start : start + int(match[0])])
        rest = rest[start + int(match[0]) :]
    return ".".join(parts) if parts[:1] == ["clustermark"] else ""
