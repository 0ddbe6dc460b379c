"""The C functions of the MPI library that mpi4py has loaded, and the width of its handles.

The MPI standard fixes what a function means, not how a handle looks: Open MPI and the standard ABI hand pointers about,
MPICH numbers of four bytes. mpi4py tells the sizes; a function found is believed only after it said what mpi4py says.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

CALLS = (
    *("MPI_Send", "MPI_Recv", "MPI_Isend", "MPI_Irecv", "MPI_Waitall", "MPI_Sendrecv"),
    *("MPI_Allreduce", "MPI_Reduce_scatter_block", "MPI_Reduce_scatter", "MPI_Allgather", "MPI_Allgatherv"),
    *("MPI_Alltoall", "MPI_Alltoallv", "MPI_Bcast", "MPI_Barrier"),
)
# What is passed for a handle: NumPy's name of an integer and C's.
HANDLES: dict[str, Any] = {"int32": ctypes.c_int32, "int64": ctypes.c_int64}
_VERSION_BYTES = 8192  # MPI_MAX_LIBRARY_VERSION_STRING of Open MPI is 256, of MPICH 8192


class NoSymbolsError(Exception):
    """The library cannot be called past mpi4py: the end of a sentence that says why."""


@dataclass(frozen=True)
class Symbols:
    """Where the functions of `CALLS` stand, and what they take.

    Attributes
    ----------
    addresses : one for each of `CALLS`, in that order
    handle : NumPy's name of the integer that a communicator, a datatype, an operation or a request is
    status_bytes : of one MPI_Status
    in_place : the address that stands for MPI_IN_PLACE
    """

    addresses: tuple[int, ...]
    handle: str
    status_bytes: int
    in_place: int


def loaded_library(mpi: Any) -> ctypes.CDLL:
    """mpi4py's own extension module: what is looked up in it is found in the library that it was linked with."""
    return ctypes.CDLL(mpi.__file__)


def find_symbols(mpi: Any, library: Any = None) -> Symbols:
    """Addresses and widths for the module mpi4py.MPI, initialised; not collective.

    Parameters
    ----------
    library : where the functions are looked up; None for the one that mpi4py loaded

    Raises
    ------
    NoSymbolsError : a function is missing, handles have an unknown size, or the functions belong to another library
    """
    handle = _handle(mpi)
    try:
        functions = library or loaded_library(mpi)
        addresses = tuple(_address(functions, name) for name in CALLS)
        _compare(mpi, functions, handle)
    except (OSError, AttributeError) as error:
        raise NoSymbolsError(f"a function of the MPI library was not found ({error})") from error
    try:
        in_place = int(mpi.IN_PLACE)
    except (TypeError, ValueError) as error:
        raise NoSymbolsError(f"mpi4py does not say what stands for MPI_IN_PLACE ({error})") from error
    return Symbols(addresses, handle, mpi._sizeof(mpi.Status), in_place)


def _handle(mpi: Any) -> str:
    sizes = {kind: mpi._sizeof(getattr(mpi, kind)) for kind in ("Comm", "Datatype", "Op", "Request")}
    for name, integer in HANDLES.items():
        if set(sizes.values()) == {ctypes.sizeof(integer)}:
            return name
    said = ", ".join(f"{kind} {size} B" for kind, size in sizes.items())
    raise NoSymbolsError(f"handles are of no ABI that is known ({said}; all 4 or all 8 B are)")


def _address(library: Any, name: str) -> int:
    address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    if not address:
        raise AttributeError(f"{name} stands nowhere")
    return address


def _compare(mpi: Any, library: Any, handle: str) -> None:
    """What the functions say of the library, of the world and of a type must be what mpi4py says."""
    text, length = ctypes.create_string_buffer(_VERSION_BYTES), ctypes.c_int()
    version = library.MPI_Get_library_version
    version.argtypes, version.restype = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_int)], ctypes.c_int
    version(text, ctypes.byref(length))
    if text.value.decode(errors="replace").strip() != mpi.Get_library_version().strip("\0 \n"):
        raise NoSymbolsError("the functions found belong to another library than mpi4py's")
    for name, thing, expected in (
        ("MPI_Comm_size", mpi.COMM_WORLD, mpi.COMM_WORLD.size),
        ("MPI_Type_size", mpi.DOUBLE, 8),
    ):
        function, answer = getattr(library, name), ctypes.c_int(-1)
        function.argtypes, function.restype = [HANDLES[handle], ctypes.POINTER(ctypes.c_int)], ctypes.c_int
        error = function(handle_of(mpi, thing, handle), ctypes.byref(answer))
        if error or answer.value != expected:
            found = f"returns error {error}" if error else f"answers {answer.value}"
            raise NoSymbolsError(f"{name} {found} where mpi4py says {expected}: handles differ")


def handle_of(mpi: Any, thing: Any, handle: str) -> int:
    """The handle of a communicator, datatype or operation as the signed integer that is passed (`Symbols.handle`)."""
    return int(HANDLES[handle](mpi._handleof(thing)).value)


def large_counts_missing(mpi: Any) -> str:
    """ "" where the library that mpi4py calls counts further than a C int (MPI 4.0, section 2.5.8), else why not.

    Versions are not believed: 2^31 elements of no size are sent from this rank to itself.
    """
    nothing, word, count = mpi.BYTE.Create_contiguous(0).Commit(), bytearray(8), 2**31
    try:
        mpi.COMM_SELF.Sendrecv([word, count, nothing], 0, 0, [word, count, nothing], 0, 0)
    except (mpi.Exception, OverflowError):
        library = mpi.Get_library_version().split(",")[0].strip("\0 \n")
        return f"{library.splitlines()[0]} has no calls that count further"
    finally:
        nothing.Free()
    return ""
