"""Random numbers without a state: each is a function of (seed, index, step, purpose) (Salmon et al. 2011, Random123).

So they do not depend on the order in which they are drawn, nor on the decomposition, and a restart continues them.

All but `fill_normals` take and return scalars only. numba's compiled functions call them; numba.cuda compiles them
anew as device functions where a kernel calls them; `<function>.py_func` is the plain Python. Integers are uint64
throughout (a signed and an unsigned 64-bit integer make a float64). Normal deviates are made with + − × ÷ √ and select
alone, no function of the mathematical library: they vectorise, and every lane of every vector width gets the same bits
(on a GPU the words are the same, deviates may differ by rounding where the compiler contracts to fused operations).
"""

import math
from typing import Any

import numba
import numpy as np

# Multipliers of Philox-4x32, and its Weyl increments ⌊2³²·(golden ratio − 1)⌋ and ⌊2³²·(√3 − 1)⌋ (Salmon et al. 2011).
MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
INCREMENT_0 = np.uint64(0x9E3779B9)
INCREMENT_1 = np.uint64(0xBB67AE85)
ROUNDS = 10

WORD = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)
QUARTER = np.uint64(30)
IN_QUARTER = np.uint64(0x3FFFFFFF)
PURPOSE_SHIFT = np.uint64(24)
SQUARE_ROOT_OF_HALF = 0.7071067811865476

