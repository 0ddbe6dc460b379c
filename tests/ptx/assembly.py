"""Small kernels written as PTX, for tests of single instructions."""

from __future__ import annotations

import numpy as np

from ptx.formats import FORMATS, bits_of
from ptx.launching import Options, Report, run_kernel

_REGISTERS = (
    ".reg .pred %p<8>; .reg .b16 %h<16>; .reg .b32 %r<32>; .reg .b64 %d<32>; .reg .f32 %f<16>; .reg .f64 %g<16>;"
)


def kernel_text(body: str, pointers: int = 1, declarations: str = "") -> str:
    """A kernel of some pointers, %d1 and on, with %r0 = thread in the block and %r1 = thread in the grid."""
    parameters = ", ".join(f".param .u64 p{number}" for number in range(1, pointers + 1))
    loads = "\n".join(
        f"ld.param.u64 %d{number}, [p{number}];\ncvta.to.global.u64 %d{number}, %d{number};"
        for number in range(1, pointers + 1)
    )
    return f"""
.version 8.0
.target sm_90
.address_size 64
{declarations}
.visible .entry planted({parameters})
{{
{_REGISTERS}
mov.u32 %r0, %tid.x;
mov.u32 %r2, %ctaid.x;
mov.u32 %r3, %ntid.x;
mad.lo.s32 %r1, %r2, %r3, %r0;
{loads}
{body}
ret;
}}
"""


def run_body(
    body: str,
    arrays: list[np.ndarray],
    threads: int = 32,
    blocks: int = 1,
    options: Options | None = None,
    declarations: str = "",
) -> Report:
    """Run a body on arrays, which are changed in place."""
    options = options or Options("c", budget=5_000)
    return run_kernel(kernel_text(body, len(arrays), declarations), blocks, threads, arrays, options)


def apply(instruction: str, result: str, sources: list[tuple[str, np.ndarray]], before: str = "") -> np.ndarray:
    """Results of one instruction, thread by thread.

    Parameters
    ----------
    instruction : with %out for its destination and %in0, %in1, … for its sources
    result : type of the destination
    sources : (type, values) of each source, of equal length
    before : PTX that stands before it, such as one that sets the carry
    """
    count = len(sources[0][1])
    forms = [FORMATS[name] for name, _ in sources]
    target = FORMATS[result]
    arrays = [np.ascontiguousarray(v, form.values) for form, (_, v) in zip(forms, sources, strict=True)]
    out = np.zeros(count, target.raw)
    names = {16: "%h", 32: "%r", 64: "%d"}
    loads, text = [], instruction
    for place, form in enumerate(forms):
        bits = max(form.bits, 16)
        register = f"{names[bits]}{10 + place}"
        loads.append(f"mul.wide.u32 %d20, %r1, {form.size};\nadd.s64 %d20, %d20, %d{place + 1};")
        loads.append(f"ld.global.{'u' if form.kind != 's' else 's'}{form.bits} {register}, [%d20];")
        text = text.replace(f"%in{place}", register)
        before = before.replace(f"%in{place}", register)
    destination = f"{names[max(target.bits, 16)]}9"
    body = "\n".join(loads) + f"\n{before}\n{text.replace('%out', destination)};\n"
    body += f"mul.wide.u32 %d20, %r1, {target.size};\nadd.s64 %d20, %d20, %d{len(sources) + 1};\n"
    body += f"st.global.b{target.bits} [%d20], {destination};"
    run_body(body, [*(bits_of(array) for array in arrays), out], threads=count)
    return out.view(target.values)
