"""What an error of CUDA means for a user, and what mends it; imports nothing of CUDA."""

from __future__ import annotations

# Names of errors of the runtime and of the driver, and what they mean for a user.
_MENDS = (
    (
        ("cudaErrorInsufficientDriver",),
        "the driver is older than CuPy's CUDA: update it, or pip install 'clustermark[cuda12]'",
    ),
    (
        ("cudaErrorECCUncorrectable", "CUDA_ERROR_ECC_UNCORRECTABLE"),
        "the GPU's memory had an error that ECC could not correct: `nvidia-smi -q -d ECC` shows it; reset the GPU",
    ),
    (
        ("cudaErrorIllegalAddress", "cudaErrorMisalignedAddress", "CUDA_ERROR_ILLEGAL_ADDRESS", "cudaErrorAssert"),
        "a kernel touched memory that is not its own, which is an error of the workload: report it",
    ),
    (
        (
            "cudaErrorLaunchFailure",
            "CUDA_ERROR_LAUNCH_FAILED",
            "cudaErrorDevicesUnavailable",
            "cudaErrorHardwareStackError",
            "cudaErrorContained",
            "cudaErrorUnknown",
            "CUDA_ERROR_UNKNOWN",
        ),
        "the GPU was lost or a kernel crashed: `dmesg | grep Xid` says which; `sudo nvidia-smi --gpu-reset` or a "
        "reboot brings a lost GPU back",
    ),
    (
        ("cudaErrorNoDevice", "CUDA_ERROR_NO_DEVICE", "cudaErrorInitializationError", "CUDA_ERROR_NOT_INITIALIZED"),
        "the driver shows no GPU any more: `nvidia-smi` says why",
    ),
    (
        ("cudaErrorNoKernelImageForDevice", "CUDA_ERROR_NO_BINARY_FOR_GPU", "CUDA_ERROR_INVALID_PTX"),
        "CuPy or a kernel was not built for this GPU: install the CuPy of another CUDA, 'clustermark[cuda12]' or "
        "'clustermark[cuda13]'",
    ),
)


def explain(error: BaseException) -> str:
    """An error of CUDA as one sentence with what mends it, "" for any other.

    Errors are told by name and text: those of numba and of cuda.bindings have other classes than CuPy's.
    """
    kind, text = type(error).__name__, " ".join(str(error).split())[:200]
    if kind == "OutOfMemoryError" or "CUDA_ERROR_OUT_OF_MEMORY" in text or "cudaErrorMemoryAllocation" in text:
        return (
            f"device 'cuda': the GPU's memory is full ({text}); make the case smaller, or end what else uses the GPU "
            f"(`nvidia-smi` shows it)"
        )
    for names, what in _MENDS:
        if any(name in text for name in names):
            return f"device 'cuda': {what} ({text})"
    if kind in ("CUDARuntimeError", "CUDADriverError", "CudaAPIError", "CudaSupportError"):
        return f"device 'cuda': CUDA says: {text}; `clustermark doctor` tries this GPU"
    return ""
