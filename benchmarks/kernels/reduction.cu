// Sum of n numbers: REAL float or double, or unsigned short for the bits of fp16, which are added up in SUM = float.

#include "pack.cuh"
#include "sums.cuh"

__device__ SUM widened(float x) { return x; }
__device__ SUM widened(double x) { return x; }
__device__ SUM widened(unsigned short bits)
{
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}

extern "C" __global__ void reduction(long long n, const REAL* __restrict__ values, SUM* __restrict__ partials)
{
    sum_packs(n, [](REAL x) { return widened(x); }, partials, values);
}

extern "C" __global__ void reduction_end(int n, const SUM* __restrict__ partials, SUM* __restrict__ out)
{
    sum_by_one_block(n, partials, out);
}
