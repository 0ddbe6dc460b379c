"""Where Apache Otava is, and asking it for change points."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from clustermark.core.errors import UsageError, plain

SCRIPT = Path(__file__).with_name("otava_points.py")
SECONDS = 600.0
HOW = (
    "Apache Otava is not here; `python -m venv otava && otava/bin/pip install apache-otava`, "
    "then give --otava otava/bin/python"
)


def find_otava(given: str | None) -> str | None:
    """The Python that has it: as given, else CLUSTERMARK_OTAVA_PYTHON, else this one; None where there is none."""
    asked = given or os.environ.get("CLUSTERMARK_OTAVA_PYTHON")
    if asked:
        return asked
    return sys.executable if importlib.util.find_spec("otava") else None


def change_points(python: str, series: Sequence[Sequence[float]]) -> list[list[int]]:
    """Numbers of the points at which a new level begins, per series. Raises UsageError where Otava does not work."""
    try:
        done = subprocess.run(
            [python, "-P", str(SCRIPT)],
            input=json.dumps({"series": [list(one) for one in series]}),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        found = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise UsageError(f"--otava {plain(python, 200)}: does not run ({plain(str(error), 200)}); {HOW}") from error
    if found is None or not _fits(found, series):
        said = plain((done.stderr.strip().splitlines() or ["no reason given"])[-1], 200)
        raise UsageError(f"--otava {plain(python, 200)}: gives no change points ({said}); {HOW}")
    return found


def _fits(found: object, series: Sequence[Sequence[float]]) -> bool:
    if not isinstance(found, list) or len(found) != len(series):
        return False
    return all(isinstance(one, list) and all(isinstance(number, int) for number in one) for one in found)
