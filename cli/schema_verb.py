"""``clustermark schema``: the layout of run.h5, or the JSON Schema of the results' document."""

import argparse
import json
from typing import Any

from clustermark.cli.layout import columns, print_lines, section
from clustermark.core.errors import EXIT_OK, UsageError, nearest, plain

# Path → shape or type, meaning. `@name` is an attribute; <…> stands for one name of many.
LAYOUT: dict[str, dict[str, tuple[str, str]]] = {
    "/": {
        "@format": ("text", "clustermark-result"),
        "@schema_version": ("integer", "1; a reader refuses a larger one"),
        "@run_id": ("text", "name of the run's folder"),
        "@suite": ("text", "name of the suite"),
        "@created_utc": ("text", "ISO 8601"),
        "@writer": ("text", "clustermark and its version"),
        "@status": ("text", "complete | partial"),
        "@plan_hash": ("text", "SHA-256 of /plan/json"),
    },
    "/plan": {"json": ("text", "what was to run: cases, skipped ones with reasons, jobs, sampling")},
    "/environment": {
        "@fingerprint": ("text", "of the first environment; runs of different fingerprints are not compared"),
        "@fingerprints": ("integer", "how many environments the launches ran in"),
        "json": ("text", "fingerprint → facts, state, ranks, provenance"),
    },
    "/environment/hosts": {
        "rank": ("i8 (ranks)", "rank in its launch"),
        "ranks": ("i8 (ranks)", "size of its launch"),
        "node": ("text (ranks)", "name of its node"),
        "cores": ("text (ranks)", "logical CPUs that it is bound to"),
    },
    "/environment/nics": {
        "node": ("text (interfaces)", "name of the node"),
        "name": ("text (interfaces)", "of an interface that was up"),
        "driver": ("text (interfaces)", "empty for virtual ones"),
        "speed_mbit": ("i8 (interfaces)", "[Mbit/s] -1 where it is not told"),
        "mtu": ("i8 (interfaces)", "[B]"),
    },
    "/cases/<number>": {
        "@workload": ("text", "with @version: which declaration"),
        "@version": ("integer", "of the workload"),
        "@case_id": ("text", "equal for equal cases, in any run"),
        "@label": ("text", "what people call it"),
        "@params_json": ("text", "every parameter, defaults filled in"),
        "@precision": ("text", "name of the row in `clustermark list`"),
        "@device": ("text", "name of the row in `clustermark list`"),
        "@transport": ("text", "API that moved the bytes"),
        "@fabric_requested": ("text", "wire that the launch was told to use; self for one rank"),
        "@fabric_observed": ("text", "what the counters say"),
        "@fabric_evidence": ("text", "counter | library | none"),
        "@fabric_proven": ("bool", "the counters agree with the fabric"),
        "@ranks": ("integer", "of the launch"),
        "@ranks_per_node": ("integer", "of the launch"),
        "@nodes": ("integer", "of the launch"),
        "@threads": ("integer", "per rank"),
        "@kind": ("text", "measured"),
        "@status": ("text", "ok | wrong | skipped | failed: the worst of its launches"),
        "@error": ("text", "why, unless ok"),
        "@started_utc": ("text", "of the first launch"),
        "launch_json": ("text (launches)", "all about each launch but its samples"),
        "launch": ("i4 (launch)", "scale: number of each launch that was measured"),
        "rank": ("i4 (rank)", "scale"),
        "iteration": ("i4 (iteration)", "scale: samples in the order they were taken"),
        "warmup_iteration": ("i4 (warmup)", "scale"),
        "time": (
            "f8 (launch, rank, iteration)",
            "[s] raw samples, NaN behind the last; @clock @sync @long_name @units",
        ),
        "warmup_time": ("f8 (launch, rank, warmup)", "[s] kept, never averaged in; @units"),
        "samples": ("i8 (launch)", "how many samples of time are real"),
        "warmup_samples": ("i8 (launch)", "the same of warmup_time"),
        "steps_per_sample": ("i8 (launch)", "a sample is the time of that many steps"),
        "harness_floor": ("f8 (launch)", "[s] an empty step"),
        "stopped_by": ("text (launch)", "why sampling ended"),
    },
    "/cases/<number>/work": {"<metric>": ("f8", "amount per step; @units")},
    "/cases/<number>/counters": {"<counter>": ("f8 (launch)", "foreign CPU share, steal share, a workload's own")},
    "/cases/<number>/counters/<interface>": {
        name: ("i8 (launch)", f"[B] {meaning} the proof of the fabric, -1 where not read; @units")
        for name, meaning in (
            ("tx_bytes_before", "sent before"),
            ("rx_bytes_before", "received before"),
            ("tx_bytes_after", "sent after"),
            ("rx_bytes_after", "received after"),
        )
    },
    "/cases/<number>/metrics": {
        "<metric>": ("f8", "work ÷ time; @units @better @ci_low @ci_high @ci_level @ci_scope @estimator @n"),
    },
    "/cases/<number>/accuracy/<check>": {
        "@error": ("f8", "largest error found"),
        "@tolerance": ("f8", "largest error allowed"),
        "@passed": ("bool", "error ≤ tolerance, and nothing else was wrong"),
    },
    "/summary": {
        "case": ("i8 (rows)", "number under /cases; all columns have one entry per case and metric"),
        "label": ("text (rows)", "of the case"),
        "metric": ("text (rows)", "its name"),
        "value": ("f8 (rows)", "median of the launch medians of the slowest rank"),
        "ci_low": ("f8 (rows)", "ends of the interval"),
        "ci_high": ("f8 (rows)", ""),
        "units": ("text (rows)", ""),
        "better": ("text (rows)", "higher | lower"),
        "kind": ("text (rows)", "measured"),
    },
    "/overview": {"json": ("text", "the rows of every report, in the order of the plan")},
}
_WHAT = ("file", "result", "check", "compare", "history")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "what",
        nargs="?",
        metavar="|".join(_WHAT),
        help="file: the layout of run.h5 (default); result: the JSON Schema of `run --json` and `export "
        "--format json`; check, compare, history: that of the verb's --json",
    )
    parser.add_argument("--json", action="store_true", help="the same as: result")


