/* The C side of comm_vs_c.py: the windows of runners/measure.py without Python, as a program and as a library.
 *
 * A sample is a barrier, then a window of k steps; its time is the slowest rank's. Warm-up in doubling batches, k so
 * that a window is no shorter than 100 empty windows and 100 us. Each buffer is a mapping of its own, and those of
 * HUGE_FROM bytes or more ask for huge pages, exactly as in commbench.py: page size and placement decide more above
 * 1 MiB than the language does. Loaded by lockstep.py instead, the same steps and windows run on Python's
 * communicator and buffers.
 *
 * usage: commbench SECONDS HUGE_FROM TEST:BYTES...     TEST is a name of STEPS; two ranks
 * prints one JSON object a case: the median time of one step over the windows, [s]
 */
#define _GNU_SOURCE
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { DEPTH = 8, WARMUP_LEAST = 3, WARMUP_MOST = 500, SAMPLES_LEAST = 10, SAMPLES_MOST = 1000 };
static const size_t HUGE_PAGE = 2 << 20;

typedef void (*Step)(void);

static MPI_Comm comm;
static int rank, size;
static char *sent, *received;
static int bytes;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "commbench: rank %d: %s\n", rank, what);
    MPI_Abort(MPI_COMM_WORLD, 2);
}

/* ---- steps ---- */

static void pingpong(void) {
    if (rank == 0) {
        MPI_Send(sent, bytes, MPI_BYTE, 1, 0, comm);
        MPI_Recv(received, bytes, MPI_BYTE, 1, 0, comm, MPI_STATUS_IGNORE);
    } else {
        MPI_Recv(received, bytes, MPI_BYTE, 0, 0, comm, MPI_STATUS_IGNORE);
        MPI_Send(sent, bytes, MPI_BYTE, 0, 0, comm);
    }
}

static void allreduce(void) {
    MPI_Allreduce(sent, received, bytes / 8, MPI_DOUBLE, MPI_SUM, comm);
}

static void reduce_scatter(void) {
    MPI_Reduce_scatter_block(sent, received, bytes / 8 / size, MPI_DOUBLE, MPI_SUM, comm);
}

static void allgather(void) {
    int part = bytes / 8 / size;
    MPI_Allgather(sent, part, MPI_DOUBLE, received, part, MPI_DOUBLE, comm);
}

static void alltoall(void) {
    int part = bytes / 8 / size;
    MPI_Alltoall(sent, part, MPI_DOUBLE, received, part, MPI_DOUBLE, comm);
}

static void broadcast(void) {
    MPI_Bcast(rank == 0 ? sent : received, bytes / 8, MPI_DOUBLE, 0, comm);
}

static void bandwidth(void) {
    MPI_Request requests[DEPTH];
    if (rank == 0) {
        for (int i = 0; i < DEPTH; i++)
            MPI_Isend(sent + (size_t)i * bytes, bytes, MPI_BYTE, 1, 0, comm, &requests[i]);
        MPI_Waitall(DEPTH, requests, MPI_STATUSES_IGNORE);
        MPI_Recv(received, 8, MPI_BYTE, 1, 1, comm, MPI_STATUS_IGNORE);
    } else {
        for (int i = 0; i < DEPTH; i++)
            MPI_Irecv(received + (size_t)i * bytes, bytes, MPI_BYTE, 0, 0, comm, &requests[i]);
        MPI_Waitall(DEPTH, requests, MPI_STATUSES_IGNORE);
        MPI_Send(sent, 8, MPI_BYTE, 0, 1, comm);
    }
}

static void exchange(double *low, double *high, int count, int peer) {
    double *low_halo = high + count, *high_halo = low_halo + count;
    MPI_Request requests[4];
    MPI_Irecv(high_halo, count, MPI_DOUBLE, peer, 0, comm, &requests[0]);
    MPI_Irecv(low_halo, count, MPI_DOUBLE, peer, 0, comm, &requests[1]);
    MPI_Isend(low, count, MPI_DOUBLE, peer, 0, comm, &requests[2]);
    MPI_Isend(high, count, MPI_DOUBLE, peer, 0, comm, &requests[3]);
    MPI_Waitall(4, requests, MPI_STATUSES_IGNORE);
}

