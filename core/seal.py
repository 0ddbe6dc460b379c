"""The last line of a result file: the SHA-256 of everything before it.

HDF5 does not detect a flipped bit in most of a file, and some damage makes the library loop for ever. So a
file is compared with its last line before HDF5 sees it. HDF5 ignores bytes behind its own end of file: h5dump,
xarray and pandas read sealed files as they are. The seal finds accidents, not forgery.
"""

import hashlib
from pathlib import Path

_MARK = b"\nclustermark sha256 "
_LENGTH = len(_MARK) + 64 + 1
_BLOCK = 2**20

# The first bytes of every HDF5 file without a user block (HDF5 File Format Specification, II.A).
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def sealed(data: bytes) -> bytes:
    """The data with their seal behind them."""
    return data + _line(hashlib.sha256(data).hexdigest())


def seal_problem(path: Path) -> str:
    """Compare a file with its seal.

    Returns
    -------
    str : "" if they agree, else what is wrong, as the part of a sentence after the path

    Raises
    ------
    OSError : the file cannot be read
    """
    with path.open("rb") as file:
        start = file.read(len(HDF5_SIGNATURE))
        if start != HDF5_SIGNATURE:
            return "is not a readable HDF5 file"
        size = file.seek(0, 2) - _LENGTH
        if size < len(start):
            return "is HDF5 but cut short"
        file.seek(size)
        seal = file.read(_LENGTH)
        if not seal.startswith(_MARK):
            return "is HDF5 but its last line is no clustermark checksum: cut short, changed, or of another program"
        digest = hashlib.sha256()
        file.seek(0)
        left = size
        while left and (block := file.read(min(left, _BLOCK))):
            digest.update(block)
            left -= len(block)
    if seal != _line(digest.hexdigest()):
        return "is damaged: its SHA-256 is not the one in its last line"
    return ""


def _line(digest: str) -> bytes:
    return _MARK + digest.encode() + b"\n"
