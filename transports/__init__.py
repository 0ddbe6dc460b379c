"""What moves bytes between ranks: one row per transport. The wire under it is a fabric (fabrics.py)."""

from clustermark.core.context import Device, Transport, TransportRow


def _refuse_local(ranks: int, precision: str, device: str) -> str:
    if ranks != 1:
        return f"moves nothing between ranks and cannot serve {ranks}; use transport 'mpi'"
    return ""


def _refuse_mpi(ranks: int, precision: str, device: str) -> str:
    if device != "cpu":
        return f"does not reach memory of device '{device}'; use device 'cpu'"
    return ""


def _open_local(device: Device) -> Transport:
    from clustermark.transports.local import LocalTransport

    return LocalTransport()


def _open_mpi(device: Device) -> Transport:
    from clustermark.transports.mpi import MpiTransport

    return MpiTransport()


TRANSPORTS: dict[str, TransportRow] = {
    "local": TransportRow("local", "one rank, no MPI call", _refuse_local, _open_local),
    "mpi": TransportRow("mpi", "MPI on host buffers, through mpi4py buffer specs", _refuse_mpi, _open_mpi),
}
