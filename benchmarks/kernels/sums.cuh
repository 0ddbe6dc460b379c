// Sums in a fixed order: the same bits in every launch of the same shape. SUM is the type that sums are kept in.

constexpr int WARP = 32;

// Sum over the lanes of a warp, in lane 0: halves are folded upon each other.
__device__ SUM sum_of_warp(SUM value)
{
#pragma unroll
    for (int distance = WARP / 2; distance > 0; distance /= 2) value += __shfl_down_sync(0xFFFFFFFFu, value, distance);
    return value;
}

// Sum over a block of whole warps, in thread 0; every thread of the block comes here, once a kernel.
__device__ SUM sum_of_block(SUM value)
{
    __shared__ SUM of_warp[WARP];
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    value = sum_of_warp(value);
    if (lane == 0) of_warp[warp] = value;
    __syncthreads();
    if (warp == 0) value = sum_of_warp(lane < blockDim.x / WARP ? of_warp[lane] : SUM(0));
    return value;
}

template <typename Term, typename... Packs>
__device__ void add_lanes(SUM* lanes, Term term, Packs... packs)
{
#pragma unroll
    for (int k = 0; k < LANES; ++k) lanes[k] += term(packs.lane[k]...);
}

// partials[block] = sum of term(inputs[i]...) over the packs and rest of i < n that fall to a block: strides of the grid.
template <typename Term, typename... Inputs>
__device__ void sum_packs(long long n, Term term, SUM* partials, const Inputs*... inputs)
{
    const long long packs = n / LANES, stride = static_cast<long long>(gridDim.x) * blockDim.x;
    SUM lanes[LANES] = {};
    for (long long pack = thread_of_grid(); pack < packs; pack += stride) add_lanes(lanes, term, load(inputs, pack)...);
    SUM sum = 0;
#pragma unroll
    for (int k = 0; k < LANES; ++k) sum += lanes[k];
    const long long rest = packs * LANES + thread_of_grid();
    if (rest < n) sum += term(inputs[rest]...);
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

// out[0] = sum of values[i] over i < n, by one block.
__device__ void sum_by_one_block(int n, const SUM* values, SUM* out)
{
    SUM sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += values[i];
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) out[0] = sum;
}
