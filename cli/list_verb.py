"""``clustermark list``: everything that a suite can name."""

import argparse
from typing import Any

from clustermark.cli.layout import columns, print_json, print_lines, section
from clustermark.core.errors import EXIT_OK, LaunchError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--mpirun", metavar="PATH", help="the launcher to use (default: beside this Python, then PATH)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Show the tables; returns the exit code. Raises UsageError for a plug-in that is broken."""
    data = everything(options.mpirun)
    if options.json:
        print_json("list", data)
    else:
        print_lines(text(data))
    return EXIT_OK


def everything(mpirun: str | None) -> dict[str, Any]:
    """All tables as plain JSON types.

    Nothing here imports NumPy, and the one program started is the launcher, asked for its version in a few
    milliseconds.
    """
    from clustermark.core.precision import PRECISIONS
    from clustermark.core.suite import load_suite
    from clustermark.devices import DEVICES
    from clustermark.runners.catalog import machine, suites, workloads
    from clustermark.runners.launcher import find_launcher
    from clustermark.transports import TRANSPORTS
    from clustermark.transports.fabrics import FABRICS

    launcher, why = None, ""
    try:
        launcher = find_launcher(mpirun)
    except LaunchError as error:
        why = f"has no launcher: {error}"
    here = machine(launcher, why)
    loaded = [load_suite(path) for path in suites().values()]
    return {
        "launcher": {"path": launcher.path, "mpi": launcher.mpi, "version": launcher.version} if launcher else None,
        "why_no_launcher": why.removeprefix("has no launcher: "),
        "workloads": [
            {
                "name": workload.name,
                "version": workload.version,
                "summary": workload.summary,
                "devices": list(workload.devices),
                "precisions": list(workload.precisions),
                "transports": list(workload.transports),
                "parameters": [param.name for param in workload.params],
            }
            for workload in workloads().values()
        ],
        "suites": [{"name": s.name, "launches": s.launches, "summary": s.summary} for s in loaded],
        "precisions": [
            {
                "name": row.name,
                "storage": row.storage,
                "compute": row.compute,
                "accumulate": row.accumulate,
                "unit_roundoff": row.unit_roundoff,
            }
            for row in PRECISIONS.values()
        ],
        "devices": [
            {"name": name, "usable": not here.devices[name], "reason": here.devices[name], "summary": row.summary}
            for name, row in DEVICES.items()
        ],
        "transports": [{"name": name, "summary": row.summary} for name, row in TRANSPORTS.items()],
        "fabrics": [
            {
                "name": name,
                "alias": row.alias,
                "mpi": row.mpi,
                "offered": not here.fabrics[name],
                "reason": here.fabrics[name],
                "summary": row.summary,
            }
            for name, row in FABRICS.items()
        ],
    }


def text(data: dict[str, Any]) -> list[str]:
    """The same for people."""
    workloads = [
        (w["name"], ",".join(w["devices"]), ",".join(w["precisions"]), ",".join(w["transports"]), w["summary"])
        for w in data["workloads"]
    ]
    precisions = [
        (p["name"], p["storage"], p["compute"], p["accumulate"], f"{p['unit_roundoff']:.3g}")
        for p in data["precisions"]
    ]
    fabrics = [
        (f["name"], f["alias"], "yes" if f["offered"] else "no", f["summary"] if f["offered"] else _short(f["reason"]))
        for f in data["fabrics"]
    ]
    launcher = data["launcher"]
    found = f"launcher: {launcher['path']} ({launcher['mpi']} {launcher['version']})" if launcher else ""
    return [
        *section("workloads", columns(workloads, ("name", "devices", "precisions", "transports", "summary"))),
        *section("suites", columns([(s["name"], f"{s['launches']} launches", s["summary"]) for s in data["suites"]])),
        *section(
            "precisions", columns(precisions, ("name", "storage", "products", "sums", "unit roundoff of the storage"))
        ),
        *section("devices", columns([(d["name"], d["reason"] or "usable", d["summary"]) for d in data["devices"]])),
        *section("transports", columns([(t["name"], t["summary"]) for t in data["transports"]])),
        *section(
            "fabrics (a suite may write the alias: it becomes the row of the MPI at hand)",
            columns(fabrics, ("name", "alias", "here", "summary, or why it is not offered here")),
        ),
        found or f"launcher: {data['why_no_launcher']}",
        "next: `clustermark describe NAME`, `clustermark plan SUITE`; `clustermark doctor` tries each fabric",
    ]


def _short(reason: str) -> str:
    """A table takes the first clause; the whole sentence about a missing launcher stands below it."""
    return "has no launcher" if reason.startswith("has no launcher") else reason
