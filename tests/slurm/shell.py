"""What bash and Slurm make of a batch script, and words that would do harm if they got there unquoted."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from hypothesis import strategies as st

from clustermark.runners.slurm_site import Site

# "ran" is a file in the folder in which the shell runs: it must never appear.
HOSTILE = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(
    ["$(touch ran)", "`touch ran`", "'; touch ran; '", '"; touch ran; "', "a\ntouch ran\n", "x; touch ran #",
     "&& touch ran", '"$HOME"', "\n#SBATCH --wrap=x", "%j", "${IFS}", "\\", "--wrap=x", "-x", "a b", "*", "~",
     "|touch ran", ">ran"]
)  # fmt: skip


def directives(text: str) -> list[str]:
    """What Slurm reads of a script."""
    return [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH")]


def shell_words(text: str, site: Site, tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """What bash makes of a script: the argv of the program, and the variables; `exec` and `module` only tell."""
    stub = tmp_path / "stub"
    stub.write_text('#!/bin/bash\nprintf "%s\\0" "$@"\n')
    stub.chmod(0o755)
    body = text.replace("\nexec ", f"\nexec {shlex.quote(str(stub))} ")
    prefix = "module() { :; }\n"
    show = "\n".join(f'printf "%s\\0" "{name}=${name}"' for name in site.environment)
    lines = body.split("\nexec ", 1)
    script = f"{prefix}{lines[0]}\n{show}\nprintf 'ARGV\\0'\nexec {lines[1]}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, env={"SLURM_ARRAY_TASK_ID": "3", "PATH": "/usr/bin:/bin"},
        cwd=tmp_path, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, _, after = done.stdout.decode().partition("ARGV\0")
    pairs = (part.partition("=") for part in before.split("\0") if part)
    return after.split("\0")[:-1], {name: value for name, _, value in pairs}
