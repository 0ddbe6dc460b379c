"""CUDA C to PTX by NVIDIA's run-time compiler, which needs no driver."""

from __future__ import annotations

import importlib
import sysconfig
from pathlib import Path
from typing import Any

from cuda_helpers.kept import keep, kept, name_of

INCLUDE = Path(sysconfig.get_paths()["purelib"]) / "nvidia" / "cu13" / "include"


def compile_c(source: str, capability: tuple[int, int], definitions: tuple[str, ...] = ()) -> str:
    """PTX of CUDA C.

    Parameters
    ----------
    definitions : "REAL=float" and the like

    Raises
    ------
    ValueError : with what the compiler says
    """
    name = name_of_c(source, capability, definitions)
    text = kept(name)
    if text is None:
        text = _compiled(source, capability, definitions)
        keep(name, text)
    return text


def name_of_c(source: str, capability: tuple[int, int], definitions: tuple[str, ...] = ()) -> str:
    """What the PTX of CUDA C is kept under."""
    return name_of("CUDA C", source, tuple(capability), tuple(definitions))


def _compiled(source: str, capability: tuple[int, int], definitions: tuple[str, ...]) -> str:
    nvrtc: Any = importlib.import_module("cuda.bindings.nvrtc")

    def checked(answer: Any) -> Any:
        if answer[0] != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise ValueError(f"NVRTC says {answer[0]}")
        return answer[1] if len(answer) > 1 else None

    program = checked(nvrtc.nvrtcCreateProgram(source.encode(), b"kernel.cu", 0, [], []))
    options = [
        f"--gpu-architecture=compute_{capability[0]}{capability[1]}".encode(),
        *(f"-I{folder}".encode() for folder in (INCLUDE, INCLUDE / "cccl")),
        *(f"-D{definition}".encode() for definition in definitions),
        b"--std=c++17",
        b"-default-device",
    ]
    answer = nvrtc.nvrtcCompileProgram(program, len(options), options)
    if answer[0] != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        log = b" " * checked(nvrtc.nvrtcGetProgramLogSize(program))
        nvrtc.nvrtcGetProgramLog(program, log)
        raise ValueError(log.decode(errors="replace").strip("\0 \n"))
    text = b" " * checked(nvrtc.nvrtcGetPTXSize(program))
    nvrtc.nvrtcGetPTX(program, text)
    return text.rstrip(b"\0").decode()
