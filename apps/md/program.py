"""The command line of molecular dynamics: run an input file, list its keys, export a trajectory."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clustermark.apps.console.parallel import on_root
from clustermark.apps.console.program import Parser, Program, add_run, example_names, input_path, output_folder
from clustermark.apps.console.terminal import compiling_note, say
from clustermark.core.errors import EXIT_OK

if TYPE_CHECKING:
    from clustermark.apps.md.input_file import Input
    from clustermark.apps.md.setup import Setup
    from clustermark.apps.md.simulate import Record

EXAMPLES = Path(__file__).parent / "examples"

DESCRIPTION = "Molecular dynamics: Lennard-Jones and embedded-atom systems in periodic boxes, over MPI ranks."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return the exit code; a mistake is one sentence on stderr, told by rank 0 only."""
    return Program("md", _parser, _input, _run, {"keys": _keys, "export": _export}).main(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m clustermark.apps.md", description=DESCRIPTION, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="run|keys|export")
    add_run(verbs, examples())
    verbs.add_parser("keys", help="all keys of an input file with defaults, units and meaning")
    export = verbs.add_parser("export", help="an H5MD trajectory as extended XYZ", allow_abbrev=False)
    export.add_argument("trajectory", type=Path)
    export.add_argument("target", type=Path, help="file with the ending .extxyz or .xyz")
    export.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    return parser


def examples() -> list[str]:
    """Names of the inputs that come with the program."""
    return example_names(EXAMPLES)


def _input(options: argparse.Namespace) -> Input:
    from clustermark.apps.md.input_file import load_input

    return load_input(input_path(options.input, EXAMPLES), options.set)


def _keys(options: argparse.Namespace) -> None:
    from clustermark.apps.console.keys import keys_table
    from clustermark.apps.md.keys import KEYS

    print(keys_table(KEYS))


def _export(options: argparse.Namespace) -> None:
    from clustermark.apps.md.export import export_extxyz

    frames = export_extxyz(options.trajectory, options.target, options.overwrite)
    print(f"{options.target}: {frames} frame(s)")


def _run(options: argparse.Namespace, data: Input, comm: Any) -> int:
    from clustermark.apps.console.devices import bind
    from clustermark.apps.console.files import prepare_folder
    from clustermark.apps.md.build import make_setup
    from clustermark.apps.md.driver import make_engine
    from clustermark.apps.md.simulate import Manner, simulate

    bind(data.device, comm)
    folder = output_folder(options)
    output = data.output
    names = [name for name in (output.thermo, output.trajectory, output.final, data.restart.write) if name]
    if names:
        on_root(comm, lambda: prepare_folder(folder, names, options.overwrite))
    setup = make_setup(data, comm)
    with compiling_note("md", not options.quiet and (comm is None or comm.rank == 0)):
        engine = make_engine(setup, comm)
    talks = not (options.json or options.quiet)
    progress = not options.quiet and sys.stderr.isatty()
    record = simulate(data, setup, engine, comm, Manner(folder, talks, progress))
    if engine.rank == 0 and not options.quiet:
        say(
            json.dumps(document(data, setup, record, engine.ranks)) if options.json else _closing(record, folder, names)
        )
    return EXIT_OK


def document(data: Input, setup: Setup, record: Record, ranks: int) -> dict[str, Any]:
    """The one JSON document of a run.

    format, schema_version; writer; atoms, ranks, precision, units (quantity → unit); timestep; rows: step, totals
    (temperature, potential_energy, kinetic_energy, total_energy, virial, pressure) and per_atom (the energies and
    the virial divided by the atoms); sections: name, min, avg, max [s], imbalance [%], share [%]; seconds of the
    loop; with steps = 0 also ids and forces (n, 3).
    """
    from clustermark import __version__
    from clustermark.apps.console.sections import section_document
    from clustermark.apps.md.thermo_output import FILE_FORMAT, SCHEMA_VERSION, row_document

    found: dict[str, Any] = {
        "format": FILE_FORMAT,
        "schema_version": SCHEMA_VERSION,
        "writer": f"clustermark {__version__}",
        "atoms": record.atoms,
        "ranks": ranks,
        "precision": data.precision,
        "units": {"system": setup.units.name, **setup.units.names},
        "timestep": setup.timestep,
        "rows": [row_document(row, record.atoms) for row in record.rows],
        "sections": section_document(record.sections),
        "seconds": record.seconds,
    }
    if data.run.steps == 0 and record.final is not None and record.forces is not None:
        found |= {"ids": record.final.ids.tolist(), "forces": record.forces.tolist()}
    return found


def _closing(record: Record, folder: Path, names: Sequence[str]) -> str:
    """What stands below the rows: largest force of a single configuration, sections, speed, files."""
    import numpy as np

    from clustermark.apps.console.sections import section_table

    lines = [""]
    steps = record.rows[-1].step - record.rows[0].step
    if record.forces is not None and record.final is not None:
        sizes = np.linalg.norm(record.forces, axis=1)
        largest = int(sizes.argmax())
        lines.append(f"largest force {sizes[largest]:.10g} on atom {record.final.ids[largest]}")
    lines.append(section_table(record.sections))
    if steps and record.seconds > 0:
        speed = steps * record.atoms / record.seconds / 1e6
        lines.append(
            f"{steps} steps of {record.atoms} atoms in {record.seconds:.3f} s with output: {speed:.3g} Matom-steps/s"
        )
    if names:
        lines.append(f"{folder}: {', '.join(names)}")
    return "\n".join(lines)
