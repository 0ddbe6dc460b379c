"""Kernels of the halo on the CPU: runs of cells into a message and out, and interpolation of the other panel's halo.

Fields are flat; `places` are indices of level 0, and level k lies `plane` elements further. A message holds its points
level by level; `spots` and segments say where. Nothing is summed in an order that depends on how the work is cut.
"""

from __future__ import annotations

from typing import Any

import numba

from clustermark.devices.simd import load, splat, store_first
from clustermark.devices.simd_exact import fused, ordered_totals
from clustermark.devices.simd_lookup import ask_for, element

# Points whose sums are made together.
TOGETHER = 4
_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def pack_runs(field, places, lengths, spots, strides, plane, levels, buffer):
    """buffer[spot + k·stride + x] = field[place + k·plane + x] for x < length, run by run.

    Parameters
    ----------
    field, buffer : flat, same dtype
    places, lengths, spots, strides : (n,) int64
    plane, levels : elements from one level to the next, and levels of the field
    """
    for run in range(places.size):
        for k in range(levels):
            source, target = places[run] + k * plane, spots[run] + k * strides[run]
            for x in range(lengths[run]):
                buffer[target + x] = field[source + x]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def unpack_runs(buffer, places, lengths, spots, strides, plane, levels, field):
    """field[place + k·plane + x] = buffer[spot + k·stride + x]: `pack_runs` backwards, field is changed."""
    for run in range(places.size):
        for k in range(levels):
            target, source = places[run] + k * plane, spots[run] + k * strides[run]
            for x in range(lengths[run]):
                field[target + x] = buffer[source + x]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def unpack_points(buffer, segments, places, plane, levels, field):
    """field[places[n] + k·plane] = buffer[spot + k·stride + n − first] for the points of each segment; changes field.

    Parameters
    ----------
    segments : (s, 4) int64: first and last point (exclusive), spot, stride
    places : (n,) int64
    """
    for s in range(segments.shape[0]):
        first, last, spot, stride = segments[s, 0], segments[s, 1], segments[s, 2], segments[s, 3]
        for k in range(levels):
            source, target = spot + k * stride - first, k * plane
            for n in range(first, last):
                field[places[n] + target] = buffer[source + n]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def blend_points(buffer, segments, places, own, plane, levels, field):
    """As `unpack_points`, but a point that has a value of its own becomes the mean of both.

    Parameters
    ----------
    own : (n,) bool: whether the point is an evolved one
    others : as in `unpack_points`
    """
    half = field.dtype.type(0.5)
    for s in range(segments.shape[0]):
        first, last, spot, stride = segments[s, 0], segments[s, 1], segments[s, 2], segments[s, 3]
        for k in range(levels):
            source, target = spot + k * stride - first, k * plane
            for n in range(first, last):
                value = buffer[source + n]
                if own[n]:
                    value = half * (value + field[places[n] + target])
                field[places[n] + target] = value


@_inline
def four_columns(field, donors, n, level, pitch, width):
    """r_p c_q f[row + p, column + q] of point n, summed over p; `level` is the place of the level."""
    places, rows, columns = donors
    place = element(places, n) + level
    total = load(field, place, width) * splat(element(rows, 4 * n), width)
    total = fused(load(field, place + pitch, width), splat(element(rows, 4 * n + 1), width), total)
    total = fused(load(field, place + 2 * pitch, width), splat(element(rows, 4 * n + 2), width), total)
    total = fused(load(field, place + 3 * pitch, width), splat(element(rows, 4 * n + 3), width), total)
    return total, load(columns, 4 * n, width)


@_inline
def _ask_for_four_rows(field, donors, n, level, pitch):
    """What `four_columns` will read: where a line of points lies in the other panel no cache can guess."""
    place = element(donors[0], n) + level
    for row in range(4):
        ask_for(field, place + row * pitch)


@_inline
def _scalar(field, donors, n, level, pitch, width):
    total, along = four_columns(field, donors, n, level, pitch, width)
    return total * along


@_inline
def _wind(u, v, east, north, n, level, pitch, width):
    from_u, along_u = four_columns(u, east, n, level, pitch, width)
    from_v, along_v = four_columns(v, north, n, level, pitch, width)
    return fused(from_v, along_v, from_u * along_u)


