"""The last line of a result file: the SHA-256 of everything before it.

HDF5 does not detect a flipped bit in most of a file, and some damage makes the library loop for ever. So a
file is compared with its last line before HDF5 sees it. HDF5 ignores bytes behind its own end of file: h5dump,
xarray and pandas read sealed files as they are. The seal finds accidents, not forgery.
"""

import hashlib

_MARK = b"\nclustermark sha256 "
_LENGTH = len(_MARK) + 64 + 1

# The first bytes of every HDF5 file without a user block (HDF5 File Format Specification, II.A).
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def sealed(data: bytes) -> bytes:
    """The data with their seal behind them."""
    return data + _seal(data)


def unsealed(data: bytes) -> bytes:
    """The HDF5 image inside a sealed file.

    Raises
    ------
    ValueError : the file is not what was written; the text is the part of a sentence after its path
    """
    if not data.startswith(_HDF5_SIGNATURE):
        raise ValueError("is not a readable HDF5 file")
    image, seal = data[:-_LENGTH], data[-_LENGTH:]
    if not seal.startswith(_MARK):
        raise ValueError(
            "is HDF5 but its last line is no clustermark checksum: cut short, changed, or of another program"
        )
    if seal != _seal(image):
        raise ValueError("is damaged: its SHA-256 is not the one in its last line")
    return image


def _seal(data: bytes) -> bytes:
    return _MARK + hashlib.sha256(data).hexdigest().encode() + b"\n"
