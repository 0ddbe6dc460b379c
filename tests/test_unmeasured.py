"""No figure of a GPU stands in the documentation before somebody measured it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GPU = re.compile(r"\b(GPUs?|CUDA|cuda|[VAHB][12]00|MI300X?|GH200|RTX|NCCL|NVLink)\b")
RATE = re.compile(
    r"\d[\d.,]*\s*(?:[kMGTP]?(?:flop|FLOP|B|bit|elem|cell-steps|atom-steps|call)(?:/s|S\b)|[µmn]s\b|SYPD\b)"
)
SAID = re.compile(r"unmeasured|measured on|vendor|data sheet|modelled", re.I)


def bare_figures(text: str, where: str) -> list[str]:
    """Lines that name a GPU and a rate and do not say whether anybody measured it."""
    return [
        f"{where}:{number}: names a GPU and a rate; say 'unmeasured', 'measured on …', or whose data sheet promises it"
        for number, line in enumerate(text.splitlines(), 1)
        if GPU.search(line) and RATE.search(line) and not SAID.search(line)
    ]


def test_every_figure_of_a_gpu_says_whether_it_was_measured() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert len(pages) > 10
    assert [problem for page in pages for problem in bare_figures(page.read_text(), page.name)] == []


@pytest.mark.parametrize(
    "line",
    [
        "On an H100 the copy reaches 3.0 TB/s.",
        "| gemm | A100 | 19.1 TFLOP/s |",
        "a step takes 12 µs on the GPU",
        "| climate | --device cuda | 4.2 SYPD |",
    ],
)
def test_an_invented_figure_is_found(line: str) -> None:
    assert len(bare_figures(f"# Page\n{line}\n", "page")) == 1
    assert bare_figures(f"{line} (measured on one H200, driver 580, 2027-01-01)\n", "page") == []
    assert bare_figures(f"{line} unmeasured\n", "page") == []
