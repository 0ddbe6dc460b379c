"""Kernels of the halo on the GPU: the entries of halo_kernels_cpu.py and halo_interpolation_cpu.py, same arguments.

Arrays are on the device; messages are packed and unpacked there. One thread per point and level for the points of the
other panel; a warp per run and level for copies, which are rows of many cells or of two.
"""

from __future__ import annotations

from typing import Any

from clustermark.apps.climate.launch_cuda import BLOCK, THREADS, blocks_of, load, store
from clustermark.devices.launch_cuda import flat, launch
from clustermark.devices.numba_cuda import cuda

# Threads that share a segment of points which are interpolated: as many as halo.py puts into one.
PIECE = 64


@cuda.jit(cache=True)
def pack_run(field, places, lengths, spots, strides, plane, buffer):
    """One run of one level, a warp at a time; see halo_kernels_cpu.pack_runs."""
    x, run = cuda.threadIdx.x, cuda.grid(2)[1]
    if run < places.size:
        k = cuda.blockIdx.z
        source, target = load(places, run) + k * plane, load(spots, run) + k * load(strides, run)
        while x < load(lengths, run):
            store(buffer, target + x, load(field, source + x))
            x += BLOCK[0]


@cuda.jit(cache=True)
def unpack_run(buffer, places, lengths, spots, strides, plane, field):
    """One run of one level, a warp at a time; see halo_kernels_cpu.unpack_runs."""
    x, run = cuda.threadIdx.x, cuda.grid(2)[1]
    if run < places.size:
        k = cuda.blockIdx.z
        target, source = load(places, run) + k * plane, load(spots, run) + k * load(strides, run)
        while x < load(lengths, run):
            store(field, target + x, load(buffer, source + x))
            x += BLOCK[0]


@cuda.jit(device=True)
def _point(segments, s, n, k, places, plane):
    """Place in the message, and place in the field, of point n of segment s on level k."""
    spot = load(segments, 4 * s + 2) + k * load(segments, 4 * s + 3) - load(segments, 4 * s)
    return spot + n, load(places, n) + k * plane


@cuda.jit(cache=True)
def unpack_point(buffer, segments, places, plane, field):
    """One point of one level; see halo_kernels_cpu.unpack_points."""
    s, k = cuda.blockIdx.y, cuda.blockIdx.z
    n = load(segments, 4 * s) + cuda.grid(1)
    if n < load(segments, 4 * s + 1):
        spot, place = _point(segments, s, n, k, places, plane)
        store(field, place, load(buffer, spot))


@cuda.jit(cache=True)
def blend_point(buffer, segments, places, own, plane, half, field):
    """One point of one level; see halo_kernels_cpu.blend_points."""
    s, k = cuda.blockIdx.y, cuda.blockIdx.z
    n = load(segments, 4 * s) + cuda.grid(1)
    if n < load(segments, 4 * s + 1):
        spot, place = _point(segments, s, n, k, places, plane)
        value = load(buffer, spot)
        if load(own, n):
            value = half * (value + load(field, place))
        store(field, place, value)


@cuda.jit(device=True)
def _column_of_four(field, place, pitch, weights, n):
    """Σ_p r_p f[row + p, column], from the south to the north."""
    total = load(field, place) * load(weights, 4 * n)
    total += load(field, place + pitch) * load(weights, 4 * n + 1)
    total += load(field, place + 2 * pitch) * load(weights, 4 * n + 2)
    return total + load(field, place + 3 * pitch) * load(weights, 4 * n + 3)


@cuda.jit(cache=True)
def scalar_point(field, segments, places, row_weights, column_weights, pitch, plane, buffer):
    """Σ_p Σ_q r_p c_q f[row + p, column + q] of one point and level; see halo_interpolation_cpu.interpolate_scalar."""
    s, k = cuda.blockIdx.x, cuda.blockIdx.y
    n = load(segments, 4 * s) + cuda.threadIdx.x
    while n < load(segments, 4 * s + 1):
        spot, place = _point(segments, s, n, k, places, plane)
        # The order of the CPU: columns 0 and 2, 1 and 3, then both pairs.
        even = _column_of_four(field, place, pitch, row_weights, n) * load(column_weights, 4 * n)
        even += _column_of_four(field, place + 2, pitch, row_weights, n) * load(column_weights, 4 * n + 2)
        odd = _column_of_four(field, place + 1, pitch, row_weights, n) * load(column_weights, 4 * n + 1)
        odd += _column_of_four(field, place + 3, pitch, row_weights, n) * load(column_weights, 4 * n + 3)
        store(buffer, spot, even + odd)
        n += PIECE


