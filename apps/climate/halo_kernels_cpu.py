"""Kernels of the halo on the CPU: runs of cells into a message and out, and points out of one.

Fields are flat; `places` are indices of level 0, and level k lies `plane` elements further. A message holds its points
level by level; `spots` and segments say where.
"""

from __future__ import annotations

import numba


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
