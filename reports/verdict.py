"""What a reader must know before any figure: how many cases held, on what machine, under which doubts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from clustermark.core.result import STATUSES, Status
from clustermark.core.runfile import Run
from clustermark.core.summary import Row
from clustermark.reports.rows import (
    NOT_VERIFIED,
    ReportRow,
    condition_counts,
    oldest_first,
    report_rows,
    run_labels,
)
from clustermark.reports.text import counted, plain, shown_percent

Level = Literal["good", "warning", "bad"]


@dataclass(frozen=True)
class Counts:
    """Cases per status, planned launches without a result, and cases that are ok with a speed in doubt."""

    cases: Mapping[Status, int]
    unfinished: int
    doubtful: int = 0

    @property
    def level(self) -> Level:
        """ "bad" if an answer is wrong or a case failed, "warning" if launches are missing or no speed is sure."""
        if self.cases["wrong"] or self.cases["failed"]:
            return "bad"
        return "warning" if self.unfinished or self.doubtful == self.cases["ok"] else "good"


def count(rows: Sequence[Row], unfinished: int = 0) -> Counts:
    """Counts of any rows."""
    doubtful = sum(row.status == "ok" and bool(ReportRow("", "", row).doubts) for row in rows)
    return Counts({status: sum(row.status == status for row in rows) for status in STATUSES}, unfinished, doubtful)


def count_runs(runs: Sequence[Run]) -> Counts:
    """Counts over all runs, each file once."""
    distinct = oldest_first(runs)
    return count([row for run in distinct for row in run.rows], sum(run.unfinished for run in distinct))


def sentence(counts: Counts) -> str:
    """``"58 of 60 cases ok, 1 wrong, 1 failed; 4 skipped; 3 launches unfinished"``."""
    cases = counts.cases
    tried = sum(cases.values()) - cases["skipped"]
    text = f"{cases['ok']} of {counted(tried, 'case')} ok"
    text += "".join(f", {cases[status]} {status}" for status in ("wrong", "failed") if cases[status])
    if cases["skipped"]:
        text += f"; {cases['skipped']} skipped"
    if counts.unfinished:
        text += f"; {counted(counts.unfinished, 'launch')} unfinished"
    return text


def row_warnings(rows: Sequence[ReportRow]) -> list[str]:
    """Doubts that rows raise: unproven wires, conditions, intervals too narrow, rates above a ceiling."""
    warnings = []
    ok = [row for row in rows if row.drawable]
    unproven = [row for row in ok if row.fabric_proof == NOT_VERIFIED]
    if unproven:
        names = ", ".join(sorted({plain(row.case.fabric) for row in unproven}))
        warnings.append(f"fabric not verified in {counted(len(unproven), 'case')} ({names})")
    warnings += [f"{text} ({counted(number, 'case')})" for text, number in condition_counts(rows)]
    single = sum(row.row.time is not None and row.row.time.scope == "samples" for row in ok)
    if single:
        warnings.append(f"one launch only in {counted(single, 'case')}: their intervals are narrower than the truth")
    for device in sorted({row.case.device for row in rows} - {row.case.device for row in ok} - {"cpu"}):
        number = sum(row.case.device == device for row in rows)
        warnings.append(f"device '{plain(device)}' is unmeasured: {counted(number, 'case')}, none with a figure")
    above = [row for row in ok if (row.share_of_ceiling or 0) > 1.02]
    if above:
        worst = max(above, key=lambda row: row.share_of_ceiling or 0)
        warnings.append(
            f"{counted(len(above), 'case')} above the measured ceiling (up to {shown_percent(worst.share_of_ceiling)} "
            f"of {plain(worst.row.ceiling)}): that ceiling was not reached when it was measured"
        )
    return warnings


def warnings_of(runs: Sequence[Run]) -> list[str]:
    """Doubts about the runs: environments first, then what the rows raise; an environment's names its runs."""
    distinct = oldest_first(runs)
    prints = {fingerprint for run in distinct for fingerprint in _fingerprints(run)}
    warnings = []
    if len(distinct) > 1 and len(prints) > 1:
        warnings.append(f"the runs come from {len(prints)} different environments: a difference may be the machine's")
    found: dict[str, list[str]] = {}
    for run, label in zip(distinct, run_labels(distinct), strict=True):
        for text in _environment_warnings(run):
            found.setdefault(text, []).append(label)
    for text, where in found.items():
        warnings.append(text if len(where) == len(distinct) else f"{text} — {_some(where)}")
    return warnings + row_warnings(report_rows(distinct))


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more runs" if len(labels) > 3 else "")