@cuda.jit(device=True)
def _column_of_wind(u, v, place_u, place_v, pitch, rows_u, along_u, rows_v, along_v, at, q):
    """What column q of both stencils of a turned wind gives."""
    from_u = _column_of_four(u, place_u + q, pitch, rows_u, at) * load(along_u, 4 * at + q)
    return from_u + _column_of_four(v, place_v + q, pitch, rows_v, at) * load(along_v, 4 * at + q)


@cuda.jit(cache=True)
def wind_point(
    u, v, segments, places_u, rows_u, along_u, places_v, rows_v, along_v, pitch, plane, buffer
):  # fmt: skip
    """One component of the turned wind at one point of one level; see halo_interpolation_cpu.interpolate_wind."""
    s, k = cuda.blockIdx.x, cuda.blockIdx.y
    n = load(segments, 4 * s) + cuda.threadIdx.x
    while n < load(segments, 4 * s + 1):
        spot, place_u = _point(segments, s, n, k, places_u, plane)
        place_v = load(places_v, n) + k * plane
        even = _column_of_wind(u, v, place_u, place_v, pitch, rows_u, along_u, rows_v, along_v, n, 0)
        even += _column_of_wind(u, v, place_u, place_v, pitch, rows_u, along_u, rows_v, along_v, n, 2)
        odd = _column_of_wind(u, v, place_u, place_v, pitch, rows_u, along_u, rows_v, along_v, n, 1)
        odd += _column_of_wind(u, v, place_u, place_v, pitch, rows_u, along_u, rows_v, along_v, n, 3)
        store(buffer, spot, even + odd)
        n += PIECE


def _blocks_of_runs(places: Any, levels: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    return (1, -(-int(places.size) // BLOCK[1]), int(levels)), (*BLOCK, 1)


def pack_runs(
    field: Any, places: Any, lengths: Any, spots: Any, strides: Any, plane: int, levels: int, buffer: Any
) -> None:
    """buffer[spot + k·stride + x] = field[place + k·plane + x] for x < length; as halo_kernels_cpu.pack_runs."""
    if places.size:
        blocks, threads = _blocks_of_runs(places, levels)
        launch(pack_run, blocks, threads)(field, places, lengths, spots, strides, plane, buffer)


def unpack_runs(
    buffer: Any, places: Any, lengths: Any, spots: Any, strides: Any, plane: int, levels: int, field: Any
) -> None:
    """field[place + k·plane + x] = buffer[spot + k·stride + x]; as halo_kernels_cpu.unpack_runs."""
    if places.size:
        blocks, threads = _blocks_of_runs(places, levels)
        launch(unpack_run, blocks, threads)(buffer, places, lengths, spots, strides, plane, field)


def unpack_points(buffer: Any, segments: Any, places: Any, plane: int, levels: int, field: Any) -> None:
    """field[places[n] + k·plane] = buffer[spot + k·stride + n − first]; as halo_kernels_cpu.unpack_points."""
    if places.size:
        blocks = (blocks_of(places.size), int(segments.shape[0]), int(levels))
        launch(unpack_point, blocks, THREADS)(buffer, flat(segments), places, plane, field)


def blend_points(buffer: Any, segments: Any, places: Any, own: Any, plane: int, levels: int, field: Any) -> None:
    """As `unpack_points`, an evolved point becoming the mean of both values; as halo_kernels_cpu.blend_points."""
    if places.size:
        blocks = (blocks_of(places.size), int(segments.shape[0]), int(levels))
        half = field.dtype.type(0.5)
        launch(blend_point, blocks, THREADS)(buffer, flat(segments), places, own, plane, half, field)


def interpolate_scalar(
    field: Any, segments: Any, donors: Any, pitch: int, plane: int, levels: int, buffer: Any
) -> None:
    """Bicubic values of a field for the other panel; as halo_interpolation_cpu.interpolate_scalar."""
    if segments.shape[0]:
        blocks = (int(segments.shape[0]), int(levels))
        launch(scalar_point, blocks, PIECE)(field, flat(segments), *donors, pitch, plane, buffer)


def interpolate_wind(
    u: Any, v: Any, u_points: Any, v_points: Any, pitch: int, plane: int, levels: int, buffer: Any
) -> None:
    """Both components of the turned wind for the other panel; as halo_interpolation_cpu.interpolate_wind."""
    for segments, east, north in (u_points, v_points):
        if segments.shape[0]:
            blocks = (int(segments.shape[0]), int(levels))
            launch(wind_point, blocks, PIECE)(u, v, flat(segments), *east, *north, pitch, plane, buffer)
