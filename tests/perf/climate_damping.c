/* ∇⁴ damping of winds and θ by hand: rolling rows, one team of threads, the terms of a row hoisted (docs/climate.md,
 * atmosphere 10 to 12). The peer that apps/climate/damping_cpu.py is measured against, on the same arrays. Below it the
 * bare rows of a damping and of a stage: what is read and written of memory, and next to no arithmetic. T is float or
 * double. */
#include <omp.h>
#include <stdlib.h>

/* D of row j + 2; ζ and ∇²θ of row j + 1. 1, 2: rows j + 1, j + 2. */
static void first(const T *restrict u1, const T *restrict u2, const T *restrict v1, const T *restrict v2,
                  const T *restrict t0, const T *restrict t1, const T *restrict t2, T upper, T lower, T cell, T south,
                  T north, T corner, T along, T above, T below, long from, long to, T *restrict d, T *restrict z,
                  T *restrict t)
{
#pragma omp simd
    for (long i = from; i < to; i++) {
        d[i] = ((u2[i] - u2[i - 1]) + (v2[i] * upper - v1[i] * lower)) * cell;
        z[i] = ((v1[i + 1] - v1[i]) - (u2[i] * north - u1[i] * south)) * corner;
        t[i] = ((t1[i + 1] - t1[i]) - (t1[i] - t1[i - 1])) * along + ((t2[i] - t1[i]) * above - (t1[i] - t0[i]) * below);
    }
}

/* ∇²u and ∇²v of a row. */
static void laplacian(const T *restrict d, const T *restrict dn, const T *restrict z, const T *restrict zs, T center,
                      T face, long from, long to, T *restrict lu, T *restrict lv)
{
#pragma omp simd
    for (long i = from; i < to; i++) {
        lu[i] = (d[i + 1] - d[i]) * center - (z[i] - zs[i]);
        lv[i] = (dn[i] - d[i]) - (z[i - 1] - z[i]) * face;
    }
}

/* D of ∇²V of row j + 1, ζ of it of row j. */
static void second(const T *restrict lu, const T *restrict lun, const T *restrict lv, const T *restrict lvn, T upper,
                   T lower, T cell, T south, T north, T corner, long from, long to, T *restrict d, T *restrict z)
{
#pragma omp simd
    for (long i = from; i < to; i++) {
        d[i] = ((lun[i] - lun[i - 1]) + (lvn[i] * upper - lv[i] * lower)) * cell;
        z[i] = ((lv[i + 1] - lv[i]) - (lun[i] * north - lu[i] * south)) * corner;
    }
}

static void renew(const T *restrict u, const T *restrict v, const T *restrict t, const T *restrict d,
                  const T *restrict dn, const T *restrict z, const T *restrict zs, const T *restrict ls,
                  const T *restrict l, const T *restrict ln, T center, T face, T along, T above, T below, T strength,
                  long from, long to, T *restrict un, T *restrict vn, T *restrict tn)
{
#pragma omp simd
    for (long i = from; i < to; i++) {
        un[i] = u[i] - ((d[i + 1] - d[i]) * center - (z[i] - zs[i])) * strength;
        vn[i] = v[i] - ((dn[i] - d[i]) - (z[i - 1] - z[i]) * face) * strength;
        tn[i] = t[i] - (((l[i + 1] - l[i]) - (l[i] - l[i - 1])) * along + ((ln[i] - l[i]) * above - (l[i] - ls[i]) * below))
                       * strength;
    }
}

#define ROW(kind, row) (work + (2 * (kind) + ((row) & 1)) * pitch)
#define THETA_ROW(row) (work + (12 + ((row) & 3)) * pitch)

