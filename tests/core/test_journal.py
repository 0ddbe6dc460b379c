"""The journal: whole lines or none, whatever kills the writer or fills the disk."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from clustermark.core.errors import StoreError
from clustermark.core.journal import Event, Journal, JournalReader, parse_events, read_journal

EVENTS: list[Event] = [
    {"event": "launch", "job": 0},
    {"event": "start", "case": 0, "label": "gemm[n=512 ü]"},
    {"event": "done", "case": 0, "launch": 0, "result": {"error": float("inf"), "text": "a\nb\udc80"}},
    {"event": "interrupted"},
]


def journal_of(path: Path, events: list[Event]) -> bytes:
    journal = Journal(path)
    for event in events:
        journal.append(event)
    journal.close()
    return path.read_bytes()


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    text = journal_of(tmp_path / "j", EVENTS)
    assert read_journal(tmp_path / "j") == EVENTS
    assert text.count(b"\n") == len(EVENTS)


def test_an_absent_journal_has_no_events(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "j") == []
    assert JournalReader(tmp_path / "j").new_events() == []


def test_a_torn_last_line_is_ignored_at_every_byte(tmp_path: Path) -> None:
    text = journal_of(tmp_path / "j", EVENTS)
    for size in range(len(text) + 1):
        assert parse_events(text[:size]) == EVENTS[: text[:size].count(b"\n")]


def test_what_is_appended_behind_a_torn_line_is_whole_at_every_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    text = journal_of(tmp_path / "j", EVENTS)
    for size in range(len(text) + 1):
        (tmp_path / "j").write_bytes(text[:size])
        journal_of(tmp_path / "j", [{"event": "after"}])
        # A line that lacks only its newline had been written whole, so it may count.
        whole = text[:size].count(b"\n") + (text[size : size + 1] == b"\n")
        assert read_journal(tmp_path / "j") == [*EVENTS[:whole], {"event": "after"}]


def test_a_line_torn_by_another_writer_does_not_swallow_the_next_one(tmp_path: Path) -> None:
    launcher = Journal(tmp_path / "j")
    launcher.append({"event": "launch"})
    with (tmp_path / "j").open("ab") as killed:
        killed.write(b'{"event":"done","ca')
    launcher.append({"event": "interrupted"})
    assert read_journal(tmp_path / "j") == [{"event": "launch"}, {"event": "interrupted"}]


@pytest.mark.parametrize(
    "line",
    [b"null", b"[]", b"3", b'"x"', b"{}", b'{"event":3}', b"\xff\xfe", b"\x00" * 40, b"[" * 5000, b"9" * 5000, b"{,"],
)
def test_a_foreign_line_is_passed_over(line: bytes) -> None:
    assert parse_events(b'{"event":"a"}\n' + line + b'\n{"event":"b"}\n') == [{"event": "a"}, {"event": "b"}]


def test_a_reader_sees_each_event_once_and_only_when_its_line_is_whole(tmp_path: Path) -> None:
    text = journal_of(tmp_path / "whole", EVENTS)
    reader = JournalReader(tmp_path / "j")
    seen: list[Event] = []
    for size in range(len(text) + 1):
        (tmp_path / "j").write_bytes(text[:size])
        seen += reader.new_events()
        assert seen == EVENTS[: text[:size].count(b"\n")]


def in_small_pieces(real: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
    return lambda descriptor, data: real(descriptor, bytes(data[:3]))


def full_after(count: int, real: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
    """Like a quota: short writes up to `count` bytes, then ENOSPC."""
    left = [count]

    def write(descriptor: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(28, "No space left on device")
        done = real(descriptor, bytes(data[: left[0]]))
        left[0] -= done
        return done

    return write


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", in_small_pieces(os.write))
    journal_of(tmp_path / "j", EVENTS)
    assert read_journal(tmp_path / "j") == EVENTS


@pytest.mark.parametrize("room", [0, 1, 7, 20])
def test_a_full_disk_cuts_the_journal_back_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    text = journal_of(tmp_path / "j", EVENTS)
    journal = Journal(tmp_path / "j")
    with monkeypatch.context() as full:
        full.setattr(os, "write", full_after(room, os.write))
        with pytest.raises(StoreError, match=r"j: cannot be written \(No space left on device\); nothing that was"):
            journal.append({"event": "done", "case": 7})
    assert (tmp_path / "j").read_bytes() == text
    journal.append({"event": "after"})
    assert read_journal(tmp_path / "j") == [*EVENTS, {"event": "after"}]


def test_an_interrupt_inside_a_write_cuts_the_journal_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "j")
    journal.append({"event": "a"})

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.append({"event": "b"})
    assert read_journal(tmp_path / "j") == [{"event": "a"}]


def test_a_journal_that_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file or directory"):
        Journal(tmp_path / "none" / "j")
    with pytest.raises(StoreError, match="cannot be read"):
        read_journal(tmp_path)


def test_two_writers_at_once_lose_no_line(tmp_path: Path) -> None:
    children = []
    for writer in range(3):
        pid = os.fork()
        if pid == 0:
            journal = Journal(tmp_path / "j")
            for number in range(30):
                journal.append({"event": "line", "writer": writer, "number": number, "padding": "x" * 5000})
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    events = read_journal(tmp_path / "j")
    assert len(events) == 90
    for writer in range(3):
        assert [e["number"] for e in events if e["writer"] == writer] == list(range(30))


def test_every_line_is_strict_json_where_its_numbers_are_finite(tmp_path: Path) -> None:
    text = journal_of(tmp_path / "j", EVENTS[:2])
    for line in text.splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
