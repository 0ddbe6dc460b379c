"""The command line of molecular dynamics: run an input file, list its keys, export a trajectory.

Exit codes: 0 ok, 2 bad input, 4 the run failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from clustermark.apps.md.parallel import on_root, say_before_mpi, together, world
from clustermark.core.errors import EXIT_INTERRUPTED, EXIT_OK, ClustermarkError, UsageError, nearest, plain

if TYPE_CHECKING:
    from clustermark.apps.md.input_file import Input
    from clustermark.apps.md.setup import Setup
    from clustermark.apps.md.simulate import Record

EXAMPLES = Path(__file__).parent / "examples"

# A start that takes longer is told to be compiling.
COMPILING_SECONDS = 4.0

DESCRIPTION = "Molecular dynamics: Lennard-Jones and embedded-atom systems in periodic boxes, over MPI ranks."


class _Parser(argparse.ArgumentParser):
    """argparse whose complaint is one sentence."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{plain(message, 400)}; `{self.prog} --help` shows all")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return the exit code; a mistake is one sentence on stderr, told by rank 0 only."""
    place = world()
    try:
        options = _parser().parse_args(arguments)
        if options.verb == "run":
            data = _input(options)
            return together(place, lambda comm: _run(options, data, comm), options.mpi)
        if place.rank == 0:
            {"keys": _keys, "export": _export}[options.verb](options)
        return EXIT_OK
    except ClustermarkError as error:
        return say_before_mpi(place, error)
    except KeyboardInterrupt:
        print("md: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has gone (`… keys | head`): nothing left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m clustermark.apps.md", description=DESCRIPTION, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="run|keys|export")
    run = verbs.add_parser("run", help="run an input file", allow_abbrev=False)
    run.add_argument("input", help=f"a TOML file, or an example: {', '.join(examples())}")
    run.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a key of the input")
    run.add_argument("--output", metavar="FOLDER", help="folder of all files; default: the input's name + .out, here")
    run.add_argument("--overwrite", action="store_true", help="replace files of an earlier run")
    run.add_argument("--json", action="store_true", help="one JSON document on stdout instead of rows and tables")
    run.add_argument("--quiet", action="store_true", help="nothing on the terminal but errors")
    run.add_argument("--mpi", action="store_true", help="start MPI where the launch does not show itself, as by srun")
    verbs.add_parser("keys", help="all keys of an input file with defaults, units and meaning")
    export = verbs.add_parser("export", help="an H5MD trajectory as extended XYZ", allow_abbrev=False)
    export.add_argument("trajectory", type=Path)
    export.add_argument("target", type=Path, help="file with the ending .extxyz or .xyz")
    export.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
    return parser


def examples() -> list[str]:
    """Names of the inputs that come with the program."""
    return sorted(path.stem for path in EXAMPLES.glob("*.toml"))


def _input(options: argparse.Namespace) -> Input:
    from clustermark.apps.md.input_file import load_input

    path = Path(options.input)
    example = EXAMPLES / f"{options.input}.toml"
    if not path.exists() and options.input in examples():
        path = example
    if not path.exists():
        raise UsageError(
            f"input {plain(options.input)}: is not there{nearest(options.input, examples())}; give a TOML file"
        )
    return load_input(path, options.set)


def _keys(options: argparse.Namespace) -> None:
    from clustermark.apps.md.keys import keys_table

    print(keys_table())


def _export(options: argparse.Namespace) -> None:
    from clustermark.apps.md.export import export_extxyz

    frames = export_extxyz(options.trajectory, options.target, options.overwrite)
    print(f"{options.target}: {frames} frame(s)")


def _run(options: argparse.Namespace, data: Input, comm: Any) -> int:
    from clustermark.apps.md.build import make_setup
    from clustermark.apps.md.driver import make_engine
    from clustermark.apps.md.output_files import prepare_folder
    from clustermark.apps.md.simulate import Manner, simulate

    folder = Path(options.output if options.output is not None else Path(options.input).stem + ".out")
    output = data.output
    names = [name for name in (output.thermo, output.trajectory, output.final, data.restart.write) if name]
    if names:
        on_root(comm, lambda: prepare_folder(folder, names, options.overwrite))
    setup = make_setup(data, comm)
    with _compiling_note(options, comm):
        engine = make_engine(setup, comm)
    talks = not (options.json or options.quiet)
    progress = not options.quiet and sys.stderr.isatty()
    record = simulate(data, setup, engine, comm, Manner(folder, talks, progress))
    if engine.rank == 0 and not options.quiet:
        from clustermark.apps.md.simulate import say

        say(
            json.dumps(document(data, setup, record, engine.ranks)) if options.json else _closing(record, folder, names)
        )
    return EXIT_OK


@contextlib.contextmanager
def _compiling_note(options: argparse.Namespace, comm: Any) -> Iterator[None]:
    """Says on stderr what takes so long, where it does: kernels are compiled once per machine and precision."""
    text = "md: compiling kernels, once per machine and precision (up to a minute)"
    timer = threading.Timer(COMPILING_SECONDS, lambda: print(text, file=sys.stderr, flush=True))
    timer.daemon = True
    if not options.quiet and (comm is None or comm.rank == 0):
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def document(data: Input, setup: Setup, record: Record, ranks: int) -> dict[str, Any]:
    """The one JSON document of a run.

    format, schema_version; writer; atoms, ranks, precision, units (quantity → unit); timestep; rows: step, totals
    (temperature, potential_energy, kinetic_energy, total_energy, virial, pressure) and per_atom (the energies and
    the virial divided by the atoms); sections: name, min, avg, max [s], imbalance [%], share [%]; seconds of the
    loop; with steps = 0 also ids and forces (n, 3).
    """
    from clustermark import __version__
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
        "sections": [
            {
                "name": row.name,
                "min": row.least,
                "avg": row.average,
                "max": row.most,
                "imbalance": row.imbalance,
                "share": row.share,
            }
            for row in record.sections
        ],
        "seconds": record.seconds,
    }
    if data.run.steps == 0 and record.final is not None and record.forces is not None:
        found |= {"ids": record.final.ids.tolist(), "forces": record.forces.tolist()}
    return found


def _closing(record: Record, folder: Path, names: Sequence[str]) -> str:
    """What stands below the rows: largest force of a single configuration, sections, speed, files."""
    import numpy as np

    from clustermark.apps.md.thermo_output import section_table

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
