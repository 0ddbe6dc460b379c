"""The judge of the comparison with LAMMPS: a slow side is called so, noise is not held against anyone."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from conditions import MET, MISSED, NOT_JUDGED, UNCLEAR, Target
from hypothesis import given
from hypothesis import strategies as st
from md_cases import CASES, LOOSE, PAIRS, DisagreementError, agree, fastest, ratio_of, specification
from md_gromacs import averages, timed
from md_ranks import speedup_row, unbound
from md_sides import HERE, PeerError, Process, Together, environment, take_turns
from md_vs_lammps import Comparison, rows_of

CASE = CASES["lj-32k"]
BUSY = "noisy machine: other programs ran"


def comparison(times: float, load: str = "", scatter: float = 0.02) -> Comparison:
    """Pairs of blocks on a machine that slows down by a third; ours are faster as told, in all precisions."""
    random = np.random.default_rng(3)
    theirs = np.linspace(0.5, 0.66, PAIRS)
    blocks = {"LAMMPS": (theirs * random.normal(1, scatter, PAIRS)).tolist()}
    for name in CASE.precisions:
        blocks[name] = (theirs / times * random.normal(1, scatter, PAIRS)).tolist()
    return Comparison(CASE, "opt", blocks=blocks, load=load)


def verdicts(found: Comparison) -> dict[str, str]:
    return {row["clustermark"]: row["verdict"] for row in rows_of(found)}


def test_each_precision_is_judged_by_its_own_target() -> None:
    assert verdicts(comparison(5.0)) == {"double": MET, "mixed": MET, "single": ""}
    assert verdicts(comparison(4.0)) == {"double": MET, "mixed": MISSED, "single": ""}


def test_a_planted_slow_side_is_a_miss() -> None:
    assert verdicts(comparison(2.0)) == {"double": MISSED, "mixed": MISSED, "single": ""}


def test_noise_across_the_target_is_unclear() -> None:
    assert verdicts(comparison(3.6, scatter=0.3))["double"].startswith(UNCLEAR)


def test_under_load_nothing_is_judged() -> None:
    assert set(verdicts(comparison(5.0, BUSY)).values()) == {NOT_JUDGED, ""}
    assert set(verdicts(comparison(2.0, BUSY)).values()) == {NOT_JUDGED, ""}


def test_a_drift_of_the_machine_cancels_pair_by_pair() -> None:
    drift = np.geomspace(1.0, 3.0, PAIRS)
    ratio = ratio_of((4 * drift).tolist(), drift.tolist())
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((4.0, 4.0, 4.0))


def test_the_fastest_variant_is_the_one_compared_with() -> None:
    assert fastest({"plain": [1.0, 1.1], "opt": [0.9, 0.8], "omp": [0.85, 9.0]}) == "opt"


def speedup_verdict(side: str, speedup: float, copies: float = 2.0, load: str = "") -> str:
    blocks = {"one": [1.0] * PAIRS, "two": [1 / speedup] * PAIRS, "copies": [2 / copies] * PAIRS}
    return speedup_row(CASE, side, blocks, load)["verdict"]


def test_two_ranks_as_fast_as_one_are_a_miss_for_us_and_no_verdict_for_a_peer() -> None:
    assert speedup_verdict("clustermark double, x", 1.0) == MISSED
    assert speedup_verdict("clustermark double, x", 1.95) == MET
    assert speedup_verdict("LAMMPS opt", 1.0) == ""


def test_two_ranks_are_not_judged_where_two_copies_reach_no_more_either() -> None:
    assert speedup_verdict("clustermark double, x", 1.5, copies=1.6).startswith("not judged")
    assert speedup_verdict("clustermark double, x", 1.5, copies=1.9) == MISSED
    assert speedup_verdict("clustermark double, x", 1.9, copies=1.6) == MET
    assert speedup_verdict("clustermark double, x", 1.5, load=BUSY) == NOT_JUDGED


def test_members_that_work_together_take_as_long_as_the_last() -> None:
    both = Together("both", [child(), child("slower = 2"), child()])
    try:
        assert both.block(20) == 0.04
    finally:
        both.close()


def test_ranks_of_a_launch_are_left_to_bind_themselves() -> None:
    assert unbound(["mpirun", "-n", "2", "--bind-to", "core"]) == ["mpirun", "-n", "2", "--bind-to", "none"]
    assert unbound(["mpiexec", "-n", "2", "-bind-to", "core:1"]) == ["mpiexec", "-n", "2", "-bind-to", "none"]


def test_a_target_from_below_is_shown_as_such() -> None:
    assert str(CASE.targets["double"]) == "≥ 3.5 ×"
    assert str(Target(0.15)) == "≤ 0.15"


# --- the same system ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"energy": -4.61}, {"temperature": 0.8}, {"energy": float("nan")}])
def test_a_side_with_another_energy_or_temperature_is_found_out(wrong: dict[str, float]) -> None:
    right = {"energy": -4.6212, "temperature": 0.72}
    agree(right, right | {"energy": -4.6211, "temperature": 0.725})
    with pytest.raises(DisagreementError, match="have not computed the same system"):
        agree(right, right | wrong)
    agree(right, right | {"temperature": 0.75}, LOOSE)


def test_specifications_name_the_same_rule_for_both_sides(tmp_path: Any) -> None:
    lj = specification(CASE, tmp_path, 0)
    eam = specification(CASES["eam-32k"], tmp_path, 0, tmp_path / "Cu_u3.eam")
    assert (lj["skin"], lj["every"], lj["check"]) == (0.3, 20, False)
    assert (eam["skin"], eam["every"], eam["check"], eam["potential"]) == (1.0, 5, True, "funcfl")
    assert specification(CASES["eam-32k"], tmp_path, 0, tmp_path / "Cu.eam.alloy")["potential"] == "setfl"


# --- turns --------------------------------------------------------------------------------------------------


class _Recorder:
    def __init__(self, name: str, order: list[str]) -> None:
        self.name, self.order = name, order

    def block(self, steps: int) -> float:
        self.order.append(self.name)
        return float(steps)

    def facts(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        """Nothing to end."""


def test_the_order_of_the_sides_is_turned_round_every_time() -> None:
    order: list[str] = []
    blocks = take_turns({name: _Recorder(name, order) for name in "ab"}, 20, 3)
    assert "".join(order) == "baabba"
    assert blocks == {"a": [20.0] * 3, "b": [20.0] * 3}


# A side that says of every step that it took 1 ms; "facts" gives its CPU time, "fail" raises, "leave" ends it.
_CHILD = """
import sys, time
sys.path.insert(0, {here!r})
from md_child import serve
def fail(_): raise ValueError("planted")
def facts(_): return {{"cpu": time.process_time()}}
slower = 1
def steps(request): return {{"seconds": request["steps"] * 1e-3 * slower}}
{before}
serve(sys.argv[1], lambda: {{"steps": steps, "facts": facts, "fail": fail, "leave": lambda _: sys.exit("gone")}})
"""


def child(before: str = "") -> Process:
    command: Sequence[str] = [sys.executable, "-c", _CHILD.format(here=str(HERE), before=before)]
    return Process("planted", command, [0], {}, environment())


def test_a_side_that_waits_takes_no_cpu_time() -> None:
    side = child()
    try:
        before = side.facts()["cpu"]
        time.sleep(0.3)
        assert side.block(20) == 0.02
        assert side.facts()["cpu"] - before < 0.05
    finally:
        side.close()


@pytest.mark.parametrize(("ask", "said"), [("fail", "ValueError: planted"), ("leave", "gone")])
def test_a_side_that_fails_or_ends_says_why(ask: str, said: str) -> None:
    side = child()
    with pytest.raises(PeerError, match=said):
        side.ask(do=ask)
    side.close()


def test_a_side_that_does_not_start_says_why() -> None:
    with pytest.raises(PeerError, match="no such luck"):
        child("sys.exit('no such luck')")


# --- GROMACS ------------------------------------------------------------------------------------------------

LOG = """
   Energies (kJ/mol)
        LJ (SR)   Coulomb (SR)      Potential    Kinetic En.   Total Energy
   -1.84320e+05    0.00000e+00   -1.84320e+05    3.64000e+04   -1.47920e+05
  Conserved En.    Temperature Pressure (bar)
   -1.47920e+05    9.12100e+01    1.00000e+02

 Neighbor search        1    1          2       0.050          0.122   8.0
 Force                  1    1         41       0.350          0.856  78.0
 Rest                                           0.010          0.024   1.0

               Core t (s)   Wall t (s)        (%)
       Time:        0.451        0.410      110.0
"""


def test_the_time_of_mdrun_is_that_of_the_steps_it_counted() -> None:
    assert timed(LOG, 40) == pytest.approx(0.410 * 40 / 41)
    found = averages(LOG, 32000)
    assert found["energy"] == pytest.approx(-4.6225)
    assert found["temperature"] == pytest.approx(0.7584, rel=1e-3)


@pytest.mark.parametrize(("log", "steps"), [(LOG, 80), (LOG, 20), (LOG.replace("Time:", "Tim:"), 40), ("", 40)])
def test_a_log_of_other_steps_or_without_times_is_refused(log: str, steps: int) -> None:
    with pytest.raises(PeerError):
        timed(log, steps)


@given(st.text())
def test_no_log_brings_the_reader_down(log: str) -> None:
    for read in (lambda: timed(log, 40), lambda: averages(log, 10)):
        with pytest.raises(PeerError):
            read()


@given(st.integers(0, len(LOG) - 1), st.characters(codec="utf-8"))
def test_a_damaged_log_is_read_or_refused(place: int, letter: str) -> None:
    log = LOG[:place] + letter + LOG[place + 1 :]
    for read in (lambda: timed(log, 40), lambda: averages(log, 32000)):
        try:
            read()
        except PeerError:
            continue
