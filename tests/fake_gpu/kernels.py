"""RawKernel and RawModule of the fake GPU: CUDA C by NVIDIA's compiler, run on the interpreter when due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fake_gpu.arrays import FakeArray
from fake_gpu.memory import GpuFaultError

if TYPE_CHECKING:
    from fake_gpu.gpu import FakeGpu


@dataclass(frozen=True)
class Launch:
    """A launch of a kernel, as its runner gets it.

    Attributes
    ----------
    code, name, options : of the kernel
    arguments : arrays, and numbers as NumPy scalars of the width that CuPy passes
    """

    code: str
    name: str
    options: tuple[str, ...]
    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: tuple[Any, ...]
    shared: int
    capability: tuple[int, int]


Runner = Callable[[Launch], Any]
Compile = Callable[[str, tuple[int, int], tuple[str, ...]], str]


def compile_here(code: str, capability: tuple[int, int], definitions: tuple[str, ...]) -> str:
    """PTX of CUDA C, by NVIDIA's compiler in this process."""
    from ptx.nvrtc import compile_c

    return compile_c(code, capability, definitions)


class Interpreter:
    """Runs launches; compiled programs and the interpreter's reports are kept."""

    def __init__(self, compile: Compile = compile_here) -> None:
        self.compile = compile
        self.programs: dict[tuple[Any, ...], Any] = {}
        self.reports: list[tuple[str, Any]] = []

    def program(self, launch: Launch) -> Any:
        """The program of a kernel."""
        from ptx.linker import load_program

        key = (launch.code, launch.name, launch.options, launch.capability)
        if key not in self.programs:
            definitions = tuple(option[2:] for option in launch.options if option.startswith("-D"))
            text = self.compile(launch.code, launch.capability, definitions)
            self.programs[key] = load_program(text, launch.name)
        return self.programs[key]

    def __call__(self, launch: Launch) -> None:
        """Interpret a launch; a fault of the kernel raises."""
        from ptx.launching import Buffer, Options, run_kernel

        program = self.program(launch)
        wanted = program.kernel.parameters
        if len(wanted) != len(launch.arguments):
            raise GpuFaultError(
                f"kernel {launch.name} takes {len(wanted)} arguments, {len(launch.arguments)} are given"
            )
        values: list[Any] = []
        for place, (argument, parameter) in enumerate(zip(launch.arguments, wanted, strict=True)):
            if isinstance(argument, FakeArray):
                if not argument.flags.c_contiguous:
                    raise GpuFaultError(
                        f"kernel {launch.name}: argument {place} is not contiguous, a pointer has no strides"
                    )
                first = argument.data.ptr - argument.allocation.ptr
                written = argument.allocation.written[first : first + argument.nbytes]
                values.append(Buffer(np.asarray(argument.view_now), written))
            else:
                values.append(_bits(argument, parameter, launch.name, place))
        report = run_kernel(program, launch.grid, launch.block, values, Options("c", dynamic_shared=launch.shared))
        self.reports.append((launch.name, report))


def _bits(argument: np.generic, parameter: Any, kernel: str, place: int) -> bytes:
    """The bytes that the kernel reads of what CuPy lays there: the low ones of an integer, never half of a float."""
    kind, size = parameter.form.kind, parameter.form.size
    where = f"kernel {kernel}: argument {place}"
    half = argument.dtype == np.float16 and size == 2  # PTX declares one as .b16 or .align 2 .b8, without a kind
    if (kind == "f") != (argument.dtype.kind == "f") and not half:
        raise GpuFaultError(f"{where} is {argument.dtype}, the kernel takes .{parameter.form.name}")
    if argument.dtype.itemsize < size or (kind == "f" and argument.dtype.itemsize != size):
        raise GpuFaultError(
            f"{where} is {argument.dtype}, the kernel takes .{parameter.form.name}: give numpy's type of it"
        )
    return argument.tobytes()[:size]


def _scalar(argument: Any) -> Any:
    if isinstance(argument, FakeArray | np.generic):
        return argument
    if isinstance(argument, bool):
        return np.bool_(argument)
    if isinstance(argument, int):
        return np.int64(argument)
    if isinstance(argument, float):
        return np.float64(argument)
    raise TypeError(f"Unsupported type {type(argument)}")


def _three(size: Any, what: str) -> tuple[int, ...]:
    sizes = tuple(int(s) for s in size)
    if not 1 <= len(sizes) <= 3 or min(sizes) < 1:
        raise GpuFaultError(f"{what} is {sizes}: cudaErrorInvalidConfiguration")
    return sizes


class RawKernel:
    """cupy.RawKernel."""

    gpu: FakeGpu

    def __init__(
        self,
        code: str,
        name: str,
        options: tuple[str, ...] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        *,
        enable_cooperative_groups: bool = False,
        jitify: Any = None,
    ) -> None:
        self.code, self.name, self.options = code, name, tuple(options)
        self.max_dynamic_shared_size_bytes = 48 * 1024

    def __call__(self, grid: Any, block: Any, args: Any, **kwargs: Any) -> None:
        unknown = set(kwargs) - {"shared_mem"}
        if unknown:
            raise TypeError(f"RawKernel.__call__ got an unexpected keyword argument {sorted(unknown)[0]!r}")
        gpu = self.gpu
        shared = int(kwargs.get("shared_mem", 0))
        if shared > self.max_dynamic_shared_size_bytes:
            raise GpuFaultError(f"kernel {self.name} asks for {shared} B of shared memory: raise its attribute first")
        arguments = tuple(map(_scalar, args))
        launch = Launch(
            self.code,
            self.name,
            self.options,
            _three(grid, "grid"),
            _three(block, "block"),
            arguments,
            shared,
            gpu.capability,
        )
        stream = gpu.current_stream()
        gpu.record(f"kernel:{self.name}", stream, launch.grid, launch.block, *arguments)
        gpu.give(stream, f"kernel:{self.name}", lambda: gpu.run_kernel(launch))

    def compile(self, log_stream: Any = None) -> None:
        self.gpu.record("compile", 0, self.name)


class RawModule:
    """cupy.RawModule."""

    gpu: FakeGpu

    def __init__(
        self,
        code: str | None = None,
        *,
        path: str | None = None,
        options: tuple[str, ...] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: Any = None,
        jitify: Any = None,
    ) -> None:
        if code is None or name_expressions is not None:
            raise NotImplementedError('the fake RawModule takes CUDA C with extern "C" kernels')
        self.code, self.options = code, tuple(options)

    def get_function(self, name: str) -> RawKernel:
        return self.gpu.modules["cupy"].RawKernel(self.code, name, self.options)
