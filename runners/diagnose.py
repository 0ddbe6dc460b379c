"""Why a launch ended: from the notes and logs its ranks left, one sentence for people."""

import json
import re
import signal
from collections.abc import Iterable
from pathlib import Path

from clustermark.core.errors import EXIT_CANNOT_WRITE
from clustermark.runners.children import signal_name

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>\S+)')
_KILLED = re.compile(
    r"rank (?P<rank>\d+) with PID .*?exited on\s+signal (?P<a>\d+)|EXIT STRING: .*\(signal (?P<b>\d+)\)", re.S
)
# srun names every task that ended badly; those that it then ends itself are "Terminated".
_TASK = re.compile(r"srun: error: (?P<node>\S+): (?P<tasks>tasks? [\d,-]+): (?P<what>(?!Terminated|Exited)[^\n]+)")
_MEMORY = re.compile(r"^.*(?:oom[-_ ]kill|out of memory|memory limit).*$", re.I | re.M)
_EARLY = re.compile(r"process rank (?P<rank>\d+) with PID \d+ on node \S+ exiting\s+improperly")
_NOISE = re.compile(r"^\s*$|^[-=*+\s]+$|^\s*File |^\s*Traceback|mpi4py|importlib|runpy|^\s*[\^~]+\s*$")
TAIL_LINES = 6
TAIL_BYTES = 65536


def read_tail(path: Path) -> str:
    """The last 64 KiB of a log, "" if there is none; bytes that are not UTF-8 are replaced."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def diagnose(folder: Path, exit_status: int | None, timed_out: bool, timeout: float) -> str:
    """One sentence: which rank, what happened, and the last lines of its stderr.

    Parameters
    ----------
    folder : of the launch
    exit_status : of mpirun, None if it had to be killed
    timed_out : the launcher gave up waiting
    timeout : [s] after which it does

    Returns
    -------
    str : never empty
    """
    return (
        seen_in_notes(folder, timeout)
        or (f"no rank gave a sign of life for {timeout:g} s; the launch was ended" if timed_out else "")
        or _ended(folder, exit_status)
    )


def seen_in_notes(folder: Path, timeout: float) -> str:
    """As `diagnose`, from what the ranks themselves left; "" if they left nothing (they were killed)."""
    return _raised(folder) or _hung(folder, timeout) or _crashed(folder)


def cannot_write(folder: Path, exit_status: int | None) -> bool:
    """The ranks ended because a result could not be written."""
    notes = [note.get("type") == "StoreError" for note in _notes(folder)]
    return exit_status == EXIT_CANNOT_WRITE or any(notes)


def _notes(folder: Path) -> list[dict[str, object]]:
    notes = []
    for path in sorted(folder.glob("rank*.error.json")):
        try:
            note = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(note, dict):
            notes.append(note)
    return notes


def _raised(folder: Path) -> str:
    notes = _notes(folder)
    if not notes:
        return ""
    first = notes[0]
    others = f" (and {len(notes) - 1} more rank(s))" if len(notes) > 1 else ""
    if first.get("own"):
        return f"{first.get('message')}{others}"
    return (
        f"rank {first.get('rank')} raised {first.get('type')} in {first.get('where')}: {first.get('message')}{others}"
    )


def _hung(folder: Path, timeout: float) -> str:
    stuck = []
    for path in sorted(folder.glob("rank*.trace")):
        text = read_tail(path)
        if "Timeout (" in text:
            frames = _FRAME.findall(text.rsplit("Timeout (", 1)[1])
            where = next((f"{Path(f).name}:{line} in {function}" for f, line, function in frames), "unknown code")
            stuck.append(f"rank {path.stem.removeprefix('rank')} in {where}")
    return f"hung: nothing moved for {timeout:g} s, {'; '.join(stuck[:4])}" if stuck else ""


def _crashed(folder: Path) -> str:
    for path in sorted(folder.glob("rank*.stderr")):
        match = re.search(r"Fatal Python error: (.+)", read_tail(path))
        if match:
            frames = _FRAME.findall(read_tail(path))
            where = f" in {Path(frames[0][0]).name}:{frames[0][1]}" if frames else ""
            return f"rank {path.stem.removeprefix('rank')} crashed{where}: {match.group(1)}"
    return ""


def _ended(folder: Path, exit_status: int | None) -> str:
    """From the launcher's own words, else its exit status; with what the ranks said last."""
    words = read_tail(folder / "mpirun.stderr") + read_tail(folder / "mpirun.stdout")
    known = _told(words, exit_status)
    lines = _last_words(folder.glob("rank*.stderr"))
    if not known:
        lines += _last_words([folder / "mpirun.stderr", folder / "mpirun.stdout"])
    return "; ".join([known or f"the launch ended with exit status {exit_status}", *lines[:3]])


def _told(words: str, exit_status: int | None) -> str:
    """What an exit message of Open MPI, MPICH or srun means, "" if it says nothing known."""
    memory = _MEMORY.search(words)
    if memory:
        said = memory.group(0).strip()
        return f"the memory of the job was not enough ({said[:200]}); ask for more, or make the case smaller"
    task = _TASK.search(words)
    if task:
        return f"{task.group('tasks')} on {task.group('node')} ended: {task.group('what').strip()}"
    killed = _KILLED.search(words)
    if killed:
        rank, number = killed.group("rank"), int(killed.group("a") or killed.group("b"))
        return f"{f'rank {rank}' if rank else 'a rank'} was killed by {signal_name(number)}"
    early = _EARLY.search(words)
    if early:
        return f"rank {early.group('rank')} ended early, without MPI_Finalize"
    if exit_status == 0:
        return "a rank ended early with exit status 0, without finishing its cases"
    if exit_status is not None and exit_status - 128 in signal.valid_signals():
        return f"the launch was ended by {signal_name(exit_status - 128)}"
    return ""


def _last_words(paths: Iterable[Path]) -> list[str]:
    said = []
    for path in sorted(paths):
        kept = [line.strip() for line in read_tail(path).splitlines() if not _NOISE.search(line)]
        if kept:
            said.append(f"{path.stem.replace('rank', 'rank ')} said: {' | '.join(kept[-TAIL_LINES:])}")
    return said
