"""What the `clustermark` fixture is: a function that runs the command line in a process of its own."""

import subprocess
from collections.abc import Callable

Run = Callable[..., subprocess.CompletedProcess[str]]
