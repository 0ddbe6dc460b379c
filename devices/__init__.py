"""What computes: one row per device, opened only when a case asks for it."""

from clustermark.core.context import Device, DeviceRow


def _usable() -> str:
    return ""


def _open_cpu(local_rank: int) -> Device:
    from clustermark.devices.cpu import CpuDevice

    return CpuDevice()


DEVICES: dict[str, DeviceRow] = {
    "cpu": DeviceRow("cpu", "NumPy and numba on the host's cores", _usable, _open_cpu),
}