/* A block of n x n doubles with a halo of one, n as many as `bytes` hold: rows to and from the other rank, then columns
 * with their corners to and from this rank itself; faces are packed into `sent`. */
static void halo(void) {
    int n = bytes / 8, wide = n + 2;
    double *block = (double *)received, *low = (double *)sent, *high = low + n;
    memcpy(low, block + wide + 1, bytes);
    memcpy(high, block + (size_t)n * wide + 1, bytes);
    exchange(low, high, n, 1 - rank);
    memcpy(block + 1, high + n, bytes);
    memcpy(block + (size_t)(n + 1) * wide + 1, high + 2 * n, bytes);
    low += 4 * n, high = low + wide;
    for (int i = 0; i < wide; i++) low[i] = block[(size_t)i * wide + 1];
    for (int i = 0; i < wide; i++) high[i] = block[(size_t)i * wide + n];
    exchange(low, high, wide, rank);
    for (int i = 0; i < wide; i++) block[(size_t)i * wide] = high[wide + i];
    for (int i = 0; i < wide; i++) block[(size_t)i * wide + n + 1] = high[2 * wide + i];
}

static const struct {
    const char *name;
    Step step;
} STEPS[] = {
    {"pingpong", pingpong}, {"allreduce", allreduce}, {"reduce_scatter", reduce_scatter}, {"allgather", allgather},
    {"alltoall", alltoall}, {"broadcast", broadcast}, {"bandwidth", bandwidth},
    {"halo", halo},
};

static Step named(const char *test) {
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++)
        if (!strcmp(test, STEPS[i].name)) return STEPS[i].step;
    fail("unknown test");
    return NULL;
}

/* ---- buffers ---- */

typedef struct {
    char *data;
    void *mapping;
    size_t mapped;
} Buffer;

/* Rank r holds the doubles r + 1, so that a peer's message and a sum over ranks are both known. */
static Buffer buffer(size_t length, size_t huge_from, double value) {
    Buffer b = {.mapped = ((length - 1) / HUGE_PAGE + 2) * HUGE_PAGE}; /* whole pages after any alignment */
    b.mapping = mmap(NULL, b.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b.mapping == MAP_FAILED) fail("no memory");
    if (length >= huge_from) madvise(b.mapping, b.mapped, MADV_HUGEPAGE);
    b.data = (char *)(((size_t)b.mapping + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    for (size_t i = 0; i < length / 8; i++) ((double *)b.data)[i] = value;
    return b;
}

static void verify(size_t from, size_t to, double expected) {
    for (size_t i = from / 8; i < to / 8; i++)
        if (((double *)received)[i] != expected) fail("a wrong element was received");
}

/* Both buffers, of one message or of what its test sends and keeps. */
static size_t length_of(Step step) {
    if (step == halo) return (size_t)(bytes / 8 + 2) * (bytes / 8 + 2) * 8;
    return step == bandwidth ? (size_t)bytes * DEPTH : (size_t)bytes;
}

static void verify_halo(void) {
    size_t row = bytes + 16, length = length_of(halo);
    verify(0, row, 2.0 - rank), verify(row, length - row, rank + 1.0), verify(length - row, length, 2.0 - rank);
}

static void verify_step(Step step, size_t length) {
    size_t half = length / 2;
    if (step == allreduce) verify(0, length, 3);
    else if (step == reduce_scatter) verify(0, half, 3);
    else if (step == allgather || step == alltoall) verify(0, half, 1), verify(half, length, 2);
    else if (step == broadcast) verify(0, rank == 0 ? 0 : length, 1);
    else if (step == halo) verify_halo();
    else verify(0, step == bandwidth && rank == 0 ? 8 : length, 2.0 - rank);
}

static long huge_kib(void) {
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "AnonHugePages: %ld", &kib) == 1) break;
    if (file) fclose(file);
    return kib;
}

