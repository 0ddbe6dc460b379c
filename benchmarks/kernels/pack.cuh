// 16 bytes at a time: a warp's access is then as wide as the memory system has it. REAL is the type of the elements.

struct __align__(16) Pack {
    REAL lane[16 / sizeof(REAL)];
};
constexpr int LANES = 16 / sizeof(REAL);

__device__ Pack load(const REAL* values, long long pack)
{
    return reinterpret_cast<const Pack*>(values)[pack];
}

__device__ long long thread_of_grid()
{
    return static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
}

template <typename Formula, typename... Packs>
__device__ Pack for_each_lane(Formula formula, Packs... packs)
{
    Pack result;
#pragma unroll
    for (int k = 0; k < LANES; ++k) result.lane[k] = formula(packs.lane[k]...);
    return result;
}

// out[i] = formula(inputs[i]...) for i < n: a pack a thread, then an element a thread for what is left over.
template <typename Formula, typename... Inputs>
__device__ void map_packs(long long n, Formula formula, REAL* out, const Inputs*... inputs)
{
    const long long pack = thread_of_grid(), packs = n / LANES;
    if (pack < packs) {
        reinterpret_cast<Pack*>(out)[pack] = for_each_lane(formula, load(inputs, pack)...);
        return;
    }
    const long long i = packs * LANES + (pack - packs);
    if (i < n) out[i] = formula(inputs[i]...);
}
