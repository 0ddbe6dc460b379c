"""Reading PTX: what it says, and one sentence about whatever is wrong with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptx.assembly import kernel_text
from ptx.faults import FaultError, LaunchError, PtxError, UnreadablePtxError
from ptx.launching import Options, run_kernel
from ptx.linker import load_program
from ptx.parser import parse

TEXT = kernel_text(
    "{ .reg .b32 %t; mov.u32 %t, 0x10; $a: add.s32 %r10, %t, -1; @!%p1 bra $a; }\n"
    "ld.global.v2.f32 {%f1, %f2}, [%d1+-8];\nmov.f32 %f3, 0f3F800000;\nmov.f64 %g1, 0dBFF0000000000000;",
    declarations=".shared .align 8 .b8 tile[24];\n.global .align 4 .u32 table[3] = {1, 2, 3};",
)


def test_a_module_holds_what_its_text_says() -> None:
    module = parse(TEXT)
    assert module.kernels == ["planted"]
    assert module.variables["tile"].size == 24
    assert module.variables["table"].initial == b"\1\0\0\0\2\0\0\0\3\0\0\0"
    kernel = module.functions["planted"]
    assert kernel.parameters[0].form.name == "u64"
    guarded = next(i for i in kernel.instructions if i.guard is not None)
    assert (guarded.opcode, guarded.when, guarded.text) == ("bra", False, guarded.text)
    assert "@!%p1" in guarded.text


def test_a_line_that_is_named_is_the_line_of_the_text() -> None:
    text = TEXT.replace("mov.f32 %f3, 0f3F800000;", "frobnicate.f32 %f3, %f1;")
    line = next(n for n, words in enumerate(text.splitlines(), 1) if "frobnicate" in words)
    with pytest.raises(PtxError, match=f"PTX line {line}: .*frobnicate"):
        load_program(text)


WRONG = [
    ("%f1, %f2}", "%f1, %f2", "expected"),
    ("%t, 0x10", "%t, %nothing", "not declared"),
    ("24]", "-24]", "impossible size"),
    ("24]", "99999999999]", "impossible size"),
    (".align 8", ".align 3", "power of two"),
    ("{1, 2, 3}", "{1, 2, 3, 4}", "fewer"),
    ("$a: add", "$a: $a: add", "twice"),
    (".reg .b32 %t;", ".reg .b32 %t; .reg .b32 %t;", "twice"),
    (".reg .b32 %t;", ".reg .f8 %t;", "a type"),
    ("%p<8>", "%p<99999999>", "impossible number"),
    ("ret;\n}", "ret;", "end of the text"),
    (".visible .entry", ".invisible .entry", "directive"),
    ("add.s32", "add.s32 §", "begins no PTX token"),
    (".param .u64 p1", ".reg .u64 p1", ".param"),
]


@pytest.mark.parametrize(("good", "bad", "words"), WRONG)
def test_what_cannot_be_read_is_named(good: str, bad: str, words: str) -> None:
    assert good in TEXT
    with pytest.raises(UnreadablePtxError) as caught:
        parse(TEXT.replace(good, bad, 1))
    assert words in str(caught.value)
    assert "PTX line" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
@settings(max_examples=60)
def test_any_text_is_read_or_refused_in_one_sentence(text: str) -> None:
    try:
        load_program(text)
    except PtxError as error:
        assert "\n" not in str(error)


@given(data=st.data())
@settings(max_examples=150)
def test_a_damaged_kernel_is_read_or_refused_in_one_sentence(data: st.DataObject) -> None:
    pieces = TEXT.split(" ")
    place = data.draw(st.integers(0, len(pieces) - 1))
    other = data.draw(
        st.one_of(st.sampled_from(pieces), st.text(max_size=8), st.sampled_from(["{", "}", "(", ";", ""]))
    )
    text = " ".join([*pieces[:place], other, *pieces[place + 1 :]])
    try:
        run_kernel(text, 1, 2, [np.zeros(4, np.float32)], Options("c", budget=200))
    except (PtxError, FaultError) as error:
        assert "\n" not in str(error)


def test_debugging_sections_and_hints_are_passed_over() -> None:
    text = TEXT.replace("{\n.reg", '.maxntid 128, 1, 1\n.minnctapersm 2\n{\n.loc 1 2 3\n.pragma "nounroll";\n.reg', 1)
    text += '.file 1 "a.cu"\n.section .debug_str { .b8 1, 2; $x: .b8 3; }\n'
    assert parse(text).kernels == ["planted"]


LAUNCHES = [
    ((1, 2048), [np.zeros(4, np.float32)], "1024"),
    ((0, 32), [np.zeros(4, np.float32)], "grid"),
    ((1, (8, 8, 8, 8)), [np.zeros(4, np.float32)], "block"),
    ((1, 32), [], "takes 1"),
    ((1, 32), [np.zeros((4, 4), np.float32)[:, ::2]], "C-contiguous"),
    ((1, 32), [np.array(["text"])], "C-contiguous"),
    ((1, 32), ["text"], "expected an array or a number"),
    ((1, 32), [np.float32(1)], "same width"),
]


@pytest.mark.parametrize(("shape", "arguments", "words"), LAUNCHES)
def test_a_launch_that_does_not_fit_is_refused(shape: Any, arguments: list[Any], words: str) -> None:
    with pytest.raises(LaunchError) as caught:
        run_kernel(kernel_text(""), shape[0], shape[1], arguments, Options("c"))
    assert words in str(caught.value)


def test_overlapping_arrays_are_refused_and_one_array_twice_is_one_array() -> None:
    both = np.zeros(8, np.uint32)
    with pytest.raises(LaunchError, match="overlap"):
        run_kernel(kernel_text("", 2), 1, 1, [both, both[2:]], Options("c"))
    run_kernel(kernel_text("st.global.u32 [%d1], 7; ld.global.u32 %r10, [%d2]; st.global.u32 [%d2+4], %r10;", 2), 1, 1,
               [both, both], Options("c"))  # fmt: skip
    assert both[:2].tolist() == [7, 7]


def test_the_kernel_must_be_named_where_there_are_several() -> None:
    several = TEXT + kernel_text("").split(".address_size 64")[1].replace("planted", "other")
    with pytest.raises(PtxError, match="2 kernels"):
        load_program(several)
    assert load_program(several, "other").kernel.name == "other"
    with pytest.raises(PtxError, match="no kernel third"):
        load_program(several, "third")


def test_lines_that_no_thread_ran_are_reported() -> None:
    text = kernel_text("setp.lt.u32 %p1, %r0, 0; @!%p1 bra $out;\nmov.u32 %r10, 1;\n$out:")
    report = run_kernel(text, 1, 32, [np.zeros(4, np.float32)], Options("c"))
    assert [words for _, words in report.not_run] == ["mov.u32 %r10, 1;"]
    assert 0.85 < report.coverage < 1
