"""Precisions as data: one row each; every bound follows from the unit roundoff."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Precision:
    """One arithmetic mode.

    Attributes
    ----------
    name : what suites and reports call it
    storage : NumPy dtype name of the arrays, or the nearest dtype that holds the bits
    compute : format of the products
    accumulate : format of the sums
    unit_roundoff : u = 2**-p of `storage` (Higham, Accuracy and Stability of Numerical Algorithms, 2.1)
    accumulate_roundoff : u of `accumulate`
    """

    name: str
    storage: str
    compute: str
    accumulate: str
    unit_roundoff: float
    accumulate_roundoff: float


PRECISIONS: dict[str, Precision] = {
    "fp64": Precision("fp64", "float64", "fp64", "fp64", 2.0**-53, 2.0**-53),
    "fp32": Precision("fp32", "float32", "fp32", "fp32", 2.0**-24, 2.0**-24),
    "fp16": Precision("fp16", "float16", "fp16", "fp32", 2.0**-11, 2.0**-24),
    "bf16": Precision("bf16", "uint16", "bf16", "fp32", 2.0**-8, 2.0**-24),
    "mixed": Precision("mixed", "float64", "fp32", "fp64", 2.0**-24, 2.0**-53),
}
