"""The command line of the climate model with the analytic simulation in place of the real one."""

import sys
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import analytic_simulation

from clustermark.apps.console import parallel

driver = ModuleType("clustermark.apps.climate.driver")
driver.__dict__["make_simulation"] = analytic_simulation.make_simulation
sys.modules[driver.__name__] = driver
parallel.PATIENCE_SECONDS = 1.0  # nothing here takes rank 0 longer

if __name__ == "__main__":
    from clustermark.apps.climate.program import main

    sys.exit(main())
