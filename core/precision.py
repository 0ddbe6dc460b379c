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
    unit_roundoff : u = 2**-p of `storage` (Higham, Accuracy and Stability of Numerical Algorithms, 2.1); 0: exact
    accumulate_roundoff : u of `accumulate`
    input_roundoff : u of what a product does to its inputs, 0 where it takes them as they are stored
    """

    name: str
    storage: str
    compute: str
    accumulate: str
    unit_roundoff: float
    accumulate_roundoff: float
    input_roundoff: float = 0.0


PRECISIONS: dict[str, Precision] = {
    "fp64": Precision("fp64", "float64", "fp64", "fp64", 2.0**-53, 2.0**-53),
    "fp32": Precision("fp32", "float32", "fp32", "fp32", 2.0**-24, 2.0**-24),
    "fp16": Precision("fp16", "float16", "fp16", "fp32", 2.0**-11, 2.0**-24),
    "bf16": Precision("bf16", "uint16", "bf16", "fp32", 2.0**-8, 2.0**-24),
    "mixed": Precision("mixed", "float64", "fp32", "fp64", 2.0**-24, 2.0**-53),
    # Tensor cores may cut the last 13 of fp32's bits off instead of rounding to 10: an error of 2**-10.
    "tf32": Precision("tf32", "float32", "tf32", "fp32", 2.0**-24, 2.0**-24, 2.0**-10),
    # Simulated wherever no unit has them: their numbers are held in wider ones, and no speed is shown.
    "e4m3": Precision("e4m3", "float32", "e4m3", "fp32", 2.0**-4, 2.0**-24),
    "e5m2": Precision("e5m2", "float32", "e5m2", "fp32", 2.0**-3, 2.0**-24),
    "int8": Precision("int8", "int8", "int8", "int32", 0.0, 0.0),
}
