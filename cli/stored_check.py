"""``clustermark check --stored BASELINE RUN``: two runs that did not run side by side, and the weaker verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clustermark.core.errors import UsageError, plain

if TYPE_CHECKING:
    from clustermark.core.gate_rules import Rules
    from clustermark.core.stored import Stored
    from clustermark.reports.gate_report import GateReport

WEAKER = "the weaker verdict: nothing ran side by side; `clustermark check SUITE --baseline REF` gives the stronger one"


def stored_report(baseline: Path, candidate: Path, rules: Rules, strict: bool) -> GateReport:
    """Judge a stored run against a baseline. Raises UsageError, ResultFileError."""
    from clustermark.core.evidence import STORED
    from clustermark.core.rundir import utc_now
    from clustermark.core.stored import decide_stored
    from clustermark.reports.gate_report import GateReport, worst_first

    old, new = read_stored(baseline), read_stored(candidate)
    return GateReport(
        name=plain(candidate.name or str(candidate)),
        method=STORED,
        created_utc=utc_now(),
        folder="",
        baseline=old.what,
        candidate=new.what,
        rules=rules,
        decisions=worst_first(decide_stored(old, new, rules)),
        notes=(
            "the weaker verdict: nothing ran side by side; `clustermark check SUITE --baseline REF` gives the other",
        ),
        differences=tuple(differences(old, new)),
        strict=strict,
    )


def differences(old: Stored, new: Stored) -> list[tuple[str, str, str]]:
    """Facts of their first environments that differ, where they ran in none and the same."""
    from clustermark.core.environment import fact_differences

    if not old.environments or not new.environments or set(old.environments) & set(new.environments):
        return []
    first = [next(iter(one.environments.values())) for one in (old, new)]
    facts = [one.get("facts", {}) if isinstance(one, dict) else {} for one in first]
    return fact_differences(*(one if isinstance(one, dict) else {} for one in facts))


def read_stored(path: Path) -> Stored:
    """A run's folder or run.h5, a baseline file, a pytest-benchmark file, or a folder of such files (one a launch).

    Raises UsageError, ResultFileError.
    """
    from clustermark.cli.report_verb import load_runs
    from clustermark.core.baseline import FORMAT, parse_baseline
    from clustermark.core.stored import stored_run

    shown = plain(str(path), 1000)
    if path.suffix == ".json" and path.is_file():
        text = path.read_bytes()
        if FORMAT.encode() in text[:200]:
            return parse_baseline(text, shown).stored
        return _foreign([path], shown)
    files = sorted(path.glob("*.json")) if path.is_dir() else []
    if files and not any((path / name).exists() for name in ("plan.json", "run.h5")):
        return _foreign(files, shown)
    (run,) = load_runs([path], Path("results"))
    return stored_run(run, f"run {run.run_id}")


def _foreign(files: list[Path], shown: str) -> Stored:
    """pytest-benchmark files, each a launch; a benchmark that some of them lack failed there."""
    import json

    import numpy as np

    from clustermark.core.environment import fingerprint
    from clustermark.core.samples import parse_pytest_benchmark
    from clustermark.core.stored import Stored, StoredCase

    if len(files) > 1000:
        raise UsageError(f"{shown}: has over 1000 files; give a folder with those of one version")
    texts = [file.read_bytes() for file in files]
    launches = [parse_pytest_benchmark(text, plain(str(file), 1000)) for file, text in zip(files, texts, strict=True)]
    machines = [_machine(json.loads(text).get("machine_info")) for text in texts]
    environments = {fingerprint(facts): {"facts": facts} for facts in machines}
    cases = []
    for name in dict.fromkeys(name for launch in launches for name in launch):
        found = [launch[name] for launch in launches if name in launch]
        missing = len(launches) - len(found)
        cases.append(
            StoredCase(
                key=name,
                label=name,
                status="failed" if missing else "ok",
                reason=f"missing in {missing} of {len(launches)} files" if missing else "",
                medians=() if missing else tuple(float(np.median(one.cost)) for one in found),
                fingerprints=tuple(environments),
            )
        )
    return Stored(f"{len(files)} pytest-benchmark file(s) {shown}", tuple(cases), environments)


def _machine(info: object) -> dict[str, str]:
    """What decides speed of the machine that pytest-benchmark describes."""
    known = info if isinstance(info, dict) else {}
    cpu = known.get("cpu")
    cpu = cpu if isinstance(cpu, dict) else {}
    facts = {name: known.get(name) for name in ("node", "machine", "system", "release", "python_version")}
    return {name: plain(str(value)) for name, value in {**facts, "cpu": cpu.get("brand_raw")}.items()}
