"""What moves bytes between ranks: one row per transport. The wire under it is a fabric (fabrics.py)."""

from clustermark.core.context import Device, Transport, TransportRow


def _refuse_local(ranks: int, precision: str, device: str) -> str:
    if ranks != 1:
        return f"moves nothing between ranks and cannot serve {ranks}; use transport 'mpi'"
    return ""


def _refuse_mpi(ranks: int, precision: str, device: str) -> str:
    return ""


def _refuse_mpi_device(ranks: int, precision: str, device: str) -> str:
    if device != "cuda":
        return f"is for memory of a GPU and device '{device}' has none; use transport 'mpi'"
    from clustermark.transports.cuda_aware import why_not

    return why_not()


def _refuse_nccl(ranks: int, precision: str, device: str) -> str:
    if device != "cuda":
        return f"moves memory of GPUs and device '{device}' has none; use transport 'mpi' or device 'cuda'"
    from clustermark.transports.nccl_library import missing

    return missing()


def _open_local(device: Device) -> Transport:
    from clustermark.transports.local import DeviceLocalTransport, LocalTransport

    return DeviceLocalTransport() if device.asynchronous else LocalTransport()


def _open_mpi(device: Device) -> Transport:
    if device.asynchronous:
        from clustermark.transports.staged import StagedTransport

        return StagedTransport(device)
    from clustermark.transports.mpi import MpiTransport

    return MpiTransport()


def _open_mpi_device(device: Device) -> Transport:
    from clustermark.transports.mpi_device import DeviceMpiTransport

    return DeviceMpiTransport(device)


def _open_nccl(device: Device) -> Transport:
    from clustermark.transports.nccl import NcclTransport

    return NcclTransport(device)


def _open_nccl_mpi(device: Device) -> Transport:
    from clustermark.transports.nccl_mpi import HierarchicalTransport

    return HierarchicalTransport(device)


_ROWS = (
    TransportRow("local", "one rank, no MPI call", _refuse_local, _open_local),
    TransportRow(
        "mpi", "MPI on host buffers through mpi4py buffer specs; GPU memory goes through pinned chunks", _refuse_mpi,
        _open_mpi,
    ),
    TransportRow("mpi_device", "MPI on addresses of GPU memory (CUDA-aware)", _refuse_mpi_device, _open_mpi_device),
    TransportRow("nccl", "NCCL on GPU memory, one GPU per rank", _refuse_nccl, _open_nccl, own_gpu=True),
    TransportRow(
        "nccl_mpi", "all-reduce by NCCL inside nodes and MPI across", _refuse_nccl, _open_nccl_mpi, own_gpu=True,
    ),
)  # fmt: skip

TRANSPORTS: dict[str, TransportRow] = {row.name: row for row in _ROWS}
