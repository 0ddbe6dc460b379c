"""A long validation: runs every part, judges, and writes a page; each subject has a script that names its own parts.

Every part leaves one JSON file in the folder, so that a validation that was stopped goes on where it was. A part is run
again where its file is of other sources (engine or measurement), where it is named, and with --fresh. The page is
written once all parts are there.
Exit codes: 0 all rows are good or skipped by name, 1 a row says no, 2 bad usage, 4 a part failed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import multiprocessing
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from validate.md_judges import MISSED, NO, Row
from validate.md_launches import ROOT, AbsentError
from validate.md_page import table, written_between

from clustermark import __version__
from clustermark.core.environment import affinity, cpu_facts, library_facts
from clustermark.core.errors import EXIT_INTERRUPTED, EXIT_OK, ClustermarkError, UsageError, nearest, plain
from clustermark.runners.launcher import find_launcher

EXIT_SAYS_NO = 1


@dataclass(frozen=True)
class Validation:
    """What a script validates.

    Attributes
    ----------
    script : its name without .py; the module `validate.<script>` has this object as VALIDATION
    subject : of the sentence "Long validation of …"
    topics : modules with TITLE, PARTS (name → what measures it) and rows(found); parts of a topic follow each other
    page : where the tables go
    folder : of the parts' files
    engine : patterns below the root of the sources that the numbers come from
    judging : files among them that may change without a new run
    draw : makes pictures of what the parts found in the folder docs/images, and names their files
    """

    script: str
    subject: str
    topics: tuple[ModuleType, ...]
    page: Path
    folder: Path
    engine: tuple[str, ...]
    judging: frozenset[str]
    draw: Callable[[Mapping[str, Mapping[str, Any]], Path], list[Path]] | None = None

    def parts(self) -> dict[str, Callable[[Path], dict[str, Any]]]:
        """Name → what measures it, of all topics."""
        return {name: measure for topic in self.topics for name, measure in topic.PARTS.items()}

    def sources(self) -> str:
        """Digest of the code that the numbers come from."""
        digest = hashlib.sha256()
        for path in sorted(path for pattern in self.engine for path in ROOT.glob(pattern)):
            if path.name not in self.judging:
                digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    def documents(self, folder: Path) -> dict[str, dict[str, Any]]:
        """What the parts of these sources have found so far, by name."""
        found, digest = {}, self.sources()
        for name in self.parts():
            file = folder / f"{name}.json"
            if file.exists():
                document = json.loads(file.read_text(encoding="utf-8"))
                if document.get("sources") == digest:
                    found[name] = document
        return found

    def measured(self, name: str, folder: Path) -> float:
        """Run a part and keep what it found in the folder; returns the seconds. Raises ClustermarkError."""
        begin = time.perf_counter()
        try:
            found = self.parts()[name](folder)
        except AbsentError as reason:
            found = {"skipped": str(reason)}
        seconds = time.perf_counter() - begin
        file = folder / f"{name}.json"
        unfinished = file.with_suffix(".unfinished")
        document = {"sources": self.sources(), "seconds": seconds, "found": found}
        unfinished.write_text(json.dumps(document), encoding="utf-8")
        unfinished.replace(file)
        return seconds

    def judged(self, folder: Path) -> tuple[dict[str, list[Row]], float]:
        """Rows by the title of their topic, and the seconds of all parts."""
        done = self.documents(folder)
        missing = [name for name in self.parts() if name not in done]
        if missing:
            raise UsageError(f"{len(missing)} part(s) have not been run, the first is {missing[0]}; run without --part")
        found = {name: document["found"] for name, document in done.items()}
        return {topic.TITLE: topic.rows(found) for topic in self.topics}, sum(d["seconds"] for d in done.values())

    def pictures(self, folder: Path) -> list[Path]:
        """Draw what the parts have found, where the validation has pictures; returns the files."""
        if self.draw is None:
            return []
        found = {name: document["found"] for name, document in self.documents(folder).items()}
        return self.draw(found, self.page.parent / "images")


def _measured_elsewhere(script: str, name: str, folder: Path) -> float:
    """In a process of its own: modules do not travel, so that the validation is found by the name of its script."""
    return importlib.import_module(f"validate.{script}").VALIDATION.measured(name, folder)


def run(validation: Validation, names: Sequence[str], folder: Path, jobs: int) -> None:
    """Run parts, some at a time, and say when each is done."""
    if jobs == 1:
        for done, name in enumerate(names, 1):
            print(f"[{done}/{len(names)}] {name} …", flush=True)
            print(f"    {validation.measured(name, folder):.1f} s", flush=True)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(_measured_elsewhere, validation.script, name, folder): name for name in names}
        try:
            for done, future in enumerate(as_completed(waiting), 1):
                print(f"[{done}/{len(names)}] {waiting[future]}: {future.result():.1f} s", flush=True)
        except BrokenProcessPool:
            raise ClustermarkError(
                "a part was ended from outside, by a kill or for want of memory; start again"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def text_of(validation: Validation, topics: dict[str, list[Row]], seconds: float) -> str:
    """What stands between the marks: when, where, with what; then a table per topic."""
    cpu, libraries = cpu_facts(), library_facts()
    launcher = find_launcher()
    versions = ", ".join(
        [
            f"clustermark {__version__}",
            f"Python {platform.python_version()}",
            f"NumPy {libraries['numpy']}",
            f"numba {version('numba')}",
            f"{'Open MPI' if launcher.mpi == 'openmpi' else 'MPICH'} {launcher.version}",
        ]
    )
    rows = [row for lines in topics.values() for row in lines]
    bad = [row for row in rows if row.verdict in (NO, MISSED)]
    left_out = sum(row.verdict.startswith("skipped") for row in rows)
    summary = f"**{len(rows) - len(bad) - left_out} of {len(rows)} rows are as they should be**"
    summary += f", {len(bad)} are not" + (f", {left_out} were skipped for want of a peer." if left_out else ".")
    lines = [
        f"Written by `tests/validate/{validation.script}.py` on {datetime.now(UTC):%Y-%m-%d at %H:%M} UTC: {summary}",
        "",
        f"Machine: {cpu['model']}, {len(affinity())} CPUs used. {versions}. "
        f"Time of all parts together: {seconds / 60:.0f} min.",
    ]
    for title, topic_rows in topics.items():
        lines += ["", f"### {title}", "", table(topic_rows)]
    return "\n".join(lines)


def _options(validation: Validation, arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"Long validation of {validation.subject}.", allow_abbrev=False)
    parser.add_argument("--folder", type=Path, default=validation.folder, help="of the parts' files")
    parser.add_argument("--part", action="append", default=[], help="run only this part, and write no page")
    parser.add_argument("--list", action="store_true", help="names of all parts")
    parser.add_argument("--page", type=Path, default=validation.page, help="where the tables go")
    parser.add_argument("--jobs", type=int, default=min(4, len(affinity())), help="parts at a time; default: cores")
    parser.add_argument("--fresh", action="store_true", help="run parts again that are there")
    return parser.parse_args(arguments)


def main(validation: Validation, arguments: Sequence[str] | None = None) -> int:
    """Run what is asked and return the exit code."""
    options = _options(validation, arguments)
    parts = validation.parts()
    try:
        if options.list:
            print("\n".join(parts))
            return EXIT_OK
        unknown = next((name for name in options.part if name not in parts), None)
        if unknown is not None:
            raise UsageError(f"part '{plain(unknown)}' is unknown{nearest(unknown, parts)}; --list shows all")
        options.folder.mkdir(parents=True, exist_ok=True)
        there = {} if options.fresh or options.part else validation.documents(options.folder)
        run(validation, [n for n in options.part or parts if n not in there], options.folder, max(1, options.jobs))
        if options.part:
            return EXIT_OK
        topics, seconds = validation.judged(options.folder)
        written_between(options.page, text_of(validation, topics, seconds))
        pictures = validation.pictures(options.folder)
    except ClustermarkError as error:
        print(f"{validation.script}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{validation.script}: interrupted; start again to go on", file=sys.stderr)
        return EXIT_INTERRUPTED
    rows = [row for lines in topics.values() for row in lines]
    for row in rows:
        print(f"{row.verdict:>8}  {row.check}: {row.ours} (reference {row.reference}; {row.tolerance})")
    for file in [options.page, *pictures]:
        print(f"{file}: written")
    return EXIT_SAYS_NO if any(row.verdict in (NO, MISSED) for row in rows) else EXIT_OK