@numba.njit(nogil=True, error_model="numpy")
def _scalar_piece(field, segment, donors, pitch, plane, levels, width, buffer):
    """`interpolate_scalar` for the points of one segment; the lines of the next level are asked for meanwhile."""
    first, last, spot, stride = segment[0], segment[1], segment[2], segment[3]
    end = last - 1
    for k in range(levels):
        level, target = k * plane, spot + k * stride - first
        below = min(k + 1, levels - 1) * plane
        for n in range(first, last, TOGETHER):
            values = ordered_totals(
                _scalar(field, donors, n, level, pitch, width),
                _scalar(field, donors, min(n + 1, end), level, pitch, width),
                _scalar(field, donors, min(n + 2, end), level, pitch, width),
                _scalar(field, donors, min(n + 3, end), level, pitch, width),
            )
            store_first(buffer, target + n, values, last - n)
            # The lines of every other point hold those of its neighbours too.
            for m in range(n, min(n + TOGETHER, last), 2):
                _ask_for_four_rows(field, donors, m, below, pitch)


@numba.njit(nogil=True, error_model="numpy")
def _wind_piece(u, v, segment, east, north, pitch, plane, levels, width, buffer):
    """`interpolate_wind` for the points of one segment and one component."""
    first, last, spot, stride = segment[0], segment[1], segment[2], segment[3]
    end = last - 1
    for k in range(levels):
        level, target = k * plane, spot + k * stride - first
        below = min(k + 1, levels - 1) * plane
        for n in range(first, last, TOGETHER):
            values = ordered_totals(
                _wind(u, v, east, north, n, level, pitch, width),
                _wind(u, v, east, north, min(n + 1, end), level, pitch, width),
                _wind(u, v, east, north, min(n + 2, end), level, pitch, width),
                _wind(u, v, east, north, min(n + 3, end), level, pitch, width),
            )
            store_first(buffer, target + n, values, last - n)
            for m in range(n, min(n + TOGETHER, last), 2):
                _ask_for_four_rows(u, east, m, below, pitch)
                _ask_for_four_rows(v, north, m, below, pitch)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def interpolate_scalar(field, segments, donors, pitch, plane, levels, width, buffer):
    """buffer[spot + k·stride + n − first] = Σ_p Σ_q r_p c_q f[row + p, column + q] on level k.

    Parameters
    ----------
    field, buffer : flat, same dtype
    segments : (s, 4) int64: first and last point (exclusive), spot, stride; short ones keep their weights in a cache
    donors : places (n,) int64, lower left of the stencils at level 0; weights r and c (4n,) in the field's dtype
    width : Width(4)
    """
    for s in range(segments.shape[0]):
        _scalar_piece(field, segments[s], donors, pitch, plane, levels, width, buffer)


@numba.njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def interpolate_scalar_in_threads(field, segments, donors, pitch, plane, levels, width, buffer):
    """`interpolate_scalar`, segments shared among threads: the same bits."""
    for s in numba.prange(segments.shape[0]):
        _scalar_piece(field, segments[s], donors, pitch, plane, levels, width, buffer)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def interpolate_wind(u, v, u_points, v_points, pitch, plane, levels, width, buffer):
    """Both components of the turned wind, as `interpolate_scalar`: the stencil of u plus that of v.

    Parameters
    ----------
    u, v, buffer : flat, same dtype
    u_points, v_points : (segments, donors among east faces, donors among north faces) of the points on east and on
        north faces, each as in `interpolate_scalar`; the weights c hold the rotation
    """
    u_segments, u_east, u_north = u_points
    v_segments, v_east, v_north = v_points
    # Segment by segment, because the donors of both components are mostly the same.
    for s in range(max(u_segments.shape[0], v_segments.shape[0])):
        if s < u_segments.shape[0]:
            _wind_piece(u, v, u_segments[s], u_east, u_north, pitch, plane, levels, width, buffer)
        if s < v_segments.shape[0]:
            _wind_piece(u, v, v_segments[s], v_east, v_north, pitch, plane, levels, width, buffer)


@numba.njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def interpolate_wind_in_threads(u, v, u_points, v_points, pitch, plane, levels, width, buffer):
    """`interpolate_wind`, segments shared among threads: the same bits."""
    u_segments, u_east, u_north = u_points
    v_segments, v_east, v_north = v_points
    for s in numba.prange(max(u_segments.shape[0], v_segments.shape[0])):
        if s < u_segments.shape[0]:
            _wind_piece(u, v, u_segments[s], u_east, u_north, pitch, plane, levels, width, buffer)
        if s < v_segments.shape[0]:
            _wind_piece(u, v, v_segments[s], v_east, v_north, pitch, plane, levels, width, buffer)
