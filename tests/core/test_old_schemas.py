"""Files of every schema version that was ever released stay readable."""

from pathlib import Path

import numpy as np

from clustermark.core.runfile import read_run, read_samples

GOLDEN = Path(__file__).parent.parent / "golden"


def test_the_overview_of_schema_1_is_readable() -> None:
    run = read_run(GOLDEN / "run_v1.h5")
    assert (run.suite, run.complete, run.unfinished) == ("golden", True, 0)
    assert run.environments["00112233445566aa"]["facts"]["cpu"]["model"] == "synthetic"
    measured, skipped = run.rows
    assert (measured.status, measured.launches, measured.conditions) == ("ok", 2, ("oversubscribed",))
    assert measured.case.label == "allreduce[1KiB fp64 mpi/ompi-tcp 2r]"
    assert measured.fabric.proven
    assert measured.time is not None
    # medians of the slowest rank: 4 ms and 105 ms a sample, 4 steps a sample
    assert np.isclose(measured.time.value, (4e-3 + 105e-3) / 2 / 4)
    assert [metric.name for metric in measured.metrics] == ["algorithm_bandwidth", "bus_bandwidth", "time"]
    assert np.isclose(measured.metrics[0].value, 1024 / measured.time.value)
    assert (skipped.status, skipped.reason) == ("skipped", "workload 'allreduce' has no bf16 on cpu; it knows fp64")


def test_the_samples_of_schema_1_are_readable() -> None:
    first, second, skipped = read_samples(GOLDEN / "run_v1.h5")
    assert first.measurement is not None
    assert second.measurement is not None
    assert np.allclose(first.measurement.seconds, 1e-3 * np.array([[1, 2], [3, 4], [5, 6]]))
    assert second.measurement.seconds.shape == (4, 2)
    assert np.allclose(second.measurement.warmup_seconds, 1e-2 * np.array([[101, 102]]))
    assert (first.measurement.steps_per_sample, first.measurement.clock) == (4, "perf_counter")
    assert first.check is not None
    assert first.check.passed
    assert skipped.measurement is None
