"""The fake CuPy for processes of their own: this folder on PYTHONPATH, FAKE_GPU_* for what it is.

The import machinery takes what stands in sys.modules when this file has run.
"""

import sys

from fake_gpu.process import modules_of_this_process

sys.modules.update(modules_of_this_process())
