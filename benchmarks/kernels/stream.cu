// The five kernels of BabelStream (Deakin, Price, Martineau, McIntosh-Smith 2018), REAL float or double.

#define SUM REAL
#include "pack.cuh"
#include "sums.cuh"

extern "C" __global__ void stream_copy(long long n, const REAL* __restrict__ a, REAL* __restrict__ c)
{
    map_packs(n, [](REAL x) { return x; }, c, a);
}

extern "C" __global__ void stream_mul(long long n, REAL scalar, const REAL* __restrict__ c, REAL* __restrict__ b)
{
    map_packs(n, [scalar](REAL x) { return scalar * x; }, b, c);
}

extern "C" __global__ void stream_add(
    long long n, const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ c)
{
    map_packs(n, [](REAL x, REAL y) { return x + y; }, c, a, b);
}

extern "C" __global__ void stream_triad(
    long long n, REAL scalar, const REAL* __restrict__ b, const REAL* __restrict__ c, REAL* __restrict__ a)
{
    map_packs(n, [scalar](REAL x, REAL y) { return x + scalar * y; }, a, b, c);
}

extern "C" __global__ void stream_dot(
    long long n, const REAL* __restrict__ a, const REAL* __restrict__ b, REAL* __restrict__ partials)
{
    sum_packs(n, [](REAL x, REAL y) { return x * y; }, partials, a, b);
}

extern "C" __global__ void stream_dot_end(int n, const REAL* __restrict__ partials, REAL* __restrict__ out)
{
    sum_by_one_block(n, partials, out);
}
