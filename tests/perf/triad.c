/* a = b + scalar c for elements start … stop, as tests/perf/precision_vs_peers.py calls it; a on a multiple of 64 bytes. */
#include <immintrin.h>

void triad_plain(long start, long stop, double scalar, const double *restrict b, const double *restrict c,
                 double *restrict a) {
    for (long i = start; i < stop; i++) a[i] = b[i] + scalar * c[i];
}

void triad_nontemporal(long start, long stop, double scalar, const double *restrict b, const double *restrict c,
                       double *restrict a) {
    __m256d s = _mm256_set1_pd(scalar);
    for (long i = start; i < stop; i += 4)
        _mm256_stream_pd(a + i, _mm256_fmadd_pd(s, _mm256_loadu_pd(c + i), _mm256_loadu_pd(b + i)));
    _mm_sfence();
}
