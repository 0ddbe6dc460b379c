"""``clustermark model RUN``: all-reduce on thousands of nodes, from the messages that a run measured."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from clustermark.cli.layout import columns, print_json, print_lines
from clustermark.core.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from clustermark.reports.model.application import Scaling
    from clustermark.reports.model.predict import Measured, Predicted


class Answer(NamedTuple):
    """What is modelled from the messages over one fabric."""

    source: Measured
    predictions: Sequence[Predicted]
    applications: Sequence[Scaling]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from clustermark.cli.report_verb import add_run_options

    add_run_options(parser)
    parser.add_argument("--fabric", default="", metavar="NAME", help="of the messages (default: each that the run has)")
    parser.add_argument("--topology", default="fat-tree", metavar="fat-tree", help="or dragonfly")
    parser.add_argument("--nodes", default="16,128,1024,8192", metavar="16,128", help="of the modelled machine")
    parser.add_argument("--bytes", default="8B,64KiB,64MiB", metavar="8B,64KiB", help="summed over all nodes")
    parser.add_argument("--hop", default="100ns", metavar="100ns", help="of each hop beyond those between neighbours")
    parser.add_argument("--oversubscription", type=float, default=1.0, metavar="N", help="of a fat tree (1)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def execute(options: argparse.Namespace) -> int:
    """Print the modelled times; returns the exit code. Raises ClustermarkError."""
    from clustermark.cli.report_verb import load_runs
    from clustermark.core.units import parse_bytes
    from clustermark.reports.model.application import scalings
    from clustermark.reports.model.predict import measured_messages, predict
    from clustermark.reports.rows import report_rows

    nodes = [_whole(word, "--nodes") for word in options.nodes.split(",")]
    sizes = [parse_bytes(word, "--bytes") for word in options.bytes.split(",")]
    if not all(sizes):
        raise UsageError("--bytes 0: nothing is summed; write sizes from 1B on")
    hop = _seconds(options.hop)
    rows = report_rows(load_runs(options.runs, options.results))
    network = options.topology, nodes
    answers = [
        Answer(
            source,
            predict(source, *network, sizes, hop, options.oversubscription),
            scalings(rows, source, *network, hop, options.oversubscription),
        )
        for source in measured_messages(rows, options.fabric)
    ]
    if options.json:
        print_json("model", _document(answers, options, hop))
        return EXIT_OK
    for answer in answers:
        print_lines(
            [*_lines(answer.source, answer.predictions, options, hop), *_application_lines(answer.applications)]
        )
    return EXIT_OK


def _whole(word: str, option: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise UsageError(f"{option} {word}: is no whole number") from None


def _seconds(text: str) -> float:
    for suffix, factor in (("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6)):
        if text.endswith(suffix):
            try:
                return float(text.removesuffix(suffix)) * factor
            except ValueError:
                break
    raise UsageError(f"--hop {text}: is no time; write 100ns or 1us")


def _lines(source: Measured, predictions: Sequence[Predicted], options: argparse.Namespace, hop: float) -> list[str]:
    from clustermark.core.units import format_bytes, format_quantity
    from clustermark.reports.model.predict import ROUGH

    proof = "verified" if source.proven else "not verified"
    lines = [f"messages over {source.fabric} ({proof}), {source.workload} of {source.run}:"]
    for piece in source.messages.pieces:
        rate, start = format_quantity(piece.fit.beta, "B/s"), format_quantity(piece.fit.alpha, "s")
        until = f" up to {format_quantity(piece.up_to, 'B')}" if piece.up_to < float("inf") else ""
        lines.append(f"  α = {start}, β = {rate}{until}")
    lines.append(
        f"  largest error of the fit {source.messages.error:.1%}; adding up {source.add_seconds * 1e9:.3g} ns/B"
    )
    if source.messages.error > ROUGH:
        lines.append("  warning: a rough fit; measure again on a quiet machine, or with more sizes")
    lines += [f"  {label}" for label in source.conditions]
    over = f", {options.oversubscription:g} times oversubscribed" if options.topology == "fat-tree" else ""
    lines += ["", f"modelled, not measured: all-reduce on a {options.topology}{over}, {hop * 1e9:g} ns per hop", ""]
    rows = []
    for each in predictions:
        bus = 2 * (each.nodes - 1) / each.nodes * each.size / each.seconds
        figures = format_quantity(each.seconds, "s"), format_quantity(bus, "B/s")
        rows.append((str(each.nodes), format_bytes(int(each.size)), *figures, each.algorithm))
    return [*lines, *columns(rows, ("nodes", "size", "time", "bus bandwidth", "quickest algorithm")), ""]


def _application_lines(scalings: Sequence[Scaling]) -> list[str]:
    from clustermark.core.units import format_quantity

    rows, lines = [], []
    for label in dict.fromkeys(each.label for each in scalings):
        points = [each for each in scalings if each.label == label]
        rows = [
            (
                str(each.nodes),
                f"{format_quantity(each.fast, 's')} – {format_quantity(each.slow, 's')}",
                f"{each.efficiency(each.slow):.0%} – {each.efficiency(each.fast):.0%}",
            )
            for each in points
        ]
        first = points[0]
        measured = (
            f"{format_quantity(first.seconds, 's')} on {first.ranks} ranks, {first.share:.1%} of it communication"
        )
        lines += [f"modelled, not measured: strong scaling of {label} (measured: {measured})", ""]
        lines += [*columns(rows, ("nodes", "time of a step", "parallel efficiency")), ""]
    return lines


def _document(answers: Sequence[Answer], options: argparse.Namespace, hop: float) -> dict[str, object]:
    from dataclasses import asdict

    from clustermark.reports.model.predict import LABEL

    def finite(data: dict[str, object]) -> dict[str, object]:
        return {key: None if value == float("inf") else value for key, value in data.items()}

    return {
        "label": LABEL,
        "topology": options.topology,
        "oversubscription": options.oversubscription,
        "hop_seconds": hop,
        "fabrics": [
            {
                **{key: value for key, value in asdict(answer.source).items() if key != "messages"},
                "fit_error": answer.source.messages.error,
                "pieces": [
                    finite({"up_to": piece.up_to, "alpha": piece.fit.alpha, "beta": piece.fit.beta})
                    for piece in answer.source.messages.pieces
                ],
                "predictions": [asdict(each) for each in answer.predictions],
                "applications": [asdict(each) for each in answer.applications],
            }
            for answer in answers
        ],
    }
