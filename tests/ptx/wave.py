"""A wave: some blocks of a launch whose threads run side by side, with all that they hold."""

from __future__ import annotations

import numpy as np

from ptx.formats import Format
from ptx.memory import Space
from ptx.registers import Lanes, Register

Shape3 = tuple[int, int, int]


class Wave:
    """State of the threads of some blocks.

    Parameters
    ----------
    grid, block : numbers of blocks and threads in x, y, z
    first_block, blocks : which blocks of the grid these are
    formats : name → type of every register

    Attributes
    ----------
    threads : their number
    thread_numbers, warp_numbers, block_numbers : of each thread, in the grid
    barriers_passed, warp_syncs_passed : of each thread
    special : name → (threads,) or (1,) uint32
    parameters : key → (threads or 1, bytes) int16, 256 where nothing was written
    addresses : module variable → address in global memory
    atomic_order : shuffles atomic accesses to one place, or None for the order of the threads
    living_lanes : of each warp, the lanes whose threads have not ended, as bits
    """

    def __init__(self, grid: Shape3, block: Shape3, first_block: int, blocks: int, formats: dict[str, Format]) -> None:
        per_block = block[0] * block[1] * block[2]
        warps = -(-per_block // 32)
        self.threads = threads = blocks * per_block
        self.per_block = per_block
        self.blocks = blocks
        self.block_in_wave = np.repeat(np.arange(blocks), per_block)
        self.block_numbers = (self.block_in_wave + first_block).astype(np.int32)
        self.thread_in_block = np.tile(np.arange(per_block), blocks)
        self.thread_numbers = (self.block_numbers.astype(np.int64) * per_block + self.thread_in_block).astype(np.int32)
        self.lane = self.thread_in_block % 32
        self.warp_in_wave = self.block_in_wave * warps + self.thread_in_block // 32
        self.warps = blocks * warps
        self.warp_numbers = (self.warp_in_wave + first_block * warps).astype(np.int32)
        self.barriers_passed = np.zeros(threads, np.int32)
        self.warp_syncs_passed = np.zeros(threads, np.int32)
        self.carry = np.zeros(threads, np.bool_)
        self.registers = {name: Register(name.rpartition("/")[2], form, threads) for name, form in formats.items()}
        self.parameters: dict[str, np.ndarray] = {}
        self.addresses: dict[str, int] = {}
        self.atomic_order: np.random.Generator | None = None
        self.living_lanes = np.zeros(self.warps, np.uint32)
        self.spaces: dict[str, Space] = {}
        self.special = self._special(grid, block)

    def _special(self, grid: Shape3, block: Shape3) -> dict[str, np.ndarray]:
        thread, number = self.thread_in_block, self.block_numbers
        values = {
            "tid.x": thread % block[0],
            "tid.y": thread // block[0] % block[1],
            "tid.z": thread // (block[0] * block[1]),
            "ctaid.x": number % grid[0],
            "ctaid.y": number // grid[0] % grid[1],
            "ctaid.z": number // (grid[0] * grid[1]),
            "laneid": self.lane,
            "warpid": thread // 32,
        }
        values |= {f"ntid.{axis}": np.array([size]) for axis, size in zip("xyz", block, strict=True)}
        values |= {f"nctaid.{axis}": np.array([size]) for axis, size in zip("xyz", grid, strict=True)}
        one = np.uint32(1) << self.lane.astype(np.uint32)
        values |= {
            "lanemask_eq": one,
            "lanemask_lt": one - np.uint32(1),
            "lanemask_le": one * np.uint32(2) - np.uint32(1),
            "lanemask_gt": ~(one * np.uint32(2) - np.uint32(1)),
            "lanemask_ge": ~(one - np.uint32(1)),
        }
        return {name: value.astype(np.uint32) for name, value in values.items()}

    def thread_index(self, thread: int, block: Shape3) -> Shape3:
        """tid of a thread."""
        number = int(self.thread_in_block[thread])
        return number % block[0], number // block[0] % block[1], number // (block[0] * block[1])

    def block_index(self, thread: int, grid: Shape3) -> Shape3:
        """ctaid of a thread."""
        number = int(self.block_numbers[thread])
        return number % grid[0], number // grid[0] % grid[1], number // (grid[0] * grid[1])

    def many(self, values: np.ndarray, lanes: Lanes) -> np.ndarray:
        """A value for each of the lanes, where there may be one for all."""
        count = self.threads if isinstance(lanes, slice) else lanes.size
        return np.broadcast_to(values, (count,))