static void sweep(const T *u, const T *v, const T *t, const double *c, const double *f, T strength, long pitch,
                  long begin, long end, long from, long to, T *work, T *un, T *vn, T *tn)
{
    for (long j = begin - 3; j < end; j++) {
        long k = j * pitch, n = k + pitch, m = n + pitch;
        T *d = ROW(0, j + 1), *dn = ROW(0, j + 2), *z = ROW(1, j + 1), *zs = ROW(1, j);
        T *lu = ROW(2, j), *lun = ROW(2, j + 1), *lv = ROW(3, j), *lvn = ROW(3, j + 1);
        first(u + n, u + m, v + n, v + m, t + k, t + n, t + m, f[j + 2], f[j + 1], 1 / c[j + 2], c[j + 1], c[j + 2],
              1 / f[j + 1], 1 / (c[j + 1] * c[j + 1]), f[j + 1] / c[j + 1], f[j] / c[j + 1], from - 2, to + 2, dn, z,
              THETA_ROW(j + 1));
        laplacian(d, dn, z, zs, 1 / c[j + 1], 1 / f[j + 1], from - 1, to + 1, lun, lvn);
        second(lu, lun, lv, lvn, f[j + 1], f[j], 1 / c[j + 1], c[j], c[j + 1], 1 / f[j], from - 1, to + 1, ROW(4, j + 1),
               ROW(5, j));
        if (j >= begin)
            renew(u + k, v + k, t + k, ROW(4, j), ROW(4, j + 1), ROW(5, j), ROW(5, j - 1), THETA_ROW(j - 1),
                  THETA_ROW(j), THETA_ROW(j + 1), 1 / c[j], 1 / f[j], 1 / (c[j] * c[j]), f[j] / c[j], f[j - 1] / c[j],
                  strength, from, to, un + k, vn + k, tn + k);
    }
}

int damp(const T *u, const T *v, const T *t, const double *c, const double *f, double strength, long levels, long rows,
         long pitch, long first_row, long last_row, long from, long to, int threads, T *un, T *vn, T *tn)
{
    int failed = 0;
#pragma omp parallel num_threads(threads)
    {
        long me = omp_get_thread_num(), all = omp_get_num_threads(), count = last_row - first_row;
        long begin = levels * count * me / all, end = levels * count * (me + 1) / all;
        T *work = aligned_alloc(64, (16 * pitch * sizeof(T) + 63) / 64 * 64);
        while (work && begin < end) {
            long k = begin / count, row = first_row + begin - k * count, at = k * rows * pitch;
            long stop = row + end - begin < last_row ? row + end - begin : last_row;
            begin += stop - row;
            sweep(u + at, v + at, t + at, c, f, strength, pitch, row, stop, from, to, work, un + at, vn + at, tn + at);
        }
        if (!work) {
#pragma omp atomic write
            failed = 1;
        }
        free(work);
    }
    return failed;
}

/* The rows of a damping: three fields read two rows ahead, three written, level by level. */
void rows_of_damping(const T *u, const T *v, const T *t, long levels, long rows, long pitch, long first_row,
                     long last_row, long from, long to, int threads, T *un, T *vn, T *tn)
{
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long n = 0; n < levels * (last_row - first_row); n++) {
        long k = n / (last_row - first_row), here = (k * rows + first_row + n % (last_row - first_row)) * pitch;
#pragma omp simd
        for (long i = here + from; i < here + to; i++) {
            un[i] = u[i + 2 * pitch];
            vn[i] = v[i + 2 * pitch];
            tn[i] = t[i + 2 * pitch];
        }
    }
}

/* The rows of a stage: three fields read one or two rows ahead, three of the step's start, three written, all levels
 * of a row one after the other. */
void rows_of_stage(const T *u, const T *v, const T *t, const T *u0, const T *v0, const T *t0, long levels, long rows,
                   long pitch, long first_row, long last_row, long from, long to, int threads, T *un, T *vn, T *tn)
{
#pragma omp parallel num_threads(threads)
    {
        long me = omp_get_thread_num(), all = omp_get_num_threads(), count = last_row - first_row;
        long end = first_row + count * (me + 1) / all;
        for (long j = first_row + count * me / all; j < end; j++)
            for (long k = 0; k < levels; k++) {
                long here = (k * rows + j) * pitch;
#pragma omp simd
                for (long i = here + from; i < here + to; i++) {
                    un[i] = u[i + 2 * pitch] + u0[i];
                    vn[i] = v[i + pitch] + v0[i];
                    tn[i] = t[i + 2 * pitch] + t0[i];
                }
            }
    }
}
