"""Launching a kernel on the interpreter: arrays in, the same arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cuda_helpers.counts import LADDER

from ptx.faults import FaultError, LaunchError
from ptx.formats import Format, bits_of
from ptx.linker import load_program
from ptx.machine import Machine
from ptx.memory import ABSENT, ALLOCATED, GLOBAL_BASE, GUARD, WRITTEN, Space, region
from ptx.program import Program
from ptx.races import Shadow
from ptx.wave import Shape3, Wave

MOST_THREADS = 1024


@dataclass(frozen=True)
class Buffer:
    """An array, and which of its bytes count as written; the launch marks what the kernel writes.

    Attributes
    ----------
    array : C-contiguous
    written : (bytes,) bool
    """

    array: np.ndarray
    written: np.ndarray


def unwritten(array: np.ndarray) -> Buffer:
    """An array whose contents are no values: reading them before writing is a fault."""
    return Buffer(array, np.zeros(array.nbytes, np.bool_))


@dataclass
class Report:
    """What a launch did.

    Attributes
    ----------
    instructions : instructions × threads
    issued : instructions, each for all threads that ran it together
    executed : for each step of the program, whether any thread ran it
    program : what ran
    """

    program: Program
    executed: np.ndarray
    instructions: int = 0
    issued: int = 0

    @property
    def not_run(self) -> list[tuple[int, str]]:
        """(line, text) of instructions that no thread carried out."""
        steps = zip(self.program.steps, self.executed, strict=True)
        return sorted(
            {
                (s.instruction.line, s.instruction.text)
                for s, run in steps
                if not run and "end of" not in s.instruction.text
            }
        )

    @property
    def coverage(self) -> float:
        """Part of the instructions that some thread carried out."""
        return 1 - len(self.not_run) / max(1, len({s.instruction.line for s in self.program.steps}))


@dataclass(frozen=True)
class Options:
    """How to run.

    Attributes
    ----------
    abi : "numba" (arrays as seven and more fields) or "c" (arrays as pointers)
    dynamic_shared : bytes
    budget : instructions that may be issued per wave
    global_races : whether races in global memory are looked for; off for kernels whose blocks wait for each other
    atomic_seed : shuffles the order of atomic accesses; None for the order of the threads
    threads_at_once : blocks run side by side as long as they have no more threads together
    """

    abi: str = "numba"
    dynamic_shared: int = 0
    budget: int = 1_000_000
    global_races: bool = True
    atomic_seed: int | None = None
    threads_at_once: int = 1 << 15


@dataclass
class _Memory:
    """Global memory while it is laid out: arrays and module variables, with bytes between that nobody owns."""

    pieces: list[tuple[int, np.ndarray, np.ndarray]] = field(default_factory=list)
    end: int = GUARD

    def add(self, data: np.ndarray, state: np.ndarray) -> int:
        start = self.end
        self.pieces.append((start, data, state))
        self.end = -(-(start + data.size) // GUARD) * GUARD + GUARD
        return start + GLOBAL_BASE

    def joined(self) -> tuple[np.ndarray, np.ndarray]:
        data, state = np.zeros(self.end, np.uint8), np.full(self.end, ABSENT, np.uint8)
        for start, values, states in self.pieces:
            data[start : start + values.size] = values
            state[start : start + values.size] = states
        return data, state


def run_kernel(
    source: str | Program,
    grid: int | tuple[int, ...],
    block: int | tuple[int, ...],
    arguments: Sequence[Any],
    options: Options | None = None,
    kernel: str | None = None,
) -> Report:
    """Run a kernel; arrays among the arguments are changed as it changes them.

    Parameters
    ----------
    source : PTX text, or a program that `load_program` made of it
    grid, block : blocks, and threads of a block, in up to three directions
    arguments : NumPy arrays, `Buffer`s, numbers, and for numba tuples of them
    kernel : its name, where the text has several

    Raises
    ------
    LaunchError : arguments, grid or block do not fit
    FaultError : the kernel does what it must not; its message names block, thread and line
    PtxError : the text cannot be read, or has an instruction that is not known
    """
    options = options or Options()
    program = source if isinstance(source, Program) else load_program(source, kernel)
    grid3, block3 = _three(grid, "grid"), _three(block, "block")
    per_block = block3[0] * block3[1] * block3[2]
    if per_block > MOST_THREADS:
        raise LaunchError(f"block {block3} has {per_block} threads; a block has {MOST_THREADS} at most")
    memory = _Memory()
    buffers: dict[int, tuple[int, Buffer]] = {}
    values = _flatten(arguments, options.abi, memory, buffers)
    parameters = _parameter_blocks(program, values)
    addresses = {v.name: _module_variable(memory, v.size, v.initial) for v in program.variables}
    data, state = memory.joined()
    shadow = Shadow(data.size, program.smallest_access, shared=False) if options.global_races else None
    space = Space("global", data.size, None, data, state, shadow)
    space.changed = space.changed if program.reads_only else None
    report = Report(program, np.zeros(len(program.steps), np.bool_))
    blocks = grid3[0] * grid3[1] * grid3[2]
    at_once = max(1, options.threads_at_once // per_block)
    order = None if options.atomic_seed is None else np.random.default_rng(options.atomic_seed)
    for first in range(0, blocks, at_once):
        wave = Wave(grid3, block3, first, min(at_once, blocks - first), program.formats)
        wave.atomic_order, wave.addresses, wave.spaces["global"] = order, addresses, space
        _own_memory(wave, program, options.dynamic_shared)
        wave.parameters |= parameters
        machine = Machine(program, wave, grid3, block3, options.budget)
        try:
            machine.run()
        except FaultError:
            LADDER.caught_a_fault()
            raise
        report.executed |= machine.executed
        report.instructions += machine.instructions
        report.issued += machine.issued
    for address, buffer in buffers.values():
        start = address - GLOBAL_BASE
        if buffer.array.flags.writeable:
            bytes_of(buffer.array)[:] = data[start : start + buffer.array.nbytes]
        buffer.written[:] = state[start : start + buffer.array.nbytes] == WRITTEN
    LADDER.ran(program.kernel.name)
    return report


def _three(size: int | tuple[int, ...], what: str) -> Shape3:
    sizes = (size,) if isinstance(size, int | np.integer) else tuple(size)
    if not 1 <= len(sizes) <= 3 or any(int(s) < 1 for s in sizes):
        raise LaunchError(f"{what} is {size!r}; expected one to three positive numbers")
    x, y, z = (*map(int, sizes), 1, 1)[:3]
    return x, y, z


def _own_memory(wave: Wave, program: Program, dynamic_shared: int) -> None:
    """Shared memory of each block, local memory and call parameters of each thread."""
    layout = program.layout
    size = -(-layout.shared_size // 16) * 16 + dynamic_shared if dynamic_shared else layout.shared_size
    wave.special["dynamic_smem_size"] = np.array([dynamic_shared], np.uint32)
    wave.special["total_smem_size"] = np.array([size], np.uint32)
    data, state, stride = region(size, wave.blocks, ALLOCATED)
    shadow = Shadow(data.size, program.smallest_access, shared=True)
    wave.spaces["shared"] = Space("shared", size, wave.block_in_wave * stride, data, state, shadow)
    data, state, stride = region(layout.local_size, wave.threads, ALLOCATED)
    wave.spaces["local"] = Space("local", layout.local_size, np.arange(wave.threads) * stride, data, state)
    for key, length in program.call_blocks.items():
        wave.parameters[key] = np.full((wave.threads, length), 256, np.int16)


def bytes_of(array: np.ndarray) -> np.ndarray:
    """The bytes of a C-contiguous array, without a copy."""
    return array.reshape(-1).view(np.uint8)


def _module_variable(memory: _Memory, size: int, initial: bytes | None) -> int:
    data = np.zeros(size, np.uint8)
    if initial is not None:
        data[: len(initial)] = np.frombuffer(initial, np.uint8)
    return memory.add(data, np.full(size, WRITTEN, np.uint8))  # what has no first value begins as zeros


def _flatten(arguments: Sequence[Any], abi: str, memory: _Memory, buffers: dict[int, tuple[int, Buffer]]) -> list[Any]:
    """Arguments as the numbers that the kernel takes."""
    values: list[Any] = []
    for argument in arguments:
        if isinstance(argument, tuple) and abi == "numba":
            values += _flatten(argument, abi, memory, buffers)
        elif isinstance(argument, np.ndarray | Buffer):
            buffer = argument if isinstance(argument, Buffer) else Buffer(argument, np.ones(argument.nbytes, np.bool_))
            array = buffer.array
            address = _place_array(buffer, memory, buffers)
            if abi == "c":
                values.append(address)
            else:
                values += [0, 0, array.size, array.itemsize, address, *array.shape, *array.strides]
        else:
            values.append(argument)
    return values


def _place_array(buffer: Buffer, memory: _Memory, buffers: dict[int, tuple[int, Buffer]]) -> int:
    array = buffer.array
    if not array.flags.c_contiguous or array.dtype.kind not in "iufb":
        raise LaunchError(f"an array of {array.dtype} with strides {array.strides}; expected numbers, C-contiguous")
    start = array.ctypes.data
    for known_start, (address, known) in buffers.items():
        if known_start == start and known.array.nbytes == array.nbytes:
            return address
        if array.nbytes and known_start < start + array.nbytes and start < known_start + known.array.nbytes:
            raise LaunchError("two arrays overlap without being one; pass the array that holds both")
    state = np.where(buffer.written, WRITTEN, ALLOCATED).astype(np.uint8)
    address = memory.add(bytes_of(array), state)
    if array.nbytes:
        buffers[start] = (address, buffer)
    return address


def _parameter_blocks(program: Program, values: list[Any]) -> dict[str, np.ndarray]:
    wanted = program.kernel.parameters
    if len(values) != len(wanted):
        raise LaunchError(f"kernel {program.kernel.name} takes {len(wanted)} numbers, {len(values)} are given")
    blocks = {}
    for variable, value in zip(wanted, values, strict=True):
        data = value if isinstance(value, bytes) else _number(value, variable.form, variable.name)
        if len(data) != variable.size:
            raise LaunchError(f"parameter {variable.name} has {variable.size} bytes, {len(data)} are given")
        block = np.frombuffer(data, np.uint8).astype(np.int16)
        blocks[f"{program.kernel.name}/{variable.name}"] = block.reshape(1, -1)
    return blocks


def _number(value: Any, form: Format, name: str) -> bytes:
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "iufb":
        raise LaunchError(f"parameter {name} is given {type(value).__name__}; expected an array or a number")
    if array.dtype.kind != "f":
        if form.kind == "f":
            return array.astype(form.values).tobytes()
        return (int(value) & form.mask).to_bytes(form.size, "little")
    if form.kind == "f" and (isinstance(value, float) or array.dtype == form.values):
        return array.astype(form.values).tobytes()
    if form.kind != "f" and array.dtype.itemsize == form.size:
        return bits_of(array.reshape(1)).tobytes()
    raise LaunchError(f"parameter {name} of type .{form.name} is given {array.dtype}; expected the same width")
