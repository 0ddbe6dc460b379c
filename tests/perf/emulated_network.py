"""Emulated networks against what they are meant to be: payload within 2 % of the shaped rate, latency within 20 %.

    python tests/perf/emulated_network.py [1gbit/50us 1gbit/none 100mbit/1ms …] [--congestion-control cubic]     as root

CLUSTERMARK_OTHER_PYTHON names the Python of a second environment, with another MPI. What the machine itself needs for a
short message is measured by the same MPI over the same path: the switch with no delay in it, the bridge with no bucket.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c_side import pythons
from conditions import Target
from tabulate import tabulate

from clustermark.core.environment import affinity
from clustermark.core.units import format_bytes
from clustermark.runners.emulation.shape import Shape, make_shape
from clustermark.runners.emulation.start import Request, chosen_control, core_lists, why_not_here

SETTINGS = ("1gbit/50us", "1gbit/none", "100mbit/1ms")
SIZES = (1 << 20, 4 << 20, 8 << 20)
WINDOW = 8
# [s] Longer messages are left out: a window holds eight.
LONGEST = 0.1
# Payload of a full Ethernet frame ÷ what it takes of the rate: TCP with time stamps over IPv4.
PAYLOAD = 1448 / 1514
RATE, LATENCY = Target(1.02, 0.98, load_only_adds=False), Target(1.2, 0.8, load_only_adds=False)
# [s] Below what a shape may ask for: the switch without a delay.
NO_DELAY = 1e-9
SUITE = """
[sampling]
seconds = {seconds}
min_samples = 3
interval = 0.005
[[matrix]]
workload = "pingpong"
ranks = 2
fabric = "network"
params = {{ bytes = {messages} }}
"""
WINDOWS = """
[[matrix]]
workload = "multi_pair"
ranks = 2
fabric = "network"
params = {{ bytes = {sizes}, window = {window}, bidirectional = false }}
"""
START = (
    "import sys; from clustermark.runners.emulation.start import *; "
    "p = started(Request.from_json(sys.argv[1])); sys.exit(p.__enter__().wait())"
)
Rows = Mapping[tuple[str, int], Mapping[str, Any]]


@dataclass(frozen=True)
class Line:
    """One figure against what it should be: median and interval of measured ÷ wanted, and what was measured."""

    what: str
    shown: str
    ratio: tuple[float, float, float]
    target: Target | None

    def row(self, load: str) -> dict[str, str]:
        """A line of the table."""
        value, low, high = self.ratio
        return {
            "figure": self.what,
            "measured": self.shown,
            "÷ wanted": f"{value:.3f}",
            "interval": f"{low:.3f} … {high:.3f}",
            "target": str(self.target or "–"),
            "verdict": self.target.verdict(low, high, load) if self.target else "",
        }


def sizes_for(rate: float) -> list[int]:
    """Message sizes that a link of that rate [bit/s] carries in time."""
    return [size for size in SIZES if size * 8 / rate <= LONGEST] or list(SIZES[:1])


def suite_for(sizes: Sequence[int], seconds: float) -> str:
    """Ping-pongs of 8 B, the shortest and the longest size, and windows of the sizes."""
    text = SUITE.format(seconds=seconds, messages=json.dumps([8, *sizes[:1], *sizes[2:]]))
    return text + (WINDOWS.format(sizes=json.dumps(list(sizes)), window=WINDOW) if sizes else "")


def run(python: str, shape: Shape, control: str, suite: str, launches: int) -> tuple[Rows, str]:
    """(workload, bytes) → row of the report, and the cluster's own sentence. Raises RuntimeError."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "suite.toml"
        file.write_text(suite)
        words = ("run", str(file), "--launches", str(launches), "--out", folder, "--json", "--no-report")
        command = (python, "-m", "clustermark", *words)
        request = Request(shape, core_lists(affinity(), 2, 1), control, command)
        done = subprocess.run(
            [python, "-c", START, request.to_json()], check=False, capture_output=True, text=True, timeout=300
        )
    if done.returncode:
        raise RuntimeError(f"{shape.title()}: {done.stderr[-2000:]}")
    rows = json.loads(done.stdout)["runs"][0]["rows"]
    found = {(row["case"]["workload"], row["case"]["params"]["bytes"]): row for row in rows if row["status"] == "ok"}
    return found, next((line for line in done.stderr.splitlines() if line.startswith("emulated cluster")), "")


def lines_of(rows: Rows, own: Rows, shape: Shape) -> list[Line]:
    """Every figure of a network; `own` has the ping-pong of 8 B without rate and delay."""
    short, bare = rows["pingpong", 8]["time"], own["pingpong", 8]["time"]["value"] / 2
    wanted = shape.delay + bare
    ratios = [short[key] / 2 / wanted for key in ("value", "low", "high")]
    shown = f"{short['value'] / 2 * 1e6:.1f} µs of {shape.delay * 1e6:g} + {bare * 1e6:.1f}"
    lines = [Line("half of a ping-pong of 8 B", shown, (ratios[0], ratios[1], ratios[2]), LATENCY)]
    for (workload, size), row in sorted(rows.items()):
        if size > 8:
            windowed = workload == "multi_pair"
            lines.append(_bandwidth(row["time"], size, WINDOW if windowed else 2, shape.rate, windowed))
    return lines


def load_of(rows: Rows) -> str:
    """What the rows say of the machine beside the network that they ran on."""
    said = {condition for row in rows.values() for condition in row["conditions"]}
    return "; ".join(sorted(one for one in said if not one.startswith("emulated network")))


def _bandwidth(time: Mapping[str, float], size: int, messages: int, rate: float, windowed: bool) -> Line:
    low, value, high = (messages * size * 8 / time[key] for key in ("high", "value", "low"))
    what = f"{format_bytes(size)}, " + (f"{messages} under way" if windowed else "ping-pong, latency included")
    payload = rate * PAYLOAD
    # One message at a time waits for its latency: a figure to know, no target.
    target = RATE if windowed else None
    return Line(what, f"{value / 1e9:.4f} Gbit/s", (value / payload, low / payload, high / payload), target)


def main() -> int:
    """Print a table for every MPI and network."""
    parser = argparse.ArgumentParser(description="emulated networks against what they are meant to be")
    parser.add_argument("settings", nargs="*", default=SETTINGS, help="rate/delay, such as 1gbit/50us")
    parser.add_argument("--congestion-control", default="")
    parser.add_argument("--launches", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each case of each launch")
    chosen = parser.parse_args()
    reason = why_not_here() if hasattr(os, "geteuid") else "needs Linux"
    if reason:
        print(f"an emulated cluster {reason}", file=sys.stderr)
        return 1
    for python in pythons():
        for setting in chosen.settings:
            shape = make_shape(2, *setting.split("/"))
            bare = Shape(2, shape.rate, NO_DELAY) if shape.delay else Shape(2, 0.0, 0.0)
            control = chosen_control(chosen.congestion_control)
            rows, sentence = run(
                python, shape, control, suite_for(sizes_for(shape.rate), chosen.seconds), chosen.launches
            )
            own, _ = run(python, bare, control, suite_for([], chosen.seconds), min(3, chosen.launches))
            fabric = rows["pingpong", 8]["case"]["fabric"]
            told = [line.row(load_of(rows)) for line in lines_of(rows, own, shape)]
            print(f"\n{fabric}, {control or 'congestion control of the system'}; {sentence}")
            print(tabulate(told, headers="keys", disable_numparse=True), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