def _fingerprints(run: Run) -> set[str]:
    return {fingerprint for row in run.rows for fingerprint in row.fingerprints} | set(run.environments)


def _environment_warnings(run: Run) -> list[str]:
    warnings = []
    if len(_fingerprints(run)) > 1:
        warnings.append(
            f"{len(_fingerprints(run))} different environments in one run: its figures are not one machine's"
        )
    if run.unfinished:
        warnings.append(f"{counted(run.unfinished, 'planned launch')} without a result")
    for environment in run.environments.values():
        kinds = _facts(environment).get("other_node_kinds")
        if isinstance(kinds, list) and kinds:
            warnings.append(f"the nodes are of {len(kinds) + 1} kinds: the slowest decides every figure")
        core_type = _mapping(_facts(environment).get("variables")).get("OPENBLAS_CORETYPE")
        if core_type:
            warnings.append(f"OPENBLAS_CORETYPE={plain(core_type)} is set: BLAS does not choose its kernel by itself")
        if _mapping(_mapping(environment).get("provenance")).get("dirty") or _dirty_git(environment):
            warnings.append("measured with uncommitted changes of clustermark")
    return list(dict.fromkeys(warnings))


def _dirty_git(environment: object) -> bool:
    return bool(_mapping(_mapping(_mapping(environment).get("provenance")).get("git")).get("dirty"))


def _facts(environment: object) -> Mapping[str, Any]:
    return _mapping(_mapping(environment).get("facts"))


def _mapping(value: object) -> Mapping[str, Any]:
    """Environments come from files of any age: what is no mapping holds nothing."""
    return value if isinstance(value, Mapping) else {}


def machine_facts(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """(name, value) of what decides speed: CPU, memory, kernel, MPI as loaded, NumPy, BLAS; each value once."""
    values: dict[str, list[str]] = {}
    for run in oldest_first(runs):
        for environment in run.environments.values():
            for name, value in _shown_facts(_facts(environment)):
                if value and value not in values.setdefault(name, []):
                    values[name].append(value)
    return [
        (name, " | ".join(found[:4]) + (" | …" if len(found) > 4 else "")) for name, found in values.items() if found
    ]


def _shown_facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    cpu, system, libraries = (_mapping(facts.get(key)) for key in ("cpu", "system", "libraries"))
    cores = f"{cpu['cores']} in {counted(int(cpu.get('sockets', 1)), 'socket')}" if _is_count(cpu.get("cores")) else ""
    if cores and _is_count(cpu.get("logical")) and cpu["logical"] != cpu["cores"]:
        cores += f", {cpu['logical']} logical"
    vectors = cpu.get("vector")
    pools = [_mapping(pool) for pool in libraries.get("thread_pools") or () if isinstance(pool, Mapping)]
    shown = [
        ("CPU", cpu.get("model", "")),
        ("cores", cores),
        ("vector units", ", ".join(map(str, vectors)) if isinstance(vectors, list) else ""),
        ("memory", f"{system['memory_gib']} GiB" if system.get("memory_gib") else ""),
        ("virtual machine", "yes" if cpu.get("hypervisor") else ""),
        ("kernel", system.get("kernel", "")),
        ("devices", _shown_devices(facts)),
        ("MPI library", _shown_library(facts.get("mpi"))),
        ("Python", libraries.get("python", "")),
        ("NumPy", libraries.get("numpy", "")),
        ("BLAS kernel", "; ".join(dict.fromkeys(filter(None, map(_shown_pool, pools))))),
    ]
    return [(name, plain(value).strip()) for name, value in shown]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown_devices(facts: Mapping[str, Any]) -> str:
    devices = facts.get("devices") or facts.get("gpus")
    if isinstance(devices, Mapping):
        devices = list(devices.values())
    if not isinstance(devices, list):
        return ""
    return ", ".join(str(_mapping(device).get("name", device)) for device in devices)


def _shown_library(mpi: object) -> str:
    if isinstance(mpi, Mapping):
        words = [str(mpi[key]) for key in ("library", "name", "version", "library_version") if mpi.get(key)]
        mpi = " ".join(dict.fromkeys(words))
    return plain(mpi or "").partition(",")[0]


def _shown_pool(pool: Mapping[str, Any]) -> str:
    if pool.get("user_api") != "blas":
        return ""
    return " ".join(str(pool[key]) for key in ("internal_api", "version", "architecture") if pool.get(key))
