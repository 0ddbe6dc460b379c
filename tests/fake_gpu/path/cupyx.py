"""See cupy/__init__.py."""

import sys

from fake_gpu.process import modules_of_this_process

sys.modules.update(modules_of_this_process())
