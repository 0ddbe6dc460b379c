"""The counter-based generator against its published vectors, and its deviates against their distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.devices import counter_rng
from clustermark.devices.counter_rng import (
    LANGEVIN,
    VELOCITIES,
    cosine_sine,
    fill_normals,
    four_normals,
    logarithm,
    philox,
    random_words,
    uniform,
)

# Known answers that Random123 publishes (its file kat_vectors): counter, key → words of philox4x32 with 10 rounds.
KNOWN = {
    "zeros": ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    "ones": ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    "digits of pi": (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
}
COMPILED, PLAIN = philox, philox.py_func
WORDS = st.integers(0, 2**32 - 1)


def answers(function: Callable[..., Any]) -> bool:
    """Whether a function gives all published words."""
    found = [tuple(map(int, function(*map(np.uint64, (*counter, *key))))) for counter, key, _ in KNOWN.values()]
    return found == [words for _, _, words in KNOWN.values()]


def chi_square(counts: Any, expected: Any) -> float:
    """Deviation of χ² from its mean, in standard deviations, with as many degrees of freedom as bins less one."""
    freedom = len(counts) - 1
    return float((((counts - expected) ** 2 / expected).sum() - freedom) / math.sqrt(2 * freedom))


def normals(indices: Any, seed: int = 1, step: int = 0, purpose: int = VELOCITIES) -> Any:
    deviates = np.empty((3, len(indices)))
    fill_normals(deviates, np.asarray(indices, dtype=np.int64), seed, step, purpose)
    return deviates


@pytest.mark.parametrize("function", [COMPILED, PLAIN], ids=["compiled", "plain"])
def test_philox_gives_the_published_words(function: Callable[..., Any]) -> None:
    assert answers(function)


@pytest.mark.parametrize(
    ("constant", "wrong"),
    [
        ("ROUNDS", 9),
        ("MULTIPLIER_0", counter_rng.MULTIPLIER_1),
        ("MULTIPLIER_1", counter_rng.MULTIPLIER_1 ^ np.uint64(2)),
        ("INCREMENT_0", counter_rng.INCREMENT_1),
        ("INCREMENT_1", np.uint64(0)),
        ("LOW", np.uint64(0x7FFFFFFF)),
    ],
)
def test_a_planted_fault_in_philox_misses_the_published_words(constant: str, wrong: Any) -> None:
    assert constant in PLAIN.__code__.co_names
    assert answers(FunctionType(PLAIN.__code__, dict(vars(counter_rng))))
    assert not answers(FunctionType(PLAIN.__code__, {**vars(counter_rng), constant: wrong}))


def test_the_wrong_answer_of_one_word_is_found() -> None:
    assert not answers(lambda *words: (*COMPILED(*words)[:3], np.uint64(0)))


@given(seed=st.integers(0, 2**63 - 1), index=st.integers(0, 2**63 - 1), step=st.integers(0, 2**56 - 1))
def test_compiled_and_plain_functions_agree(seed: int, index: int, step: int) -> None:
    words = random_words(seed, index, step, LANGEVIN)
    assert [int(word) for word in words] == [int(w) for w in random_words.py_func(seed, index, step, LANGEVIN)]
    assert four_normals(seed, index, step, LANGEVIN) == four_normals.py_func(seed, index, step, LANGEVIN)


@pytest.mark.parametrize(
    "change",
    [(1, 0, 0, 0), (2**40, 0, 0, 0), (0, 1, 0, 0), (0, 2**40, 0, 0), (0, 0, 1, 0), (0, 0, 2**40, 0), (0, 0, 0, 1)],
)
def test_every_part_of_the_key_changes_half_of_the_bits(change: tuple[int, int, int, int]) -> None:
    flipped = 0
    for index in range(64):
        before = random_words(7, index, 5, 1)
        after = random_words(7 + change[0], index + change[1], 5 + change[2], 1 + change[3])
        flipped += sum((int(a) ^ int(b)).bit_count() for a, b in zip(before, after, strict=True))
    bits = 64 * 128
    assert abs(flipped - bits / 2) < 5 * math.sqrt(bits / 4)


@given(WORDS)
def test_uniform_never_reaches_0_or_1(word: int) -> None:
    assert 0.0 < uniform(np.uint64(word)) < 1.0
    assert uniform(np.uint64(word)) == (word + 0.5) / 2**32


@given(WORDS | st.integers(0, 32).map(lambda k: 2**k >> 1))
def test_logarithm_and_circle_are_those_of_the_mathematical_library(word: int) -> None:
    u = uniform(np.uint64(word))
    assert logarithm(u) == pytest.approx(math.log(u), rel=1e-15, abs=1e-25)
    angle = 2 * math.pi * u - math.pi / 4
    quarter = word >> 30
    # The angle inside its quarter is finer than 32 bits of the circle: half a step of 2⁻³⁰ of a quarter.
    inside = (((word & 0x3FFFFFFF) + 0.5) / 2**30 - 0.5) * math.pi / 2
    assert quarter * math.pi / 2 + inside == pytest.approx(angle, abs=1e-8)
    cosine, sine = cosine_sine(np.uint64(word))
    assert cosine == pytest.approx(math.cos(quarter * math.pi / 2 + inside), abs=2e-15)
    assert sine == pytest.approx(math.sin(quarter * math.pi / 2 + inside), abs=2e-15)


def test_extreme_words_give_finite_deviates_and_the_longest_tail() -> None:
    radius = counter_rng.normal_pair(np.uint64(0), np.uint64(2**29))
    assert math.hypot(*radius) == pytest.approx(math.sqrt(66 * math.log(2)), rel=1e-14)
    assert math.hypot(*counter_rng.normal_pair(np.uint64(2**32 - 1), np.uint64(0))) < 2e-5


def test_words_are_uniform() -> None:
    values = np.array([random_words(3, k, 9, 1) for k in range(50_000)], dtype=np.uint64).ravel()
    for bits in (0, 24):  # the lowest and the highest byte
        counts = np.bincount(((values >> np.uint64(bits)) & np.uint64(0xFF)).astype(np.int64), minlength=256)
        assert abs(chi_square(counts, len(values) / 256)) < 4


def is_normal(sample: Any) -> bool:
    """Moments within 5 standard errors, tail of 4 σ within 5, and χ² over 64 bins of equal width within 4."""
    n = sample.size
    moments = [abs(np.mean(sample**k) - exact) / math.sqrt(spread / n) for k, exact, spread in MOMENTS]
    beyond = math.erfc(4 / math.sqrt(2))
    tail = abs(np.count_nonzero(np.abs(sample) > 4) - n * beyond) / math.sqrt(n * beyond)
    edges = np.linspace(-3.2, 3.2, 65)
    cumulative = np.array([0.0, *(0.5 * math.erfc(-edge / math.sqrt(2)) for edge in edges), 1.0])
    counts = np.histogram(sample, np.array([-np.inf, *edges, np.inf]))[0]
    return max(moments) < 5 and tail < 5 and abs(chi_square(counts, n * np.diff(cumulative))) < 4


# power k, ⟨ξᵏ⟩, variance of ξᵏ
MOMENTS = ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10395 - 225))


def test_normal_deviates_have_the_moments_the_tail_and_the_shape_of_a_normal() -> None:
    deviates = normals(np.arange(400_000))
    assert all(is_normal(component) for component in deviates)


@pytest.mark.parametrize(
    "fault",
    [
        lambda x: x * 1.01,
        lambda x: x + 0.01,
        lambda x: np.clip(x, -3.9, 3.9),
        lambda x: np.round(x, 1),
        lambda x: np.random.default_rng(1).uniform(-(3**0.5), 3**0.5, x.size),
    ],
    ids=["too wide", "shifted", "no tail", "coarse", "uniform of variance 1"],
)
def test_a_sample_that_is_not_normal_is_found(fault: Callable[[Any], Any]) -> None:
    assert not is_normal(fault(normals(np.arange(400_000))[0]))


def correlated(first: Any, second: Any) -> bool:
    return abs(np.mean(first * second)) > 5 / math.sqrt(first.size)


def test_components_neighbours_steps_seeds_and_purposes_are_uncorrelated() -> None:
    ids = np.arange(200_000)
    here = normals(ids)
    others = {
        "neighbour": normals(ids + 1),
        "far id": normals(ids + 2**32),
        "step": normals(ids, step=1),
        "seed": normals(ids, seed=2),
        "purpose": normals(ids, purpose=LANGEVIN),
    }
    assert [name for name, there in others.items() if any(correlated(here[a], there[a]) for a in range(3))] == []
    assert not any(correlated(here[a], here[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert not any(correlated(here[a] ** 2 - 1, here[b] ** 2 - 1) for a, b in ((0, 1), (0, 2), (1, 2)))


def test_a_planted_correlation_is_found() -> None:
    first, second, _ = normals(np.arange(200_000))
    assert correlated(first, second + 0.02 * first)


def test_deviates_do_not_depend_on_where_in_the_array_an_index_stands() -> None:
    """Vector body, remainder loop and the scalar function give the same bits."""
    whole = normals(np.arange(1000), step=3)
    for start, stop in ((0, 1), (1, 4), (3, 10), (7, 40), (990, 1000)):
        assert (normals(np.arange(start, stop), step=3) == whole[:, start:stop]).all()
    assert four_normals(1, 17, 3, VELOCITIES)[:3] == tuple(whole[:, 17])
