"""What the benchmarks time: kernels of the CPU (*_cpu.py), CUDA C (*.cu), numba.cuda (*_cuda.py), and their hosts."""
