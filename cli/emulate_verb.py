"""``clustermark emulate --nodes 2 --rate 1gbit --delay 50us -- run interconnects``."""

from __future__ import annotations

import argparse
import sys

from clustermark.core.errors import EXIT_OK, UsageError, nearest


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.usage = "clustermark emulate [options] -- VERB [options of the verb]"
    parser.add_argument("--nodes", type=int, default=2, metavar="N", help="nodes of the cluster (2)")
    parser.add_argument("--rate", default="1gbit", metavar="1gbit", help="of each link, each way; none for no limit")
    parser.add_argument("--delay", default="none", metavar="50us", help="of every frame from node to node (none)")
    parser.add_argument("--cores", type=int, default=1, metavar="N", help="cores of each node (1)")
    parser.add_argument("--congestion-control", default="", metavar="NAME", help="of TCP: reno, bbr … (cubic)")
    parser.add_argument("--clean", action="store_true", help="remove what a cluster that was killed left behind")
    parser.add_argument("command", nargs="*", metavar="VERB", help="what runs on the first node, after --")


def execute(options: argparse.Namespace) -> int:
    """Run a verb on the first node of an emulated cluster; returns its exit code. Raises UsageError."""
    from clustermark.cli import VERBS
    from clustermark.core.environment import affinity
    from clustermark.runners.emulation.shape import make_shape
    from clustermark.runners.emulation.start import Request, chosen_control, core_lists, started, why_not_here

    if options.clean:
        return _clean()
    shape = make_shape(options.nodes, options.rate, options.delay)
    verb = options.command[0] if options.command else ""
    others = set(VERBS) - {"emulate"}
    if not verb:
        raise UsageError("emulate: no verb is given; write `clustermark emulate --nodes 2 -- run interconnects`")
    if verb not in others:
        raise UsageError(f"emulate: '{verb}' is no verb that runs on a node{nearest(verb, others)}")
    reason = why_not_here()
    if reason:
        raise UsageError(f"emulate: {reason}")
    control = chosen_control(options.congestion_control)
    cores = core_lists(affinity(), shape.nodes, options.cores)
    command = (sys.executable, "-m", "clustermark", *options.command)
    with started(Request(shape, cores, control, command)) as process:
        while True:
            try:
                status = process.wait()
                break
            except KeyboardInterrupt:
                # The terminal sent it to the command too, which ends in its own way.
                continue
    return status if status >= 0 else 128 - status


def _clean() -> int:
    """Everything but an empty folder goes with the cluster's first process, however that ends."""
    from clustermark.runners.emulation.start import left_behind

    found = left_behind()
    for path in found:
        path.rmdir()
        print(f"{path}: removed", file=sys.stderr)
    if not found:
        print("nothing was left behind", file=sys.stderr)
    return EXIT_OK
