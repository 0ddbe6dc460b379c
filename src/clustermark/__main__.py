"""``python -m clustermark``."""

import sys

from clustermark.cli import main

if __name__ == "__main__":
    sys.exit(main())
