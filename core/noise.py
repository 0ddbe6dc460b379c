"""How busy the node was besides us: pressure, steal, foreign CPU time, context switches.

Two snapshots bracket a launch; `between` turns them into shares. What cannot be read is left out, never 0.
"""

import contextlib
import os
import re
import resource
import time
from collections.abc import Mapping

from clustermark.core.environment import read_text

# Shares of the node's CPU time above which a run is labelled; below, ordinary daemons stay unmentioned.
FOREIGN_CPU_LIMIT = 0.05
STEAL_LIMIT = 0.02
# … and the least CPU time behind a label: /proc/stat counts in ticks of 10 ms.
LEAST_SECONDS = 0.1


def snapshot() -> dict[str, float]:
    """Counters of this node and of this process, in seconds or counts since boot or start."""
    tick = os.sysconf("SC_CLK_TCK")
    now: dict[str, float] = {"time": time.monotonic()}
    with contextlib.suppress(OSError):
        now["load_1min"] = os.getloadavg()[0]
    cpu = read_text("/proc/stat").split("\n", 1)[0].split()[1:9]
    if len(cpu) == 8:
        user, nice, system, idle, iowait, irq, softirq, steal = (int(field) / tick for field in cpu)
        # The kernel's work on interrupts is nobody's program: a transfer over TCP makes a lot of it.
        now |= {"busy": user + nice + system, "interrupts": irq + softirq, "idle": idle + iowait, "steal": steal}
    pressure = re.search(r"some .*total=(\d+)", read_text("/proc/pressure/cpu"))
    if pressure:
        now["pressure"] = int(pressure.group(1)) / 1e6
    usage = resource.getrusage(resource.RUSAGE_SELF)
    now |= {"own": usage.ru_utime + usage.ru_stime, "involuntary_switches": float(usage.ru_nivcsw)}
    frequency = re.search(r"cpu MHz\s*:\s*([\d.]+)", read_text("/proc/cpuinfo"))
    if frequency:
        now["cpu_mhz"] = float(frequency.group(1))
    return now


def between(before: Mapping[str, float], after: Mapping[str, float], own_seconds: float) -> dict[str, float]:
    """Shares of one node's CPU time between two snapshots.

    Parameters
    ----------
    before, after : of the same node
    own_seconds : [s] CPU time that all ranks on the node used in between

    Returns
    -------
    dict : "seconds", and where readable "foreign_cpu" and "steal" (of all CPU time, 0 … 1) and "pressure"
        (share of the time in which some task waited for a CPU) and "cpu_seconds" (of all CPUs)
    """
    seconds = after["time"] - before["time"]
    shares = {"seconds": seconds}
    if "busy" in before and "busy" in after:
        names = ("busy", "interrupts", "idle", "steal")
        busy, interrupts, idle, steal = (after.get(name, 0.0) - before.get(name, 0.0) for name in names)
        total = busy + interrupts + idle + steal
        if total > 0:
            shares["foreign_cpu"] = max(0.0, (busy - own_seconds) / total)
            shares["steal"] = max(0.0, steal / total)
            shares["cpu_seconds"] = total
    if "pressure" in before and "pressure" in after and seconds > 0:
        shares["pressure"] = (after["pressure"] - before["pressure"]) / seconds
    return shares


def labels(shares: Mapping[str, float]) -> tuple[str, ...]:
    """The conditions that a reader must see; how much is in the shares, so that equal kinds stay equal labels."""
    found = []
    least = LEAST_SECONDS / max(shares.get("cpu_seconds", 0.0), LEAST_SECONDS)
    if shares.get("foreign_cpu", 0.0) > max(FOREIGN_CPU_LIMIT, least):
        found.append("noisy machine: other programs ran")
    if shares.get("steal", 0.0) > max(STEAL_LIMIT, least):
        found.append("noisy machine: the hypervisor took CPU time")
    return tuple(found)


def report(shares: Mapping[str, float]) -> dict[str, float]:
    """The shares of CPU time as counters of a result: {"foreign CPU share": …, "steal share": …}."""
    names = {"foreign_cpu": "foreign CPU share", "steal": "steal share"}
    return {name: round(shares[key], 4) for key, name in names.items() if key in shares}
