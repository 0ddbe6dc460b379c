"""``python -m clustermark.apps.climate``: the command line of the climate model."""

import sys

from clustermark.apps.climate.program import main

if __name__ == "__main__":
    sys.exit(main())
