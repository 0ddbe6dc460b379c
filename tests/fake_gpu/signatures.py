"""Compares the fake's functions with the real CuPy's: names of parameters, their order, and which may be left out."""

from __future__ import annotations

import inspect
import re
from typing import Any

Parameter = tuple[str, bool, bool]  # name, may be left out, keyword only


def parameters_of(function: Any) -> list[Parameter] | None:
    """Parameters by inspection, else from the docstring's first line as Cython writes it; None if neither tells."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return _from_docstring(getattr(function, "__doc__", "") or "")
    return [
        (p.name, p.default is not p.empty, p.kind is p.KEYWORD_ONLY)
        for p in found
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name != "self"
    ]


def _from_docstring(text: str) -> list[Parameter] | None:
    line = re.match(r"\s*[\w.]+\((.*?)\)\s*(->.*)?$", text.split("\n\n", maxsplit=1)[0].replace("\n", " "))
    if not line:
        return None
    found: list[Parameter] = []
    keyword_only = False
    for part in _pieces(line[1]):
        if part == "*":
            keyword_only = True
        elif not part.startswith("*") and part != "/":
            name, equals, _ = part.partition("=")
            name = name.split(":")[0].split()[-1]  # C types stand before the name, annotations behind
            if name != "self":
                found.append((name, bool(equals), keyword_only))
    return found


def _pieces(text: str) -> list[str]:
    pieces, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += character
    return [piece.strip() for piece in pieces if piece.strip()]


def differences(name: str, fake: Any, real: Any) -> list[str]:
    """Sentences about what a call could do with the fake and not with the real one; names must agree too."""
    ours, theirs = parameters_of(fake), parameters_of(real)
    if ours is None or theirs is None:
        return []
    found = []
    known = {parameter: (place, optional, keyword) for place, (parameter, optional, keyword) in enumerate(theirs)}
    for place, (parameter, optional, keyword) in enumerate(ours):
        if parameter not in known:
            found.append(f"{name}: has no parameter {parameter}; CuPy's are {', '.join(known)}")
            continue
        real_place, real_optional, real_keyword = known[parameter]
        if not keyword and (real_keyword or real_place != place):
            found.append(f"{name}: parameter {parameter} is at place {place}, CuPy's at {real_place}")
        if optional and not real_optional:
            found.append(f"{name}: parameter {parameter} may be left out here, CuPy wants it")
    given = {parameter for parameter, *_ in ours}
    found += [
        f"{name}: CuPy wants a parameter {parameter} too"
        for parameter, optional, _ in theirs
        if not optional and parameter not in given
    ]
    return found
