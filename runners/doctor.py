"""The checks of `clustermark doctor`, in the order in which they are shown.

Nothing heavy or dangerous is imported or loaded in this process: NumPy, HDF5, MPI and the GPU driver are asked
in children (runners/probe.py), so that a broken one is a finding and not the end of the doctor.
"""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clustermark import __version__
from clustermark.runners.children import Ask, ask, probe_arguments
from clustermark.runners.doctor_gpu import examine_gpu
from clustermark.runners.doctor_host import examine_node
from clustermark.runners.doctor_mpi import examine_mpi
from clustermark.runners.findings import Finding
from clustermark.runners.launcher import THREAD_VARIABLES

# Each makes a BLAS take another kernel, or other block sizes, than it would choose for this CPU.
KERNEL_VARIABLES = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
    "BLIS_ARCH_TYPE",
)
# Each binds threads by itself, against the binding of the launcher.
BINDING_VARIABLES = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")
LIBRARY_SECONDS = 60.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def examine(results: Path, mpirun: str | None = None, launch: bool = True, ask: Ask = ask) -> Iterator[Finding]:
    """Every check, each finding as soon as it is known; about 10 s where MPI works.

    Parameters
    ----------
    results : folder where runs go
    mpirun : the launcher that the user named, or None
    launch : whether ranks may be started
    ask : runs the children
    """
    yield Finding("Python", "ok", f"{platform.python_version()}, {sys.executable}; clustermark {__version__}")
    yield from examine_libraries(ask, os.environ)
    yield from examine_mpi(ask, mpirun, launch)
    yield from examine_node(ask, results)
    yield from examine_tools()
    yield from examine_gpu(ask, mpirun, launch)


def examine_libraries(ask: Ask, variables: Mapping[str, str]) -> Iterator[Finding]:
    """NumPy, its BLAS and the kernel it takes, HDF5, numba, variables of threads."""
    found = _libraries(ask, variables)
    numpy = found["numpy"]
    if "error" in numpy:
        yield Finding("NumPy", "problem", f"cannot be imported: {numpy['error']}", _reinstall("numpy threadpoolctl"))
    else:
        yield Finding("NumPy", "ok", numpy["version"])
        yield _blas(ask, numpy, variables)
    hdf5 = found["h5py"]
    if "error" in hdf5:
        yield Finding("HDF5", "problem", f"h5py cannot be imported: {hdf5['error']}", _reinstall("h5py"))
    else:
        yield Finding("HDF5", "ok", f"{hdf5['hdf5']}, h5py {hdf5['version']}")
    yield tool_finding("numba", ("numba",), "the workloads' compiled loops need it", missing="problem")
    yield threads_finding(variables)


def _reinstall(packages: str) -> str:
    return f"pip install --force-reinstall {packages}"


def _libraries(ask: Ask, variables: Mapping[str, str]) -> dict[str, Any]:
    ended = ask(probe_arguments("libraries"), variables, LIBRARY_SECONDS)
    nothing = {"error": f"the process that imports it {ended.complaint()}"}
    return {"numpy": nothing, "h5py": nothing, **(ended.documents() or [{}])[-1]}


def _blas(ask: Ask, numpy: Mapping[str, Any], variables: Mapping[str, str]) -> Finding:
    forced = {name: variables[name] for name in KERNEL_VARIABLES if name in variables}
    free: Mapping[str, Any] = {}
    if forced:
        without = {name: value for name, value in variables.items() if name not in forced}
        free = _libraries(ask, without)["numpy"]
    return blas_finding(numpy, free, forced)


def blas_finding(numpy: Mapping[str, Any], free: Mapping[str, Any], forced: Mapping[str, str]) -> Finding:
    """The BLAS and its kernel; a forced one makes GEMM slower than the machine is.

    Parameters
    ----------
    numpy : what the probe says
    free : the same without the variables in `forced`
    forced : the variables that choose a kernel
    """
    if not numpy["blas"]:
        return Finding("BLAS", "warning", "threadpoolctl does not know the BLAS of NumPy; its kernel is unknown")
    shown = _kernel(numpy["blas"][0])
    if not forced:
        return Finding("BLAS", "ok", shown)
    what = f"{shown}, forced by {', '.join(f'{name}={value}' for name, value in forced.items())}"
    if free.get("blas"):
        own, taken = free["blas"][0].get("architecture"), numpy["blas"][0].get("architecture")
        what += f"; without it this CPU gets {own}" if own != taken else "; the kernel is the same without it"
    return Finding("BLAS", "warning", what, f"unset {' '.join(forced)}")


def _kernel(pool: Mapping[str, Any]) -> str:
    return f"{pool['internal_api']} {pool['version']}, kernel {pool['architecture'] or 'unknown'}"


def threads_finding(variables: Mapping[str, str]) -> Finding:
    """Variables of thread pools: counts are set by every launch, bindings would fight with the launcher's."""
    binding = {name: variables[name] for name in BINDING_VARIABLES if name in variables}
    if binding:
        what = f"{_assignments(binding)} bind(s) threads against the launcher's own binding"
        return Finding("threads", "warning", what, f"unset {' '.join(binding)}")
    counts = {name: variables[name] for name in THREAD_VARIABLES if name in variables}
    if counts:
        return Finding("threads", "ok", f"{_assignments(counts)} set here; every launch sets its own")
    return Finding("threads", "ok", "no variable of a thread pool is set; every launch sets its own")


def _assignments(variables: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in variables.items())


def examine_tools() -> Iterator[Finding]:
    """What reports need, and what only tests need."""
    yield tool_finding("charts", ("altair", "vl_convert"), "reports need them", missing="problem")
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), "")
    yield optional_finding("browser", browser, "only tests marked 'browser' need Chromium")
    compilers = [path for name in ("cc", "mpicc") if (path := _beside_or_path(name))]
    yield optional_finding("C compiler", ", ".join(compilers), "only tests/perf needs cc and mpicc")


def _beside_or_path(name: str) -> str:
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name) or ""


def tool_finding(name: str, modules: tuple[str, ...], why: str, missing: Any) -> Finding:
    """Whether modules are installed, without importing them."""
    absent = [module for module in modules if not _installed(module)]
    if not absent:
        return Finding(name, "ok", f"{', '.join(modules)} installed")
    packages = " ".join({"vl_convert": "vl-convert-python"}.get(module, module) for module in absent)
    return Finding(name, missing, f"{', '.join(absent)} not installed; {why}", f"pip install {packages}")


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def optional_finding(name: str, found: str, why: str) -> Finding:
    """Something that may be missing without harm."""
    return Finding(name, "ok", found) if found else Finding(name, "absent", f"not found; {why}")
