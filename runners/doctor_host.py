"""What `clustermark doctor` reads of the node: cores, quota, load, memory, disk."""

import os
import re
import secrets
import shlex
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clustermark.core import noise
from clustermark.core.environment import affinity, chosen, cpu_facts, read_text, short_ranges
from clustermark.core.errors import StoreError
from clustermark.core.files import atomic_write
from clustermark.devices.energy import Rapl
from clustermark.runners.children import Ask, probe_arguments
from clustermark.runners.findings import Finding

# Docker's default; a 2-rank launch of either MPI takes some MiB of it, a large one takes gigabytes.
SMALL_SHM = 256 * 2**20
SMALL_DISK = 2**30
SLOW_WRITE_SECONDS = 1.0
WATCH_SECONDS = 0.5


def examine_node(ask: Ask, results: Path) -> Iterator[Finding]:
    """Findings about cores, load, memory and disk; `results` is the folder where runs go."""
    facts = cpu_facts()
    yield cores_finding(facts, affinity())
    yield quota_finding(cgroup_quota(), len(affinity()))
    yield _load()
    yield governor_finding(facts)
    yield energy_finding(Rapl())
    pages = chosen(read_text("/sys/kernel/mm/transparent_hugepage/enabled")) or "unknown"
    yield Finding("huge pages", "ok", f"transparent huge pages: {pages}")
    yield _cma(ask)
    yield shm_finding(Path("/dev/shm"))
    yield disk_finding(results)


def cores_finding(facts: dict[str, Any], allowed: list[int]) -> Finding:
    """Model, cores, hyper-threads, and whether this process may use them all."""
    threads = facts["logical"] // max(1, facts["cores"])
    shown = f"{facts['model']}: {facts['cores']} core(s) on {facts['sockets']} socket(s)"
    shown += f", {threads} hardware threads each" if threads > 1 else ""
    shown += f", {' '.join(facts['vector'])}" if facts["vector"] else ""
    if len(allowed) < facts["logical"]:
        what = (
            f"{shown}; this process may use {len(allowed)} of {facts['logical']} logical CPUs ({short_ranges(allowed)})"
        )
        return Finding(
            "cores", "warning", what, f"taskset -c 0-{facts['logical'] - 1} clustermark …, or ask for the whole node"
        )
    return Finding("cores", "ok", shown)


