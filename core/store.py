"""Result files: HDF5 images made in memory, written whole; read without locks, never half.

`docs/store.md` draws the layout. A case file and the case groups of a run file are the same group.
"""

import json
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from clustermark.core.errors import ClustermarkError, ResultFileError, StoreError, plain
from clustermark.core.files import atomic_write
from clustermark.core.measurement import Measurement, Seconds
from clustermark.core.result import Result
from clustermark.core.seal import sealed, unsealed
from clustermark.core.summary import Row

T = TypeVar("T")

# A file, group or dataset: h5py types each item as a union of all it might be.
H5 = Any

FORMAT = "clustermark-result"
NIC_READINGS = ("tx_bytes_before", "rx_bytes_before", "tx_bytes_after", "rx_bytes_after")
SCHEMA_VERSION = 1


def image(fill: Callable[[H5], None]) -> bytes:
    """The bytes of a sealed HDF5 file that `fill` has filled, made in memory and readable by HDF5 1.10."""
    with h5py.File("image", "w", driver="core", backing_store=False, libver=("v110", "v110"), track_order=True) as file:
        fill(file)
        file.flush()
        return sealed(file.id.get_file_image())


def write_text(group: H5, name: str, text: str) -> None:
    """A scalar UTF-8 dataset: attributes end at 64 KiB, datasets do not."""
    group.create_dataset(name, data=text, dtype=h5py.string_dtype())


def write_case(path: Path, result: Result) -> None:
    """One launch of one case as a file of its own; whole or absent. Raises StoreError."""

    def fill(file: H5) -> None:
        file.attrs["format"] = FORMAT + "-case"
        file.attrs["schema_version"] = SCHEMA_VERSION
        fill_case(file.create_group("case", track_order=True), [result], None)

    write_image(path, fill)


def write_image(path: Path, fill: Callable[[H5], None]) -> None:
    """A sealed HDF5 file, whole or absent. Raises StoreError."""
    try:
        data = image(fill)
    except (OSError, RuntimeError, ValueError, MemoryError) as error:  # HDF5's own failures, before any disk is touched
        raise StoreError(
            f"{path}: cannot be made ({type(error).__name__}: {plain(str(error), 80)}); "
            f"what stands in cases/ is whole: free memory, or report this sentence"
        ) from error
    atomic_write(path, data)


def fill_case(group: H5, results: Sequence[Result], row: Row | None) -> None:
    """Write the launches of one case into an empty group; `row` adds status, metrics and accuracy."""
    first = results[0]
    case = first.case
    status = row.status if row else first.status
    fabric = row.fabric if row else first.fabric
    group.attrs.update(
        {
            "workload": case.workload,
            "version": case.version,
            "case_id": case.id,
            "label": case.label,
            "params_json": json.dumps(dict(case.params)),
            "precision": case.precision,
            "device": case.device,
            "ranks": case.ranks,
            "nodes": case.nodes,
            "ranks_per_node": case.ranks_per_node,
            "threads": case.threads,
            "transport": case.transport,
            "fabric_requested": case.fabric,
            "fabric_observed": plain(fabric.observed, 1000),
            "fabric_evidence": fabric.evidence,
            "fabric_proven": fabric.proven,
            "kind": "measured",
            "status": status,
            "error": plain(row.reason if row else first.reason, 1000),
            "started_utc": first.started_utc,
        }
    )
    headers = [json.dumps(result.header()) for result in results]
    group.create_dataset("launch_json", data=headers, dtype=h5py.string_dtype())
    _fill_samples(group, results)
    for name, amount in first.work.items():
        dataset = group.create_dataset(f"work/{name}", data=amount.value)
        dataset.attrs["units"] = amount.unit
    _fill_counters(group, results)
    check = row.check if row else first.check
    if check is not None:
        accuracy = group.create_group(f"accuracy/{_one_name(check.name)}")
        accuracy.attrs.update({"error": check.error, "tolerance": check.bound, "passed": check.passed})
    if row is not None and row.time is not None:
        _fill_metrics(group.create_group("metrics", track_order=True), row)


