"""How an emulated cluster is started from outside: what it is asked for, its folder, its command line."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from clustermark.core.errors import UsageError, nearest
from clustermark.runners.children import die_with_parent
from clustermark.runners.emulation.shape import Shape

# A place that a restart empties. The folder of a cluster stays empty: the cluster sees a tmpfs of its own over it.
PLACE = Path("/run")
_CONTROLS, _CONTROL = Path("/proc/sys/net/ipv4/tcp_available_congestion_control"), "cubic"
_NAME = re.compile(r"clustermark-emulation\.(\d+)")
_TOOLS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "taskset": "util-linux",
    "ip": "iproute2",
    "tc": "iproute2",
    "sysctl": "procps",
}
_APART = ("--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--mount", "--uts", "--ipc", "--net")


@dataclass(frozen=True)
class Request:
    """What the verb asks for, as one JSON argument.

    Attributes
    ----------
    shape : nodes, rate, delay
    cores : of each node, as taskset lists them
    congestion_control : of TCP between the nodes, "" for the system's
    command : runs on the first node
    share_memory : nodes see one /dev/shm and one IPC namespace: a planted leak, for tests
    folder : an empty folder that is there; a tmpfs hides it
    """

    shape: Shape
    cores: tuple[str, ...]
    congestion_control: str
    command: tuple[str, ...]
    share_memory: bool = False
    folder: str = ""

    def to_json(self) -> str:
        """One JSON object; `from_json` takes it back."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Request:
        """The request that `to_json` made."""
        data = json.loads(text)
        shape = Shape(**data["shape"])
        return Request(**{**data, "shape": shape, "cores": tuple(data["cores"]), "command": tuple(data["command"])})


def why_not_here() -> str:
    """ "" if a cluster can be emulated on this machine, else the end of a sentence with what mends it."""
    if sys.platform != "linux":
        return "needs Linux namespaces; on this system use a virtual machine with Linux"
    if os.geteuid() != 0:
        return "needs root for namespaces and interfaces; run it with sudo, in a container or a virtual machine"
    missing = sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})
    if missing:
        return f"does not find {' and '.join(missing)}; `apt-get install {' '.join(missing)}`"
    try:
        tried = ["unshare", *_APART, "ip", "link", "add", "port0", "type", "veth", "peer", "name", "eth0"]
        done = subprocess.run(tried, check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        return f"cannot make namespaces ({error}); run it in a virtual machine, or a container with all privileges"
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason told"])[-1]
        return f"may not make namespaces ({said}); run it in a virtual machine, or a container with all privileges"
    return ""


def chosen_control(name: str) -> str:
    """The congestion control asked for; where none is, cubic if the kernel has it, else "" for the system's.

    bbr sends 1 % below the rate that it sees (the kernel's tcp_bbr.c), and an emulated rate is to be seen in full.
    Raises UsageError for one that the kernel does not offer.
    """
    known = _CONTROLS.read_text().split() if _CONTROLS.exists() else []
    if not name:
        return _CONTROL if _CONTROL in known else ""
    if name not in known:
        raise UsageError(f"--congestion-control {name}: is not offered by this kernel{nearest(name, known)}")
    return name


def core_lists(cores: list[int], nodes: int, per_node: int) -> tuple[str, ...]:
    """The cores of each node, as taskset lists them; nodes beyond the last core share cores with the first.

    Raises UsageError for more cores per node than there are.
    """
    if not 1 <= per_node <= len(cores):
        raise UsageError(f"--cores {per_node}: expected 1 to {len(cores)}, the cores of this machine")
    starts = [node * per_node for node in range(nodes)]
    return tuple(",".join(str(cores[(start + k) % len(cores)]) for k in range(per_node)) for start in starts)


@contextmanager
def started(request: Request) -> Iterator[subprocess.Popen[bytes]]:
    """The process that the cluster ends with; its folder goes when the block is left. Raises UsageError."""
    folder = PLACE / f"clustermark-emulation.{os.getpid()}"
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
    except OSError as error:
        raise UsageError(f"emulate: {folder} cannot be made ({error.strerror}); is {PLACE} writable?") from error
    asked = Request(**{**vars(request), "folder": str(folder)})
    words = ["unshare", *_APART, sys.executable, "-m", "clustermark.runners.emulation.cluster", asked.to_json()]
    process = subprocess.Popen(words, preexec_fn=die_with_parent)  # noqa: PLW1509 - this process has one thread
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        with contextlib.suppress(OSError):
            folder.rmdir()


def left_behind() -> list[Path]:
    """Empty folders of clusters whose process is gone: all that a kill can leave."""
    found = []
    for path in PLACE.glob("clustermark-emulation.*"):
        match = _NAME.fullmatch(path.name)
        if match and not Path(f"/proc/{match.group(1)}").exists():
            found.append(path)
    return found
