"""The command line of molecular dynamics with the naive engine in place of the real one."""

import sys
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import naive_engine

from clustermark.apps.console import parallel

driver = ModuleType("clustermark.apps.md.driver")
driver.__dict__["make_engine"] = naive_engine.make_engine
sys.modules[driver.__name__] = driver
parallel.PATIENCE_SECONDS = 1.0  # nothing here takes rank 0 longer

if __name__ == "__main__":
    from clustermark.apps.md.program import main

    sys.exit(main())