# What a number is for, so that two uses at one (index, step) stay independent; up to 255.
VELOCITIES = 1
LANGEVIN = 2
RESCALING = 3
CELL_NOISE = 4
MATRIX_ENTRY = 5
MATRIX_SCALE = 6


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def philox(counter0, counter1, counter2, counter3, key0, key1):
    """Philox-4x32-10: a bijection of the counter, one for each key (Salmon et al. 2011).

    Parameters
    ----------
    counter0 … counter3, key0, key1 : uint64 that hold 32 bits

    Returns
    -------
    four uint64 that hold 32 random bits each
    """
    for _ in range(ROUNDS):
        product0 = MULTIPLIER_0 * counter0
        product1 = MULTIPLIER_1 * counter2
        counter0 = (product1 >> WORD) ^ counter1 ^ key0
        counter1 = product1 & LOW
        counter2 = (product0 >> WORD) ^ counter3 ^ key1
        counter3 = product0 & LOW
        key0 = (key0 + INCREMENT_0) & LOW
        key1 = (key1 + INCREMENT_1) & LOW
    return counter0, counter1, counter2, counter3


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def random_words(seed, index, step, purpose):
    """The four words that belong to (seed, index, step, purpose).

    Parameters
    ----------
    seed, index : integers, 0 ≤ … < 2⁶³; the index is a particle's id, or the number of a draw
    step : integer, 0 ≤ step < 2⁵⁶
    purpose : integer, 0 ≤ purpose < 256

    Returns
    -------
    four uint64 that hold 32 random bits each
    """
    key = np.uint64(seed)
    low = np.uint64(index)
    high = np.uint64(step)
    last = (high >> WORD) | (np.uint64(purpose) << PURPOSE_SHIFT)
    return philox(low & LOW, low >> WORD, high & LOW, last, key & LOW, key >> WORD)


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def uniform(word):
    """Uniform deviate from 32 bits: (word + ½)/2³², in (0, 1), never 0 or 1.

    Parameters
    ----------
    word : uint64 that holds 32 bits

    Returns
    -------
    float64
    """
    return (np.float64(word) + 0.5) * 2.0**-32


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def logarithm(u):
    """ln u for 2⁻³³ ≤ u < 1, by u = 2⁻ᵏ·m, ln m = 2 artanh((m − 1)/(m + 1)) with √½ ≤ m < √2.

    The series Σ f²ⁿ⁺¹/(2n + 1) ends at f²¹: |f| ≤ 0.172 leaves less than 10⁻¹⁷.

    Parameters
    ----------
    u : float64

    Returns
    -------
    float64, within 3 units in the last place of ln
    """
    halvings = 0.0
    if u < SQUARE_ROOT_OF_HALF * 2.0**-31:
        u, halvings = u * 2.0**32, halvings + 32.0
    if u < SQUARE_ROOT_OF_HALF * 2.0**-15:
        u, halvings = u * 2.0**16, halvings + 16.0
    if u < SQUARE_ROOT_OF_HALF * 2.0**-7:
        u, halvings = u * 2.0**8, halvings + 8.0
    if u < SQUARE_ROOT_OF_HALF * 2.0**-3:
        u, halvings = u * 2.0**4, halvings + 4.0
    if u < SQUARE_ROOT_OF_HALF * 2.0**-1:
        u, halvings = u * 2.0**2, halvings + 2.0
    if u < SQUARE_ROOT_OF_HALF:
        u, halvings = u * 2.0**1, halvings + 1.0
    f = (u - 1.0) / (u + 1.0)
    s = f * f
    series = 1 / 17 + s * (1 / 19 + s * (1 / 21))
    series = 1 / 9 + s * (1 / 11 + s * (1 / 13 + s * (1 / 15 + s * series)))
    series = 1.0 + s * (1 / 3 + s * (1 / 5 + s * (1 / 7 + s * series)))
    return 2.0 * f * series - halvings * 0.6931471805599453


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def cosine_sine(word):
    """Cosine and sine of the angle 2π·uniform(word) − π/4: quarter turn by the two high bits, Taylor series inside.

    |x| < π/4, so the terms left out (x¹⁸/18!, x¹⁷/17!) are below 10⁻¹⁶.

    Parameters
    ----------
    word : uint64 that holds 32 bits

    Returns
    -------
    cosine, sine : float64
    """
    x = ((np.float64(word & IN_QUARTER) + 0.5) * 2.0**-30 - 0.5) * 1.5707963267948966
    s = x * x
    cosine = 1 / 3628800 - s * (1 / 479001600 - s * (1 / 87178291200 - s * (1 / 20922789888000)))
    cosine = 1.0 - s * (1 / 2 - s * (1 / 24 - s * (1 / 720 - s * (1 / 40320 - s * cosine))))
    sine = 1 / 362880 - s * (1 / 39916800 - s * (1 / 6227020800 - s * (1 / 1307674368000)))
    sine = x * (1.0 - s * (1 / 6 - s * (1 / 120 - s * (1 / 5040 - s * sine))))
    quarter = word >> QUARTER
    if quarter & np.uint64(1):
        cosine, sine = -sine, cosine
    if quarter & np.uint64(2):
        cosine, sine = -cosine, -sine
    return cosine, sine


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def normal_pair(word0, word1):
    """Two independent normal deviates (Box & Muller 1958): √(−2 ln u) times cosine and sine of a uniform angle.

    32 bits of u bound them by √(66 ln 2) = 6.76; beyond lie 1.4·10⁻¹¹ of the distribution.

    Parameters
    ----------
    word0, word1 : uint64 that hold 32 bits each

    Returns
    -------
    two float64 of mean 0 and variance 1
    """
    radius = math.sqrt(-2.0 * logarithm(uniform(word0)))
    cosine, sine = cosine_sine(word1)
    return radius * cosine, radius * sine


@numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)
def four_normals(seed, index, step, purpose):
    """The four independent normal deviates that belong to (seed, index, step, purpose).

    Parameters
    ----------
    seed, index, step, purpose : as for `random_words`

    Returns
    -------
    four float64 of mean 0 and variance 1
    """
    word0, word1, word2, word3 = random_words(seed, index, step, purpose)
    first, second = normal_pair(word0, word1)
    third, fourth = normal_pair(word2, word3)
    return first, second, third, fourth


@numba.njit(nogil=True, cache=True, error_model="numpy")
def fill_normals(deviates: Any, indices: Any, seed: int, step: int, purpose: int) -> None:
    """The first three of `four_normals` for each index, in a loop that the compiler vectorises.

    Parameters
    ----------
    deviates : (3, ≥ n) float64; [:, :n] is overwritten
    indices : (n,) int64; a negative one (an empty slot) gets numbers that mean nothing
    seed, step, purpose : as for `random_words`
    """
    for k in range(indices.size):
        first, second, third, _ = four_normals(seed, indices[k], step, purpose)
        deviates[0, k] = first
        deviates[1, k] = second
        deviates[2, k] = third
