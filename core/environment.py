"""What a figure was measured on: facts that decide comparability, state that explains noise.

Two runs may be compared only if the fingerprints of their facts agree. State (load, pressure, clock) and
provenance (git, versions of clustermark) never enter the fingerprint.
"""

import hashlib
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clustermark.core.case import canonical_json

# Variables that change what the libraries do; everything else in the environment stays private.
RECORDED_VARIABLES = re.compile(
    r"^(OMP_|OPENBLAS_|MKL_|BLIS_|GOTO_|NUMBA_|OMPI_MCA_|PRTE_MCA_|PMIX_MCA_|MPIR_CVAR_|MPICH_|UCX_|FI_|NCCL_"
    r"|CUDA_|CUPY_|NUMPY_MADVISE_HUGEPAGE$|SLURM_JOB_PARTITION$|KMP_|CLUSTERMARK_BIND$)"
)

# What a launcher writes about the launch itself: other in every launch, so it may not decide comparability.
_BOOKKEEPING = re.compile(
    r"(OMPI_MCA|PRTE_MCA|PMIX_MCA)_(PREFIXES|initial_wdir|num_procs|cpu_type|orte_.*|ess_.*|.*(uri|jobid|session|tmpdir).*)$"
)


@dataclass(frozen=True)
class Environment:
    """One launch's surroundings, as plain JSON types.

    Attributes
    ----------
    facts : hardware, kernel, libraries and their versions as loaded, variables: fingerprinted
    state : {"before": …, "after": …} load, pressure, steal, context switches
    ranks : one row per rank: rank, ranks, node, affinity
    provenance : version and git state of clustermark, Python's version, the launcher
    """

    facts: Mapping[str, Any]
    state: Mapping[str, Any]
    ranks: Sequence[Mapping[str, Any]]
    provenance: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of the SHA-256 of the facts."""
        return fingerprint(self.facts)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def fingerprint(facts: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of the canonical JSON of the facts."""
    return hashlib.sha256(canonical_json(facts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def fact_differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(name, value there, value here) of every fact that differs, names such as ``"cpu.model"``; "–" where absent."""
    x, y = _flat(one), _flat(other)
    return [
        (name, x.get(name, "–"), y.get(name, "–"))
        for name in sorted(x.keys() | y.keys())
        if x.get(name, "–") != y.get(name, "–")
    ]


def _flat(value: object, name: str = "") -> dict[str, str]:
    if isinstance(value, Mapping) and value:
        return {
            key: text
            for inner, item in value.items()
            for key, text in _flat(item, f"{name}.{inner}" if name else str(inner)).items()
        }
    return {name: value if isinstance(value, str) else canonical_json(value)}


def read_text(path: str) -> str:
    """A file of /proc or /sys, stripped; "" where it is absent or unreadable."""
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""


def chosen(text: str) -> str:
    """The choice of a /sys switch: ``"always [madvise] never"`` → ``"madvise"``; other text unchanged."""
    match = re.search(r"\[(\S+)\]", text)
    return match.group(1) if match else text


def cpu_facts() -> dict[str, Any]:
    """Model, sockets, cores, caches, vector extensions, governor of the CPUs that this node has."""
    fields: dict[str, str] = {}
    for line in read_text("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    cores, sockets = set(), set()
    logical = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/topology"))
    for topology in logical:
        package = read_text(f"{topology}/physical_package_id")
        sockets.add(package)
        cores.add((package, read_text(f"{topology}/core_id")))
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    vectors = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd", "sve")
    return {
        "model": fields.get("model name", platform.processor() or platform.machine()),
        "architecture": platform.machine(),
        "sockets": len(sockets) or 1,
        "cores": len(cores) or os.cpu_count() or 1,
        "logical": len(logical) or os.cpu_count() or 1,
        "caches": _caches(),
        "vector": [name for name in vectors if name in flags],
        "governor": read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        "hypervisor": "hypervisor" in flags,
    }


def _caches() -> dict[str, str]:
    caches = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index[0-9]*")):
        kind = {"Data": "d", "Instruction": "i"}.get(read_text(f"{index}/type"), "")
        caches[f"L{read_text(f'{index}/level')}{kind}"] = read_text(f"{index}/size")
    return caches


def system_facts() -> dict[str, Any]:
    """Kernel, memory, huge pages, TCP congestion control of this node."""
    memory = re.search(r"MemTotal:\s+(\d+)", read_text("/proc/meminfo"))
    return {
        "kernel": platform.release(),
        "memory_gib": round(int(memory.group(1)) / 2**20, 1) if memory else 0.0,
        "huge_pages": chosen(read_text("/sys/kernel/mm/transparent_hugepage/enabled")) or "unknown",
        "tcp_congestion_control": read_text("/proc/sys/net/ipv4/tcp_congestion_control") or "unknown",
        "sched_autogroup": read_text("/proc/sys/kernel/sched_autogroup_enabled") or "unknown",
    }


def network_interfaces() -> list[dict[str, Any]]:
    """Interfaces of this node that are up: name, speed [Mbit/s] (-1 where it is not told), MTU [B], driver."""
    found = []
    for folder in sorted(Path("/sys/class/net").glob("*")):
        if read_text(f"{folder}/operstate") not in ("up", "unknown"):
            continue
        driver = Path(os.path.realpath(folder / "device" / "driver"))
        found.append(
            {
                "name": folder.name,
                "speed_mbit": int(read_text(f"{folder}/speed") or -1),
                "mtu": int(read_text(f"{folder}/mtu") or 0),
                "driver": driver.name if driver.exists() else "",
            }
        )
    return found


def library_facts() -> dict[str, Any]:
    """Versions of Python, NumPy, h5py and of the BLAS that NumPy has loaded, with its kernel."""
    import h5py
    import numpy as np
    import threadpoolctl

    pools = [
        {key: pool.get(key) for key in ("user_api", "internal_api", "version", "architecture")}
        for pool in threadpoolctl.threadpool_info()
    ]
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "h5py": h5py.__version__,
        "hdf5": h5py.version.hdf5_version,
        "thread_pools": sorted(pools, key=str),
    }


def recorded_variables() -> dict[str, str]:
    """The environment variables that change what the libraries do; the same for each launch of a set-up."""
    return {
        key: value
        for key, value in sorted(os.environ.items())
        if RECORDED_VARIABLES.match(key) and not _BOOKKEEPING.match(key)
    }


def git_state(folder: Path) -> dict[str, Any]:
    """Commit and dirtiness of a checkout; empty where there is none or no git."""
    import subprocess

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], check=False, capture_output=True, text=True, timeout=10
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(git("status", "--porcelain"))} if commit else {}
    except (OSError, subprocess.SubprocessError):
        return {}


def affinity() -> list[int]:
    """Logical CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def short_ranges(numbers: Sequence[int]) -> str:
    """``[0, 1, 2, 5]`` → ``"0-2,5"``."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in ranges)
