"""A full disk: one sentence, the old file intact, nothing half behind.

A limit on the file size stands in for the quota: the kernel cuts writes short at it and refuses the rest.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from core_examples import case_of, recorded_run, result_of

from clustermark.core.journal import Journal, read_journal
from clustermark.core.rundir import RunDirectory
from clustermark.core.runfile import read_run
from clustermark.core.store import read_case, write_case

LIMITED = """
import resource, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from core_examples import case_of, result_of
from clustermark.core.errors import StoreError
from clustermark.core.journal import Journal
from clustermark.core.rundir import RunDirectory
from clustermark.core.store import write_case

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
folder = Path({folder!r})
try:
    {action}
except StoreError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def limited(action: str, folder: Path, limit: int) -> subprocess.CompletedProcess[str]:
    script = LIMITED.format(tests=str(Path(__file__).parent), limit=limit, folder=str(folder), action=action)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)


def refused(done: subprocess.CompletedProcess[str], name: str) -> None:
    assert done.stderr == ""
    assert done.returncode == 4
    assert f"{name}: cannot be written (File too large); nothing that was finished is lost: free space" in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("limit", [0, 1, 4096, 12_000])
def test_a_case_file_is_left_as_it_was(tmp_path: Path, limit: int) -> None:
    write_case(tmp_path / "c.h5", result_of(case_of(), 0))
    before = (tmp_path / "c.h5").read_bytes()
    refused(limited('write_case(folder / "c.h5", result_of(case_of(), 1))', tmp_path, limit), "c.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["c.h5"]
    assert (tmp_path / "c.h5").read_bytes() == before
    assert read_case(tmp_path / "c.h5").launch == 0


def test_a_run_file_is_left_as_it_was(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    run.assemble()
    before = run.run_file.read_bytes()
    refused(limited("RunDirectory.open(folder).assemble()", run.path, 30_000), "run.h5")
    assert run.run_file.read_bytes() == before
    assert read_run(run.path).complete
    assert not list(run.path.rglob("*.tmp"))


def test_a_journal_is_cut_back_to_whole_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append({"event": "start"})
    journal.close()
    action = 'Journal(folder / "j").append({"event": "done", "text": "x" * 500})'
    refused(limited(action, tmp_path, 100), "j")
    assert (tmp_path / "j").read_bytes() == b'{"event":"start"}\n'
    assert read_journal(tmp_path / "j") == [{"event": "start"}]


def test_a_run_that_could_not_be_recorded_is_not_done(tmp_path: Path) -> None:
    run = recorded_run(tmp_path, 'launches = 2\n[[matrix]]\nworkload = "allreduce"\n')
    run.journal_path.unlink()
    run.case_path(0, 0).unlink()
    action = "run = RunDirectory.open(folder); run.record(Journal(run.journal_path), result_of(run.plan.cases[0], 0))"
    refused(limited(action, run.path, 2000), "000000.0.h5")
    assert RunDirectory.open(run.path).finished() == {}
