"""Interpolation of the other panel's halo on the CPU: bicubic, of scalars and of turned winds.

Fields are flat; `places` are indices of level 0, and level k lies `plane` elements further. A message holds its points
level by level, and segments say where. The lanes of a vector are the four columns of a stencil; a field of many levels
has the weights of a point loaded once for LEVELS of them. Sums have an order, which is that of halo_kernels_cuda.py.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.devices.simd import load, splat, store_apart, store_first
from clustermark.devices.simd_exact import fused, ordered_totals
from clustermark.devices.simd_lookup import ask_for, element

# Points of one level whose sums are made together.
TOGETHER = 4
# Levels of one point whose sums are made together.
LEVELS = 4
# Points from one whose lines of memory are asked for to the next, less one: with two rings of a halo in turns that is
# two cells along its side, and the lines of a stencil are those of its neighbours too.
_BETWEEN_ASKED = 3
_inline: Any = numba.njit(nogil=True, error_model="numpy", forceinline=True)


@_inline
def _weights(donors, n, width):
    """Row weights of point n in all lanes, each, and its column weights."""
    _, rows, columns = donors
    return (
        splat(element(rows, 4 * n), width),
        splat(element(rows, 4 * n + 1), width),
        splat(element(rows, 4 * n + 2), width),
        splat(element(rows, 4 * n + 3), width),
        load(columns, 4 * n, width),
    )


@_inline
def _four_columns(field, place, weights, pitch, width):
    """Σ_p r_p f[row + p, column + q] in lane q."""
    south, second, third, north, _ = weights
    total = load(field, place, width) * south
    total = fused(load(field, place + pitch, width), second, total)
    total = fused(load(field, place + 2 * pitch, width), third, total)
    return fused(load(field, place + 3 * pitch, width), north, total)


@_inline
def _scalar(field, donors, n, level, pitch, width):
    """r_p c_q f[row + p, column + q] of point n, summed over p; `level` is the place of the level."""
    weights = _weights(donors, n, width)
    return _four_columns(field, element(donors[0], n) + level, weights, pitch, width) * weights[4]


@_inline
def _wind(u, v, east, north, n, level, pitch, width):
    """As `_scalar`, of both winds."""
    from_u = _scalar(u, east, n, level, pitch, width)
    weights = _weights(north, n, width)
    return fused(_four_columns(v, element(north[0], n) + level, weights, pitch, width), weights[4], from_u)


@_inline
def _scalar_levels(field, donors, n, level, pitch, plane, width):
    """`_scalar` on four levels from `level` on."""
    weights = _weights(donors, n, width)
    place, along = element(donors[0], n) + level, weights[4]
    return (
        _four_columns(field, place, weights, pitch, width) * along,
        _four_columns(field, place + plane, weights, pitch, width) * along,
        _four_columns(field, place + 2 * plane, weights, pitch, width) * along,
        _four_columns(field, place + 3 * plane, weights, pitch, width) * along,
    )


@_inline
def _wind_levels(u, v, east, north, n, level, pitch, plane, width):
    """`_wind` on four levels from `level` on."""
    a, b, c, d = _scalar_levels(u, east, n, level, pitch, plane, width)
    weights = _weights(north, n, width)
    place, along = element(north[0], n) + level, weights[4]
    return (
        fused(_four_columns(v, place, weights, pitch, width), along, a),
        fused(_four_columns(v, place + plane, weights, pitch, width), along, b),
        fused(_four_columns(v, place + 2 * plane, weights, pitch, width), along, c),
        fused(_four_columns(v, place + 3 * plane, weights, pitch, width), along, d),
    )


@_inline
def _ask_for_stencil(field, places, n, level, pitch, plane):
    """What four levels of a point will read: where a line of points lies in the other panel no cache can guess."""
    for k in range(LEVELS):
        place = element(places, n) + level + k * plane
        ask_for(field, place)
        ask_for(field, place + pitch)
        ask_for(field, place + 2 * pitch)
        ask_for(field, place + 3 * pitch)


@_inline
def _four_levels(segments, s, k, levels, plane):
    """First and last point (exclusive) of a segment, place of level k in a field and of a point less its number in the
    buffer, and what lies there between levels; k is lowered where fewer than four are left.
    """
    first, stride, low = segments[s, 0], segments[s, 3], min(k, levels - LEVELS)
    return first, segments[s, 1], low * plane, segments[s, 2] + low * stride - first, stride


@_inline
def _after(segments, s, k, levels, plane):
    """First and last point and place of the levels that come after the four from level k on of a segment."""
    following = s
    below = min(k + LEVELS, levels - LEVELS)
    if k + LEVELS >= levels:
        following = min(s + 1, segments.shape[0] - 1)
        below = 0
    return segments[following, 0], segments[following, 1] - 1, below * plane


@numba.njit(nogil=True, error_model="numpy")
def _scalar_layer(field, segment, donors, pitch, level, target, width, buffer):
    """`interpolate_scalar` for the points of one segment on one level."""
    first, last = segment[0], segment[1]
    end = last - 1
    for n in range(first, last, TOGETHER):
        values = ordered_totals(
            _scalar(field, donors, n, level, pitch, width),
            _scalar(field, donors, min(n + 1, end), level, pitch, width),
            _scalar(field, donors, min(n + 2, end), level, pitch, width),
            _scalar(field, donors, min(n + 3, end), level, pitch, width),
        )
        store_first(buffer, target + n, values, last - n)


@numba.njit(nogil=True, error_model="numpy")
def _wind_layer(u, v, segment, east, north, pitch, level, target, width, buffer):
    """`interpolate_wind` for the points of one segment and one component on one level."""
    first, last = segment[0], segment[1]
    end = last - 1
    for n in range(first, last, TOGETHER):
        values = ordered_totals(
            _wind(u, v, east, north, n, level, pitch, width),
            _wind(u, v, east, north, min(n + 1, end), level, pitch, width),
            _wind(u, v, east, north, min(n + 2, end), level, pitch, width),
            _wind(u, v, east, north, min(n + 3, end), level, pitch, width),
        )
        store_first(buffer, target + n, values, last - n)


@numba.njit(nogil=True, error_model="numpy")
def _scalar_layers(field, segments, s, donors, pitch, plane, levels, k, width, buffer):
    """`interpolate_scalar` for the points of one segment on four levels; asks for what comes next."""
    first, last, level, target, stride = _four_levels(segments, s, k, levels, plane)
    next_first, next_end, next_level = _after(segments, s, k, levels, plane)
    for n in range(first, last):
        if (n - first) & _BETWEEN_ASKED == 0:
            _ask_for_stencil(field, donors[0], min(next_first + n - first, next_end), next_level, pitch, plane)
        a, b, c, d = _scalar_levels(field, donors, n, level, pitch, plane, width)
        store_apart(buffer, target + n, stride, ordered_totals(a, b, c, d))


@numba.njit(nogil=True, error_model="numpy")
def _wind_layers(u, v, segments, s, east, north, asked, places, pitch, plane, levels, k, width, buffer):
    """`interpolate_wind`, one component, on four levels; asks for what comes next of the wind `asked` at `places`."""
    first, last, level, target, stride = _four_levels(segments, s, k, levels, plane)
    next_first, next_end, next_level = _after(segments, s, k, levels, plane)
    for n in range(first, last):
        if (n - first) & _BETWEEN_ASKED == 0:
            _ask_for_stencil(asked, places, min(next_first + n - first, next_end), next_level, pitch, plane)
        a, b, c, d = _wind_levels(u, v, east, north, n, level, pitch, plane, width)
        store_apart(buffer, target + n, stride, ordered_totals(a, b, c, d))


@numba.njit(nogil=True, error_model="numpy")
def _scalar_piece(field, segments, s, donors, pitch, plane, levels, width, buffer):
    """`interpolate_scalar` for the points of one segment."""
    if levels < LEVELS:
        for k in range(levels):
            target = segments[s, 2] + k * segments[s, 3] - segments[s, 0]
            _scalar_layer(field, segments[s], donors, pitch, k * plane, target, width, buffer)
        return
    for k in range(0, levels, LEVELS):
        _scalar_layers(field, segments, s, donors, pitch, plane, levels, k, width, buffer)


@numba.njit(nogil=True, error_model="numpy")
def _wind_piece(u, v, segments, s, east, north, pitch, plane, levels, width, buffer):
    """`interpolate_wind` for the points of one segment and one component, of few levels."""
    for k in range(levels):
        target = segments[s, 2] + k * segments[s, 3] - segments[s, 0]
        _wind_layer(u, v, segments[s], east, north, pitch, k * plane, target, width, buffer)


@numba.njit(nogil=True, error_model="numpy")
def _winds_piece(
    u, v, u_segments, u_east, u_north, v_segments, v_east, v_north, s, pitch, plane, levels, width, buffer
):  # fmt: skip
    """`interpolate_wind` for one segment of both components: level by level, as their donors are mostly the same."""
    of_u, of_v = s < u_segments.shape[0], s < v_segments.shape[0]
    if levels < LEVELS:
        if of_u:
            _wind_piece(u, v, u_segments, s, u_east, u_north, pitch, plane, levels, width, buffer)
        if of_v:
            _wind_piece(u, v, v_segments, s, v_east, v_north, pitch, plane, levels, width, buffer)
        return
    for k in range(0, levels, LEVELS):
        # One component asks for the lines of u, the other for those of v.
        if of_u:
            _wind_layers(
                u, v, u_segments, s, u_east, u_north, u, u_east[0], pitch, plane, levels, k, width, buffer
            )  # fmt: skip
        if of_v:
            _wind_layers(
                u, v, v_segments, s, v_east, v_north, v, v_north[0], pitch, plane, levels, k, width, buffer
            )  # fmt: skip


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
        _scalar_piece(field, segments, s, donors, pitch, plane, levels, width, buffer)


@numba.njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def interpolate_scalar_in_threads(field, segments, donors, pitch, plane, levels, width, buffer):
    """`interpolate_scalar`, segments shared among threads: the same bits."""
    for s in numba.prange(segments.shape[0]):
        _scalar_piece(field, segments, np.int64(s), donors, pitch, plane, levels, width, buffer)


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
    for s in range(max(u_segments.shape[0], v_segments.shape[0])):
        _winds_piece(
            u, v, u_segments, u_east, u_north, v_segments, v_east, v_north, s, pitch, plane, levels, width, buffer
        )  # fmt: skip


@numba.njit(nogil=True, cache=True, error_model="numpy", parallel=True)
def interpolate_wind_in_threads(u, v, u_points, v_points, pitch, plane, levels, width, buffer):
    """`interpolate_wind`, segments shared among threads: the same bits."""
    u_segments, u_east, u_north = u_points
    v_segments, v_east, v_north = v_points
    for s in numba.prange(max(u_segments.shape[0], v_segments.shape[0])):
        _winds_piece(
            u, v, u_segments, u_east, u_north, v_segments, v_east, v_north, np.int64(s), pitch, plane, levels, width,
            buffer,
        )  # fmt: skip
