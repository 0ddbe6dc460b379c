"""The command line of the climate model: run an input file, list its keys, draw what a run wrote."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clustermark.apps.console.parallel import on_root, shared
from clustermark.apps.console.program import Parser, Program, add_run, example_names, input_path, output_folder
from clustermark.apps.console.terminal import compiling_note, say
from clustermark.core.errors import EXIT_OK

if TYPE_CHECKING:
    from clustermark.apps.climate.engine import Simulation
    from clustermark.apps.climate.input_file import Input
    from clustermark.apps.climate.setup import Setup
    from clustermark.apps.climate.simulate import Record

EXAMPLES = Path(__file__).parent / "examples"
NAME = "climate"

FILE_FORMAT = "clustermark-climate-run"
SCHEMA_VERSION = 1

DESCRIPTION = "A dry climate on a Yin-Yang grid: primitive equations and shallow water, over MPI ranks."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return the exit code; a mistake is one sentence on stderr, told by rank 0 only."""
    return Program(NAME, _parser, _input, _run, {"keys": _keys, "plot": _plot}).main(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m clustermark.apps.climate", description=DESCRIPTION, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="run|keys|plot")
    add_run(verbs, examples())
    verbs.add_parser("keys", help="all keys of an input file with defaults, units and meaning")
    plot = verbs.add_parser("plot", help="zonal means and a map of a run as PNG and SVG", allow_abbrev=False)
    plot.add_argument("file", type=Path, help="netCDF file of a run")
    plot.add_argument("--output", type=Path, metavar="FOLDER", help="folder of the pictures; default: the file's")
    plot.add_argument(
        "--days", type=float, nargs=2, metavar=("FIRST", "LAST"), help="mean of these; default: last frame"
    )
    plot.add_argument("--map", metavar="NAME", help="field of the map; default: vorticity, pressure or height")
    plot.add_argument("--overwrite", action="store_true", help="replace pictures that exist")
    return parser


def examples() -> list[str]:
    """Names of the inputs that come with the program."""
    return example_names(EXAMPLES)


def _input(options: argparse.Namespace) -> Input:
    from clustermark.apps.climate.input_file import load_input

    return load_input(input_path(options.input, EXAMPLES), options.set)


def _keys(options: argparse.Namespace) -> None:
    from clustermark.apps.climate.keys import KEYS
    from clustermark.apps.console.keys import keys_table

    print(keys_table(KEYS))


def _plot(options: argparse.Namespace) -> None:
    from clustermark.apps.climate.plot import plot

    for path in plot(options.file, options.output, options.days, options.map, options.overwrite):
        print(path)


def _run(options: argparse.Namespace, data: Input, comm: Any) -> int:
    from clustermark.apps.climate.build import make_setup, run_days
    from clustermark.apps.climate.driver import make_simulation
    from clustermark.apps.climate.simulate import Manner, simulate
    from clustermark.apps.console.devices import bind
    from clustermark.apps.console.files import prepare_folder

    bind(data.device, comm)
    folder = output_folder(options)
    names = [name for name in (data.output.file, data.restart.write) if name]
    if names:
        on_root(comm, lambda: prepare_folder(folder, names, options.overwrite))
    setup = make_setup(data)
    speaks = not options.quiet and (comm is None or comm.rank == 0)
    with compiling_note(NAME, speaks):
        simulation = make_simulation(setup, comm)
    if data.restart.read:
        for sentence in _go_on(Path(data.restart.read), setup, simulation, comm):
            if speaks:
                print(f"{NAME}: note: {sentence}", file=sys.stderr, flush=True)
    progress = not options.quiet and sys.stderr.isatty()
    manner = Manner(folder, not (options.json or options.quiet), progress)
    record = simulate(data, run_days(data), simulation, comm, manner)
    if simulation.rank == 0 and not options.quiet:
        text = json.dumps(document(data, setup, record, simulation.ranks))
        say(text if options.json else _closing(setup, record, folder, names))
    return EXIT_OK


def _go_on(path: Path, setup: Setup, simulation: Simulation, comm: Any) -> list[str]:
    """Take up a restart file on all ranks; returns what has changed since."""
    from clustermark.apps.climate.restart import fitting, read_restart
    from clustermark.apps.climate.setup import physics
    from clustermark.core.errors import plain

    restart = on_root(comm, lambda: read_restart(path))

    def compare() -> list[str]:
        assert restart is not None
        return fitting(restart, physics(setup), simulation.state_shapes(), plain(str(path), 200))

    sentences = shared(comm, compare)
    simulation.restore(restart.state if restart is not None else None)
    return sentences


def document(data: Input, setup: Setup, record: Record, ranks: int) -> dict[str, Any]:
    """The one JSON document of a run.

    format, schema_version; writer; case, resolution [degrees], levels, cells, ranks, precision, timestep [s]; rows:
    `Look` at every output; conservation: relative changes; sections: name, min, avg, max [s], imbalance [%],
    share [%]; steps; seconds of the loop; simulated_years_per_day; cell_steps_per_second.
    """
    from clustermark import __version__
    from clustermark.apps.climate.progress import cell_count, conservation, row_document, years_per_day
    from clustermark.apps.console.sections import section_document

    first, last = record.looks[0], record.looks[-1]
    steps = last.step - first.step
    return {
        "format": FILE_FORMAT,
        "schema_version": SCHEMA_VERSION,
        "writer": f"clustermark {__version__}",
        "case": setup.case,
        "resolution": setup.resolution,
        "levels": setup.levels,
        "cells": cell_count(setup),
        "ranks": ranks,
        "precision": data.precision,
        "timestep": setup.timestep,
        "rows": [row_document(look) for look in record.looks],
        "conservation": conservation(record.looks),
        "sections": section_document(record.sections),
        "steps": steps,
        "seconds": record.seconds,
        "simulated_years_per_day": years_per_day(last.time - first.time, record.seconds),
        "cell_steps_per_second": steps * cell_count(setup) / record.seconds if record.seconds > 0 else 0.0,
    }


def _closing(setup: Setup, record: Record, folder: Path, names: Sequence[str]) -> str:
    """What stands below the rows: conservation, sections, speed, files."""
    from clustermark.apps.climate.progress import conservation_table, speed_line
    from clustermark.apps.console.sections import section_table

    first, last = record.looks[0], record.looks[-1]
    lines = [""]
    if last.step > first.step:
        lines += [conservation_table(record.looks, setup.fixer), ""]
    lines.append(section_table(record.sections))
    if last.step > first.step:
        lines.append(speed_line(setup, last.step - first.step, last.time - first.time, record.seconds))
    if names:
        lines.append(f"{folder}: {', '.join(names)}")
    return "\n".join(lines)
