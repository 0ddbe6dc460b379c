// Independent chains of x <- multiplier x + addend in registers: the most that the arithmetic units can do.
//
// A chain waits for its last result, so there are CHAINS of them; UNROLLED steps stand between two branches. Words hold
// a float or double, two fp16 or two bf16 side by side, or four int8 and an int32 sum (int8: x <- x + multiplier . addend).

constexpr int CHAINS = 8;
constexpr int UNROLLED = 16;

template <typename Word, typename Step>
__device__ void run_chains(int groups, const Word* start, Word* out, Step step)
{
    Word chain[CHAINS];
#pragma unroll
    for (int k = 0; k < CHAINS; ++k) chain[k] = start[k];
    for (int group = 0; group < groups; ++group) {
#pragma unroll
        for (int j = 0; j < UNROLLED; ++j)
#pragma unroll
            for (int k = 0; k < CHAINS; ++k) chain[k] = step(chain[k]);
    }
    const unsigned threads = gridDim.x * blockDim.x, thread = blockIdx.x * blockDim.x + threadIdx.x;
#pragma unroll
    for (int k = 0; k < CHAINS; ++k) out[static_cast<unsigned long long>(k) * threads + thread] = chain[k];
}

extern "C" __global__ void peak_fp64(int groups, double multiplier, double addend, const double* start, double* out)
{
    run_chains(groups, start, out, [=](double x) { return fma(multiplier, x, addend); });
}

extern "C" __global__ void peak_fp32(int groups, float multiplier, float addend, const float* start, float* out)
{
    run_chains(groups, start, out, [=](float x) { return fmaf(multiplier, x, addend); });
}

extern "C" __global__ void peak_fp16(
    int groups, unsigned multiplier, unsigned addend, const unsigned* start, unsigned* out)
{
    run_chains(groups, start, out, [=](unsigned x) {
        unsigned y;
        asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(y) : "r"(multiplier), "r"(x), "r"(addend));
        return y;
    });
}

extern "C" __global__ void peak_int8(
    int groups, unsigned multiplier, unsigned addend, const unsigned* start, unsigned* out)
{
    run_chains(groups, start, out, [=](unsigned x) {
        unsigned y;
        asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(y) : "r"(multiplier), "r"(addend), "r"(x));
        return y;
    });
}

#if __CUDA_ARCH__ >= 800
extern "C" __global__ void peak_bf16(
    int groups, unsigned multiplier, unsigned addend, const unsigned* start, unsigned* out)
{
    run_chains(groups, start, out, [=](unsigned x) {
        unsigned y;
        asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(y) : "r"(multiplier), "r"(x), "r"(addend));
        return y;
    });
}
#endif
