"""Parsers of what Slurm prints: recorded lines of several releases, and damage of every kind; no Slurm needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.runners.slurm_states import (
    ALIVE,
    ENDED,
    Accounted,
    State,
    minutes_of,
    parse_partition,
    parse_sacct,
    parse_scontrol,
    parse_squeue,
    plain_state,
    task_ids,
)

# As `sacct -n -P -o JobID,State,ExitCode,NodeList,ElapsedRaw,ConsumedEnergyRaw` prints, written from sacct(1) of each
# release: energy of the job and its steps, a job that was requeued, "by UID", states that only newer ones have.
SACCT = {
    "22.05": [
        "12_0|COMPLETED|0:0|vn[1-2]|61|",
        "12_0.batch|COMPLETED|0:0|vn1|61|1200",
        "12_0.0|COMPLETED|0:0|vn[1-2]|60|2400",
        "12_1|CANCELLED by 1000|0:0|None assigned|0|",
        "12_2|TIMEOUT|0:0|vn3|300|",
    ],
    "23.02": [
        "12_0|COMPLETED|0:0|vn[1-2]|61|2400",
        "12_0.extern|COMPLETED|0:0|vn[1-2]|61|2400",
        "12_1|CANCELLED by 0|0:0||0|0",
        "12_2|NODE_FAIL|0:0|vn3|10|0",
        "12_2|TIMEOUT|0:0|vn4|300|0",
    ],
    "23.11": [
        "12_0|COMPLETED|0:0|vn[1-2]|61|2.40K",
        "12_1|CANCELLED by 1000|0:15|vn3|2|",
        "12_2|TIMEOUT|0:0|vn3|300|",
    ],
    "24.05": [
        "12_[3-5%2]|PENDING|0:0|None assigned|0|",
        "12_0|COMPLETED|0:0|vn[1-2]|61|2400",
        "12_1|CANCELLED|0:0||0|",
        "12_2|TIMEOUT|0:0|vn3|300|",
    ],
    "25.05": [
        "12_0|COMPLETED|0:0|vn[1-2]|61|2400",
        "12_1|CANCELLED by 4294967294|0:0||0|",
        "12_2|TIMEOUT|0:0|vn3|300|18446744073709551614",
    ],
}


@pytest.mark.parametrize("release", SACCT)
def test_accounting_of_every_release_is_read(release: str) -> None:
    found = parse_sacct("\n".join(SACCT[release]) + "\n")
    assert [found[f"12_{n}"].state.state for n in range(3)] == ["COMPLETED", "CANCELLED", "TIMEOUT"]
    assert found["12_0"].nodes == "vn[1-2]"
    assert found["12_0"].energy == 2400.0
    assert found["12_2"].energy is None, "no counter is no zero"


def test_squeue_and_scontrol_are_read() -> None:
    assert parse_squeue("12_0|RUNNING|None\n12_[1-2%1]|PENDING|Resources\n7|COMPLETED|None\nerror: x\n") == {
        "12_0": State("RUNNING", "", "squeue"),
        "12_1": State("PENDING", "Resources", "squeue"),
        "12_2": State("PENDING", "Resources", "squeue"),
        "7": State("COMPLETED", "", "squeue"),
    }
    text = (
        "JobId=13 ArrayJobId=12 ArrayTaskId=3 JobName=x JobState=FAILED Reason=NonZeroExitCode Dependency=(null)\n"
        "JobId=12 ArrayJobId=12 ArrayTaskId=4-5,7%2 JobState=PENDING Reason=Priority\n"
        "JobId=9 JobState=COMPLETED Reason=None\n"
    )
    found = parse_scontrol(text)
    assert {name: state.state for name, state in found.items()} == {
        "12_3": "FAILED", "12_4": "PENDING", "12_5": "PENDING", "12_7": "PENDING", "9": "COMPLETED",
    }  # fmt: skip
    assert parse_partition("PartitionName=a AllocNodes=ALL MaxTime=1-02:30:00 State=UP") == {
        "state": "UP",
        "minutes": 1590,
    }
    assert minutes_of("UNLIMITED") is None


def test_ids_of_a_part_of_an_array() -> None:
    assert task_ids("5_[1-3,8%2]") == ["5_1", "5_2", "5_3", "5_8"]
    assert task_ids("5_1") == ["5_1"]
    assert task_ids("5_[2-8:3,20]") == ["5_2", "5_5", "5_8", "5_20"]
    assert task_ids("5_[1,3,...]") == ["5_1", "5_3"], "a list that Slurm cut short"


NO_LISTS = ["5_[]", "5_[,]", "5_[1-]", "5_[-]", "5_[1-2-3]", "5_[9-1]", "5_[1-5:0]", "5_[0-4000000000]", "5_[٣]",
            "5_[N/A]", "_[1]", "5_[1"]  # fmt: skip


@pytest.mark.parametrize("text", NO_LISTS)
def test_what_is_no_list_of_tasks_stays_as_it_is(text: str) -> None:
    assert task_ids(text) == [text]


# --- damage ----------------------------------------------------------------------------------------------------

# Slurm's words and signs, so that what hypothesis makes of them is nearly right.
PIECES = st.sampled_from(
    ["12", "_", "[", "]", "-", ",", "%", ":", "...", ".batch", ".0", "+", "|", "||", "\n", " ", "=", "0", "7",
     "RUNNING", "COMPLETED", "CANCELLED by 1000", "None", "(null)", "N/A", "JobId=", "ArrayJobId=", "ArrayTaskId=",
     "JobState=", "Reason=", "PartitionName=", "MaxTime=", "1-02:30:00", "State=", "UP", "1.5K", "-1", "nan",
     "99999999999", "12_[0-3]|RUNNING|None\n", "12_0|COMPLETED|0:0|vn1|61|2400\n", "slurm_load_jobs error: x\n",
     "é", "\0"]
)  # fmt: skip
DAMAGED = st.lists(PIECES, max_size=40).map("".join)
JOBS = st.integers(1, 2**31 - 1).map(str)
TASKS = st.one_of(JOBS, st.tuples(JOBS, st.integers(0, 4_000_000)).map(lambda pair: f"{pair[0]}_{pair[1]}"))
STATES = st.sampled_from(sorted(ALIVE | ENDED))
# What may stand between the lines of an answer and is none: errors, warnings, other numbers of columns.
FOREIGN = st.sampled_from(["", "slurm_load_jobs error: x", "a|b", "1|2|3|4|5|6|7|8", "sacct: warning: x", "|||", "é"])


@given(DAMAGED | st.text(max_size=200))
def test_any_text_is_parsed_without_an_error(text: str) -> None:
    states = [*parse_squeue(text).values(), *parse_scontrol(text).values()]
    accounted = parse_sacct(text)
    for name in [*parse_squeue(text), *accounted]:
        assert name[0].isdigit()
    for state in [*states, *(each.state for each in accounted.values())]:
        assert state.state == plain_state(state.state)
        assert "\n" not in state.state + state.reason
    assert all(each.energy is None or 0 < each.energy < 1e15 for each in accounted.values())
    minutes = parse_partition(text).get("minutes")
    assert minutes is None or minutes >= 0


@given(st.dictionaries(TASKS, st.tuples(STATES, st.sampled_from(["", "Resources", "Priority"])), max_size=8), FOREIGN)
def test_the_lines_of_squeue_are_read_whatever_stands_between_them(
    jobs: dict[str, tuple[str, str]], foreign: str
) -> None:
    lines = [f"{job}|{state}|{reason or 'None'}" for job, (state, reason) in jobs.items()]
    text = f"\n{foreign}\n".join(["", *lines, ""])
    assert parse_squeue(text) == {job: State(state, reason, "squeue") for job, (state, reason) in jobs.items()}


@given(
    st.dictionaries(TASKS, st.tuples(STATES, st.integers(0, 10**12)), max_size=8),
    FOREIGN.filter(lambda f: "|" not in f),
)
def test_the_lines_of_sacct_are_read_whatever_stands_between_them(
    jobs: dict[str, tuple[str, int]], foreign: str
) -> None:
    lines = [f"{job}|{state}|0:9|vn1|5|{joules}" for job, (state, joules) in jobs.items()]
    found = parse_sacct(f"\n{foreign}\n".join(["", *lines, ""]))
    whole = {
        job: Accounted(
            State(state, "", "sacct"), "0:9", "vn1", float(joules) if joules and joules not in NONE else None
        )
        for job, (state, joules) in jobs.items()
    }
    assert found == whole


@given(STATES, st.integers(0, 40))
def test_an_answer_that_breaks_off_gives_no_wrong_word_for_a_state(state: str, length: int) -> None:
    """What is left of a line without its end is no state, or the state of a line that was whole."""
    line = f"12_0|{state}|None"
    found = parse_squeue(f"12_1|RUNNING|None\n{line[:length]}")
    assert found.pop("12_1") == State("RUNNING", "", "squeue")
    assert {each.state for each in found.values()} <= {state}


# --- energy ----------------------------------------------------------------------------------------------------

NONE = (2**32 - 2, 2**32 - 1)
SUFFIXES = [("", 1.0), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)]


def energy(text: str, *more: str) -> float | None:
    """Of job 9, whose record and steps have these."""
    lines = [
        f"9{step}|COMPLETED|0:0|vn1|5|{each}" for step, each in zip(["", ".batch", ".0"], [text, *more], strict=False)
    ]
    return parse_sacct("\n".join(lines))["9"].energy


@given(st.integers(1, 999), st.integers(0, 99), st.sampled_from(SUFFIXES))
def test_energy_is_read_with_every_suffix(whole: int, hundredths: int, suffix: tuple[str, float]) -> None:
    letter, factor = suffix
    expected = float(f"{whole}.{hundredths:02d}") * factor
    assert energy(f"{whole}.{hundredths:02d}{letter}") == (expected if expected < 1e15 else None)


NO_COUNTS = ["", "0", "0.00K", "-5", "1.5X", "1.5KM", "K", "nan", "inf", "1e3", "0x10", "١٢", "N/A", "(null)",
             "4294967294", "4294967295", "18446744073709551614", "18446744073709551615"]  # fmt: skip


@pytest.mark.parametrize("text", NO_COUNTS)
def test_what_counts_no_energy_is_none(text: str) -> None:
    assert energy(text) is None


def test_the_energy_of_a_job_is_that_of_its_longest_count() -> None:
    assert energy("", "1200", "2.4K") == 2400.0
    assert energy("2400", "", "") == 2400.0
    assert energy("0", "7", "0") == 7.0
