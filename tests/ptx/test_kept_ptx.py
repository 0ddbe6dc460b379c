"""What a run of the tests keeps of its compilers' work: found by all that a kernel is made of, and by nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: make test CUDA=1, or pip install '.[cuda-test]'")

from cuda_helpers.kept import FOLDER, keep, kept, name_of
from cuda_helpers.offline import Launch, compile_offline, kernels_in
from numba import float32, float64

from clustermark.apps.md import kernels_cuda, pair_list_cuda
from clustermark.devices.numba_cuda import cuda
from ptx.nvrtc import name_of_c

FACTOR = 2


def kernel_of(number: Any, added: Any) -> Any:
    @cuda.jit(device=True)
    def more(x):
        return x + added

    @cuda.jit
    def scaled(x):
        x[0] = more(x[0]) * number * FACTOR

    return scaled


def test_a_kernel_is_kept_under_all_that_it_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    four = np.float32(4)

    def name(number: Any = 3, added: Any = four, kind: Any = float32, capability: Any = (9, 0)) -> str:
        return name_of(kernel_of(number, added), (kind[::1],), capability, None)

    assert name() == name() != ""
    others = [name(4), name(3.0), name(added=np.float32(5)), name(kind=float64), name(capability=(8, 0))]
    monkeypatch.setitem(kernel_of.__globals__, "FACTOR", 5)
    others.append(name())
    assert len({*others, ""}) == 7
    assert name(added=object()) == ""


def test_kernels_of_the_tree_have_names_of_their_own() -> None:
    kernels = kernels_in([kernels_cuda, pair_list_cuda])
    assert len({name_of(kernel) for kernel in kernels.values()} - {""}) == len(kernels)
    sources = ("a", "b"), ((9, 0), (8, 0)), ((), ("REAL=float",))
    assert len({name_of_c(s, c, d) for s in sources[0] for c in sources[1] for d in sources[2]}) == 8


def test_what_is_kept_is_not_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    launch = Launch(kernel_of(3, np.float32(4)), (float32[::1],))
    first = compile_offline(launch, [(9, 0)])[9, 0]
    (file,) = tmp_path.iterdir()
    keep(file.name, "another text")
    assert compile_offline(launch, [(9, 0)])[9, 0] == "another text"
    assert compile_offline(Launch(kernel_of(5, np.float32(4)), launch.types), [(9, 0)])[9, 0] not in ("", first)
    assert kept("") is None
    monkeypatch.delenv(FOLDER)
    assert ".entry" in compile_offline(launch, [(9, 0)])[9, 0]
