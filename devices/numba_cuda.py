"""numba.cuda under the one name that kernels may call it by, `cuda`, and as Any: type checkers misread its decorators.

Importing this compiles nothing, starts no driver and wants no GPU. Under NUMBA_ENABLE_CUDASIM=1 it is the simulator.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba.cuda

cuda: Any = numba.cuda


def why_not() -> str:
    """ "" where numba.cuda is numba-cuda's, else the end of a sentence: numba's own is older, and lacks what we use."""
    place = Path(str(getattr(cuda, "__file__", "")))
    if "numba_cuda" in place.parts:
        return ""
    return (
        f"is not that of the package numba-cuda but {place.parent}; pip install --force-reinstall "
        f"'clustermark[cuda13]' into this Python (not with --target: numba-cuda needs its .pth file)"
    )
