"""Budgets of CUDA kernels: what their machine code may need at most, and must have at least."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cuda_helpers.offline import Audit

# Kinds of arithmetic in which float64 is what is asked for.
DOUBLE = frozenset({"float64", "double", "fp64"})
# A multiprocessor of sm_90: registers, given out to a warp in units; shared memory [B], of which a block costs some;
# warps and blocks (CUDA C Programming Guide, technical specifications per compute capability).
REGISTERS, REGISTER_UNIT, SHARED, SHARED_OF_A_BLOCK, WARPS, BLOCKS = 65536, 256, 233472, 1024, 64, 32
LEAST_OCCUPANCY = 0.5


@dataclass(frozen=True)
class Budget:
    """Budget of a kernel, over all of its variants and every architecture. Spills and local memory are never in it.

    Attributes
    ----------
    registers : most registers of a thread
    float32 : most registers where a variant serves another kind of arithmetic than float64; 0: `registers`
    fp64 : kind → most float64 instructions there, `because`; none where a kind is not listed
    least : instruction of the machine code → how many there are at least ("LDG.E.128": 2)
    threads : of a block
    few : why fewer than half of the warps that a multiprocessor has may be at work
    """

    registers: int
    float32: int = 0
    fp64: Mapping[str, int] = field(default_factory=dict)
    because: str = ""
    least: Mapping[str, int] = field(default_factory=dict)
    threads: int = 128
    few: str = ""


def complaints(found: Audit, budget: Budget, kinds: Iterable[str]) -> list[str]:
    """One sentence for each part of a budget that a variant for some kinds of arithmetic breaks."""
    others = set(kinds) - DOUBLE
    registers = budget.float32 if others and budget.float32 else budget.registers
    allowed = min((budget.fp64.get(kind, 0) for kind in others), default=math.inf)
    broken = []
    if found.registers > registers:
        broken.append(f"uses {found.registers} registers, more than {registers}")
    if found.spilled:
        broken.append(f"spills {found.spilled} bytes of registers")
    if found.local:
        broken.append(f"keeps {found.local} bytes in local memory")
    if found.fp64 > allowed:
        broken.append(f"has {found.fp64} float64 instructions, more than {allowed}")
    broken += [
        f"has {found.number(name)} instructions {name}, fewer than {least}"
        for name, least in budget.least.items()
        if found.number(name) < least
    ]
    return broken


def occupancy(registers: int, threads: int, shared: int = 0) -> float:
    """Part of the warps of a multiprocessor of sm_90 that are at work: CUDA's occupancy calculator.

    Parameters
    ----------
    registers : of a thread
    threads, shared : of a block; shared memory [B]
    """
    warps = -(-threads // 32)
    of_a_warp = -(-registers * 32 // REGISTER_UNIT) * REGISTER_UNIT
    blocks = min(BLOCKS, WARPS // warps, REGISTERS // of_a_warp // warps, SHARED // (shared + SHARED_OF_A_BLOCK))
    return blocks * warps / WARPS


def unreasoned(budgets: Mapping[str, Budget]) -> list[str]:
    """One sentence for each budget that asks for something unusual without a reason, or gives one for nothing."""
    found = []
    for name, budget in budgets.items():
        most = max(budget.registers, budget.float32)
        if occupancy(most, budget.threads) < LEAST_OCCUPANCY and not budget.few:
            found.append(f"{name}: fewer than half of the warps are at work; say why (few=…)")
        if bool(budget.fp64) != bool(budget.because):
            found.append(f"{name}: float64 instructions beside float32 and a reason for them come together (because=…)")
    return found