def execute(options: argparse.Namespace) -> int:
    """Show it; returns the exit code. Raises UsageError."""
    what = options.what or ("result" if options.json else "file")
    if what not in _WHAT:
        raise UsageError(f"schema '{plain(what)}': is not known{nearest(what, _WHAT)}; give one of {', '.join(_WHAT)}")
    if what == "file" and options.json:
        raise UsageError("schema file: has no JSON form; drop --json, or ask for `clustermark schema result`")
    if what == "file":
        print_lines(layout_text())
    else:
        print(json.dumps(_json_schema(what), indent=1))
    return EXIT_OK


def _json_schema(what: str) -> dict[str, Any]:
    from clustermark.reports.compare_text import COMPARE_SCHEMA
    from clustermark.reports.document import JSON_SCHEMA
    from clustermark.reports.gate_document import GATE_SCHEMA
    from clustermark.reports.history import HISTORY_SCHEMA

    return {"result": JSON_SCHEMA, "check": GATE_SCHEMA, "compare": COMPARE_SCHEMA, "history": HISTORY_SCHEMA}[what]


def layout_text() -> list[str]:
    """The layout of run.h5 for people."""
    lines = ["run.h5 (HDF5, readable from 1.10 on): one run, raw samples included. @ marks an attribute.", ""]
    for group, entries in LAYOUT.items():
        rows = [(name, kind, meaning) for name, (kind, meaning) in entries.items()]
        lines += section(group, columns(rows))
    return [*lines, "A skipped or failed case has no samples, work, accuracy or metrics; a wrong one has no metrics."]
