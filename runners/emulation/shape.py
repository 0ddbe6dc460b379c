"""What may be emulated: rate and delay as people write them, and where this machine would tell lies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from clustermark.core.errors import UsageError

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg])bit", re.I)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)\s*(us|µs|ms)", re.I)
_RATE_UNITS = {"k": 1e3, "m": 1e6, "g": 1e9}
_DELAY_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3}

# What was measured to hold on two cores: token buckets follow to about 8 Gbit/s, a switch in user space to 1 Gbit/s,
# and it cannot be woken soon enough for a delay below 20 µs. A delay above a second is no network for MPI.
MOST_RATE, MOST_RATE_WITH_DELAY, LEAST_RATE = 8e9, 1e9, 1e6
LEAST_DELAY, MOST_DELAY = 20e-6, 1.0
MOST_NODES = 16


@dataclass(frozen=True)
class Shape:
    """An emulated network.

    Attributes
    ----------
    nodes : how many
    rate : [bit/s] of every link, each way, Ethernet frames counted; 0 for as fast as the machine copies
    delay : [s] of every frame on its way from node to node, beside what the machine itself needs
    """

    nodes: int
    rate: float
    delay: float

    def title(self) -> str:
        """As people say it: "2 nodes, 1 Gbit/s, 50 µs"."""
        rate = f"{self.rate / 1e9:g} Gbit/s" if self.rate else "no limit of rate"
        return ", ".join([f"{self.nodes} nodes", rate, *([f"{self.delay * 1e6:g} µs"] if self.delay else [])])


def parse_rate(text: str) -> float:
    """[bit/s] of "1gbit" or "100mbit"; 0 for "none". Raises UsageError."""
    if text.strip().lower() == "none":
        return 0.0
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--rate {text}: is no rate; write 100mbit, 1gbit, 2.5gbit or none")
    return float(match.group(1)) * _RATE_UNITS[match.group(2).lower()]


def parse_delay(text: str) -> float:
    """[s] of "50us" or "1ms"; 0 for "0" or "none". Raises UsageError."""
    if text.strip().lower() in ("0", "none"):
        return 0.0
    match = _DELAY.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--delay {text}: is no delay; write 50us, 1ms or none")
    return float(match.group(1)) * _DELAY_UNITS[match.group(2).lower()]


def make_shape(nodes: int, rate: str, delay: str) -> Shape:
    """The network that the options ask for. Raises UsageError outside of what can be emulated honestly."""
    shape = Shape(nodes, parse_rate(rate), parse_delay(delay))
    if not 2 <= nodes <= MOST_NODES:
        raise UsageError(f"--nodes {nodes}: expected 2 to {MOST_NODES}")
    if shape.rate and not LEAST_RATE <= shape.rate <= MOST_RATE:
        raise UsageError(
            f"--rate {rate}: expected 1mbit to 8gbit: above, this machine's own copying is what would be measured; "
            f"use --rate none, or `clustermark model` for faster networks"
        )
    if shape.delay and not LEAST_DELAY <= shape.delay <= MOST_DELAY:
        raise UsageError(
            f"--delay {delay}: expected 20us to 1000ms: below, waking a process takes longer than the delay; "
            f"use --delay none, or `clustermark model` for quicker networks"
        )
    if shape.delay and not 0 < shape.rate <= MOST_RATE_WITH_DELAY:
        raise UsageError(
            f"--rate {rate} with --delay {delay}: frames with a delay pass through a switch in user space, which "
            f"keeps up to 1gbit; lower the rate or leave the delay out"
        )
    return shape
