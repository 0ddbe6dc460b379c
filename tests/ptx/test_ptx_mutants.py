"""A sample of one-instruction changes of the example kernels, most of which the checks must notice.

`python tests/ptx/mutation_score.py` judges all of them.
"""

from __future__ import annotations

import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")
pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings and NVRTC are not installed: make test CUDA=1")

from ptx.assembly import kernel_text
from ptx.examples import NAMES, c_example, numba_example
from ptx.mutants import Mutant, budgets_of, judge, mutants_of

SAMPLE = 12
WANTED = 0.85


@pytest.mark.parametrize("language", ["numba", "C"])
def test_most_changes_of_one_instruction_are_noticed(language: str) -> None:
    verdicts = []
    for name in NAMES:
        example = (numba_example if language == "numba" else c_example)(name, "float32")
        kernel = None if language == "numba" else name
        budgets = budgets_of(example, kernel)
        mutants = mutants_of(example.text, kernel, first=4, every=SAMPLE)
        verdicts += [judge(example, mutant, kernel, budgets) for mutant in mutants]
    survivors = [(v.mutant.kind, v.mutant.before) for v in verdicts if not v.killed_by]
    assert len(verdicts) > 25
    assert len(survivors) <= (1 - WANTED) * len(verdicts), survivors


# name of an example → what is changed in its text, and who must notice
CHOSEN = [
    ("axpy", "setp.ge.s64", "setp.gt.s64", "OutOfBoundsError"),
    ("axpy", "fma.rn.f32", "fma.rz.f32", ""),
    ("total", "bar.sync", "// bar.sync", "SharedRaceError"),
    ("total", "atom.global.add.f32", "atom.global.max.f32", "result"),
    ("diffuse", "bar.sync", "// bar.sync", "SharedRaceError"),
    ("histogram", "st.shared.u32", "// st.shared.u32", "UninitialisedMemoryError"),
    ("lennard_jones", "rcp.rn.f32", "neg.f32", "result"),
]


@pytest.mark.parametrize(("name", "good", "bad", "who"), CHOSEN)
def test_a_chosen_change_is_noticed_by_the_check_that_is_meant_for_it(name: str, good: str, bad: str, who: str) -> None:
    example = numba_example(name, "float32")
    assert good in example.text
    mutant = Mutant("chosen", 0, good, bad, example.text.replace(good, bad, 1))
    assert judge(example, mutant, None, budgets_of(example)).killed_by == who


def test_the_kernel_itself_survives() -> None:
    example = numba_example("diffuse", "float64")
    assert judge(example, Mutant("none", 0, "", "", example.text)).killed_by == ""


# line → what is made of it
CHANGES = {
    "@%p1 bra $out;": ["@!%p1 bra $out;"],
    "@!%p1 bra $out;": ["@%p1 bra $out;"],
    "add.s32 %r10, %r0, 7;": ["sub.s32 %r10, %r0, 7;", "add.s32 %r10, %r0, 8;"],
    "shr.b32 %r10, %r0, 3;": ["shl.b32 %r10, %r0, 3;", "shr.b32 %r10, %r0, 4;"],
    "setp.lt.s32 %p1, %r0, %r1;": ["setp.le.s32 %p1, %r0, %r1;"],
    "setp.geu.f32 %p1, %f1, %f2;": ["setp.gtu.f32 %p1, %f1, %f2;"],
    "selp.b32 %r10, %r0, %r1, %p1;": ["selp.b32 %r10, %r1, %r0, %p1;"],
    "fma.rn.f32 %f1, %f2, %f3, %f4;": [
        "neg.f32 %f4, %f4; fma.rn.f32 %f1, %f2, %f3, %f4;",
        "mul.rn.f32 %f1, %f2, %f3;",
    ],
    "mul.f64 %g1, %g2, 0d3FF0000000000000;": [
        "add.f64 %g1, %g2, 0d3FF0000000000000;",
        "mul.f64 %g1, %g2, 0d4000000000000000;",
    ],
    "mov.f32 %f1, 0f00000000;": ["mov.f32 %f1, 0f3F800000;"],
    "bar.sync 0;": [""],
    "st.global.u32 [%d1+8], %r0;": ["", "st.global.u32 [%d1+12], %r0;"],
    "ld.shared.f32 %f1, [%r10];": ["ld.shared.f32 %f1, [%r10+4];"],
}  # fmt: skip


@pytest.mark.parametrize("line", CHANGES)
def test_a_line_is_changed_in_the_ways_that_its_instruction_has(line: str) -> None:
    text = kernel_text(f"{line}\n$out:")
    place = next(number for number, words in enumerate(text.splitlines(), 1) if words.startswith(line))
    found = [mutant.after for mutant in mutants_of(text) if mutant.line == place]
    assert found == CHANGES[line]
