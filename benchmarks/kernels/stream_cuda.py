"""The five kernels of BabelStream for numba.cuda: one element a thread; numba has no 128-bit loads."""

from __future__ import annotations

from clustermark.devices.numba_cuda import cuda

WARP = 32
EVERY_LANE = 0xFFFFFFFF
# `& POSITIVE` tells the compiler that an index is not negative: none has to be wrapped round.
POSITIVE = (1 << 62) - 1


@cuda.jit(cache=True)
def stream_copy(a, c):
    """c = a."""
    i = cuda.grid(1) & POSITIVE
    if i < c.size:
        c[i] = a[i]


@cuda.jit(cache=True)
def stream_mul(scalar, c, b):
    """b = scalar c."""
    i = cuda.grid(1) & POSITIVE
    if i < b.size:
        b[i] = scalar * c[i]


@cuda.jit(cache=True)
def stream_add(a, b, c):
    """c = a + b."""
    i = cuda.grid(1) & POSITIVE
    if i < c.size:
        c[i] = a[i] + b[i]


@cuda.jit(cache=True)
def stream_triad(scalar, b, c, a):
    """a = b + scalar c."""
    i = cuda.grid(1) & POSITIVE
    if i < a.size:
        a[i] = b[i] + scalar * c[i]


@cuda.jit(device=True)
def sum_of_warp(value):
    """Sum over the lanes of a warp, in lane 0."""
    for distance in (16, 8, 4, 2, 1):
        value += cuda.shfl_down_sync(EVERY_LANE, value, distance)
    return value


@cuda.jit(device=True)
def sum_of_block(value, of_warp):
    """Sum over a block of whole warps, in thread 0, always in the same order.

    Parameters
    ----------
    of_warp : (WARP,) shared memory; every thread of the block comes here
    """
    thread = cuda.threadIdx.x & 1023
    value = sum_of_warp(value)
    if thread % WARP == 0:
        of_warp[thread // WARP] = value
    cuda.syncthreads()
    if thread < WARP:
        value = of_warp.dtype.type(0)
        if thread < cuda.blockDim.x // WARP:
            value = of_warp[thread]
        value = sum_of_warp(value)
    return value


@cuda.jit(cache=True)
def stream_dot(a, b, partials):
    """partials[block] = Σ a b over the elements of the block: strides of the grid."""
    of_warp = cuda.shared.array(WARP, partials.dtype)
    i, stride = cuda.grid(1) & POSITIVE, cuda.gridsize(1)
    value = partials.dtype.type(0)
    while i < a.size:
        value += a[i] * b[i]
        i = (i + stride) & POSITIVE
    value = sum_of_block(value, of_warp)
    if cuda.threadIdx.x == 0:
        partials[cuda.blockIdx.x & POSITIVE] = value


@cuda.jit(cache=True)
def stream_dot_end(partials, out):
    """out[0] = Σ partials, by one block."""
    of_warp = cuda.shared.array(WARP, out.dtype)
    i = cuda.threadIdx.x & POSITIVE
    value = out.dtype.type(0)
    while i < partials.size:
        value += partials[i]
        i = (i + cuda.blockDim.x) & POSITIVE
    value = sum_of_block(value, of_warp)
    if cuda.threadIdx.x == 0:
        out[0] = value