def _fill_counters(group: H5, results: Sequence[Result]) -> None:
    """Interface readings around the proof of the fabric, and what else was counted, one entry per launch."""
    proofs = [result.fabric.detail.get("interfaces", {}) for result in results]
    for nic in sorted({nic for proof in proofs for nic in proof}):
        for column, name in enumerate(NIC_READINGS):
            values = [proof[nic][column] if nic in proof else -1 for proof in proofs]
            dataset = group.create_dataset(f"counters/{_one_name(nic)}/{name}", data=values, dtype="i8")
            dataset.attrs["units"] = "B"
    for name in sorted({name for result in results for name in result.counters}):
        counts = [result.counters.get(name, np.nan) for result in results]
        group.create_dataset(f"counters/{_one_name(name)}", data=counts, dtype="f8")


def _one_name(text: str) -> str:
    """A foreign name as one HDF5 name: a slash would make groups of it."""
    return text.replace("/", "÷")


def _fill_metrics(group: H5, row: Row) -> None:
    assert row.time is not None
    for metric in row.metrics:
        dataset = group.create_dataset(metric.name, data=metric.value)
        dataset.attrs.update(
            {
                "units": metric.unit,
                "better": metric.better,
                "ci_low": metric.low,
                "ci_high": metric.high,
                "ci_level": row.time.level,
                "ci_scope": row.time.scope,
                "estimator": "median of launch medians of the slowest rank",
                "n": row.time.samples,
            }
        )


def _fill_samples(group: H5, results: Sequence[Result]) -> None:
    measured = [(result.launch, result.measurement) for result in results if result.measurement is not None]
    if not measured:
        return
    scales = {
        "launch": [launch for launch, _ in measured],
        "rank": list(range(measured[0][1].seconds.shape[1])),
    }
    for name, values in scales.items():
        group.create_dataset(name, data=np.array(values, dtype=np.int32)).make_scale(name)
    for name, dimension, arrays in (
        ("time", "iteration", [m.seconds for _, m in measured]),
        ("warmup_time", "warmup_iteration", [m.warmup_seconds for _, m in measured]),
        ("device_time", "iteration", _device_seconds([m for _, m in measured])),
    ):
        if not arrays:
            continue
        data = _padded(arrays)
        if dimension not in group:
            group.create_dataset(dimension, data=np.arange(data.shape[2], dtype=np.int32)).make_scale(dimension)
        large = data.nbytes > 4096
        dataset = group.create_dataset(name, data=data, compression="gzip" if large else None, shuffle=large)
        dataset.attrs["units"] = "s"
        for axis, scale in enumerate(("launch", "rank", dimension)):
            dataset.dims[axis].attach_scale(group[scale])
    time = group["time"]
    first = measured[0][1]
    time.attrs.update({"long_name": "wall time of one sample", "clock": first.clock, "sync": first.sync})
    per_launch = {
        "samples": [m.seconds.shape[0] for _, m in measured],
        "warmup_samples": [m.warmup_seconds.shape[0] for _, m in measured],
        "steps_per_sample": [m.steps_per_sample for _, m in measured],
        "harness_floor": [m.floor for _, m in measured],
    }
    for name, values in per_launch.items():
        group.create_dataset(name, data=values)
    group.create_dataset("stopped_by", data=[m.stopped_by for _, m in measured], dtype=h5py.string_dtype())


def _device_seconds(measured: Sequence[Measurement]) -> list[Seconds]:
    """The devices' own times of all launches; empty where no launch has any."""
    if all(m.device_seconds is None for m in measured):
        return []
    return [np.full_like(m.seconds, np.nan) if m.device_seconds is None else m.device_seconds for m in measured]


def _padded(arrays: Sequence[Seconds]) -> Seconds:
    """(samples, ranks) arrays of unequal length → (launch, rank, iteration), NaN behind the last sample."""
    longest = max(array.shape[0] for array in arrays)
    data = np.full((len(arrays), arrays[0].shape[1], longest), np.nan)
    for launch, array in enumerate(arrays):
        data[launch, :, : array.shape[0]] = array.T
    return data


