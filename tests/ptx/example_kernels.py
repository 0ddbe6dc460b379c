"""Kernels that the interpreter and its checks are tried on: numba, and the same in CUDA C."""

from __future__ import annotations

from typing import Any

import numba.cuda

# Type checkers misread its decorators.
cuda: Any = numba.cuda

BLOCK = 64
TILE = 8
RIMMED = TILE + 2
BINS = 16
# `& POSITIVE` tells the compiler that a number is not negative: no index made of it has to be wrapped round, which
# would leave code in the kernel that no test can reach.
POSITIVE = 0x7FFFFFFF


@cuda.jit
def axpy(a, x, y):
    """y ← a x + y."""
    i = cuda.grid(1) & POSITIVE
    if i < x.size:
        y[i] = a * x[i] + y[i]


@cuda.jit
def total(x, out):
    """out[0] += Σ x: strides of the grid, shared memory, shuffles, one atomic addition a block."""
    scratch = cuda.shared.array(BLOCK, x.dtype)
    thread = cuda.threadIdx.x & POSITIVE
    i = cuda.grid(1) & POSITIVE
    value = x.dtype.type(0)
    while i < x.size:
        value += x[i]
        i = (i + cuda.gridsize(1)) & POSITIVE
    scratch[thread] = value
    cuda.syncthreads()
    if thread < 32:
        value = scratch[thread] + scratch[thread + 32]
        for distance in (16, 8, 4, 2, 1):
            value += cuda.shfl_down_sync(0xFFFFFFFF, value, distance)
        if thread == 0:
            cuda.atomic.add(out, 0, value)


@cuda.jit
def diffuse(u, v, c):
    """v = u + c Δu inside, through a tile in shared memory with its rim; the border of v is left alone."""
    tile = cuda.shared.array((RIMMED, RIMMED), u.dtype)
    i, j = cuda.grid(2)
    i, j = i & POSITIVE, j & POSITIVE
    p, q = (cuda.threadIdx.x & POSITIVE) + 1, (cuda.threadIdx.y & POSITIVE) + 1
    inside = i < u.shape[0] and j < u.shape[1]
    if inside:
        tile[p, q] = u[i, j]
        if p == 1 and i > 0:
            tile[0, q] = u[(i - 1) & POSITIVE, j]
        if p == TILE and i + 1 < u.shape[0]:
            tile[TILE + 1, q] = u[i + 1, j]
        if q == 1 and j > 0:
            tile[p, 0] = u[i, (j - 1) & POSITIVE]
        if q == TILE and j + 1 < u.shape[1]:
            tile[p, TILE + 1] = u[i, j + 1]
    cuda.syncthreads()
    if inside and 0 < i < u.shape[0] - 1 and 0 < j < u.shape[1] - 1:
        four = u.dtype.type(4)
        around = tile[p - 1, q] + tile[p + 1, q] + tile[p, q - 1] + tile[p, q + 1]
        v[i, j] = tile[p, q] + c * (around - four * tile[p, q])


@cuda.jit
def histogram(keys, counts):
    """counts[k] += number of keys that are k modulo BINS, by way of shared counts."""
    shared = cuda.shared.array(BINS, "int32")
    thread = cuda.threadIdx.x & POSITIVE
    if thread < BINS:
        shared[thread] = 0
    cuda.syncthreads()
    i = cuda.grid(1) & POSITIVE
    if i < keys.size:
        cuda.atomic.add(shared, (keys[i] % BINS) & POSITIVE, 1)
    cuda.syncthreads()
    if thread < BINS:
        cuda.atomic.add(counts, thread, shared[thread])


@cuda.jit(device=True)
def force_over_r(square, one):
    """24 (2 r⁻¹² − r⁻⁶) r⁻² of Lennard-Jones."""
    inverse = one / square
    sixth = inverse * inverse * inverse
    return type(one)(24) * (sixth + sixth - one) * sixth * inverse


