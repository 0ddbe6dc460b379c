"""C ← (C +) αAB on one core: blocks for the caches, packed panels, tiles in registers, one algorithm for every type.

The five loops of Goto & van de Geijn (ACM TOMS 34, 2008) in the form of BLIS (Van Zee & van de Geijn, ACM TOMS 41,
2015), row-major: a panel of B as wide as a tile stays in the first cache, a block of A in the second, B's in the third.
Matrices may have any strides: only packing reads them.
"""

from __future__ import annotations

import numba
from numba.extending import overload

from clustermark.devices.simd_dots import SIDE
from clustermark.devices.simd_matrix import begin_tiles, end_tiles
from clustermark.devices.simd_matrix_product import pack_square
from clustermark.devices.simd_packing import pack_columns, pack_rows
from clustermark.devices.simd_tiles import (
    panel_offsets,
    tile_columns,
    tile_group,
    tile_matrix,
    tile_product,
    tile_rows,
    tile_unit,
    tile_unsigned,
)

# Panels that are packed together where their rows lie side by side: as many lines of memory are read at a time.
PANELS = 8


def word_of(tile, x, i, k, k_stop, flip):
    """Numbers k, k + 1 … of row i as one word, zeros from k_stop on; `flip` is xored to the bits of each."""
    raise NotImplementedError("compiled only")


@overload(word_of)
def _word_of(tile, x, i, k, k_stop, flip):
    group = tile.tile.dot.group
    if group == 1:
        return lambda tile, x, i, k, k_stop, flip: x[i, k]
    bits = 32 // group
    mask = (1 << bits) - 1

    def joined(tile, x, i, k, k_stop, flip):
        word = numba.uint32(0)
        for place in range(min(group, k_stop - k)):
            bits_here = numba.uint32((numba.int64(x[i, k + place]) ^ flip) & mask)
            word |= bits_here << numba.uint32(bits * place)
        return numba.int32(word)

    return joined


@numba.njit(nogil=True)
def padded_words(tile, length):
    """Words of a panel of that many numbers, a multiple of the tile's unit."""
    words, unit = (length + tile_group(tile) - 1) // tile_group(tile), tile_unit(tile)
    return (words + unit - 1) // unit * unit


@numba.njit(nogil=True, inline="always")
def _pack_word(tile, of_a, x, row, k, buffer, at, lines):
    if of_a:
        pack_rows(tile, x, row, k, buffer, at, lines)
    else:
        pack_columns(tile, x, row, k, buffer, at, lines)


@numba.njit(nogil=True)
def pack(tile, of_a, x, start, stop, k_start, k_stop, buffer):
    """Rows start … stop of x, columns k_start … k_stop, as panels: word after word, one of each of the panel's rows.

    Rows and words beyond are zero. Where rows lie side by side, several panels grow together: lines are read whole.
    """
    height = tile_rows(tile) if of_a else tile_columns(tile)
    group, words = tile_group(tile), padded_words(tile, k_stop - k_start)
    full = (k_stop - k_start) // group
    whole = start + (stop - start) // height * height
    if x.strides[0] == x.itemsize:
        together = PANELS * height
        for first in range(start, whole, together):
            for word in range(full):
                for row in range(first, min(first + together, whole), height):
                    at = (row - start) * words + word * height
                    _pack_word(tile, of_a, x, row, k_start + word * group, buffer, at, 1)
    else:
        lines = 2 if x.strides[1] == x.itemsize else 0
        for row in range(start, whole, height):
            for word in range(full):
                at = (row - start) * words + word * height
                _pack_word(tile, of_a, x, row, k_start + word * group, buffer, at, lines)
    for first in range(start, stop, height):
        _pack_rest(tile, of_a, x, first, stop, k_start, k_stop, buffer, (first - start) * words, first < whole)


