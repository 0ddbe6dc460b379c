"""Virtual nodes have host names and mounts that nobody else sees, also where the root is no mount point."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from clustermark.slurm.virtual import namespaces

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = 'hostname "$1" && mount --bind "$2" /etc/hosts && hostname && cat /etc/hosts && test -e /proc/self/stat'
# A system whose root is a folder of a mount that is shared with the one outside, as that of a chroot under systemd.
CHROOT = """
set -e
mount -t tmpfs none "$1" && mount --make-shared "$1" && root=$1/root && mkdir "$root" && cd "$root"
mkdir usr etc proc tmp && cp /etc/hosts etc && echo of-the-node > tmp/hosts
for place in bin sbin lib lib64; do
    if [ -L /$place ]; then ln -s usr/$place $place; fi
    if [ -d /$place ] && [ ! -L /$place ]; then mkdir $place && mount --bind /$place $place; fi
done
mount --bind /usr usr && mount -t proc proc proc
chroot . %s
echo "leaks: $(grep -c 'root/etc/hosts' /proc/self/mountinfo)"
"""


def in_a_chroot(folder: Path, words: list[str]) -> list[str]:
    """What the words say in such a root, then how many mounts of theirs are seen outside."""
    made = namespaces.own_words(CHROOT % shlex.join(words), str(folder))
    done = subprocess.run(made, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0 or done.stdout.endswith("leaks: 0\n"), done.stderr
    return done.stdout.splitlines()


@pytest.fixture(autouse=True)
def _able() -> None:
    if os.geteuid() != 0:
        pytest.skip("virtual Slurm nodes need root")
    if namespaces.why_none():
        pytest.skip(namespaces.why_none())


def test_a_root_that_is_no_mount_point_is_replaced_by_a_copy_that_is(tmp_path: Path) -> None:
    words = namespaces.own_words(SCRIPT, "vn1", "/tmp/hosts", mounts="")
    assert in_a_chroot(tmp_path, words) == ["vn1", "of-the-node", "leaks: 0"]
    assert os.uname().nodename != "vn1"


def test_without_the_copy_mounts_would_be_seen_outside(tmp_path: Path) -> None:
    """The planted fault: what the test above looks for is there if the propagation is left as it is."""
    words = ["unshare", "--uts", "--mount", "--propagation", "unchanged", "sh", "-c", SCRIPT, "sh", "vn1", "/tmp/hosts"]
    assert in_a_chroot(tmp_path, words) == ["vn1", "of-the-node", "leaks: 1"]


def test_a_usual_root_is_kept(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("of-the-node\n")
    words = namespaces.own_words(SCRIPT, "vn1", str(hosts))
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines() == ["vn1", "of-the-node"]
    assert "of-the-node" not in Path("/etc/hosts").read_text()


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        ("27 1 254:0 / / rw,relatime - ext4 /dev/vda rw", True),
        ("27 1 254:0 /root / rw shared:1 - ext4 /dev/vda rw\n28 27 0:4 / /proc rw - proc proc rw", True),
        ("28 27 0:4 / /proc rw - proc proc rw", False),
        ("", False),
    ],
)
def test_whether_the_root_is_a_mount_point_is_read_from_the_table_of_mounts(mounts: str, found: bool) -> None:
    assert namespaces.root_is_mounted(mounts) == found


def test_where_there_are_no_namespaces_the_message_says_what_to_use(tmp_path: Path) -> None:
    """Root without the capability, as in a container that was started without options."""
    weak = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]
    up = [
        sys.executable,
        str(ROOT / "slurm" / "virtual" / "cluster.py"),
        "up",
        "--install",
        "--root",
        str(tmp_path / "c"),
    ]
    done = subprocess.run([*weak, *up], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "there are none to be had here" in done.stderr
    assert "--cap-add SYS_ADMIN" in done.stderr
    assert "Traceback" not in done.stderr
