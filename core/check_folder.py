"""The folder of a check on the disk: what was compared, which runs hold its samples, how far it got.

check.json      sides, method, rules, matched cases, stages; replaced whole after every step
baseline/ candidate/   folders of runs, one per stage, with every raw sample (of a command: samples.jsonl)
verdict.json    the decisions, and beside it what people and CI systems read
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clustermark.core.environment import fact_differences
from clustermark.core.errors import StoreError, UsageError, plain
from clustermark.core.evidence import COMMAND, Launches, Observed, fresh_evidence, timed_evidence
from clustermark.core.files import atomic_write
from clustermark.core.gate import Evidence, Rules
from clustermark.core.pairing import Matched
from clustermark.core.result import Result
from clustermark.core.rundir import RunDirectory, utc_now
from clustermark.core.samples import SampleStage, sample_evidence

FORMAT, SCHEMA_VERSION = "clustermark-check", 1
SIDES = ("baseline", "candidate")
# case id → launch → result
_Results = Mapping[str, Mapping[int, Result]]


@dataclass
class CheckFolder:
    """A check as it grows; `save` after each change.

    Attributes
    ----------
    path : the folder
    name : of the suite or the command
    method : "interleaved", "lockstep" or "command"
    rules, seed : of the gate; of the order within pairs
    sides : "baseline" and "candidate" → what each is, as plain JSON types
    request : what both sides were asked to run, as plain JSON types
    created_utc : ISO 8601
    matched : cases of a suite
    notes : sentences that belong under the verdict
    stages : runs per side (paths below the folder) and how many pairs were asked
    """

    path: Path
    name: str
    method: str
    rules: Rules
    seed: int
    sides: dict[str, dict[str, Any]]
    request: dict[str, Any]
    created_utc: str = field(default_factory=utc_now)
    matched: list[Matched] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    def create(root: Path, **fields: Any) -> CheckFolder:
        """A new folder under `root`. Raises StoreError."""
        created = utc_now()
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in fields["name"])[:40]
        path = root.resolve() / f"{created.replace(':', '').replace('-', '')}-check-{name}-{secrets.token_hex(3)}"
        try:
            for side in SIDES:
                (path / side).mkdir(parents=True)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot be made ({error.strerror or error}); mend the permission or choose another folder"
            ) from error
        folder = CheckFolder(path=path, created_utc=created, **fields)
        folder.save()
        return folder

    @staticmethod
    def open(path: Path) -> CheckFolder:
        """An existing check. Raises UsageError: none there, damaged, or newer."""
        shown = plain(str(path), 1000)
        try:
            data = json.loads((path / "check.json").read_bytes())
            if data["format"] != FORMAT:
                raise ValueError("of another format")
            version = int(data["schema_version"])
            if version > SCHEMA_VERSION:
                raise UsageError(f"{shown}: was made by a newer clustermark (schema {version}); install that one")
            kept = {key: data[key] for key in ("name", "method", "seed", "created_utc")}
            return CheckFolder(
                path=path.resolve(),
                rules=Rules(**data["rules"]),
                sides={side: dict(data["sides"][side]) for side in SIDES},
                request=dict(data["request"]),
                matched=[Matched(**one) for one in data["matched"]],
                notes=[str(note) for note in data["notes"]],
                stages=[_stage(stage) for stage in data["stages"]],
                **kept,
            )
        except OSError:
            raise UsageError(f"{shown}: holds no check (no readable check.json); give the folder of one") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"{shown}/check.json: is damaged ({type(error).__name__}); its samples stay readable below the folder"
            ) from error

    def save(self) -> None:
        """check.json, whole or as it was. Raises StoreError."""
        data = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "created_utc": self.created_utc,
            "name": self.name,
            "method": self.method,
            "seed": self.seed,
            "rules": asdict(self.rules),
            "sides": self.sides,
            "request": self.request,
            "matched": [one.to_dict() for one in self.matched],
            "notes": self.notes,
            "stages": self.stages,
        }
        atomic_write(self.path / "check.json", json.dumps(data, indent=1).encode())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the check for this process. Raises UsageError: another process runs it."""
        with (self.path / "lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"check {self.path.name}: is still running; wait for it or end it") from None
            except OSError:
                pass  # a file system without locks: the check goes on unguarded
            yield

    def run(self, stage: int, side: str) -> RunDirectory:
        """The run that holds the samples of a side in a stage (0 or 1). Raises UsageError."""
        return RunDirectory.open(self.path / self.stages[stage][side])

    def evidence(self) -> list[Evidence]:
        """All that is known so far, one per case. Raises UsageError, StoreError."""
        numbers = range(len(self.stages))
        if self.method == COMMAND:
            return sample_evidence([SampleStage.read(self.path, number) for number in numbers])
        old, new = ([self.run(number, side).results() for number in numbers] for side in SIDES)
        return [self._of_case(one, old, new) for one in self.matched]

    def _of_case(self, one: Matched, old: Sequence[_Results], new: Sequence[_Results]) -> Evidence:
        if one.unlike:
            return Evidence(one.label, unlike=one.reason)
        if not one.candidate:
            return Evidence(one.label, became=f"vanished: {one.reason}")
        candidate = [_observed(stage, one.candidate) for stage in new]
        if not one.baseline:
            return fresh_evidence(one.label, candidate)
        return timed_evidence(one.label, [_observed(stage, one.baseline) for stage in old], candidate, self.method)

    def differences(self) -> list[tuple[str, str, str]]:
        """Facts in which the environments of the sides differ: (name, baseline, candidate)."""
        if self.method == COMMAND or not self.stages:
            return []
        found: dict[tuple[str, str, str], None] = {}
        old, new = (list(self.run(0, side).environments().values()) for side in SIDES)
        for x in old:
            same_shape = [y for y in new if len(_ranks(y)) == len(_ranks(x))]
            if same_shape and not any(_facts(y) == _facts(x) for y in same_shape):
                found |= dict.fromkeys(fact_differences(_facts(x), _facts(same_shape[0])))
        return list(found)


def _stage(data: Mapping[str, Any]) -> dict[str, Any]:
    """A stage's row, its paths below the folder. ValueError for any other."""
    for side in SIDES:
        if not re.fullmatch(rf"{side}/[^/\0]+", str(data[side])) or str(data[side]).endswith("/.."):
            raise ValueError(f"stage of {data[side]!r:.40}")
    return {"baseline": str(data["baseline"]), "candidate": str(data["candidate"]), "pairs": int(data["pairs"])}


def _observed(results: _Results, case: str) -> Launches:
    return {launch: Observed.of(result) for launch, result in results.get(case, {}).items()}


def _facts(environment: object) -> Mapping[str, Any]:
    facts = environment.get("facts") if isinstance(environment, Mapping) else None
    return facts if isinstance(facts, Mapping) else {}


def _ranks(environment: object) -> Sequence[Any]:
    ranks = environment.get("ranks") if isinstance(environment, Mapping) else None
    return ranks if isinstance(ranks, list) else []
