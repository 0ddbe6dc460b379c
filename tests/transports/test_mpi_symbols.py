"""Functions of an MPI library are believed only where they agree with mpi4py: planted libraries that do not."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from clustermark.transports.mpi_symbols import CALLS, NoSymbolsError, find_symbols, handle_of, large_counts_missing

WORLD, DOUBLE = 0x7F00_1234_5678, 0x4C00_080B
VERSION = "Made MPI v1"
RANKS = 6


def made_mpi(size: int, in_place: object = 1, **sizes: int) -> Any:
    """What `find_symbols` asks of mpi4py.MPI, with handles of `size` bytes but for those that `sizes` names."""
    kinds = {"Comm": size, "Datatype": size, "Op": size, "Request": size, "Status": 24} | sizes
    handles = {"world": WORLD if size == 8 else WORLD % 2**31, "double": DOUBLE}
    return SimpleNamespace(
        **{kind: kind for kind in kinds},
        COMM_WORLD=SimpleNamespace(name="world", size=RANKS),
        DOUBLE=SimpleNamespace(name="double"),
        IN_PLACE=in_place,
        Get_library_version=lambda: f"{VERSION}\n",
        _sizeof=lambda kind: kinds[kind],
        _handleof=lambda thing: handles[thing.name],
    )


def made_library(handle: type[Any], version: str = VERSION, without: str = "", world: int = WORLD) -> Any:
    """Functions as a library has them, which read a handle as `handle` and know their world by its value."""
    integer = ctypes.POINTER(ctypes.c_int)

    def give(answer: int, known: int) -> Callable[[Any, Any], int]:
        def function(given: Any, into: Any) -> int:
            into[0] = answer
            return 0 if given == known else 5

        return function

    def tell(text: Any, length: Any) -> int:
        ctypes.memmove(text, version.encode() + b"\0", len(version) + 1)
        return 0

    asked = ctypes.CFUNCTYPE(ctypes.c_int, handle, integer)
    functions: dict[str, Any] = {name: ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0) for name in CALLS}
    functions["MPI_Get_library_version"] = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, integer)(tell)
    functions["MPI_Comm_size"] = asked(give(RANKS, world))
    functions["MPI_Type_size"] = asked(give(8, DOUBLE))
    functions.pop(without, None)
    return SimpleNamespace(**functions)


def test_pointers_and_numbers_of_four_bytes_are_both_taken() -> None:
    wide = find_symbols(made_mpi(8), made_library(ctypes.c_int64))
    narrow = find_symbols(made_mpi(4), made_library(ctypes.c_int32, world=WORLD % 2**31))
    assert (wide.handle, narrow.handle, wide.status_bytes) == ("int64", "int32", 24)
    assert len(set(wide.addresses)) == len(CALLS)
    assert wide.in_place == 1


def test_a_handle_beyond_the_sign_is_passed_with_the_same_bits() -> None:
    mpi = SimpleNamespace(_handleof=lambda thing: 0x8C00_0000)
    assert handle_of(mpi, None, "int32") == 0x8C00_0000 - 2**32
    assert handle_of(mpi, None, "int64") == 0x8C00_0000


@pytest.mark.parametrize(
    ("mpi", "library", "sentence"),
    [
        (made_mpi(2), made_library(ctypes.c_int64), "Datatype 2 B, Op 2 B, Request 2 B; all 4 or all 8 B are"),
        (made_mpi(8, Request=4), made_library(ctypes.c_int64), "Request 4 B"),
        (made_mpi(8, object()), made_library(ctypes.c_int64), "does not say what stands for MPI_IN_PLACE"),
        (
            made_mpi(4),
            made_library(ctypes.c_int64),
            "MPI_Comm_size returns error 5 where mpi4py says 6: handles differ",
        ),
        (made_mpi(8), made_library(ctypes.c_int64, "Other MPI v1"), "belong to another library"),
        *((made_mpi(8), made_library(ctypes.c_int64, without=name), f"'{name}'") for name in CALLS),
    ],
)
def test_a_library_that_does_not_agree_is_refused_with_the_reason(mpi: Any, library: Any, sentence: str) -> None:
    with pytest.raises(NoSymbolsError) as refused:
        find_symbols(mpi, library)
    assert sentence in str(refused.value)


def made_counting(most: int) -> Any:
    """What `large_counts_missing` asks of mpi4py.MPI, of a library that says MPI 4.1 and counts so far."""
    freed: list[str] = []

    def sendrecv(sent: Any, *others: Any) -> None:
        if sent[1] > most:
            raise mpi.Exception("integer overflow")

    nothing = SimpleNamespace(Free=lambda: freed.append("type"))
    nothing.Commit = lambda: nothing
    mpi = SimpleNamespace(
        BYTE=SimpleNamespace(Create_contiguous=lambda count: nothing),
        COMM_SELF=SimpleNamespace(Sendrecv=sendrecv),
        Exception=type("MpiException", (Exception,), {}),
        Get_library_version=lambda: f"{VERSION}, package: made\n",
        Get_version=lambda: (4, 1),
        freed=freed,
    )
    return mpi


def test_a_library_that_says_mpi_4_and_counts_no_further_than_an_int_is_not_believed() -> None:
    lying, honest = made_counting(2**31 - 1), made_counting(2**63 - 1)
    assert large_counts_missing(lying) == f"{VERSION} has no calls that count further"
    assert large_counts_missing(honest) == ""
    assert lying.freed == honest.freed == ["type"]
