"""Atoms that leave a rank and arrive on it: the others stay in their order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clustermark.apps.md.staging import Staging


def filled(count: int) -> Staging:
    staging = Staging()
    rows = np.arange(3.0 * count).reshape(count, 3)
    staging.set_atoms(rows, -rows, np.arange(count) + 1, (np.arange(count) % 3).astype(np.int32))
    return staging


@given(st.integers(0, 40), st.data(), st.integers(0, 90))
def test_atoms_that_leave_are_gone_and_those_that_arrive_stand_at_the_end(
    count: int, data: st.DataObject, arriving: int
) -> None:
    chosen = data.draw(st.permutations(range(count)))[: data.draw(st.integers(0, count))]
    leaving = np.array(chosen, dtype=np.int64)
    other = filled(arriving)
    other.ids[:arriving] += 1000
    staging, before = filled(count), filled(count)
    staging.replace(leaving, other.take(np.arange(arriving)))
    assert staging.atoms == count - len(chosen) + arriving
    for name in ("positions", "velocities", "ids", "types"):
        stayed = np.delete(getattr(before, name)[:count], leaving, axis=0)
        expected = np.concatenate([stayed, getattr(other, name)[:arriving]])
        np.testing.assert_array_equal(getattr(staging, name)[: staging.atoms], expected)
