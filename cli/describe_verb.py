"""``clustermark describe NAME``: one workload or suite in full."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from clustermark.cli.layout import columns, print_json, print_lines, section
from clustermark.core.errors import EXIT_OK, UsageError, nearest, plain
from clustermark.core.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clustermark.core.suite import Suite
    from clustermark.core.workload import Workload


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", help="a workload, a suite, or a suite's .toml file")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Show it; returns the exit code. Raises UsageError with the nearest name."""
    from clustermark.core.suite import load_suite
    from clustermark.runners.catalog import suite_path, suites, workloads

    known, shipped = workloads(), suites()
    if options.name in known:
        data = workload_facts(known[options.name], known)
        lines = workload_text(data)
    elif options.name in shipped or options.name.endswith(".toml"):
        data = suite_facts(load_suite(suite_path(options.name)), known)
        lines = suite_text(data)
    else:
        raise UsageError(
            f"'{plain(options.name)}' is neither a workload nor a suite{nearest(options.name, [*known, *shipped])}; "
            f"`clustermark list` shows all"
        )
    if options.json:
        print_json("describe", data)
    else:
        print_lines(lines)
    return EXIT_OK


def workload_facts(workload: Workload, known: Mapping[str, Workload]) -> dict[str, Any]:
    """A workload's declaration as plain JSON types; `bounds` names the workloads whose ceiling it is."""
    return {
        "kind": "workload",
        "name": workload.name,
        "version": workload.version,
        "summary": workload.summary,
        "source": workload.source,
        "devices": list(workload.devices),
        "precisions": list(workload.precisions),
        "transports": list(workload.transports),
        "ceiling": workload.ceiling,
        "ceiling_devices": list(workload.ceiling_devices),
        "bounds": [other.name for other in known.values() if other.ceiling.split(".")[0] == workload.name],
        "parameters": [
            {"name": p.name, "default": p.default, "unit": p.unit, "type": type(p.default).__name__, "meaning": p.help}
            for p in workload.params
        ],
    }


def workload_text(data: dict[str, Any]) -> list[str]:
    """The same for people."""
    facts = [
        ("devices", ", ".join(data["devices"])),
        ("precisions", ", ".join(data["precisions"])),
        ("transports", ", ".join(data["transports"])),
        ("ceiling", " on ".join(filter(None, (data["ceiling"], ", ".join(data["ceiling_devices"])))) or "none"),
        *([("bounds", ", ".join(data["bounds"]))] if data["bounds"] else []),
        ("source", data["source"]),
    ]
    rows = [(p["name"], _shown(p["default"], p["unit"]), p["unit"] or "–", p["meaning"]) for p in data["parameters"]]
    example = f"--set {data['parameters'][0]['name']}=V[,V]" if rows else ""
    return [
        f"{data['name']}, workload, version {data['version']}",
        f"  {data['summary']}",
        "",
        *section("what it is", columns(facts)),
        *section(f"parameters ({example})", columns(rows, ("name", "default", "unit", "meaning"))),
        *([] if rows else ["no parameters"]),
    ]


def _shown(value: object, unit: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return format_bytes(value) if unit == "B" and isinstance(value, int) else str(value)


def suite_facts(suite: Suite, known: Mapping[str, Workload]) -> dict[str, Any]:
    """A suite and the number of cases of each block, refused ones included. Raises UsageError for unknown names."""
    from clustermark.core.plan import make_plan
    from clustermark.runners.catalog import machine

    nowhere = machine(None, "is not asked for")  # counting needs names, not a launcher

    def count(part: Suite) -> int:
        plan = make_plan(part, known, nowhere)
        return len(plan.cases) + len(plan.skipped)

    return {
        "kind": "suite",
        "name": suite.name,
        "summary": suite.summary,
        "launches": suite.launches,
        "seed": suite.seed,
        "sampling": asdict(suite.sampling),
        "cases": count(suite),
        "blocks": [
            {
                "workload": block.workload,
                "cases": count(replace(suite, blocks=(block,))),
                "axes": {axis: list(values) for axis, values in block.axes.items()},
                "params": {name: list(values) for name, values in block.params.items()},
            }
            for block in suite.blocks
        ],
    }


def suite_text(data: dict[str, Any]) -> list[str]:
    """The same for people."""
    sampling = data["sampling"]
    facts = [
        ("cases", f"{data['cases']} (refused ones included; `clustermark plan {data['name']}` shows what runs here)"),
        ("launches", f"{data['launches']} of every case, in an order drawn from seed {data['seed']}"),
        (
            "sampling",
            f"{sampling['min_samples']} to {sampling['max_samples']} samples, at most {sampling['seconds']:g} s, "
            f"until the interval is within ±{sampling['interval']:.1%}",
        ),
        ("timeout", f"{sampling['timeout']:g} s without news"),
    ]
    rows = [
        (str(number), block["workload"], str(block["cases"]), "; ".join(_axes({**block["axes"], **block["params"]})))
        for number, block in enumerate(data["blocks"], 1)
    ]
    return [
        f"{data['name']}, suite",
        *([f"  {data['summary']}"] if data["summary"] else []),
        "",
        *section("how it runs", columns(facts)),
        *section("blocks", columns(rows, ("block", "workload", "cases", "values (all combinations)"))),
    ]


def _axes(values: dict[str, list[Any]]) -> list[str]:
    return [f"{name} {', '.join(_shown(value, '') for value in listed)}" for name, listed in values.items()]
