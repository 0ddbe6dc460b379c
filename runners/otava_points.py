"""Change points by Apache Otava (Fleming et al. 2023), in a process of the Python that has it.

Otava wants one exact release of NumPy, so that it is happiest in an environment of its own. Run as a script: a JSON
object with "series" on stdin, the numbers of the points per series as JSON on stdout.
"""

from __future__ import annotations

import json
import sys
from typing import Any

# Settings with which 60-night series without a change raised an alarm in 6 to 11 % (docs/gate.md).
WINDOW, LARGEST_P, LEAST_CHANGE = 50, 0.001, 0.02
FEWEST_POINTS = 4


def main() -> int:
    """Read, detect, write."""
    from otava.analysis import compute_change_points  # pyright: ignore[reportMissingImports]

    def points(series: list[float]) -> list[int]:
        if len(series) < FEWEST_POINTS:
            return []
        found: Any = compute_change_points(series, window_len=WINDOW, max_pvalue=LARGEST_P, min_magnitude=LEAST_CHANGE)
        return [int(point.index) for point in found[0]]

    print(json.dumps([points(series) for series in json.load(sys.stdin)["series"]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
