/* One stage of shallow water by hand: fused, rolling rows, one team of threads, factors of a row hoisted, halves and
 * quarters folded into them. The peer that apps/climate/shallow_cpu.py is measured against; same arrays, same equations
 * (docs/climate.md, 1 to 8). T is float or double. */
#include <omp.h>
#include <stdlib.h>

typedef struct { T x, y, y_north, face, north, south; } metric_t;

/* 2V north of a row; q/4, 2U and B of the row beyond, whose neighbour further on is hf, uf. */
static void ahead(const T *restrict h, const T *restrict hn, const T *restrict hf, const T *restrict un,
                  const T *restrict uf, const T *restrict v, const T *restrict vn, const T *restrict bn,
                  const T *restrict fn, metric_t m, T g, long first, long last, T *restrict q, T *restrict V,
                  T *restrict U, T *restrict B)
{
    const T quarter = (T)0.25;
#pragma omp simd
    for (long i = first; i < last; i++) {
        T vorticity = fn[i] + (vn[i + 1] - vn[i]) * m.x + un[i] * m.y - uf[i] * m.y_north;
        q[i] = vorticity / (hn[i] + hn[i + 1] + hf[i] + hf[i + 1]);
        V[i] = (h[i] + hn[i]) * (v[i] * m.face);
        U[i] = (hn[i] + hn[i + 1]) * un[i];
        B[i] = (un[i] * un[i] + un[i - 1] * un[i - 1]) * quarter + vn[i] * vn[i] * m.north + v[i] * v[i] * m.south
             + (hn[i] + bn[i]) * g;
    }
}

/* q, qs, qf, qn: the row itself, one and two to the south, one to the north. */
static void renew(const T *restrict h0, const T *restrict u0, const T *restrict v0, const T *restrict q,
                  const T *restrict qs, const T *restrict qf, const T *restrict qn, const T *restrict V,
                  const T *restrict Vs, const T *restrict U, const T *restrict Un, const T *restrict B,
                  const T *restrict Bn, T divergence, T rotation_u, T gradient_u, T rotation_v, T gradient_v,
                  long first, long last, T *restrict h, T *restrict u, T *restrict v)
{
    const T near = (T)1.125, far = (T)0.125;
#pragma omp simd
    for (long i = first; i < last; i++) {
        h[i] = h0[i] - (U[i] - U[i - 1] + V[i] - Vs[i]) * divergence;
        u[i] = u0[i]
             + ((q[i] + qs[i]) * near - (qf[i] + qn[i]) * far) * (V[i] + V[i + 1] + Vs[i] + Vs[i + 1]) * rotation_u
             - (B[i + 1] - B[i]) * gradient_u;
        v[i] = v0[i]
             - ((q[i] + q[i - 1]) * near - (q[i - 2] + q[i + 1]) * far) * (U[i - 1] + U[i] + Un[i - 1] + Un[i])
               * rotation_v
             - (Bn[i] - B[i]) * gradient_v;
    }
}

#define ROLL(now, before) do { T *swap = now; now = before; before = swap; } while (0)

int stage(const T *h, const T *u, const T *v, const T *h0, const T *u0, const T *v0, const T *bottom,
          const T *coriolis, const T *cos_center, const T *cos_face, double spacing, double g, double dt, long pitch,
          long first_row, long last_row, long first, long last, int threads, T *h_new, T *u_new, T *v_new)
{
    int failed = 0;
#pragma omp parallel num_threads(threads)
    {
        long me = omp_get_thread_num(), all = omp_get_num_threads();
        long start = first_row + (last_row - first_row) * me / all;
        long end = first_row + (last_row - first_row) * (me + 1) / all;
        T *work = aligned_alloc(64, (10 * pitch * sizeof(T) + 63) / 64 * 64);
        if (work) {
            T *q[4] = {work, work + pitch, work + 2 * pitch, work + 3 * pitch};
            T *V = q[3] + pitch, *Vs = V + pitch, *U = Vs + pitch, *Un = U + pitch, *B = Un + pitch, *Bn = B + pitch;
            for (long j = start - 3; j < end; j++) {
                long k = j * pitch, n = k + pitch, f = n + pitch;
                double center = cos_center[j], north = cos_center[j + 1], x = spacing / cos_face[j + 1];
                metric_t m = {x, x * north, x * cos_center[j + 2], cos_face[j], 0.25 * cos_face[j + 1] / north,
                              0.25 * cos_face[j] / north};
                ahead(h + k, h + n, h + f, u + n, u + f, v + k, v + n, bottom + n, coriolis + n, m, g, first - 2,
                      last + 1, q[(j + 1) & 3], V, Un, Bn);
                if (j >= start)
                    renew(h0 + k, u0 + k, v0 + k, q[j & 3], q[(j + 3) & 3], q[(j + 2) & 3], q[(j + 1) & 3], V, Vs, U,
                          Un, B, Bn, 0.5 * dt * spacing / center, 0.25 * dt / center, dt * spacing / center,
                          0.25 * dt, dt * spacing, first, last, h_new + k, u_new + k, v_new + k);
                ROLL(V, Vs); ROLL(U, Un); ROLL(B, Bn);
            }
        } else {
#pragma omp atomic write
            failed = 1;
        }
        free(work);
    }
    return failed;
}

/* a = b + s·c with the same kind of stores: the bandwidth that a thread or two can have. */
void triad(T *restrict a, const T *restrict b, const T *restrict c, T s, long n, int threads)
{
#pragma omp parallel for simd num_threads(threads) schedule(static)
    for (long i = 0; i < n; i++) a[i] = b[i] + s * c[i];
}
