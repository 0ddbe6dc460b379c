"""A check of any command: run by both sides in turns; it prints samples, the gate judges them.

Every run of it leaves two files in the folder of its side: what it printed, and the samples as they were understood.
"""

from __future__ import annotations

import os
import random
import resource
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from clustermark.core import noise
from clustermark.core.check_folder import SIDES, CheckFolder
from clustermark.core.errors import UsageError, plain
from clustermark.core.files import atomic_write
from clustermark.core.gate import confirm_pairs, screen
from clustermark.core.samples import Sampled, SampleLaunch, parse_lines, parse_pytest_benchmark
from clustermark.runners.children import Ended, ask
from clustermark.runners.sides import Side

Say = Callable[[str], None]
FORMATS: Mapping[str, Callable[[str, str], dict[str, Sampled]]] = {
    "json-lines": parse_lines,
    "pytest-benchmark": parse_pytest_benchmark,
}


def command_name(command: str) -> str:
    """The program's name, for the folder of the check. Raises UsageError for what is no command."""
    words = command_words(command, "python", Path("/"), Path("/"))
    return Path(words[0]).name or "command"


def command_words(command: str, python: str, folder: Path, file: Path) -> list[str]:
    """The argv: {python}, {source} and {file} stand for the side's interpreter, its sources, the file of samples.

    Raises UsageError.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--command {plain(command)}: is no command line ({error}); mend its quotes") from None
    if not words:
        raise UsageError("--command: is empty; give a program and its arguments")
    known = {"{python}": python, "{source}": str(folder), "{file}": str(file)}
    for name, value in known.items():
        words = [word.replace(name, value) for word in words]
    return words


def run_command_check(folder: CheckFolder, say: Say) -> None:
    """Both stages, as far as they are not there yet; in stage 2 CLUSTERMARK_CASES names the suspects, one a line.

    Raises
    ------
    UsageError : the command prints what is no sample, or nothing at all on both sides
    StoreError : a file cannot be written
    """
    sides = {name: Side.from_dict(folder.sides[name]) for name in SIDES}
    if not folder.stages:
        _add_stage(folder, folder.rules.pairs)
    _measure(folder, 0, sides, (), say)
    evidence = folder.evidence()
    if not evidence:
        raise UsageError(
            f"command {plain(folder.request['command'], 200)}: printed no samples on either side; "
            f"docs/gate.md shows the lines that count"
        )
    suspects = [evidence[number].label for number in screen(evidence, folder.rules)]
    if len(folder.stages) == 1 and suspects:
        pairs = confirm_pairs(len(suspects), folder.rules)
        say(f"{len(suspects)} suspect(s): measured again in {pairs} fresh pairs")
        folder.request["suspects"] = suspects
        _add_stage(folder, pairs)
    if len(folder.stages) > 1:
        _measure(folder, 1, sides, folder.request["suspects"], say)


def _add_stage(folder: CheckFolder, pairs: int) -> None:
    folder.stages.append({**{name: f"{name}/samples" for name in SIDES}, "pairs": pairs})
    folder.save()


def _measure(folder: CheckFolder, stage: int, sides: Mapping[str, Side], cases: Sequence[str], say: Say) -> None:
    pairs = folder.stages[stage]["pairs"]
    for launch in range(pairs):
        for name in random.Random(f"{folder.seed} {stage} {launch}").sample(SIDES, len(SIDES)):
            target = folder.path / name / f"{stage}.{launch}.json"
            if target.exists():
                continue
            done = _run(folder, sides[name], target, cases)
            atomic_write(target, done.to_json().encode())
            head = f"[{'confirm ' if stage else ''}{launch + 1}/{pairs} {name}]"
            say(f"{head} {len(done.cases)} case(s){': ' + done.failure if done.failure else ''}")


def _run(folder: CheckFolder, side: Side, target: Path, cases: Sequence[str]) -> SampleLaunch:
    """One run of the command. Raises UsageError for output that is meant as samples and is none."""
    file = target.with_suffix(".samples")
    words = command_words(folder.request["command"], side.python, Path(side.folder), file)
    environment = side.environment(os.environ) | {"CLUSTERMARK_CASES": "\n".join(cases)}
    before, own = noise.snapshot(), _children()
    ended = ask(words, environment, folder.request["timeout"], Path(side.folder))
    conditions = noise.labels(noise.between(before, noise.snapshot(), _children() - own))
    atomic_write(target.with_suffix(".stdout"), ended.stdout.encode("utf-8", "replace"))
    form = folder.request["format"]
    text, where = ended.stdout, f"{side.name} {target.stem}"
    if file.exists():
        text, where = file.read_text(errors="replace"), str(file)
    if ended.status != 0:
        return SampleLaunch({}, f"the command {plain(ended.complaint(), 300)}", conditions)
    _refuse_cut(ended, where)
    return SampleLaunch(FORMATS[form](text, where), "", conditions)


def _refuse_cut(ended: Ended, where: str) -> None:
    if len(ended.stdout.encode()) >= 1 << 20:
        raise UsageError(f"{where}: printed over 1 MiB; let the command write its samples to {{file}}")


def _children() -> float:
    """[s] CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
