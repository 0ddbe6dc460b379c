"""Options that several verbs share: the suite and what narrows it."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from clustermark.core.errors import UsageError
from clustermark.core.suite import Suite, check_axis, load_suite


def add_suite_options(parser: argparse.ArgumentParser, suite_required: bool = True) -> None:
    """The suite, the axes and the parameters that replace those of every block of it."""
    parser.add_argument("suite", nargs=None if suite_required else "?", help="name of a suite, or a .toml file")
    for axis, example in (
        ("ranks", "1,2"),
        ("threads", "1"),
        ("precision", "fp64,fp32"),
        ("fabric", "shm,tcp"),
        ("transport", "mpi"),
        ("device", "cpu"),
    ):
        parser.add_argument(f"--{axis}", metavar=example, help=f"replace the {axis} of every block")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=V[,V]", help="replace a parameter")
    parser.add_argument("--only", metavar="WORKLOAD[,…]", help="keep the blocks of these workloads")
    parser.add_argument("--launches", type=int, metavar="N", help="launches of every case")
    parser.add_argument("--seed", type=int, metavar="N", help="root of all random numbers, order of launches included")
    parser.add_argument("--seconds", type=float, metavar="S", help="cap on the timed samples of one case and launch")
    parser.add_argument("--timeout", type=float, metavar="S", help="silence after which a launch is taken for hung")
    parser.add_argument("--mpirun", metavar="PATH", help="the launcher to use (default: beside this Python, then PATH)")


def suite_from(options: argparse.Namespace) -> Suite:
    """The suite that the options name, narrowed by them. Raises UsageError."""
    from clustermark.runners.catalog import suite_path, workloads

    suite = load_suite(suite_path(options.suite))
    overrides: dict[str, tuple[Any, ...]] = {}
    for axis in ("ranks", "threads", "precision", "fabric", "transport", "device"):
        text = getattr(options, axis)
        if text is not None:
            overrides[axis] = check_axis(axis, _values(text), f"--{axis}")
    for assignment in options.set:
        name, equals, text = assignment.partition("=")
        if not equals or not name or not text:
            raise UsageError(f"--set {assignment}: is no assignment; write --set n=512 or --set bytes=8B,64KiB")
        overrides[name] = _values(text)
    if options.only:
        suite = _only(suite, options.only.split(","), list(workloads()))
    numbers = {"launches": (1, 1000), "seed": (0, 2**63 - 1)}
    for name, (low, high) in numbers.items():
        value = getattr(options, name)
        if value is not None:
            if not low <= value <= high:
                raise UsageError(f"--{name}: is {value}, expected {low} to {high}")
            suite = replace(suite, **{name: value})
    limits = {"seconds": (1e-6, 86400.0), "timeout": (1.0, 864000.0)}
    for name, (least, most) in limits.items():
        value = getattr(options, name)
        if value is not None:
            if not least <= value <= most:
                raise UsageError(f"--{name}: is {value}, expected {least:g} to {most:g} seconds")
            suite = replace(suite, sampling=replace(suite.sampling, **{name: value}))
    return replace(suite, overrides=overrides)


def _only(suite: Suite, names: Sequence[str], known: Sequence[str]) -> Suite:
    from clustermark.core.errors import nearest

    for name in names:
        if name not in known:
            raise UsageError(f"--only {name}: is no workload{nearest(name, known)}; `clustermark list` shows all")
    blocks = tuple(block for block in suite.blocks if block.workload in names)
    if not blocks:
        raise UsageError(f"--only {','.join(names)}: suite {suite.name} has no such block; drop --only")
    return replace(suite, blocks=blocks)


def _values(text: str) -> tuple[Any, ...]:
    return tuple(_value(word.strip()) for word in text.split(",") if word.strip()) or (text,)


def _value(word: str) -> Any:
    if word in ("true", "false"):
        return word == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