/* ---- windows ---- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n) {
    qsort(values, n, sizeof *values, ascending);
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

static double maximum(double value) {
    MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_MAX, comm);
    return value;
}

static void windows(Step step, int steps, int count, double *seconds) {
    for (int i = 0; i < count; i++) {
        MPI_Barrier(comm);
        double start = now();
        for (int k = 0; k < steps; k++) step();
        seconds[i] = now() - start;
    }
}

static double empty_window(void) {
    static double seconds[2000];
    for (int i = 0; i < 2000; i++) {
        double start = now();
        seconds[i] = now() - start;
    }
    return maximum(median(seconds, 2000));
}

/* [s] of a typical step, equal on all ranks: the median of the second half of the warm-up. */
static double warm_up(Step step, double budget) {
    double seconds[WARMUP_MOST], begun = now();
    int done = 0, batch = WARMUP_LEAST;
    for (;;) {
        windows(step, 1, batch, seconds + done);
        done += batch;
        if (maximum(now() - begun) >= budget || done >= WARMUP_MOST) break;
        batch = done < WARMUP_MOST - done ? done : WARMUP_MOST - done;
    }
    return maximum(median(seconds + done / 2, done - done / 2));
}

static void join(MPI_Comm with) {
    comm = with;
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &size);
    if (size != 2) fail("needs two ranks: launcher and library differ, or -n is not 2");
}

static void run(const char *test, double budget, size_t huge_from, double floor) {
    Step step = named(test);
    size_t length = length_of(step);
    Buffer out = buffer(length, huge_from, rank + 1.0), in = buffer(length, huge_from, 0.0);
    sent = out.data, received = in.data;
    if (step == halo)
        for (int i = 1; i <= bytes / 8; i++)
            for (int j = 1; j <= bytes / 8; j++) ((double *)received)[(size_t)i * (bytes / 8 + 2) + j] = rank + 1.0;

    double typical = warm_up(step, budget < 0.05 ? budget : 0.05);
    double shortest = 100 * floor > 100e-6 ? 100 * floor : 100e-6;
    int steps = (int)fmax(1, ceil(shortest / typical));
    int count = (int)fmin(SAMPLES_MOST, fmax(SAMPLES_LEAST, budget / (steps * typical)));
    double *mine = malloc(count * sizeof *mine), *slowest = malloc(count * sizeof *slowest);
    windows(step, steps, count, mine);
    MPI_Reduce(mine, slowest, count, MPI_DOUBLE, MPI_MAX, 0, comm);

    verify_step(step, length);
    if (rank == 0)
        printf("{\"test\": \"%s\", \"bytes\": %d, \"seconds\": %.9g, \"steps\": %d, \"windows\": %d, \"huge_kib\": %ld}\n",
               test, bytes, median(slowest, count) / steps, steps, count, huge_kib());
    free(mine), free(slowest);
    munmap(out.mapping, out.mapped), munmap(in.mapping, in.mapped);
}

/* ---- the library: lockstep.py hands over its communicator and its buffers ---- */

size_t lockstep_handle_size(void) { return sizeof(MPI_Comm); }

void lockstep_join(const MPI_Comm *with) { join(*with); }

/* `length` is of one message. */
void lockstep_windows(const char *test, char *out, char *in, int length, int steps, int count, double *seconds) {
    sent = out, received = in, bytes = length;
    windows(named(test), steps, count, seconds);
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    join(MPI_COMM_WORLD);
    double floor = empty_window();
    for (int i = 3; i < argc; i++) {
        char *colon = strchr(argv[i], ':');
        *colon = '\0';
        bytes = atoi(colon + 1);
        run(argv[i], atof(argv[1]), strtoul(argv[2], NULL, 10), floor);
    }
    MPI_Finalize();
    return 0;
}