@numba.njit(nogil=True)
def _pack_rest(tile, of_a, x, first, stop, k_start, k_stop, buffer, at, is_whole):
    """What `pack` leaves of a panel: a last word with too few numbers, zeros, and a last panel with too few rows."""
    height = tile_rows(tile) if of_a else tile_columns(tile)
    group, words = tile_group(tile), padded_words(tile, k_stop - k_start)
    flip = 128 if of_a and tile_unsigned(tile) else 0
    rows = min(height, stop - first)
    begin = (k_stop - k_start) // group if is_whole else 0
    buffer[at + begin * height : at + words * height] = 0
    for word in range(begin, (k_stop - k_start + group - 1) // group):
        for row in range(rows):
            k = k_start + word * group
            buffer[at + word * height + row] = word_of(tile, x, first + row, k, k_stop, flip)


@numba.njit(nogil=True)
def pack_squares(tile, x, start, stop, k_start, k_stop, buffer):
    """A's panels for a matrix unit: per 16 words, the panel's rows one after the other, 16 words of each.

    Rows and words beyond are zero.
    """
    height, group, words = tile_rows(tile), tile_group(tile), padded_words(tile, k_stop - k_start)
    by_rows, by_columns = x.strides[0] == x.itemsize, x.strides[1] == x.itemsize
    for first in range(start, start + (stop - start + height - 1) // height * height, SIDE):
        panel = (first - start) // height * height
        for word in range(0, words, SIDE):
            at = panel * words + word * height + (first - start - panel) * SIDE
            k = k_start + word * group
            if first + SIDE <= stop and k + SIDE * group <= k_stop and (by_rows or by_columns):
                pack_square(tile, x, first, k, buffer, at, int(not by_columns))
            else:
                _pack_part(tile, x, first, min(stop - first, SIDE), k, k_stop, buffer, at)


@numba.njit(nogil=True)
def _pack_part(tile, x, first, rows, k, k_stop, buffer, at):
    """A square of `rows` rows and of numbers before k_stop, with any strides, else zero."""
    buffer[at : at + SIDE * SIDE] = 0
    for row in range(rows):
        for word in range(SIDE):
            number = k + word * tile_group(tile)
            if number < k_stop:
                buffer[at + row * SIDE + word] = word_of(tile, x, first + row, number, k_stop, 0)


@numba.njit(nogil=True)
def column_offsets(tile, b_panels, columns, words, offsets):
    """−128 times the sum of each column of B, from its panels: what bytes of A plus 128 add too much."""
    for first in range(0, columns, tile_columns(tile)):
        panel_offsets(tile, b_panels, first * words, words, offsets, first)


@numba.njit(nogil=True)
def multiply_block(tile, a_panels, b_panels, words, c, rows, columns, alpha, accumulate, offsets, scratch):
    """C[rows, columns] by tiles; one that C cannot take as it is goes through `scratch`.

    While the tiles of a panel of B are done, each asks for its share of the next panel.

    words : of A's panels; of B's; from which of B's on A's lie
    """
    words, deep, b_first = words
    height, width = tile_rows(tile), tile_columns(tile)
    direct = c.strides[1] == c.itemsize
    share = width * words // ((rows[1] - rows[0] + height - 1) // height)
    step = share * b_panels.itemsize * tile_unit(tile) // words
    for j in range(columns[0], columns[1], width):
        wide = min(width, columns[1] - j)
        coming = (j - columns[0] + width) * deep + b_first * width
        for i in range(rows[0], rows[1], height):
            high = min(height, rows[1] - i)
            whole = direct and wide == width and high == height
            target = c if whole else scratch
            row, column = (i, j) if whole else (0, 0)
            adds = accumulate if whole else 0
            panels = (a_panels, (i - rows[0]) * words, b_panels, (j - columns[0]) * deep + b_first * width, words)
            tile_product(tile, *panels, target, row, column, (alpha, adds, offsets, j - columns[0], coming, step))
            coming += share
            if not whole:
                _copy_part(scratch, c[i : i + high, j : j + wide], accumulate)


@numba.njit(nogil=True)
def _copy_part(part, c, accumulate):
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            c[i, j] = c[i, j] + part[i, j] if accumulate else part[i, j]


def multiply_panels(tile, a, b_transposed, c, alpha, accumulate, blocks, a_panels, b_panels, offsets, scratch):
    """C = αAB, or that added to C where `accumulate` is not 0; compiled by the host, once per tile.

    Parameters
    ----------
    tile : Tile
    a, b_transposed, c : (m, k), (n, k), (m, n), any strides
    alpha : of the type of C
    blocks : rows of A, columns of B and length of the inner index that are multiplied at a time, and the length, a
        multiple of that, for which B is packed at a time: C's block then stays near while the inner index goes on
    a_panels, b_panels, offsets, scratch : buffers of the host
    """
    (m, k), n = a.shape, b_transposed.shape[0]
    unsigned, matrix, group = tile_unsigned(tile), tile_matrix(tile), tile_group(tile)
    begin_tiles(tile)
    for j in range(0, n, blocks[1]):
        columns = (j, min(j + blocks[1], n))
        for d in range(0, k, blocks[3]):
            d_stop = min(d + blocks[3], k)
            deep = padded_words(tile, d_stop - d)
            pack(tile, False, b_transposed, columns[0], columns[1], d, d_stop, b_panels)
            if unsigned:
                column_offsets(tile, b_panels, columns[1] - columns[0], deep, offsets)
            for i in range(0, m, blocks[0]):
                rows = (i, min(i + blocks[0], m))
                for p in range(d, d_stop, blocks[2]):
                    p_stop = min(p + blocks[2], d_stop)
                    if matrix:
                        pack_squares(tile, a, rows[0], rows[1], p, p_stop, a_panels)
                    else:
                        pack(tile, True, a, rows[0], rows[1], p, p_stop, a_panels)
                    words = (padded_words(tile, p_stop - p), deep, (p - d) // group)
                    add = accumulate if p == 0 else 1
                    multiply_block(tile, a_panels, b_panels, words, c, rows, columns, alpha, add, offsets, scratch)
    end_tiles(tile)
