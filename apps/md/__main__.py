"""``python -m clustermark.apps.md``: the command line of molecular dynamics."""

import sys

from clustermark.apps.md.program import main

if __name__ == "__main__":
    sys.exit(main())
