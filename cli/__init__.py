"""The command line: one file per verb, loaded only when it is called.

Exit codes: 0 ok, 1 regression, 2 usage, 3 inconclusive under --strict, 4 a case failed or was wrong,
5 not comparable, 130 interrupted.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from clustermark import __version__
from clustermark.core.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, ClustermarkError, UsageError, nearest, plain

VERBS: dict[str, str] = {
    "run": "run a suite, or go on with a run that was cut short",
    "submit": "run a suite on a cluster, as job arrays of Slurm",
    "status": "jobs and results of a submitted run as they are now",
    "cancel": "end every job of a submitted run; what was finished stays",
    "collect": "the results of a submitted run, judged with the scheduler's word, as one report",
    "plan": "show what a suite would run: cases, refusals, launches, time",
    "list": "workloads, suites, precisions, devices, transports, fabrics",
    "describe": "one workload or suite in full",
    "doctor": "what works on this machine, what is missing, and the command that mends it",
    "emulate": "run a verb on an emulated cluster: nodes of this machine, a network of a chosen rate and delay",
    "model": "all-reduce on thousands of nodes, modelled from the messages that a run measured",
    "report": "HTML and Markdown report of one or more runs",
    "export": "results as CSV, JSON, pytest-benchmark JSON or OpenMetrics",
    "check": "did anything get slower? two versions or settings side by side, with a verdict and an exit code",
    "baseline": "choose the run that later ones are measured by, or show who chose it, when and why",
    "compare": "systems, precisions or fabrics side by side: ratios with intervals, what differs in the environment",
    "history": "each case over many runs, with change points as advice",
    "schema": "the JSON schema of --json documents and the layout of result files",
}


def _usage() -> str:
    width = max(len(verb) for verb in VERBS)
    lines = [f"  {verb:<{width}}  {summary}" for verb, summary in VERBS.items()]
    return "\n".join(
        [
            "usage: clustermark VERB [options]      clustermark VERB --help",
            "",
            "Is this machine as fast and as right as it should be, over which interconnect, in which precision?",
            "",
            *lines,
            "",
            "start with:  clustermark doctor;  clustermark run smoke",
        ]
    )


class OneSentenceParser(argparse.ArgumentParser):
    """argparse whose complaint is one sentence with the nearest option, as every other mistake's is."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        unknown = re.match(r"unrecognized arguments: (\S+)", message)
        if unknown:
            option = plain(unknown.group(1).partition("=")[0])
            known = [name for name in self._option_string_actions if name.startswith("--")]
            message = f"option '{option}' is not known{nearest(option, known)}"
        raise UsageError(f"{self.prog.split()[-1]}: {plain(message, 400)}; `{self.prog} --help` shows all")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return the exit code; a user's mistake is one sentence on stderr, never a traceback."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_usage())
        return EXIT_OK if words else EXIT_USAGE
    if words[0] in ("-V", "--version"):
        print(f"clustermark {__version__}")
        return EXIT_OK
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        print(
            f"clustermark: '{verb}' is no verb{nearest(verb, VERBS)}; `clustermark --help` shows all", file=sys.stderr
        )
        return EXIT_USAGE
    module = import_module(f"clustermark.cli.{verb}_verb")
    parser = OneSentenceParser(prog=f"clustermark {verb}", description=VERBS[verb], allow_abbrev=False)
    module.configure(parser)
    try:
        return int(module.execute(parser.parse_args(rest)))
    except ClustermarkError as error:
        print(f"clustermark: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("clustermark: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has gone (`clustermark list | head`): nothing left to say, and no second error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
