"""The long validation of molecular dynamics: runs every part, judges, and writes docs/md-validation.md.

usage: md_validate.py [--folder F] [--part NAME …] [--list] [--page FILE] [--jobs N] [--fresh]

What the words mean, and the exit codes, stand in validation.py.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from validate import (
    md_conservation,
    md_decomposition,
    md_diffusion,
    md_ensembles,
    md_nist,
    md_restarts,
    md_structure,
)
from validate.md_launches import ROOT
from validate.validation import Validation, main

VALIDATION = Validation(
    script="md_validate",
    subject="molecular dynamics",
    topics=(md_nist, md_ensembles, md_decomposition, md_restarts, md_conservation, md_diffusion, md_structure),
    page=ROOT / "docs" / "md-validation.md",
    folder=ROOT / "results" / "md-validation",
    engine=("apps/md/*.py", "devices/*.py", "tests/validate/md_*.py", "tests/validate/lammps_reference.py"),
    judging=frozenset({"md_judges.py", "md_page.py", "md_validate.py"}),
)

if __name__ == "__main__":
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    sys.exit(main(VALIDATION))
