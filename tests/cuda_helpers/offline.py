"""CUDA kernels without a GPU: found in modules, recorded as they would be launched, compiled, and audited.

Nothing here needs a driver. numba-cuda asks for the current device in two places only, to learn its compute
capability; both are answered here. ptxas and nvdisasm come from NVIDIA's wheels of the version of the compiler.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
from cuda_helpers.counts import LADDER
from cuda_helpers.kept import keep, kept, name_of

Capability = tuple[int, int]
PROGRAMS = Path(sysconfig.get_paths()["purelib"]) / "nvidia" / "cu13" / "bin"

# SASS that works on float64: arithmetic, and conversions from and to it.
_FP64 = re.compile(r"(D(ADD|MUL|FMA|SETP|MNMX|MMA)\b|MUFU\.\w*64H|(F2F|F2I|I2F|FRND)\.(\w+\.)*F64)")
_INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)")
# A variable of a PTX file.
_VARIABLE = re.compile(r"^[ \t]*\.(?:global|const|shared)\b[^=\[;]*?(\w+)\s*[=\[;]", re.MULTILINE)


@dataclass(frozen=True)
class Audit:
    """What the machine code of a kernel needs: registers per thread, bytes, instructions, how often which stands."""

    registers: int
    spilled: int
    local: int
    fp64: int
    instructions: int
    shared: int = 0
    opcodes: Mapping[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """How many instructions have a name, whatever is added to it behind a point."""
        return sum(n for opcode, n in self.opcodes.items() if f"{opcode}.".startswith(f"{name}."))


@dataclass(frozen=True)
class Launch:
    """A kernel as a host entry would launch it."""

    kernel: Any
    types: tuple[Any, ...]


def kernels_in(modules: Iterable[ModuleType]) -> dict[str, Any]:
    """Name → every kernel (not device function) that a module, or a dictionary of it, holds; each once."""
    from numba.cuda.dispatcher import CUDADispatcher

    found: dict[str, Any] = {}
    for module in modules:
        short = module.__name__.rsplit(".", 1)[1]
        for name, value in vars(module).items():
            members = (
                {f"{name}[{key.__name__}]": v for key, v in value.items() if isinstance(key, type)}
                if isinstance(value, dict)
                else {name: value}
            )
            for label, kernel in members.items():
                if isinstance(kernel, CUDADispatcher) and not kernel.targetoptions.get("device"):
                    found.setdefault(f"{short}.{label}", kernel)
    return {name: kernel for name, kernel in found.items() if kernel.py_func.__module__.endswith(name.split(".")[0])}


class _HostArray(np.ndarray):
    """A NumPy array that can do what host entries ask of a device array."""

    def copy_to_host(self) -> np.ndarray:
        return np.asarray(self)


@contextmanager
def recorded_launches() -> Iterator[list[Launch]]:
    """Launches are written down instead of made; device arrays are zeros on the host."""
    from numba import cuda
    from numba.cuda.dispatcher import CUDADispatcher

    launches: list[Launch] = []

    def configured(kernel: Any, _configuration: Any) -> Callable[..., None]:
        return lambda *arguments: launches.append(Launch(kernel, tuple(map(kernel.typeof_pyval, arguments))))

    def device_array(shape: Any, dtype: Any = np.float64) -> np.ndarray:
        return np.zeros(shape, dtype).view(_HostArray)

    with (
        mock.patch.object(CUDADispatcher, "__getitem__", configured),
        mock.patch.object(cuda, "device_array", device_array),
        mock.patch.object(cuda, "to_device", lambda array: np.asarray(array).view(_HostArray)),
    ):
        yield launches


def launches_of(kinds: Iterable[str], call: Callable[[str], None]) -> list[tuple[Launch, tuple[str, ...]]]:
    """Every kernel with every set of types that `call` launches it with, and the kinds for which it does.

    Parameters
    ----------
    kinds : what `call` is called with, as "float32" or "mixed"
    """
    found: dict[tuple[int, Any], tuple[Launch, list[str]]] = {}
    for kind in kinds:
        with recorded_launches() as recorded:
            call(kind)
        for launch in recorded:
            _, seen = found.setdefault((id(launch.kernel), launch.types), (launch, []))
            if kind not in seen:
                seen.append(kind)
    return [(launch, tuple(seen)) for launch, seen in found.values()]


def imported_modules(package: str, cuda: bool) -> tuple[int, bool, bool]:
    """How many modules of a package end on _cuda (or do not), and whether numba.cuda and cuda.bindings come with them.

    In a process of its own, in which nothing else is imported.
    """
    script = (
        "import importlib, pkgutil, sys\n"
        "package = importlib.import_module(sys.argv[1])\n"
        "names = [m.name for m in pkgutil.iter_modules(package.__path__) if m.name != '__main__']\n"
        "wanted = [n for n in names if n.endswith('_cuda') == (sys.argv[2] == 'True')]\n"
        "for name in wanted: importlib.import_module(f'{sys.argv[1]}.{name}')\n"
        "print(len(wanted), 'numba.cuda' in sys.modules, 'cuda.bindings' in sys.modules)"
    )
    command = [sys.executable, "-c", script, package, str(cuda)]
    modules, *came = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.split()
    return int(modules), came[0] == "True", came[1] == "True"


def compile_offline(
    launch: Launch, capabilities: Iterable[Capability], launch_bounds: Any = None
) -> dict[Capability, str]:
    """PTX of a kernel for each compute capability; Python is compiled once, its LLVM code for each of them.

    What this run of the tests has compiled before, in whatever process, is taken from there.
    """
    compiler, dispatcher = (importlib.import_module(f"numba.cuda.{name}") for name in ("compiler", "dispatcher"))
    wanted, found = list(capabilities), dict[Capability, str]()
    options = launch.kernel.targetoptions
    names = {capability: name_of(launch.kernel, launch.types, capability, launch_bounds) for capability in wanted}
    for capability in [*wanted]:
        if (text := kept(names[capability])) is not None:
            found[capability] = text
            wanted.remove(capability)
    if not wanted:
        return found

    class Device:
        compute_capability = wanted[0]

    with (
        mock.patch.object(dispatcher, "get_current_device", Device),
        mock.patch.object(compiler, "get_current_device", Device),
    ):
        library, _ = compiler._compile_pyfunc_with_fixup(  # as cuda.compile, which gives PTX for one of them only
            launch.kernel.py_func,
            launch.types,
            device=False,
            abi="numba",
            cc=wanted[0],
            fastmath=options.get("fastmath", False),
            launch_bounds=launch_bounds,
        )
        for capability in wanted:
            found[capability] = library.get_asm_str(cc=capability)
            keep(names[capability], found[capability])
        return found


def _run(program: str, *arguments: object) -> str:
    done = subprocess.run(
        [PROGRAMS / program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def entries_of(text: str) -> list[str]:
    """Names of the kernels of a PTX file."""
    return re.findall(r"\.visible \.entry (\w+)\(", text)


def joined(sources: Mapping[str, str]) -> str:
    """Many PTX files as one, for one start of the tools; kernel `name` of file number k is called `name_of_k`."""
    header, common, bodies = "", dict[str, None](), []
    for number, source in enumerate(sources.values()):
        for entry in entries_of(source):
            source = re.sub(rf"\b{entry}\b", f"{entry}_of_{number}", source)
        for variable in set(_VARIABLE.findall(source)):
            source = re.sub(rf"\b{variable}\b", f"{variable}_of_{number}", source)
        head, body = source.split(".address_size 64", 1)
        header = f"{head}.address_size 64\n"
        lines = body.splitlines()
        common |= dict.fromkeys(line for line in lines if line.startswith(".common"))
        bodies += [line for line in lines if not line.startswith(".common")]
    return "\n".join([header, *common, *bodies])


def audit(sources: Mapping[str, str], capability: Capability, folder: Path) -> dict[str, Audit]:
    """Audits of many PTX files of one kernel each, by the names that they are given."""
    return {name: found for (name, _), found in audit_entries(sources, capability, folder).items()}


def audit_entries(sources: Mapping[str, str], capability: Capability, folder: Path) -> dict[tuple[str, str], Audit]:
    """(name of a PTX file, kernel in it) → audit; one start of the tools, which takes most of their time, for all."""
    found = assembled(joined(sources), capability, folder)
    audits = {}
    for number, (name, source) in enumerate(sources.items()):
        for entry in entries_of(source):
            audits[name, entry] = found[f"{entry}_of_{number}"]
            LADDER.audit(entry, capability)
    return audits


def assembled(text: str, capability: Capability, folder: Path) -> dict[str, Audit]:
    """Assemble PTX as a user's driver would, and read what the assembler and the machine code say of each kernel."""
    source, binary = folder / "kernels.ptx", folder / "kernels.cubin"
    source.write_text(text, encoding="utf-8")
    report = _run("ptxas", "-v", f"-arch=sm_{capability[0]}{capability[1]}", source, "-o", binary)
    needs = dict(re.findall(r"Function properties for (\w+)\n(.*\n.*)\n", report))
    code = dict(re.findall(r"-+ \.text\.(\w+) +-+\n(.*?)(?=\n//-|\Z)", _run("nvdisasm", "-c", binary), re.S))
    return {name: _audit(needs[name], code[name]) for name in code}


def _audit(needs: str, code: str) -> Audit:
    frame = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", needs)
    used = re.search(r"Used (\d+) registers", needs)
    shared = re.search(r"(\d+) bytes smem", needs)
    instructions = _INSTRUCTION.findall(code)
    assert frame and used and instructions, needs
    return Audit(
        registers=int(used[1]),
        spilled=int(frame[2]) + int(frame[3]),
        local=int(frame[1]),
        fp64=sum(bool(_FP64.match(instruction)) for instruction in instructions),
        instructions=len(instructions),
        shared=int(shared[1]) if shared else 0,
        opcodes=Counter(instructions),
    )
