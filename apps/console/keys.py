"""Keys of an input file: each stands once, with kind, default, unit and meaning; checks and documentation follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The smallest and largest numbers taken for a quantity that must be positive: beyond them squares leave float64.
SMALLEST = 1e-100
LARGEST = 1e100


@dataclass(frozen=True)
class Key:
    """One key of the input file.

    Attributes
    ----------
    kind : "choice", "text", "path", "paths" (one or a list), "whole", "number", "boolean", "numbers" (one or a list),
        or a kind that the application checks itself
    default : value where the file has none; None: nothing is chosen
    unit : unit, or the quantity whose unit the input chooses, or ""
    help : what it means
    choices : of a "choice"
    low, high : least and greatest value, both allowed
    """

    kind: str
    default: Any
    unit: str
    help: str
    choices: tuple[str, ...] = ()
    low: float = SMALLEST
    high: float = LARGEST


def default_text(key: Key) -> str:
    """The default as it would stand in the file; empty where nothing is chosen."""
    if key.default is None:
        return ""
    if isinstance(key.default, bool):
        return str(key.default).lower()
    return f'"{key.default}"' if isinstance(key.default, str) else f"{key.default:g}"


def keys_table(keys: Mapping[str, Key]) -> str:
    """All keys as a Markdown table: key, default, unit, meaning."""
    lines = ["| key | default | unit | meaning |", "|---|---|---|---|"]
    for name, key in keys.items():
        choices = f" ({', '.join(key.choices)})" if key.choices else ""
        lines.append(f"| `{name}` | {default_text(key)} | {key.unit} | {key.help}{choices} |")
    return "\n".join(lines)
