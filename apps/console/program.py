"""The command line of an application: verbs, and how every way out of one ends.

Exit codes: 0 ok, 2 bad input, 4 the run failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from clustermark.apps.console.input_file import shown_path
from clustermark.apps.console.parallel import say_before_mpi, together, world
from clustermark.core.errors import EXIT_INTERRUPTED, EXIT_OK, ClustermarkError, UsageError, nearest, plain


class Parser(argparse.ArgumentParser):
    """argparse whose complaint is one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of printing the usage and leaving."""
        raise UsageError(f"{plain(message, 400)}; `{self.prog} --help` shows all")


@dataclass(frozen=True)
class Program:
    """An application's command line.

    Attributes
    ----------
    name : before every message on stderr
    parser : with the verbs as `options.verb`
    read : options of the verb "run" → its checked input, before MPI begins
    run : options, input and communicator (None for one rank) → exit code
    verbs : the other verbs, carried out by rank 0
    """

    name: str
    parser: Callable[[], argparse.ArgumentParser]
    read: Callable[[argparse.Namespace], Any]
    run: Callable[[argparse.Namespace, Any, Any], int]
    verbs: Mapping[str, Callable[[argparse.Namespace], None]]

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Carry out a verb and return the exit code; a mistake is one sentence on stderr, told by rank 0 only."""
        place = world()
        try:
            options = self.parser().parse_args(arguments)
            if options.verb == "run":
                data = self.read(options)
                return together(place, lambda comm: self.run(options, data, comm), self.name, options.mpi)
            if place.rank == 0:
                self.verbs[options.verb](options)
            return EXIT_OK
        except ClustermarkError as error:
            return say_before_mpi(place, error, self.name)
        except KeyboardInterrupt:
            print(f"{self.name}: interrupted", file=sys.stderr)
            return EXIT_INTERRUPTED
        except BrokenPipeError:  # the reader of a pipe has gone (`… keys | head`): nothing left to say
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_OK


def add_run(verbs: Any, examples: Sequence[str]) -> None:
    """The verb "run" with the options that every application has."""
    run = verbs.add_parser("run", help="run an input file", allow_abbrev=False)
    run.add_argument("input", help=f"a TOML file, or an example: {', '.join(examples)}")
    run.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a key of the input")
    run.add_argument("--output", metavar="FOLDER", help="folder of all files; default: the input's name + .out, here")
    run.add_argument("--overwrite", action="store_true", help="replace files of an earlier run")
    run.add_argument("--json", action="store_true", help="one JSON document on stdout instead of rows and tables")
    run.add_argument("--quiet", action="store_true", help="nothing on the terminal but errors")
    run.add_argument("--mpi", action="store_true", help="start MPI where the launch does not show itself, as by srun")


def output_folder(options: argparse.Namespace) -> Path:
    """The folder of a run's files: as asked for, or beside the caller under the input's name."""
    return Path(options.output if options.output is not None else Path(options.input).stem + ".out")


def example_names(folder: Path) -> list[str]:
    """Names of the inputs that come with a program."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def input_path(name: str, examples: Path) -> Path:
    """The file that `run` names: a path, or the name of an example. Raises UsageError where it is not there."""
    path = Path(name)
    if path.exists():
        return path
    if name in example_names(examples):
        return examples / f"{name}.toml"
    raise UsageError(
        f"input {shown_path(path)}: is not there{nearest(name, example_names(examples))}; give a TOML file"
    )