def cgroup_quota() -> float | None:
    """CPUs that the control group grants per second, None without a limit; the least of it and its parents."""
    quotas = []
    for line in read_text("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = Path("/sys/fs/cgroup") / ("cpu" if controllers else "")
        here = root / path.lstrip("/")
        for folder in (here, *here.parents):
            if folder == root.parent:
                break
            quotas.append(group_quota(folder))
    return min((quota for quota in quotas if quota is not None), default=None)


def group_quota(folder: Path) -> float | None:
    """CPUs granted by one control group: cpu.max of version 2, cpu.cfs_* of version 1."""
    words = read_text(f"{folder}/cpu.max").split() or [
        read_text(f"{folder}/cpu.cfs_quota_us"),
        read_text(f"{folder}/cpu.cfs_period_us"),
    ]
    try:
        quota, period = int(words[0]), int(words[1])
    except (ValueError, IndexError):  # "max", or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def quota_finding(quota: float | None, cpus: int) -> Finding:
    """Whether a container's CPU quota would stop ranks in the middle of a sample."""
    if quota is None:
        return Finding("CPU quota", "ok", "none")
    if quota < cpus:
        what = f"the control group grants {quota:g} CPU(s) to {cpus}: ranks are stopped in the middle of samples"
        return Finding("CPU quota", "warning", what, f"start the container with --cpus {cpus}, or without a limit")
    return Finding("CPU quota", "ok", f"{quota:g} CPUs for {cpus}")


def _load() -> Finding:
    before = noise.snapshot()
    time.sleep(WATCH_SECONDS)
    after = noise.snapshot()
    return load_finding(noise.between(before, after, after["own"] - before["own"]), os.getloadavg()[0])


def load_finding(shares: dict[str, float], load: float) -> Finding:
    """How busy other programs keep this node, over half a second."""
    shown = f"load {load:.2f}"
    if "foreign_cpu" in shares:
        shown += f", others use {shares['foreign_cpu']:.0%} of the CPU time"
    if "pressure" in shares:
        shown += f", a task waits for a CPU {shares['pressure']:.0%} of the time"
    if shares.get("steal", 0.0) > 0.005:
        shown += f", the hypervisor takes {shares['steal']:.0%}"
    if noise.labels(shares):
        return Finding("load", "warning", f"noisy: {shown}", "top  # shows the other programs: end them")
    return Finding("load", "ok", shown)


def governor_finding(facts: dict[str, Any]) -> Finding:
    """Whether the clock follows the load, which makes short samples slow."""
    governor = facts["governor"]
    if governor == "unknown":
        where = "this virtual machine" if facts["hypervisor"] else "this kernel"
        return Finding("governor", "ok", f"{where} does not show it")
    if governor == "performance":
        return Finding("governor", "ok", governor)
    what = f"{governor}: the clock follows the load, short samples may be slow"
    return Finding("governor", "warning", what, "sudo cpupower frequency-set --governor performance")


def energy_finding(rapl: Rapl) -> Finding:
    """Whether this node's energy can be read; runs work without."""
    if not rapl.missing:
        return Finding("energy", "ok", f"{rapl.name}; of every case")
    why, _, mend = rapl.missing.partition(": sudo ")
    mend = f"sudo {mend}" if mend else ""
    return Finding("energy", "absent", f"unavailable: {why}; a meter of your own: docs/reading-a-report.md", mend)


def _cma(ask: Ask) -> Finding:
    ended = ask(probe_arguments("cma"), os.environ, 10.0)
    answer = (ended.documents() or [{"works": False, "why": f"the test {ended.complaint()}"}])[-1]
    seccomp = re.search(r"^Seccomp:\s*(\d)", read_text("/proc/self/status"), re.M)
    return cma_finding(answer, read_text("/proc/sys/kernel/yama/ptrace_scope"), bool(seccomp and seccomp[1] == "2"))


def cma_finding(answer: dict[str, Any], scope: str, filtered: bool) -> Finding:
    """Whether ranks may copy from each other's memory (process_vm_readv), which the fabric `shm` needs.

    Parameters
    ----------
    answer : of the probe
    scope : /proc/sys/kernel/yama/ptrace_scope, "" where there is no Yama
    filtered : a seccomp filter is on, as in containers
    """
    circumstances = [f"ptrace_scope {scope}" if scope else "no Yama", *(["seccomp filter"] if filtered else [])]
    shown = f"process_vm_readv between two processes ({', '.join(circumstances)})"
    if answer["works"]:
        return Finding("single copy", "ok", f"{shown} works")
    mend = "sudo sysctl kernel.yama.ptrace_scope=0"
    if filtered or scope in ("", "0"):
        mend = "start the container with --cap-add SYS_PTRACE, or use --fabric shm-copy"
    what = f"{shown} fails ({answer['why']}): fabric 'shm' (CMA) would copy twice, or not work"
    return Finding("single copy", "warning", what, mend)


def shm_finding(folder: Path) -> Finding:
    """Room for the segments through which ranks of a node talk."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        return Finding(str(folder), "warning", f"cannot be read ({error.strerror}); shared memory may not work")
    shown = f"{_gib(usage.free)} free of {_gib(usage.total)}"
    if usage.free < SMALL_SHM:
        mend = "start the container with --shm-size=2g, or: sudo mount -o remount,size=2g /dev/shm"
        return Finding(str(folder), "warning", f"{shown}: too small for many ranks or large messages", mend)
    return Finding(str(folder), "ok", shown)


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def disk_finding(results: Path) -> Finding:
    """Whether a result can be written, made durable and renamed where runs go; nothing is left behind."""
    folder = results
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    shown = str(results) if folder == results else f"{results} (tried in {folder.resolve()})"
    target = folder / f".clustermark-doctor-{os.getpid()}-{secrets.token_hex(4)}"
    started = time.monotonic()
    try:
        atomic_write(target, bytes(2**20))
        seconds = time.monotonic() - started
        target.unlink()
        free = shutil.disk_usage(folder).free
    except (StoreError, OSError) as error:
        cause = error.__cause__ if isinstance(error, StoreError) else error
        why = getattr(cause, "strerror", None) or str(cause)
        mend = f"chmod u+w {shlex.quote(str(folder))}, or run with --out and a folder that can be written"
        return Finding("results", "problem", f"{shown}: cannot be written ({why})", mend)
    what = f"{shown}: {_gib(free)} free; 1 MiB written, synced and renamed in {1e3 * seconds:.0f} ms"
    if free < SMALL_DISK:
        return Finding("results", "warning", f"{what}; little room for raw samples", "free space, or run with --out")
    if seconds > SLOW_WRITE_SECONDS:
        return Finding("results", "warning", f"{what}: slow", "run with --out on a local or parallel file system")
    return Finding("results", "ok", what)
