"""One point of the matrix: what runs, on what, over what."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from clustermark.core.units import format_bytes
from clustermark.core.workload import ParamValue


@dataclass(frozen=True)
class Case:
    """One point of the matrix.

    Attributes
    ----------
    workload, version : which declaration
    params : every parameter of the workload, defaults filled in
    precision, device, transport : names from the tables
    fabric : row of the fabrics table that the launch is told to use; "self" for one rank
    ranks, ranks_per_node, threads : launch shape; threads is per rank
    seed : root of every random stream of the case
    """

    workload: str
    version: int
    params: Mapping[str, ParamValue]
    precision: str
    device: str
    transport: str
    fabric: str
    ranks: int
    ranks_per_node: int
    threads: int = 1
    seed: int = 0

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of the canonical JSON: equal for equal cases only."""
        return hashlib.sha256(canonical_json(self.to_dict()).encode("utf-8", "surrogatepass")).hexdigest()[:12]

    @property
    def nodes(self) -> int:
        """Nodes the launch needs: ranks ÷ ranks_per_node, rounded up."""
        return -(-self.ranks // self.ranks_per_node)

    @cached_property
    def label(self) -> str:
        """``allreduce[64KiB fp32 mpi/ompi-tcp 2r]``: what people and error messages call it."""
        values = [
            format_bytes(value) if key == "bytes" and isinstance(value, int) else _shown(key, value)
            for key, value in self.params.items()
        ]
        where = self.transport if self.fabric == "self" else f"{self.transport}/{self.fabric}"
        shape = f"{self.ranks}r" + (f"×{self.threads}t" if self.threads > 1 else "")
        device = [self.device] if self.device != "cpu" else []
        return f"{self.workload}[{' '.join([v for v in values if v] + [self.precision, *device, where, shape])}]"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` takes it back."""
        return asdict(self) | {"params": dict(self.params)}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Case":
        """The case that `to_dict` wrote; TypeError, KeyError or ValueError for anything else."""
        for names, kind in ((_TEXTS, str), (_NUMBERS, int)):
            for name in names:
                if type(data[name]) is not kind:
                    raise TypeError(f"{name} is {data[name]!r:.40}")
        if min(data["ranks"], data["ranks_per_node"], data["threads"]) < 1:
            raise ValueError("a case needs at least one rank")
        return Case(**{**data, "params": dict(data["params"])})


_TEXTS = ("workload", "precision", "device", "transport", "fabric")
_NUMBERS = ("version", "ranks", "ranks_per_node", "threads", "seed")


def _shown(key: str, value: ParamValue) -> str:
    if value is True:
        return key
    if not value or value == "auto":  # false, 0, "" and "auto" stand for "not asked for"
        return ""
    return f"{key}={value}"


def canonical_json(data: object) -> str:
    """JSON with sorted keys and no spaces: the same text for the same data."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
