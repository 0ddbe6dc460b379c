"""kill -9 at a random moment: what was acknowledged is there, and what is there is whole."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from core_examples import opened, plan_of, result_of, same_measurement

from clustermark.core.rundir import RunDirectory
from clustermark.core.runfile import read_run, read_samples
from clustermark.core.store import read_case

SUITE = 'launches = 200\n[[matrix]]\nworkload = "allreduce"\nranks = [1, 2]\n'
WRITER = Path(__file__).with_name("writing_process.py")

Key = tuple[int, int]


def killed_writer(way: str, root: Path, acknowledged: int, microseconds: int) -> tuple[RunDirectory, list[Key]]:
    """A writer killed some microseconds after it acknowledged so many launches; returns all it acknowledged."""
    run = RunDirectory.create(root, plan_of(SUITE))
    words = [sys.executable, str(WRITER), way, str(run.path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged + 1)]
        assert lines[0] == "ready\n"
        try:
            process.wait(microseconds / 1e6)
        except subprocess.TimeoutExpired:
            process.kill()
        lines += process.stdout.readlines()
    whole = [line.split() for line in lines[1:] if line.endswith("\n")]
    return run, [(int(number), int(launch)) for launch, number in whole]


def lost(run: RunDirectory, acknowledged: list[Key], read: Callable[[RunDirectory, Key], bool]) -> list[Key]:
    """The acknowledged launches that cannot be read back as they were: the checker of both tests below."""
    return [key for key in acknowledged if not read(run, key)]


def in_run_folder(run: RunDirectory, key: Key) -> bool:
    number, launch = key
    expected = result_of(run.plan.cases[number], launch).measurement
    found = read_case(run.case_path(number, launch)).measurement
    return found is not None and expected is not None and same_measurement(found, expected)


def in_appended_file(run: RunDirectory, key: Key) -> bool:
    number, launch = key
    expected = result_of(run.plan.cases[number], launch).measurement
    try:
        with opened(run.path / "appended.h5") as file:
            return expected is not None and bool((file[f"{launch}/{number}"][()] == expected.seconds).all())
    except (OSError, KeyError, RuntimeError):
        return False


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    chance = random.Random(11)
    for _ in range(15):
        run, acknowledged = killed_writer("safe", tmp_path, chance.randrange(1, 12), chance.randrange(20_000))
        assert acknowledged
        assert lost(run, acknowledged, in_run_folder) == []

        again = RunDirectory.open(run.path)
        finished = again.finished()
        assert set(acknowledged) <= set(finished)
        assert len(acknowledged) <= len(finished) <= len(acknowledged) + 1
        again.assemble()
        assert len(read_samples(run.path)) == len(finished)
        assert not read_run(run.path).complete
        for file in (run.path / "cases").glob("*.h5"):
            read_case(file)  # a case file is whole even where its journal line was not reached

        again.lock()
        again.unlock()
        assert not list(run.path.rglob("*.tmp"))


def test_the_checker_catches_a_writer_that_appends_without_flushing(tmp_path: Path) -> None:
    run, acknowledged = killed_writer("unsafe", tmp_path, 10, 1000)
    assert lost(run, acknowledged, in_appended_file) != []
