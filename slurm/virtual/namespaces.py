"""A host name and a mount table for each virtual node; as a program, whether they can be had here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TRY_SECONDS = 20.0
ADVICE = (
    "use a virtual machine, or a container started with --cap-add SYS_ADMIN --security-opt apparmor=unconfined "
    "(docker, podman)"
)
# In a chroot the root is no mount point, so that its propagation cannot be changed, and whatever is mounted below may
# be seen outside. A copy of the tree, mounted over /proc, which is a mount point, is private; it becomes the root.
_COPY_OF_ROOT = (
    'mount --make-rprivate /proc && mount --rbind --make-rprivate / /proc && exec chroot /proc sh -c "$0" sh "$@"'
)


def root_is_mounted(mounts: str) -> bool:
    """Whether the root is a mount point, from the text of /proc/self/mountinfo (proc(5): the fifth field)."""
    return any(line.split()[4] == "/" for line in mounts.splitlines() if len(line.split()) > 4)


def own_words(script: str, *arguments: str, mounts: str | None = None) -> list[str]:
    """The command that runs a shell script as root with a host name and mounts that nobody else sees.

    `mounts` is the text of /proc/self/mountinfo, read if None. Raises OSError: /proc is not mounted.
    """
    if mounts is None:
        mounts = Path("/proc/self/mountinfo").read_text()
    propagation, begin = ("private", ["sh", "-c", script, "sh"])
    if not root_is_mounted(mounts):
        propagation, begin = ("unchanged", ["sh", "-c", _COPY_OF_ROOT, script])
    return ["unshare", "--uts", "--mount", "--propagation", propagation, *begin, *arguments]


def why_none() -> str:
    """ "" if a virtual node can have a name and mounts of its own here, else one sentence."""
    try:
        words = own_words('hostname "$1" && mount --bind /etc/hosts /etc/hosts', "vn1")
        done = subprocess.run(words, capture_output=True, text=True, timeout=TRY_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"virtual nodes need namespaces, and these cannot be tried here ({error}); {ADVICE}"
    if done.returncode == 0:
        return ""
    said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return f"virtual nodes need namespaces, and there are none to be had here ({said[-1].strip()}); {ADVICE}"


if __name__ == "__main__":
    sys.exit(why_none() or 0)
