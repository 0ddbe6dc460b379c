"""What decides comparability, what stays private, and machines that tell nothing."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core import environment, noise
from clustermark.core.environment import Environment, chosen, fingerprint, recorded_variables, short_ranges

FACTS = {"cpu": {"model": "x", "cores": 4}, "variables": {"OMP_NUM_THREADS": "1"}}


def test_state_ranks_and_provenance_do_not_enter_the_fingerprint() -> None:
    quiet = Environment(FACTS, {"before": {"load_1min": 0.1}}, [], {"git": "a"})
    loud = Environment(FACTS, {"before": {"load_1min": 9.0}}, [{"rank": 0}], {"git": "b"})
    assert quiet.fingerprint == loud.fingerprint == fingerprint(FACTS)
    assert Environment(FACTS | {"kernel": "6.2"}, {}, [], {}).fingerprint != quiet.fingerprint


def test_the_fingerprint_of_these_facts_never_changes() -> None:
    """Stored baselines are matched by it."""
    assert fingerprint(FACTS) == "c20868cede75bafa"


def test_a_variable_that_is_not_utf8_can_be_fingerprinted() -> None:
    assert len(fingerprint({"variables": {"OMP_X": os.fsdecode(b"\xff")}})) == 16


def test_private_variables_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_TOKEN", "HOME", "PATH", "MY_OMP_NUM_THREADS", "NCCLX", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "planted-secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("NUMPY_MADVISE_HUGEPAGE", "0")
    found = recorded_variables()
    assert (found["OMP_NUM_THREADS"], found["NUMPY_MADVISE_HUGEPAGE"]) == ("3", "0")
    assert "planted-secret" not in found.values()


def test_what_differs_between_launches_of_one_set_up_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recorded_variables()
    for name in ("OMPI_MCA_initial_wdir", "OMPI_MCA_num_procs", "PMIX_MCA_server_uri", "SLURM_JOB_ID"):
        monkeypatch.setenv(name, "other in every launch")
    assert recorded_variables() == before
    monkeypatch.setenv("OMPI_MCA_btl", "tcp,self")
    assert recorded_variables() == before | {"OMPI_MCA_btl": "tcp,self"}


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("always [madvise] never", "madvise"),
        ("[always] madvise", "always"),
        ("cubic", "cubic"),
        ("", ""),
        ("a []", "a []"),
    ],
)
def test_the_choice_of_a_switch_is_the_word_in_brackets(text: str, choice: str) -> None:
    assert chosen(text) == choice


def test_cpu_lists_are_short() -> None:
    assert short_ranges([0, 1, 2, 5]) == "0-2,5"
    assert short_ranges([5, 1, 1, 0]) == "0-1,5"
    assert short_ranges([]) == ""


@given(st.sets(st.integers(0, 200)))
def test_cpu_lists_lose_nothing(numbers: set[int]) -> None:
    found: set[int] = set()
    for part in filter(None, short_ranges(sorted(numbers)).split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    assert found == numbers


@pytest.fixture
def a_machine_without_proc_and_sys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "read_text", lambda path: "")
    monkeypatch.setattr(noise, "read_text", lambda path: "")
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)

    def no_load() -> tuple[float, float, float]:
        raise OSError("load average is not obtainable")

    monkeypatch.setattr(os, "getloadavg", no_load)


@pytest.mark.usefixtures("a_machine_without_proc_and_sys")
def test_a_machine_without_proc_has_facts_all_the_same() -> None:
    cpu, system = environment.cpu_facts(), environment.system_facts()
    assert cpu["model"]
    assert cpu["cores"] >= 1
    assert (cpu["vector"], cpu["caches"], cpu["governor"]) == ([], {}, "unknown")
    assert (system["memory_gib"], system["huge_pages"]) == (0.0, "unknown")
    assert environment.affinity()
    assert len(fingerprint({"cpu": cpu, "system": system})) == 16


@pytest.mark.usefixtures("a_machine_without_proc_and_sys")
def test_what_cannot_be_read_is_left_out_and_never_zero() -> None:
    before, after = noise.snapshot(), noise.snapshot()
    assert set(before) == {"time", "own", "involuntary_switches"}
    shares = noise.between(before, after, 0.0)
    assert set(shares) == {"seconds"}
    assert noise.labels(shares) == ()


def test_foreign_work_and_steal_are_labelled() -> None:
    before = {"time": 0.0, "busy": 0.0, "idle": 0.0, "steal": 0.0, "pressure": 0.0}
    after = {"time": 10.0, "busy": 12.0, "idle": 7.0, "steal": 1.0, "pressure": 3.0}
    shares = noise.between(before, after, own_seconds=8.0)
    assert shares == {"seconds": 10.0, "foreign_cpu": 0.2, "steal": 0.05, "cpu_seconds": 20.0, "pressure": 0.3}
    assert noise.labels(shares) == (
        "noisy machine: other programs ran",
        "noisy machine: the hypervisor took CPU time",
    )
    assert noise.report(shares) == {"foreign CPU share": 0.2, "steal share": 0.05}
    quiet = noise.between(before, after, own_seconds=12.0)
    assert quiet["foreign_cpu"] == 0.0


def test_a_snapshot_of_this_machine_can_be_compared_with_itself() -> None:
    now = noise.snapshot()
    shares = noise.between(now, now, 0.0)
    assert shares["seconds"] == 0.0
    assert noise.labels(shares) == ()
    assert noise.report(shares) == {}


def test_git_state_is_empty_where_there_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.git_state(tmp_path) == {}
    monkeypatch.setenv("PATH", "")
    assert environment.git_state(tmp_path) == {}


def test_the_libraries_that_were_loaded_are_named() -> None:
    facts = environment.library_facts()
    assert set(facts) == {"python", "numpy", "h5py", "hdf5", "thread_pools"}
