"""The baseline file: which run is the measure of later ones, who chose it, when and why.

It holds one median per launch and case, so that it can be committed beside the code; it is replaced only on purpose,
and remembers what it replaced.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clustermark.core.errors import UsageError, plain
from clustermark.core.files import atomic_write
from clustermark.core.stored import Stored, StoredCase

FORMAT, SCHEMA_VERSION = "clustermark-baseline", 1
MOST_REMEMBERED = 1000


@dataclass(frozen=True)
class Chosen:
    """One choice of a baseline: the run, who chose it, when, why."""

    run: str
    who: str
    when: str
    why: str


@dataclass(frozen=True)
class Baseline:
    """What the file holds; `replaced` are the earlier choices, newest first."""

    chosen: Chosen
    cases: tuple[StoredCase, ...]
    environments: Mapping[str, Any]
    replaced: tuple[Chosen, ...] = field(default_factory=tuple)

    @property
    def stored(self) -> Stored:
        """For a comparison."""
        return Stored(f"baseline {self.chosen.run}, chosen {self.chosen.when[:10]}", self.cases, self.environments)


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file. Raises UsageError: not there, no baseline, damaged, or newer."""
    shown = plain(str(path), 1000)
    try:
        return parse_baseline(path.read_bytes(), shown)
    except OSError as error:
        raise UsageError(
            f"{shown}: cannot be read ({error.strerror}); make one with `clustermark baseline set RUN`"
        ) from None


def parse_baseline(text: str | bytes, where: str) -> Baseline:
    """The baseline in a text that `baseline_text` made. Raises UsageError."""
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise UsageError(f"{where}: is no baseline file; make one with `clustermark baseline set RUN`")
        version = data["schema_version"]
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise UsageError(f"{where}: has schema version {plain(str(version))}; install a newer clustermark")
        environments = data["environments"]
        if not isinstance(environments, dict):
            raise ValueError("environments is no table")
        return Baseline(
            chosen=_chosen(data["chosen"]),
            cases=tuple(StoredCase.from_dict(case) for case in data["cases"]),
            environments=environments,
            replaced=tuple(_chosen(one) for one in data["replaced"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise UsageError(
            f"{where}: is damaged ({type(error).__name__}); take it from version control, or set it anew with --replace"
        ) from None


def _chosen(data: Mapping[str, Any]) -> Chosen:
    if not all(isinstance(data[name], str) for name in ("run", "who", "when", "why")):
        raise TypeError("a choice is four texts")
    return Chosen(**data)


def baseline_text(baseline: Baseline) -> str:
    """One JSON object, a case a line, so that a change is readable as a diff."""
    head = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "chosen": asdict(baseline.chosen),
        "replaced": [asdict(one) for one in baseline.replaced[:MOST_REMEMBERED]],
        "environments": dict(baseline.environments),
    }
    cases = ",\n".join("  " + json.dumps(case.to_dict()) for case in baseline.cases)
    return json.dumps(head, indent=1)[:-2] + ',\n "cases": [\n' + cases + "\n ]\n}\n"


def set_baseline(path: Path, stored: Stored, chosen: Chosen, replace: bool) -> Baseline:
    """Make a run the baseline; an existing file is replaced only where `replace` says so.

    Raises
    ------
    UsageError : there is a baseline and `replace` is False, or no case of the run has a right answer
    StoreError : the file cannot be written
    """
    replaced: tuple[Chosen, ...] = ()
    if path.exists():
        before = None
        try:
            before = read_baseline(path)
        except UsageError:
            if not replace:
                raise
        if before is not None and not replace:
            raise UsageError(
                f"{plain(str(path), 1000)}: is a baseline already (run {plain(before.chosen.run)}, chosen by "
                f"{plain(before.chosen.who)} on {before.chosen.when[:10]}: {plain(before.chosen.why, 200)}); "
                f"give --replace where that is meant"
            )
        if before is not None:
            replaced = (before.chosen, *before.replaced)
    bad = [case for case in stored.cases if case.status in ("wrong", "failed")]
    if bad or not any(case.medians for case in stored.cases):
        what = f"case {bad[0].label} is {bad[0].status}" if bad else "it has no timed case"
        raise UsageError(f"run {plain(chosen.run)}: is no baseline: {what}; mend it and run it again")
    baseline = Baseline(chosen, stored.cases, stored.environments, replaced)
    atomic_write(path, baseline_text(baseline).encode())
    return baseline
