"""The five kernels of BabelStream for the CPU: vectors as wide as it has them, stores through or past the caches.

A store that goes through the caches first reads the line that it will write: copy then moves three words for the two
that are counted, triad four for three. `nontemporal` stores leave the caches out and move what is counted.

Each kernel does, `passes` times, elements start … stop of flat arrays whose addresses, and start and stop, fit whole
vectors.
"""

from __future__ import annotations

import numba

from clustermark.devices.simd import finish_pass, lanes, load, memory_fence, splat, store, store_nontemporal, total

# Elements that are added up in their own type: a lane takes a few hundred of them.
BLOCK = 8192


@numba.njit(inline="always")
def _put(array, i, vector, nontemporal):
    if nontemporal:
        store_nontemporal(array, i, vector)
    else:
        store(array, i, vector)


@numba.njit(nogil=True, cache=True)
def stream_copy(passes, start, stop, width, nontemporal, a, c):
    """c = a."""
    for _ in range(passes):
        for i in range(start, stop, lanes(width)):
            _put(c, i, load(a, i, width), nontemporal)
        finish_pass()
    if nontemporal:
        memory_fence()


@numba.njit(nogil=True, cache=True)
def stream_mul(passes, start, stop, width, nontemporal, scalar, c, b):
    """b = scalar c."""
    for _ in range(passes):
        for i in range(start, stop, lanes(width)):
            _put(b, i, scalar * load(c, i, width), nontemporal)
        finish_pass()
    if nontemporal:
        memory_fence()


@numba.njit(nogil=True, cache=True)
def stream_add(passes, start, stop, width, nontemporal, a, b, c):
    """c = a + b."""
    for _ in range(passes):
        for i in range(start, stop, lanes(width)):
            _put(c, i, load(a, i, width) + load(b, i, width), nontemporal)
        finish_pass()
    if nontemporal:
        memory_fence()


@numba.njit(nogil=True, cache=True)
def stream_triad(passes, start, stop, width, nontemporal, scalar, b, c, a):
    """a = b + scalar c."""
    for _ in range(passes):
        for i in range(start, stop, lanes(width)):
            _put(a, i, load(b, i, width) + scalar * load(c, i, width), nontemporal)
        finish_pass()
    if nontemporal:
        memory_fence()


@numba.njit(nogil=True, cache=True)
def stream_dot(passes, start, stop, width, a, b):
    """Σ a b in float64 of sums over BLOCK elements in their own type; stop − start fits two vectors."""
    zero, sum_of_blocks = splat(a.dtype.type(0), width), 0.0
    for _ in range(passes):
        sum_of_blocks = 0.0
        for block in range(start, stop, BLOCK):
            even, odd = zero, zero
            for i in range(block, min(block + BLOCK, stop), 2 * lanes(width)):
                even = even + load(a, i, width) * load(b, i, width)
                odd = odd + load(a, i + lanes(width), width) * load(b, i + lanes(width), width)
            sum_of_blocks += total(even + odd)
        finish_pass()
    return sum_of_blocks


@numba.njit(nogil=True, cache=True)
def reduction(start, stop, width, a):
    """Σ a, as `stream_dot`."""
    zero, sum_of_blocks = splat(a.dtype.type(0), width), 0.0
    for block in range(start, stop, BLOCK):
        even, odd = zero, zero
        for i in range(block, min(block + BLOCK, stop), 2 * lanes(width)):
            even = even + load(a, i, width)
            odd = odd + load(a, i + lanes(width), width)
        sum_of_blocks += total(even + odd)
    return sum_of_blocks
