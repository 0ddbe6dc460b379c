"""Values of an input file that only molecular dynamics has: cells of a lattice, names of types, pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from clustermark.apps.console.keys import Key
from clustermark.apps.console.values import Check, kind_of, list_of, number, text, whole
from clustermark.core.errors import UsageError, nearest, plain


def _cells(value: object, key: Key, where: str) -> tuple[int, ...]:
    items = value if isinstance(value, list) else [value] * 3
    if len(items) != 3:
        raise UsageError(f"{where}: has {len(items)} numbers, expected one or three, such as [20, 20, 20]")
    cells = tuple(whole(item, key, where) for item in items)
    if math.prod(cells) > 10**11:
        raise UsageError(f"{where}: makes {4 * math.prod(cells)} atoms; choose fewer cells")
    return cells


def _name(value: object, key: Key, where: str) -> str:
    name = text(value, key, where)
    if not name or len(name) > 16 or any(c.isspace() or c in "\"'=," for c in name):
        raise UsageError(f"{where}: '{plain(name)}' is no name of a type; use up to 16 letters and digits")
    return name


def _pair(value: object, key: Key, where: str) -> dict[str, Any]:
    known = ("types", "epsilon", "sigma", "cutoff")
    if not isinstance(value, Mapping):
        raise UsageError(
            f"{where}: holds {kind_of(value)}, expected tables {{types = ['A', 'B'], epsilon = 1, sigma = 1}}"
        )
    for name in value:
        if name not in known:
            raise UsageError(f"{where}: unknown key '{plain(name)}'{nearest(plain(name), known)}; remove or rename it")
    missing = [name for name in known[:3] if name not in value]
    if missing:
        raise UsageError(f"{where}: a pair has no {' and no '.join(missing)}; add it")
    types = list_of(_name)(value["types"], key, f"{where}.types")
    if len(types) != 2:
        raise UsageError(f"{where}.types: names {len(types)} types, expected two, such as ['A', 'B']")
    return {
        "types": types,
        "epsilon": number(value["epsilon"], Key("number", None, "", "", low=0.0), f"{where}.epsilon"),
        "sigma": number(value["sigma"], key, f"{where}.sigma"),
        "cutoff": number(value["cutoff"], key, f"{where}.cutoff") if "cutoff" in value else None,
    }


CHECKS: dict[str, Check] = {
    "cells": _cells,
    "names": list_of(_name),
    "pairs": list_of(_pair),
}
