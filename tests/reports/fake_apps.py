"""Runs of applications with planned figures: scaling, communication, energy, errors, and a history of them."""

from collections.abc import Sequence
from typing import Any

from fake_runs import Amount, make_case, make_row, make_run, mixed_run, pair_rows, pingpong_rows, sample_rows

from clustermark.core.counters import COMMUNICATION_SHARE, ENERGY_PER_STEP
from clustermark.core.runfile import Run
from clustermark.core.summary import Row
from clustermark.reports.costs import Costs, Owning

COSTS = Costs("EUR", 2.5, Owning(30000.0, 4.0, 0.7, 1500.0), 1.3, 0.25, 380.0)
ERRORS = {"fp64": 2e-16, "mixed": 3e-8, "fp32": 2e-7}
SPEEDS = {"fp64": 1.0, "mixed": 1.7, "fp32": 1.6}
# What a rank computes faster, it waits longer for.
SHARES = {"fp64": 1.0, "mixed": 1.5, "fp32": 1.4}
ATOM_SECONDS = 1.2e-7


def app_row(
    workload: str = "md",
    cells: int = 20,
    ranks: int = 1,
    precision: str = "fp64",
    share: float = 0.0,
    slower: float = 1.0,
    metered: bool = True,
    **fields: Any,
) -> Row:
    """A simulation whose ranks lose `share` of their time to communication."""
    options = {name: fields.pop(name) for name in ("fabric", "threads", "ranks_per_node") if name in fields}
    case = make_case(workload, params={"cells": cells, "overlap": True}, precision=precision, ranks=ranks, **options)
    steps = 4.0 * cells**3 * 20
    seconds = slower * steps * ATOM_SECONDS / SPEEDS[precision] / ranks / (1 - share)
    counters = {ENERGY_PER_STEP: 180.0 * case.nodes * seconds} if metered else {}
    counters |= fields.pop("counters", {})
    if ranks > 1:
        counters[COMMUNICATION_SHARE] = share
    work = {"atom_steps": Amount(steps, "atom-step")}
    return make_row(case, seconds, work=work, error=ERRORS[precision], counters=counters, **fields)


def app_rows(slower: float = 1.0, **fields: Any) -> list[Row]:
    """Strong and weak scaling over two fabrics and three precisions."""
    rows = []
    for precision in ("fp64", "mixed", "fp32"):
        rows.append(app_row(precision=precision, slower=slower, **fields))
        for ranks, fabric, share in ((2, "ompi-sm-cma", 0.05), (2, "ompi-tcp", 0.17), (4, "ompi-sm-cma", 0.11)):
            rows.append(
                app_row(
                    precision=precision,
                    ranks=ranks,
                    fabric=fabric,
                    share=share * SHARES[precision],
                    slower=slower,
                    proven=fabric != "ompi-tcp",
                    **fields,
                )
            )
    rows += [
        app_row(cells=cells, ranks=ranks, fabric="ompi-sm-cma", share=0.04 * ranks**0.5, slower=slower, **fields)
        for ranks, cells in ((2, 25), (4, 32), (8, 40))
    ]
    return rows


def roof_rows(precisions: Sequence[str] = ("fp64", "fp32")) -> list[Row]:
    """Matrix products that declare their bytes, and streams of nothing but bytes."""
    rows = []
    for precision in precisions:
        word = 8 if precision == "fp64" else 4
        for n in (64, 256, 1024):
            flop, data = 2.0 * n**3, 3.0 * n * n * word
            rate = {"fp64": 1.1e11, "fp32": 2.2e11}[precision] * min(0.85, n / 700)
            work = {"flop_rate": Amount(flop, "flop"), "least_bandwidth": Amount(data, "B")}
            case = make_case("gemm", params={"n": n}, precision=precision, ranks=1)
            rows.append(make_row(case, flop / rate, work=work, ceiling="peak.flop_rate", error=ERRORS[precision]))
        for kernel, scale in (("triad", 1.0), ("dot", 1.07)):
            case = make_case("membw", params={"variant": kernel}, precision=precision, ranks=1)
            rows.append(make_row(case, 2e-3, work={"bandwidth": Amount(4.4e10 * scale * 2e-3, "B")}))
        case = make_case("peak", precision=precision, ranks=1)
        peak = {"fp64": 1.1e11, "fp32": 2.2e11}[precision]
        rows.append(make_row(case, 1e-3, work={"flop_rate": Amount(peak * 1e-3, "flop")}))
    return rows


def full_runs(count: int = 4) -> list[Run]:
    """Runs that together have the axes of every chart; the newest holds wrong, failed and noisy cases."""
    runs = []
    for number in range(count):
        slower = 1.0 + 0.03 * (number % 3) + (0.12 if number == count - 1 else 0.0)
        rows = [*sample_rows(gemm=()), *pingpong_rows(), *pair_rows(), *roof_rows(), *app_rows(slower)]
        if number == count - 1:
            rows = [
                *mixed_run().rows[:-4],
                *pingpong_rows(),
                *pair_rows(),
                *roof_rows(),
                *app_rows(slower),
                *mixed_run().rows[-4:],
            ]
            rows.append(app_row(cells=30, ranks=2, share=0.2, conditions=("noisy machine: other programs ran",)))
            rows = list({row.case.id: row for row in rows}.values())
        runs.append(make_run(rows, number))
    return runs
