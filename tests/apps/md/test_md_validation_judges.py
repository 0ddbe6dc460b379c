"""The judges of `make validate`: each says yes to the truth and no to a planted fault."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from validate import md_decomposition, md_launches, md_restarts
from validate.md_judges import (
    CAUGHT,
    MISSED,
    NO,
    YES,
    Estimate,
    Row,
    agrees,
    below,
    caught,
    drift,
    drift_below,
    largest_difference,
    log_ratio_slope,
    mean_of,
    number,
    of_segments,
    order_of_convergence,
    pooled,
    same_arrays,
    spread,
    variance_of,
    with_error,
)
from validate.md_page import BEGIN, END, table, written_between
from validate.md_validate import VALIDATION
from validate.validation import main

from clustermark.apps.md.analysis import block_average
from clustermark.core.errors import ClustermarkError, UsageError


def correlated(samples: int, memory: float, seed: int) -> Any:
    """An autoregressive series of mean 0 and variance 1."""
    noise = np.random.default_rng(seed).normal(size=samples)
    series = np.empty(samples)
    series[0] = noise[0]
    for k in range(1, samples):
        series[k] = memory * series[k - 1] + math.sqrt(1 - memory**2) * noise[k]
    return series


def test_an_average_within_three_errors_agrees_and_a_shifted_one_does_not() -> None:
    found = mean_of(-5.5 + 0.02 * correlated(4000, 0.8, 1))
    assert found.sound
    assert agrees(found, Estimate(-5.5, 0.0005))
    assert not agrees(found, Estimate(-5.5 + 4 * math.hypot(found.error, 0.0005), 0.0005))


@pytest.mark.parametrize("error", [0.0, math.nan, math.inf])
def test_an_average_without_a_known_error_agrees_with_nothing(error: float) -> None:
    assert not agrees(Estimate(1.0, error), Estimate(1.0, 0.1))


def test_a_series_shorter_than_its_memory_agrees_with_nothing() -> None:
    found = mean_of(np.cumsum(np.random.default_rng(1).normal(size=500)))
    assert not found.sound
    assert not agrees(found, Estimate(found.mean, 10.0))


def test_the_error_of_short_series_is_not_taken_where_the_plateau_only_begins() -> None:
    memory, samples = 0.9, 4000
    exact = math.sqrt((1 + memory) / (1 - memory) / samples)
    series = [correlated(samples, memory, seed) for seed in range(40)]
    assert np.mean([mean_of(one).error for one in series]) == pytest.approx(exact, rel=0.08)
    # Planted fault: the error where the plateau begins.
    assert np.mean([block_average(one).error for one in series]) < 0.88 * exact


def test_pooled_estimates_are_sharper_and_unsound_if_one_is() -> None:
    both = pooled([Estimate(1.0, 0.3), Estimate(2.0, 0.4)])
    assert both.mean == pytest.approx((1 / 0.09 + 2 / 0.16) / (1 / 0.09 + 1 / 0.16))
    assert both.error == pytest.approx(0.24)
    assert not pooled([Estimate(1.0, 0.3), Estimate(1.0, 0.3, sound=False)]).sound


def test_the_error_of_segments_is_that_of_their_scatter() -> None:
    found = of_segments([1.0, 2.0, 3.0])
    assert (found.mean, found.error) == pytest.approx((2.0, 1 / math.sqrt(3)))


def test_the_variance_of_a_correlated_series_is_found_with_its_error() -> None:
    found = variance_of(3.0 + 2.0 * correlated(2**14, 0.8, 2))
    assert agrees(found, Estimate(4.0, 0.0))
    # Planted fault: a thermostat that suppresses a fifth of the fluctuation.
    assert not agrees(variance_of(2.0 * math.sqrt(0.8) * correlated(2**14, 0.8, 2)), Estimate(4.0, 0.0))


def test_a_drift_hidden_in_noise_is_found_and_a_noisy_series_proves_nothing() -> None:
    times = 0.1 * np.arange(4000.0)
    noise = 1e-3 * correlated(4000, 0.9, 3)
    still, moving = drift(times, noise), drift(times, noise + 1e-4 * times)
    assert abs(still.mean) < 4 * still.error
    assert moving.mean == pytest.approx(1e-4, abs=4 * still.error)
    assert drift_below(still, 1e-5)
    assert not drift_below(moving, 1e-5)
    assert not drift_below(drift(times, 1e3 * noise), 1e-5)
    assert not drift_below(Estimate(math.nan, 0.0), 1e-5)


def test_the_order_of_a_method_is_found() -> None:
    steps = [0.002, 0.004, 0.008]
    assert order_of_convergence(steps, [3 * h**2 for h in steps]) == pytest.approx(2.0)
    assert not below(order_of_convergence(steps, [3 * h for h in steps]) - 2.0, 0.2)


def canonical(temperature: float, scale: float, seed: int) -> Any:
    """Energies of a system with heat capacity 400: Gaussian with mean 400 T and variance 400 T²·scale², correlated."""
    return 400 * temperature + 20 * temperature * scale * correlated(20_000, 0.9, seed)


def test_canonical_energies_have_the_slope_of_their_temperatures() -> None:
    found = log_ratio_slope(canonical(0.82, 1.0, 4), canonical(0.88, 1.0, 5))
    expected = Estimate(1 / 0.82 - 1 / 0.88, 0.0)
    assert found.error < 0.06 * expected.mean
    assert agrees(found, expected)


def test_suppressed_fluctuations_have_another_slope() -> None:
    found = log_ratio_slope(canonical(0.82, 0.8, 4), canonical(0.88, 0.8, 5))
    assert not agrees(found, Estimate(1 / 0.82 - 1 / 0.88, 0.0))
    assert caught(agrees(found, Estimate(1 / 0.82 - 1 / 0.88, 0.0))) == CAUGHT
    assert caught(True) == MISSED


def test_relative_differences_see_a_wrong_digit_and_a_missing_name() -> None:
    reference = {"T": 0.75745998, "P": 0.20729996}
    assert below(largest_difference(reference | {"other": 1.0}, reference), 1e-12)
    assert not below(largest_difference(reference | {"P": 0.20729997}, reference), 1e-8)
    assert not below(largest_difference({"T": 0.75745998}, reference), 1e300)
    assert not below(largest_difference(reference | {"P": math.nan}, reference), 1e300)
    assert not below(spread([1.0, math.nan, 1.0]), 1e300)
    assert spread([-2.0, -2.1, -2.05]) == pytest.approx(0.05)


def test_one_bit_makes_arrays_differ() -> None:
    first = {"x": np.array([1.0, 2.0]), "id": np.array([1, 2])}
    assert same_arrays(first, {"x": np.array([1.0, 2.0]), "id": np.array([1, 2])}) == []
    assert same_arrays(first, {"x": np.array([1.0, np.nextafter(2.0, 3.0)]), "id": np.array([1, 2])}) == ["x"]
    assert same_arrays(first, {"x": np.array([1.0, 2.0], np.float32)}) == ["id", "x"]
    assert same_arrays({"x": np.zeros(2)}, {"x": -np.zeros(2)}) == ["x"]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-5.51284, 0.00104, "−5.5128 ± 0.0010"),
        (0.0021, 0.0048, "0.0021 ± 0.0048"),
        (-1.84e-6, 2.3e-7, "(−1.84 ± 0.23)·10⁻⁶"),
        (1234.5, 12.0, "1234 ± 12"),
        (0.5, 0.0, "0.5"),
    ],
)
def test_a_number_is_shown_with_two_digits_of_its_error(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, allow_nan=False))
def test_any_number_can_be_shown(value: float, error: float) -> None:
    assert with_error(value, error)
    assert "-" not in number(value)


def test_the_table_goes_between_the_marks_and_nothing_else_is_touched(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    written_between(page, table([Row("a | b", "1", "2", "someone", "3", "yes")]))
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert r"| a \| b | 1 | 2 | someone | 3 | yes |" in lines
    assert "old" not in lines


def test_a_page_without_marks_is_refused_in_a_sentence(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here")
    with pytest.raises(UsageError, match=r"page\.md: .* put them back"):
        written_between(page, "text")
    assert page.read_text() == "nothing here"


# --- rows from measured numbers ---------------------------------------------------------------------------------


def thermo_row(scale: float = 1.0) -> dict[str, float]:
    return {
        "temperature": 0.757,
        "potential_energy": -184272.0 * scale,
        "total_energy": -147915.0,
        "pressure": 0.2073,
    }


def rank_runs(**changed: Any) -> dict[str, Any]:
    run = {"atoms": 32000, "pairs": 864000, "first": thermo_row(), "last": thermo_row()}
    lammps = {"version": 1, "first": thermo_row(), "last": thermo_row(), "last_fixed": thermo_row(1 + 1e-5)}
    against = {"lammps": lammps, "safe": {"1": run}, "fixed": run | {"last": thermo_row(1 + 1e-6)}}
    found = {f"ranks.{ranks}": dict(run) for ranks in md_decomposition.RANKS}
    return found | {"lammps.melt": against, "lammps.copper": {"skipped": "no LAMMPS"}} | changed


def verdicts(found: dict[str, Any]) -> list[str]:
    return [row.verdict for row in md_decomposition.rows(found)]


def test_equal_runs_agree_and_absent_lammps_is_skipped_by_name() -> None:
    *judged, last = verdicts(rank_runs())
    assert set(judged) == {YES}
    assert last == "skipped: no LAMMPS"


def planted_runs() -> dict[str, dict[str, Any]]:
    """What is wrong → runs with it."""
    run = {"atoms": 32000, "pairs": 864000, "first": thermo_row(), "last": thermo_row()}
    melt = rank_runs()["lammps.melt"]
    return {
        "a pair is counted twice": rank_runs(**{"ranks.4": run | {"pairs": 864001}}),
        "a pair's energy is missing": rank_runs(**{"ranks.2": run | {"first": thermo_row(1 + 1e-7)}}),
        "forces differ": rank_runs(**{"ranks.4": run | {"last": thermo_row(1 + 1e-9)}}),
        "LAMMPS differs": rank_runs(**{"lammps.melt": melt | {"safe": {"4": run | {"last": thermo_row(1 + 1e-9)}}}}),
        "many pairs are missed": rank_runs(**{"lammps.melt": melt | {"fixed": run | {"last": thermo_row(1 + 1e-4)}}}),
    }


@pytest.mark.parametrize("fault", planted_runs())
def test_a_wrong_decomposition_is_seen(fault: str) -> None:
    assert verdicts(planted_runs()[fault]).count(NO) >= 1


def test_a_restart_that_differs_or_stops_early_is_seen() -> None:
    case = {"steps": [200, 200], "arrays": 4, "differing": [], "planted": ["0.velocities"]}

    def judged(**changed: Any) -> list[str]:
        cases = dict.fromkeys(md_restarts.CASES, case)
        found = {f"restart.{ranks}": dict(cases) for ranks in md_restarts.RANKS}
        found["restart.4"]["NVE, double"] = case | changed
        return [row.verdict for row in md_restarts.rows(found)]

    assert judged() == [*[YES] * 9, CAUGHT]
    assert judged(differing=["3.velocities"]).count(NO) == 1
    assert judged(steps=[200, 199]).count(NO) == 1
    assert judged(planted=[])[-1] == MISSED


def test_a_page_waits_for_all_parts_and_names_the_first_that_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match=r"the first is nist\.0\.776"):
        VALIDATION.judged(tmp_path)
    assert main(VALIDATION, ["--folder", str(tmp_path), "--part", "nist.0.775.csvr.mixed"]) == 2
    assert "did you mean 'nist.0.776.csvr.mixed'" in capsys.readouterr().err


def test_a_launch_on_fewer_ranks_than_asked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(md_launches, "on_ranks", lambda ranks, words: '{"ranks": 1}')
    assert md_launches.engine_on_ranks(1, {}) == {"ranks": 1}
    with pytest.raises(ClustermarkError, match="a launch of 4 ranks ran on 1: "):
        md_launches.engine_on_ranks(4, {})


def test_a_part_without_what_it_needs_leaves_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTERMARK_PEERS_PYTHON", str(tmp_path / "python"))
    VALIDATION.measured("lammps.melt", tmp_path)
    found = VALIDATION.documents(tmp_path)["lammps.melt"]["found"]
    assert found["skipped"].startswith("no LAMMPS: install")


def test_a_part_of_other_sources_is_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "structure.ours.json"
    file.write_text(json.dumps({"sources": VALIDATION.sources(), "seconds": 1.0, "found": {}}))
    assert set(VALIDATION.documents(tmp_path)) == {"structure.ours"}
    file.write_text(json.dumps({"sources": "another", "seconds": 1.0, "found": {}}))
    assert VALIDATION.documents(tmp_path) == {}