def read_case(path: Path) -> Result:
    """The launch in a case file. Raises ResultFileError: not one, damaged, or of a newer schema."""
    with open_result(path, FORMAT + "-case") as file:
        return guarded(path, lambda: read_case_group(file["case"])[0])


def read_case_group(group: H5) -> list[Result]:
    """The launches of a case group, with their samples; KeyError, ValueError, … if it is damaged."""
    headers = [json.loads(text) for text in group["launch_json"].asstr()[()]]
    if "time" not in group:
        return [Result.from_header(header) for header in headers]
    time, warmup = group["time"][()], group["warmup_time"][()]
    device = group["device_time"][()] if "device_time" in group else None
    where = {int(launch): index for index, launch in enumerate(group["launch"][()])}
    clock, sync = str(time_attr(group, "clock")), str(time_attr(group, "sync"))
    stopped = group["stopped_by"].asstr()[()]
    results = []
    for header in headers:
        index = where.get(header["launch"])
        if index is None:
            results.append(Result.from_header(header))
            continue
        samples = int(group["samples"][index])
        measurement = Measurement(
            seconds=np.ascontiguousarray(time[index, :, :samples].T),
            warmup_seconds=np.ascontiguousarray(warmup[index, :, : int(group["warmup_samples"][index])].T),
            steps_per_sample=int(group["steps_per_sample"][index]),
            clock=clock,
            sync=sync,
            floor=float(group["harness_floor"][index]),
            stopped_by=str(stopped[index]),
            device_seconds=None if device is None else np.ascontiguousarray(device[index, :, :samples].T),
        )
        results.append(Result.from_header(header, measurement))
    return results


def time_attr(group: H5, name: str) -> Any:
    """An attribute of the group's `time` dataset."""
    return group["time"].attrs[name]


def open_result(path: Path, expected: str) -> H5:
    """A result file as a read-only HDF5 image in memory; refuses foreign files and newer schemas.

    Nothing stays open on the disk: a run may be read while it is assembled anew, on file systems without locks,
    and in a notebook that has the same file open.

    Raises
    ------
    ResultFileError : not there, not HDF5, damaged, not of the expected format, or of a newer schema
    """
    shown = plain(str(path), 1000)
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            raise ValueError("is a folder" if stat.S_ISDIR(kind) else "is not a regular file")
        data = unsealed(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ResultFileError(f"{shown}: is not there; give a run.h5 or the folder of a run") from None
    except OSError as error:
        raise ResultFileError(f"{shown}: cannot be read ({error.strerror}); mend the permission or the disk") from None
    except ValueError as error:
        raise ResultFileError(f"{shown}: {error}; give a run.h5 as clustermark wrote it, or a fresh copy") from None
    file: H5 = guarded(path, lambda: h5py.File(h5py.h5f.open_file_image(data)))
    try:
        found = guarded(path, lambda: (file.attrs.get("format"), file.attrs.get("schema_version")))
        if found[0] != expected:
            raise ResultFileError(f"{shown}: is HDF5 but no {expected} file; give a run.h5 that clustermark wrote")
        version = guarded(path, lambda: int(found[1]))
        if version > SCHEMA_VERSION:
            raise ResultFileError(
                f"{shown}: has schema version {version}, this clustermark reads up to {SCHEMA_VERSION}; "
                f"install a newer clustermark"
            )
    except ResultFileError:
        file.close()
        raise
    return file


def guarded(path: Path, read: Callable[[], T]) -> T:
    """Run a read; whatever a damaged file makes h5py or the parsers raise becomes one sentence."""
    try:
        return read()
    except ClustermarkError:
        raise
    except Exception as error:  # whatever it is, the file is to blame and the user needs the file's name
        raise ResultFileError(
            f"{plain(str(path), 1000)}: is damaged ({type(error).__name__}: {plain(str(error), 80)}); "
            f"rebuild it from its folder with `clustermark run --resume`, or take a copy"
        ) from error
