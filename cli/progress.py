"""One line per finished case on stderr; on a terminal a bar below them. Only the launcher draws."""

import os
import sys

from clustermark.core.plan import Plan
from clustermark.core.result import Result


class Progress:
    """Shows results as they come; draws nothing but plain lines where stderr is no terminal."""

    def __init__(self, plan: Plan, finished: int) -> None:
        """Start at `finished` of all planned launches of cases."""
        self.total = len(plan.cases) * plan.launches
        self.count = finished
        self.launches = plan.launches
        self.bar = None
        plain = os.environ.get("CI") or os.environ.get("SLURM_JOB_ID") or os.environ.get("TERM") == "dumb"
        if sys.stderr.isatty() and not plain:
            from tqdm import tqdm

            self.bar = tqdm(total=self.total, initial=finished, unit="case", file=sys.stderr, leave=False)

    def show(self, result: Result) -> None:
        """One line: how many, which case, status and reason."""
        self.count += 1
        launch = f" launch {result.launch + 1}/{self.launches}" if self.launches > 1 else ""
        reason = f": {result.reason}" if result.reason else ""
        width = len(str(self.total))
        line = f"[{self.count:{width}}/{self.total}] {result.case.label}{launch} {result.status}{reason}"
        if self.bar is None:
            print(line, file=sys.stderr, flush=True)
            return
        if result.status == "ok":
            self.bar.set_description(result.case.label, refresh=False)
        else:
            self.bar.write(line, file=sys.stderr)
        self.bar.update()

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
