"""The long validation of the climate model: runs every part, judges, and writes docs/climate-validation.md.

usage: climate_validate.py [--folder F] [--part NAME …] [--list] [--page FILE] [--jobs N] [--fresh]

What the words mean, and the exit codes, stand in validation.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from validate import (
    climate_baroclinic,
    climate_held_suarez,
    climate_pictures,
    climate_shallow,
    climate_transport,
)
from validate.md_launches import ROOT
from validate.validation import Validation, main

VALIDATION = Validation(
    script="climate_validate",
    subject="the climate model",
    # The longest part first: it then runs beside all others.
    topics=(climate_held_suarez, climate_shallow, climate_baroclinic, climate_transport),
    page=ROOT / "docs" / "climate-validation.md",
    folder=ROOT / "results" / "climate-validation",
    engine=("apps/climate/**/*.py", "devices/*.py", "tests/validate/climate_*.py"),
    judging=frozenset(
        {
            "climate_validate.py",
            "climate_shallow.py",
            "climate_baroclinic.py",
            "climate_held_suarez.py",
            "climate_pictures.py",
            "climate_transport.py",
            "climate_gpu.py",
        }
    ),
    draw=climate_pictures.draw,
)

if __name__ == "__main__":
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    sys.exit(main(VALIDATION))
