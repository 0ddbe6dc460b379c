"""numba.cuda under the one name that kernels may call it by, `cuda`, and as Any: type checkers misread its decorators.

Importing this compiles nothing, starts no driver and wants no GPU. Under NUMBA_ENABLE_CUDASIM=1 it is the simulator.
"""

from __future__ import annotations

from typing import Any

import numba.cuda

cuda: Any = numba.cuda
