"""Energy of a step: counters that begin again, logs of meters; what cannot be read is unavailable and never 0."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clustermark.core.counters import ENERGY_PER_STEP
from clustermark.core.measurement import Measurement
from clustermark.devices import energy
from clustermark.devices.energy import Rapl, energy_between, read_log
from clustermark.runners.doctor_host import energy_finding
from clustermark.runners.energy_watch import EnergyWatch
from clustermark.transports.local import LocalTransport

RANGE = 1_000_000


def zone(folder: Path, number: str, name: str, microjoules: int) -> Path:
    made = folder / f"intel-rapl{number}"
    made.mkdir(parents=True, exist_ok=True)
    for file, text in (("name", name), ("energy_uj", str(microjoules)), ("max_energy_range_uj", str(RANGE))):
        (made / file).write_text(f"{text}\n")
    return made / "energy_uj"


def measurement(samples: int, seconds: float, steps: int) -> Measurement:
    taken = np.full((samples, 2), seconds)
    taken[:, 1] *= 0.5
    return Measurement(taken, np.zeros((1, 2)), steps, "", "", 0.0, "time")


def clock(*moments: float) -> Any:
    return iter(moments).__next__


class Several(LocalTransport):
    """Rank 0 of a launch whose other ranks sent these rows."""

    def __init__(self, *rows: Any) -> None:
        self.rows = rows

    def gather(self, value: Any) -> list[Any]:
        return [value, *self.rows]


# --- RAPL ---------------------------------------------------------------------------------------------------


def test_packages_and_memory_are_counted_once_and_counters_that_begin_again_lose_nothing(tmp_path: Path) -> None:
    package = zone(tmp_path, ":0", "package-0", RANGE - 100)
    memory = zone(tmp_path, ":0:1", "dram", 5)
    for number, name in ((":0:0", "core"), (":1", "psys"), ("-mmio:0", "package-0")):
        zone(tmp_path, number, name, 7)
    rapl = Rapl(tmp_path)
    assert (rapl.name, rapl.missing, rapl.joules) == ("RAPL, package-0 + dram", "", 0.0)
    for microjoules in (50, RANGE - 10, 3):  # begins again twice
        package.write_text(str(microjoules))
        rapl.look()
    memory.write_text("25")
    rapl.look()
    assert rapl.joules == pytest.approx(1e-6 * (2 * RANGE - RANGE + 100 + 3 + 20))
    memory.unlink()
    rapl.look()
    assert "vanished" in rapl.missing


def test_what_cannot_be_read_says_why_and_how_to_mend_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no RAPL domain" in energy_finding(Rapl(tmp_path)).what
    zone(tmp_path, ":0", "package-0", 1)
    assert energy_finding(Rapl(tmp_path)).status == "ok"

    def forbidden(path: Path) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(energy, "_number", forbidden)
    found = energy_finding(Rapl(tmp_path))
    assert found.status == "absent"
    assert "read by root only" in found.what
    assert found.mend.startswith("sudo chmod a+r")
    assert EnergyWatch(LocalTransport(), Rapl(tmp_path)).stop(measurement(4, 1.0, 1), None) == {}


# --- energy of a step ---------------------------------------------------------------------------------------


def test_a_step_takes_the_mean_power_of_all_nodes_for_its_time_and_ranks_of_a_node_count_once(tmp_path: Path) -> None:
    package = zone(tmp_path, ":0", "package-0", 0)
    here, name = platform.node(), "RAPL, package-0"
    others = [(here, name, "", 0.25), ("far", name, "", 0.5), ("far", name, "", 0.5)]
    watch = EnergyWatch(Several(*others), Rapl(tmp_path), clock=clock(0.0, 10.0), wall=clock(0.0, 0.0))
    package.write_text("250000")
    found = watch.stop(measurement(4, 2.0, 5), 1.25)  # 8 s of 10 in 20 steps
    assert found[f"energy: {name} [J]"] == pytest.approx(0.75)
    assert found["energy: share of the window in steps"] == pytest.approx(0.8)
    assert found[ENERGY_PER_STEP] == pytest.approx((0.75 + 1.25) / 10 * 8 / 20)


def test_one_node_without_a_reading_makes_the_whole_unavailable_but_gpus_alone_are_said_to_be_alone(
    tmp_path: Path,
) -> None:
    zone(tmp_path, ":0", "package-0", 0)
    rows = [("far", "", "no RAPL domain", 0.0)]
    for joules in (None, 6.0):
        watch = EnergyWatch(Several(*rows), Rapl(tmp_path), clock=clock(0.0, 4.0), wall=clock(0.0, 0.0))
        found = watch.stop(measurement(4, 1.0, 1), joules)
        assert not any("RAPL" in key for key in found)
        assert found.get(ENERGY_PER_STEP) == (joules and pytest.approx(1.5))


def test_steps_that_were_the_smaller_part_of_the_window_get_no_energy() -> None:
    watch = EnergyWatch(LocalTransport(), Rapl(Path("/nowhere")), clock=clock(0.0, 10.0), wall=clock(0.0, 0.0))
    found = watch.stop(measurement(4, 1.0, 1), 100.0)
    assert found == {"energy: window [s]": 10.0, "energy: share of the window in steps": 0.4}
    short = EnergyWatch(LocalTransport(), Rapl(Path("/nowhere")), clock=clock(0.0, 0.05), wall=clock(0.0, 0.0))
    assert short.stop(measurement(4, 0.01, 1), 100.0) == {}


# --- a meter of one's own -----------------------------------------------------------------------------------


def log(folder: Path, *lines: str) -> Path:
    path = folder / "meter.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_log_of_a_meter_is_integrated_over_the_window_and_half_a_line_is_none(tmp_path: Path) -> None:
    path = log(tmp_path, "place,unix_seconds,watts", *(f"rack,{100 + second},{second}" for second in range(21)))
    path.write_text(path.read_text() + "rack,121,1")
    joules, period = energy_between(read_log(path), 105.5, 115.25)
    assert joules == pytest.approx((15.25**2 - 5.5**2) / 2)
    assert period == 1
    watch = EnergyWatch(
        LocalTransport(), Rapl(Path("/nowhere")), str(path), clock=clock(0.0, 9.0), wall=clock(106, 116)
    )
    found = watch.stop(measurement(8, 1.0, 2), None)
    assert found["energy: external meter [J]"] == pytest.approx(110)
    assert found[ENERGY_PER_STEP] == pytest.approx(110 / 10 * 8 / 16)
    held, _ = energy_between(read_log(path), 110, 120.9)
    assert held == pytest.approx((20**2 - 10**2) / 2 + 0.9 * 20), "the last reading stands for one period"
    with pytest.raises(ValueError, match="does not cover"):
        energy_between(read_log(path), 110, 121.5)
    with pytest.raises(ValueError, match=r"1 readings of the meter fell into 1\.5 s"):
        energy_between(read_log(path), 110.3, 111.8)


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (["unix_seconds,watt", "1,2"], "no column 'watts' in its first line"),
        (["unix_seconds,watts", "1,2", "2"], "line 3 of the meter's log"),
        (["unix_seconds,watts", "1,-2"], "line 2 of the meter's log"),
        (["unix_seconds,watts", "1,nan"], "is no time and power"),
        (["unix_seconds,watts", "2,2", "2,3"], "not later than the one before"),
        ([""], "no column"),
    ],
)
def test_a_log_that_is_none_is_said_in_the_row_and_gives_no_energy(tmp_path: Path, lines: list[str], part: str) -> None:
    path = log(tmp_path, *lines)
    watch = EnergyWatch(LocalTransport(), Rapl(Path("/nowhere")), str(path), clock=clock(0.0, 4.0), wall=clock(0, 4))
    (told,) = watch.stop(measurement(4, 1.0, 1), None)
    assert told.startswith("energy unavailable: ")
    assert part in told
    missing = EnergyWatch(LocalTransport(), Rapl(Path("/nowhere")), str(tmp_path / "none"), clock=clock(0.0, 4.0))
    assert "cannot be read" in next(iter(missing.stop(measurement(4, 1.0, 1), None)))
