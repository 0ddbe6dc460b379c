"""What computes: one row per device, opened only when a case asks for it."""

from clustermark.core.context import Device, DeviceRow


def _usable() -> str:
    return ""


def _open_cpu(local_rank: int) -> Device:
    from clustermark.devices.cpu import CpuDevice

    return CpuDevice()


def _missing_cuda() -> str:
    from clustermark.devices.cuda_driver import missing

    return missing()


def _refuse_cuda(precision: str) -> str:
    from clustermark.devices.cuda_driver import refuse_precision

    return refuse_precision(precision)


def _open_cuda(local_rank: int) -> Device:
    from clustermark.devices.cuda import open_cuda

    return open_cuda(local_rank)


DEVICES: dict[str, DeviceRow] = {
    "cpu": DeviceRow("cpu", "NumPy and numba on the host's cores", _usable, _open_cpu),
    "cuda": DeviceRow(
        "cuda", "one NVIDIA GPU per rank, through CuPy and numba.cuda", _missing_cuda, _open_cuda, _refuse_cuda
    ),
}