@cuda.jit
def lennard_jones(positions, box, cutoff_square, forces):
    """Forces of all pairs in reach, nearest images in a cubic box; one thread per atom."""
    i = cuda.grid(1) & POSITIVE
    if i < positions.shape[0]:
        one = positions.dtype.type(1)
        half = box * positions.dtype.type(0.5)
        x, y, z = positions[i, 0], positions[i, 1], positions[i, 2]
        fx, fy, fz = one - one, one - one, one - one
        j = 0
        while j < positions.shape[0]:
            dx, dy, dz = x - positions[j, 0], y - positions[j, 1], z - positions[j, 2]
            dx = dx - box if dx > half else (dx + box if dx < -half else dx)
            dy = dy - box if dy > half else (dy + box if dy < -half else dy)
            dz = dz - box if dz > half else (dz + box if dz < -half else dz)
            square = dx * dx + dy * dy + dz * dz
            if j != i and square < cutoff_square:
                scale = force_over_r(square, one)
                fx += scale * dx
                fy += scale * dy
                fz += scale * dz
            j = (j + 1) & POSITIVE
        forces[i, 0] = fx
        forces[i, 1] = fy
        forces[i, 2] = fz


IN_C = r"""
extern "C" __global__ void axpy(REAL a, const REAL* x, REAL* y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a * x[i] + y[i];
}

extern "C" __global__ void total(const REAL* x, REAL* out, int n)
{
    __shared__ REAL scratch[64];
    REAL value = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) value += x[i];
    scratch[threadIdx.x] = value;
    __syncthreads();
    if (threadIdx.x < 32) {
        value = scratch[threadIdx.x] + scratch[threadIdx.x + 32];
        for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
        if (threadIdx.x == 0) atomicAdd(out, value);
    }
}

extern "C" __global__ void diffuse(const REAL* u, REAL* v, REAL c, int rows, int columns)
{
    __shared__ REAL tile[10][10];
    int i = blockIdx.x * 8 + threadIdx.x, j = blockIdx.y * 8 + threadIdx.y, p = threadIdx.x + 1, q = threadIdx.y + 1;
    bool inside = i < rows && j < columns;
    if (inside) {
        tile[p][q] = u[i * columns + j];
        if (p == 1 && i > 0) tile[0][q] = u[(i - 1) * columns + j];
        if (p == 8 && i + 1 < rows) tile[9][q] = u[(i + 1) * columns + j];
        if (q == 1 && j > 0) tile[p][0] = u[i * columns + j - 1];
        if (q == 8 && j + 1 < columns) tile[p][9] = u[i * columns + j + 1];
    }
    __syncthreads();
    if (inside && i > 0 && i < rows - 1 && j > 0 && j < columns - 1)
        v[i * columns + j] = tile[p][q]
            + c * (tile[p - 1][q] + tile[p + 1][q] + tile[p][q - 1] + tile[p][q + 1] - 4 * tile[p][q]);
}

extern "C" __global__ void histogram(const int* keys, int* counts, int n)
{
    __shared__ int shared[16];
    if (threadIdx.x < 16) shared[threadIdx.x] = 0;
    __syncthreads();
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&shared[keys[i] & 15], 1);
    __syncthreads();
    if (threadIdx.x < 16) atomicAdd(&counts[threadIdx.x], shared[threadIdx.x]);
}

__device__ __noinline__ REAL force_over_r(REAL square)
{
    REAL inverse = 1 / square, sixth = inverse * inverse * inverse;
    return 24 * (2 * sixth - 1) * sixth * inverse;
}

extern "C" __global__ void lennard_jones(const REAL* positions, REAL box, REAL cutoff_square, REAL* forces, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    REAL half = box / 2, force[3] = {0, 0, 0};
    for (int j = 0; j < n; ++j) {
        REAL d[3], square = 0;
        for (int k = 0; k < 3; ++k) {
            d[k] = positions[3 * i + k] - positions[3 * j + k];
            d[k] = d[k] > half ? d[k] - box : d[k] < -half ? d[k] + box : d[k];
            square += d[k] * d[k];
        }
        if (j != i && square < cutoff_square) {
            REAL scale = force_over_r(square);
            for (int k = 0; k < 3; ++k) force[k] += scale * d[k];
        }
    }
    for (int k = 0; k < 3; ++k) forces[3 * i + k] = force[k];
}
"""
