"""What climate_vs_peers.py concludes from given turns, and that it refuses sides which computed something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from climate_shallow_data import RESULTS, DisagreementError, agree, fingerprint, panel
from climate_shallow_sides import TRIAD_BYTES, blocks_of, by_hand, ours
from climate_vs_peers import STEPS, Comparison, notes_of, rows_of
from conditions import MET, MISSED, NOT_JUDGED
from md_sides import PeerError


def comparison(ours: float, c: float, devito: float, load: str = "") -> Comparison:
    """Twelve equal blocks of each side [s]; the triad moves 10 GB/s."""
    triad = 3 * TRIAD_BYTES * STEPS / 10e9
    seconds = {"clustermark": ours, "C": c, "Devito": devito, "triad": triad}
    blocks = {side: [value] * 12 for side, value in seconds.items()}
    facts = {side: {"version": side} for side in ("clustermark", "C", "Devito")}
    return Comparison("f64-1", 1_000_000, blocks, facts, {"GT4Py": "no wheel"}, load)


def test_a_side_that_computed_the_same_stage_agrees_and_another_does_not(tmp_path: Path) -> None:
    blocks = blocks_of(panel(24, 40, "float64"))
    try:
        other = by_hand(blocks, 2, tmp_path)
    except PeerError as error:
        pytest.skip(str(error))
    told = ours(blocks, 1).facts()["fingerprint"]
    agree("C", told, other.facts()["fingerprint"], "float64")
    faults = (
        replace(blocks.data, cos_face=blocks.data.cos_center),
        replace(blocks.data, inverse_spacing=blocks.data.inverse_spacing * 1.0001),
    )
    for fault in faults:
        wrong = by_hand(replace(blocks, data=fault), 1, tmp_path)
        with pytest.raises(DisagreementError, match="not computed the same stage"):
            agree("C", told, wrong.facts()["fingerprint"], "float64")


def test_a_result_that_is_not_a_number_is_a_disagreement() -> None:
    values = dict.fromkeys(RESULTS, np.ones((20, 20)))
    good, bad = fingerprint(values), fingerprint(values | {"v": np.full((20, 20), np.nan)})
    agree("C", good, good, "float64")
    with pytest.raises(DisagreementError, match="v differs"):
        agree("C", good, bad, "float64")


def test_rows_tell_time_bandwidth_and_verdicts() -> None:
    rows = {row["side"]: row for row in rows_of(comparison(ours=0.1, c=0.095, devito=0.15))}
    assert (rows["C"]["÷ ours"], rows["C"]["verdict"]) == ("0.95", MET)
    assert (rows["Devito"]["÷ ours"], rows["Devito"]["verdict"]) == ("1.50", MISSED)
    # 11 words of 8 bytes for each of a million cells in a quarter of 0.1 s, of the triad's 10 GB/s.
    assert (rows["clustermark"]["ms"], rows["clustermark"]["GB/s"], rows["clustermark"]["of triad"]) == (
        "25.00",
        "3.5",
        "35%",
    )


def test_a_slower_stage_than_c_is_missed_and_a_loaded_machine_is_not_judged() -> None:
    assert {row["side"]: row["verdict"] for row in rows_of(comparison(0.1, 0.08, 0.3))}["C"] == MISSED
    assert {row["side"]: row["verdict"] for row in rows_of(comparison(0.1, 0.08, 0.3, "busy"))}["C"] == NOT_JUDGED


def test_a_peer_that_takes_no_part_is_named_with_its_reason() -> None:
    assert any("GT4Py takes no part: no wheel" in line for line in notes_of(comparison(0.1, 0.1, 0.2)))
