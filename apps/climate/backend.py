"""What a simulation computes with: the kernels of one processor and the memory that they work on, chosen once.

The entries of both have the same names and parameters but one group: what stands between the rectangle of cells and the
results. The CPU wants its vector width and the workspace of its threads there, the GPU a workspace of the size of a
block, or nothing. `Bound` holds an entry with that group, so that the callers need not know which it is. Nothing of the
GPU is imported where the CPU was chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from clustermark.apps.climate.layout import State
from clustermark.devices.memory import HostMemory, Memory

# Lanes of the vectors that interpolate: a stencil is four points wide.
_STENCIL = 4


@dataclass(frozen=True)
class Size:
    """Of a block, and what works on it.

    Attributes
    ----------
    threads : of this rank
    levels, rows, pitch : of a field, halos and room behind the rows included
    dtype : of winds and temperature
    """

    threads: int
    levels: int
    rows: int
    pitch: int
    dtype: str


class Bound(NamedTuple):
    """An entry, and the arguments of the processor's own that stand before its results."""

    call: Callable[..., None]
    own: tuple[Any, ...]


@dataclass(frozen=True)
class Backend:
    """Kernels by what they are for.

    Attributes
    ----------
    memory : makes and moves arrays
    shallow_stage, surface_terms, advance, damp, force : Size → the entry, bound
    cells : copy_cells
    sums : add_words, scale_cells
    halo : pack_runs, unpack_runs, unpack_points, blend_points
    interpolate : threads → entries for scalars and for winds, bound
    matching : column_fluxes, piece_fluxes, correct_cells
    carry : as shallow_stage, of a tracer
    tracer : take_cells, cut_below_zero
    """

    memory: Memory
    shallow_stage: Callable[[Size], Bound]
    surface_terms: Callable[[Size], Bound]
    advance: Callable[[Size], Bound]
    damp: Callable[[Size], Bound]
    force: Callable[[Size], Bound]
    cells: Any
    sums: Any
    halo: Any
    interpolate: Callable[[int], tuple[Bound, Bound]]
    matching: Any
    carry: Callable[[Size], Bound]
    tracer: Any


def _cpu(direct: bool) -> Backend:
    from clustermark.apps.climate import (
        damping_cpu,
        flux_matching_cpu,
        forcing_cpu,
        halo_interpolation_cpu,
        halo_kernels_cpu,
        primitive_cpu,
        shallow_cpu,
        sums,
        surface_cpu,
        tracer_cpu,
    )
    from clustermark.apps.climate.memory import aligned_zeros
    from clustermark.devices.simd import Width, native_width

    def width(size: Size) -> Width:
        return Width(native_width(size.dtype))

    def shallow_stage(size: Size) -> Bound:
        work = shallow_cpu.make_work(size.threads, size.pitch, size.dtype)
        return Bound(shallow_cpu.shallow_stage, (width(size), work))

    def advance(size: Size) -> Bound:
        work = primitive_cpu.make_work(size.threads, size.levels, size.pitch, size.dtype)
        return Bound(primitive_cpu.advance, (width(size), work))

    def carry(size: Size) -> Bound:
        work = tracer_cpu.make_work(size.threads, size.levels, size.pitch)
        return Bound(tracer_cpu.advance, (Width(native_width("float64")), work))

    def interpolate(threads: int) -> tuple[Bound, Bound]:
        ending, own = "" if threads == 1 else "_in_threads", (Width(_STENCIL),)
        entries = [getattr(halo_interpolation_cpu, f"interpolate_{what}{ending}") for what in ("scalar", "wind")]
        return Bound(entries[0], own), Bound(entries[1], own)

    return Backend(
        memory=HostMemory(aligned_zeros),
        shallow_stage=shallow_stage,
        surface_terms=lambda size: Bound(surface_cpu.surface_terms, (size.threads, width(size))),
        advance=advance,
        damp=lambda size: Bound(
            damping_cpu.damp, (width(size), damping_cpu.make_work(size.threads, size.pitch, size.dtype))
        ),
        force=lambda size: Bound(
            forcing_cpu.force, (width(size), forcing_cpu.make_work(size.threads, size.pitch, size.dtype))
        ),
        cells=damping_cpu,
        sums=sums,
        halo=halo_kernels_cpu,
        interpolate=interpolate,
        matching=flux_matching_cpu,
        carry=carry,
        tracer=tracer_cpu,
    )


def _cuda(direct: bool) -> Backend:
    from clustermark.apps.climate import (
        damping_cuda,
        flux_matching_cuda,
        forcing_cuda,
        halo_kernels_cuda,
        primitive_cuda,
        shallow_cuda,
        sums_cuda,
        surface_cuda,
        tracer_cuda,
    )
    from clustermark.devices.memory_cuda import DeviceMemory

    def of_block(entry: Callable[..., None], make_work: Callable[..., Any]) -> Callable[[Size], Bound]:
        return lambda size: Bound(entry, (make_work(size.levels, size.rows, size.pitch, size.dtype),))

    return Backend(
        memory=DeviceMemory(direct),
        shallow_stage=lambda size: Bound(shallow_cuda.shallow_stage, (shallow_cuda.make_work(size.rows, size.dtype),)),
        surface_terms=lambda size: Bound(surface_cuda.surface_terms, ()),
        advance=of_block(primitive_cuda.advance, primitive_cuda.make_work),
        damp=of_block(damping_cuda.damp, damping_cuda.make_work),
        force=of_block(forcing_cuda.force, forcing_cuda.make_work),
        cells=damping_cuda,
        sums=sums_cuda,
        halo=halo_kernels_cuda,
        interpolate=lambda threads: (
            Bound(halo_kernels_cuda.interpolate_scalar, ()),
            Bound(halo_kernels_cuda.interpolate_wind, ()),
        ),
        matching=flux_matching_cuda,
        carry=lambda size: Bound(tracer_cuda.advance, (tracer_cuda.make_work(size.levels, size.rows, size.pitch),)),
        tracer=tracer_cuda,
    )


BACKENDS: dict[str, Callable[[bool], Backend]] = {"cpu": _cpu, "cuda": _cuda}


def make_backend(device: str, direct: bool = False) -> Backend:
    """The kernels and the memory of a device.

    Parameters
    ----------
    device : one of BACKENDS; where it is "cuda", a GPU is bound to this process already
    direct : messages are handed to MPI in the memory of the device
    """
    return BACKENDS[device](direct)


def to_device(memory: Memory, state: State) -> State:
    """A state whose fields kernels work on, from one on the host (the same arrays on the CPU)."""
    return State(*(None if array is None else memory.from_host(array) for array in state.fields))  # pyright: ignore[reportArgumentType]


def to_host(memory: Memory, state: State) -> State:
    """A state that the host may read (the same arrays on the CPU)."""
    return State(*(None if array is None else memory.to_host(array) for array in state.fields))  # pyright: ignore[reportArgumentType]
