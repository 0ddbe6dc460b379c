"""A PTX interpreter in NumPy: CUDA kernels run, and are checked while they run, on machines without a GPU.

docs/cuda-without-a-gpu.md shows how a kernel is put to the test; `ptx.launching` and `ptx.device` are the two doors.
"""
