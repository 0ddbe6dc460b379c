"""What the benchmarks of communication send and count, apart from any transport."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.benchmarks import BENCHMARKS, allgather, alltoall, broadcast, multi_pair, pingpong, reduce_scatter
from clustermark.benchmarks.elements import EXACT, carrier, encode, expected_sum, moved_payload, payload
from clustermark.benchmarks.halo_exchange import face, padded_block, sent_cells
from clustermark.benchmarks.multi_pair import partner_of
from clustermark.benchmarks.pairs import every_pair, ranks_of
from clustermark.benchmarks.random_ring import neighbours as ring_neighbours
from clustermark.core.case import Case
from clustermark.core.workload import ParamValue
from clustermark.transports.grid import balanced_shape, neighbours, place_of, rank_at


def case_of(name: str, ranks: int = 2, precision: str = "fp64", transport: str = "mpi", **params: ParamValue) -> Case:
    """A case of a benchmark with its defaults."""
    workload = BENCHMARKS[name]
    chosen = {p.name: p.default for p in workload.params} | params
    return Case(name, workload.version, chosen, precision, "cpu", transport, "shm", ranks, ranks)


# --- payloads -----------------------------------------------------------------------------------------------


@given(st.integers(1, 600), st.sampled_from(list(EXACT)))
def test_sums_over_any_number_of_ranks_are_exact_in_every_format(ranks: int, dtype: str) -> None:
    count = 300
    total = np.zeros(count)
    for rank in range(ranks):
        total += decoded(payload(count, rank, dtype, ranks))
    assert total.max() <= EXACT[dtype]
    assert total.max() > 0
    assert (expected_sum(count, ranks, dtype) == encode(total, dtype)).all()


def decoded(values: np.ndarray) -> np.ndarray:
    """As float64; uint16 holds the bits of bfloat16."""
    if values.dtype == np.uint16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float64)


def test_bfloat16_is_the_upper_half_of_a_float32() -> None:
    values = np.arange(257)
    assert (decoded(encode(values, "uint16")) == values).all()


@pytest.mark.parametrize("size", [0, 1, 7, 1000])
def test_no_two_messages_of_neighbouring_numbers_share_an_element(size: int) -> None:
    assert not (moved_payload(size, 4) == moved_payload(size, 5)).any()
    assert moved_payload(size, 4).nbytes == size
    assert not (moved_payload(size, 4) == 0xFF).any()


def test_messages_beyond_an_mpi_int_are_moved_in_words() -> None:
    assert carrier(2**31 - 1) == "uint8"
    assert carrier(2**31) == "uint64"


# --- work ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("work", "bus"),
    [
        *((allgather.part_work, 750), (reduce_scatter.part_work, 750), (alltoall.part_work, 750)),
        (lambda size, ranks: broadcast.work(size), 1000),
    ],
)
def test_bus_bandwidth_has_the_factors_of_nccl_tests(work, bus: float) -> None:  # type: ignore[no-untyped-def]
    amounts = work(1000, 4)
    assert next(iter(amounts)) == "bus_bandwidth"
    assert amounts["bus_bandwidth"].value == bus
    assert amounts["algorithm_bandwidth"].value == 1000


def test_messages_are_counted_once() -> None:
    assert pingpong.work(10)["bandwidth"].value == 20
    assert multi_pair.work(10, 3, 8, False)["bandwidth"].value == 240
    assert multi_pair.work(10, 3, 8, True)["message_rate"].value == 48


# --- who talks to whom --------------------------------------------------------------------------------------


@given(st.integers(1, 70), st.integers(1, 40))
def test_partners_are_partners_of_each_other(ranks: int, pairs: int) -> None:
    pairs = min(pairs, max(1, ranks // 2))
    partners = {rank: partner_of(rank, ranks, pairs) for rank in range(ranks)}
    talking = {rank: partner for rank, partner in partners.items() if partner is not None}
    assert len(talking) == (1 if ranks == 1 else 2 * pairs)
    assert all(talking[partner] == rank for rank, partner in talking.items())


@given(st.integers(1, 40), st.integers(0, 5), st.integers(0, 3), st.booleans())
def test_a_ring_is_one_cycle_through_all_ranks(ranks: int, seed: int, ring: int, shuffled: bool) -> None:
    after = {rank: ring_neighbours(rank, ranks, seed, ring, shuffled)[1] for rank in range(ranks)}
    seen, rank = [], 0
    for _ in range(ranks):
        rank = after[rank]
        seen.append(rank)
    assert sorted(seen) == list(range(ranks))
    assert all(ring_neighbours(after[rank], ranks, seed, ring, shuffled)[0] == rank for rank in range(ranks))


def test_rings_differ_and_those_in_order_do_not() -> None:
    rings = {tuple(ring_neighbours(rank, 30, 1, ring, True)[1] for rank in range(30)) for ring in range(4)}
    assert len(rings) == 4
    assert ring_neighbours(3, 30, 1, 2, False) == (2, 4)


@given(st.integers(1, 200), st.integers(1, 3))
def test_a_grid_has_all_ranks_and_neighbours_are_mutual(ranks: int, dimensions: int) -> None:
    shape = balanced_shape(ranks, dimensions)
    assert len(shape) == dimensions
    assert np.prod(shape) == ranks
    assert list(shape) == sorted(shape, reverse=True)
    for rank in range(0, ranks, 7):
        assert rank_at(place_of(rank, shape), shape) == rank
        for axis in range(dimensions):
            before, after = neighbours(rank, shape, axis)
            assert neighbours(after, shape, axis)[0] == rank
            assert neighbours(before, shape, axis)[1] == rank


def test_grids_are_as_square_as_they_can_be() -> None:
    assert [balanced_shape(ranks, 2) for ranks in (4, 6, 7, 12)] == [(2, 2), (3, 2), (7, 1), (4, 3)]
    assert [balanced_shape(ranks, 3) for ranks in (8, 12, 64, 2)] == [(2, 2, 2), (3, 2, 2), (4, 4, 4), (2, 1, 1)]


def test_all_pairs_are_every_pair_once() -> None:
    assert every_pair("all", 4) == ("0-1", "0-2", "0-3", "1-2", "1-3", "2-3")
    assert every_pair("1-2", 4) == ("1-2",)
    assert [ranks_of(str(pair)) for pair in every_pair("all", 3)] == [(0, 1), (0, 2), (1, 2)]
    assert BENCHMARKS["pairs"].refuse(case_of("pairs", ranks=3, pair="1-2")) == ""


# --- halos --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "width", "shape"), [(3, 1, (2, 2)), (4, 3, (3, 1)), (3, 2, (2, 1, 2)), (2, 2, (1, 1))])
def test_a_halo_is_the_padding_of_the_global_array(n: int, width: int, shape: tuple[int, ...]) -> None:
    cells = np.arange(np.prod([n * extent for extent in shape])).reshape([n * extent for extent in shape])
    padded = np.pad(cells, width, mode="wrap")
    for rank in range(int(np.prod(shape))):
        place = place_of(rank, shape)
        view = padded[tuple(slice(p * n, p * n + n + 2 * width) for p in place)]
        assert (padded_block(n, width, shape, place, "float64") == view).all()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_cells_that_are_sent_are_those_of_the_faces(dimensions: int) -> None:
    n, width = 5, 2
    block = np.zeros((n + 2 * width,) * dimensions)
    faces = [block[face(axis, slice(width, 2 * width), n, width, dimensions)].size for axis in range(dimensions)]
    assert sent_cells(n, width, dimensions) == 2 * sum(faces)
    # Every cell outside of the inside is in one halo.
    assert sent_cells(n, width, dimensions) == block.size - n**dimensions


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "part"),
    [
        (case_of("pingpong", ranks=1), "nobody to send to"),
        (case_of("broadcast", ranks=1), "nobody to send to"),
        (case_of("random_ring", ranks=1), "nobody to send to"),
        (case_of("multi_pair", ranks=1), "nobody to send to"),
        (case_of("multi_pair", ranks=5, pairs=3), "use 2 or fewer"),
        (case_of("multi_pair", bytes=2**30), "use a smaller window"),
        (case_of("alltoall", bytes=2**31 + 1), "use a multiple of 8"),
        (case_of("allgather", bytes=2**36), "use a smaller size"),
        (case_of("reduce_scatter", bytes=12), "use a multiple of 8"),
        (
            case_of("reduce_scatter", precision="fp16"),
            "transport 'mpi' has no fp16 sum; use 'nccl' or precision 'fp32'",
        ),
        (case_of("allreduce", precision="bf16", transport="nccl_mpi"), "'nccl_mpi' has no bf16 sum"),
        (case_of("pairs", ranks=3, pair="1-3"), "sends between ranks 1 and 3 of 3; ranks count from 0"),
        (case_of("pairs", ranks=1), "nobody to send to"),
        (case_of("pairs", ranks=257, pair=every_pair("all", 257)[0]), "name pairs ('0-3')"),
        *(
            (
                case_of(name, transport="nccl", caller="compiled"),
                "over transport 'nccl' on device 'cpu'; use caller 'auto'",
            )
            for name in (
                "pingpong",
                "multi_pair",
                "random_ring",
                "allreduce",
                "reduce_scatter",
                "allgather",
                "alltoall",
            )
        ),
        (case_of("pairs", pair="0-1", transport="nccl", caller="compiled"), "has no calls from compiled code"),
        (case_of("halo_exchange", n=3, width=4), "use a width of 3 or less"),
        (case_of("halo_exchange", n=100_000), "use a smaller n"),
    ],
)
def test_impossible_cases_are_refused_with_a_way_out(case: Case, part: str) -> None:
    assert part in BENCHMARKS[case.workload].refuse(case)


def test_more_elements_than_an_int_counts_are_for_calls_from_python_in_a_library_that_may_have_them() -> None:
    for name, size in (("pingpong", 2**31 + 1), ("alltoall", 2**36), ("allreduce", 2**35), ("reduce_scatter", 2**35)):
        refuse = BENCHMARKS[name].refuse
        far = case_of(name, bytes=size, caller="auto")
        assert refuse(replace(far, fabric="mpich-shm-cma")) == ""
        for refused in (
            replace(far, fabric="ompi-tcp"),
            replace(far, fabric="mpich-shm-cma", device="cuda"),
            replace(far, fabric="mpich-shm-cma", params={**far.params, "caller": "compiled"}),
        ):
            assert "over the 2^31 of an MPI int; use a" in refuse(refused)
        assert BENCHMARKS[name].memory(far) >= 2 * size
    assert carrier(2**31 + 1) == "uint8"


@pytest.mark.parametrize("name", ["allgather", "alltoall", "broadcast", "pingpong", "multi_pair", "random_ring"])
def test_messages_of_no_bytes_and_of_one_are_possible(name: str) -> None:
    for size in (0, 1):
        assert BENCHMARKS[name].refuse(case_of(name, bytes=size)) == ""
    size = next(param for param in BENCHMARKS[name].params if param.name == "bytes")
    assert size.check(0) == ""
    assert "expected 0B" in size.check(-1)


@pytest.mark.parametrize("pair", ["", "1", "2-1", "1-1", "a-b", "-1-2", 3])
def test_what_names_no_pair_is_told_what_does(pair: ParamValue) -> None:
    told = next(param for param in BENCHMARKS["pairs"].params if param.name == "pair").check(pair)
    assert told == "expected 'all' or two ranks such as '0-3', the smaller first"


def test_sums_of_two_bytes_are_possible_with_nccl() -> None:
    case = case_of("allreduce", precision="fp16", transport="nccl")
    assert BENCHMARKS["allreduce"].refuse(case) == ""
    assert "multiple of 2" in BENCHMARKS["allreduce"].refuse(replace(case, params={**case.params, "bytes": 9}))
