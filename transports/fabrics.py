"""Fabrics: the wire a launch is told to use, as variables set before MPI_Init, and what must then be seen.

Selection is by environment only, so that a row works whoever starts the ranks. A row that is chosen is not yet
believed: transports/proof.py counts bytes and copies and compares them with `wire` and `kernel_copies`.
"""

from collections.abc import Callable

from clustermark.core.context import FabricRow
from clustermark.transports.port_fabrics import DEVICE, PORT_ROWS, PORTS
from clustermark.transports.ports import PORT_WIRES, active_ports, missing_ports

_OB1 = {"OMPI_MCA_pml": "ob1", "OMPI_MCA_mtl": "^ofi"}
_SM = _OB1 | {"OMPI_MCA_btl": "self,sm"}
_UCX = {
    "OMPI_MCA_pml": "ucx",
    "OMPI_MCA_opal_common_ucx_tls": "any",
    "OMPI_MCA_opal_common_ucx_devices": "any",
}
_MPICH_SHM = {"MPIR_CVAR_NOLOCAL": "0"}

# In a row's variables: the name of the interface that joins the nodes. Where none is known the variable is left out.
INTERFACE = "{interface}"
INTERFACE_VARIABLE = "CLUSTERMARK_INTERFACE"

_ROWS = (
    FabricRow(
        "ompi-sm-cma",
        "shm",
        "openmpi",
        "Open MPI, shared memory, one copy by the kernel (CMA)",
        _SM | {"OMPI_MCA_smsc": "cma"},
        wire="none",
        kernel_copies=True,
    ),
    FabricRow(
        "ompi-sm-copy",
        "shm-copy",
        "openmpi",
        "Open MPI, shared memory, copy in and copy out",
        _SM | {"OMPI_MCA_smsc": "^cma,knem,xpmem"},
        wire="none",
        kernel_copies=False,
    ),
    FabricRow(
        "ompi-ucx-cma",
        "ucx-shm",
        "openmpi",
        "Open MPI, UCX's shared memory, one copy by the kernel (CMA)",
        _UCX | {"UCX_TLS": "self,posix,cma"},
        wire="none",
        kernel_copies=True,
    ),
    FabricRow(
        "ompi-ucx-posix",
        "ucx-shm-copy",
        "openmpi",
        "Open MPI, UCX's shared memory, copy in and copy out",
        _UCX | {"UCX_TLS": "self,posix"},
        wire="none",
        kernel_copies=False,
    ),
    FabricRow(
        "ompi-tcp",
        "tcp",
        "openmpi",
        "Open MPI, TCP over the loopback interface",
        _OB1 | {"OMPI_MCA_btl": "self,tcp", "OMPI_MCA_btl_tcp_if_include": "lo"},
        wire="loopback",
        kernel_copies=False,
    ),
    FabricRow(
        "ompi-network",
        "network",
        "openmpi",
        "Open MPI, TCP over the interface that joins the nodes",
        _OB1 | {"OMPI_MCA_btl": "self,tcp", "OMPI_MCA_btl_tcp_if_include": INTERFACE},
        wire="network",
        kernel_copies=False,
    ),
    FabricRow(
        "ompi-default",
        "default",
        "openmpi",
        "Open MPI, whatever it chooses, over any number of nodes; never verified",
        {},
        wire="any",
        kernel_copies=None,
    ),
    FabricRow(
        "mpich-default",
        "default",
        "mpich",
        "MPICH, whatever it chooses, over any number of nodes; never verified",
        {},
        wire="any",
        kernel_copies=None,
    ),
    FabricRow(
        "mpich-shm-cma",
        "shm",
        "mpich",
        "MPICH, shared memory, one copy by the kernel (CMA) from 8 KiB",
        _MPICH_SHM | {"MPIR_CVAR_CH4_CMA_ENABLE": "1"},
        wire="none",
        kernel_copies=True,
    ),
    FabricRow(
        "mpich-shm-copy",
        "shm-copy",
        "mpich",
        "MPICH, shared memory, copy in and copy out",
        _MPICH_SHM | {"MPIR_CVAR_CH4_CMA_ENABLE": "0"},
        wire="none",
        kernel_copies=False,
    ),
    FabricRow(
        "mpich-ucx-cma",
        "ucx-shm",
        "mpich",
        "MPICH, UCX's shared memory, one copy by the kernel (CMA)",
        {"MPIR_CVAR_NOLOCAL": "1", "MPIR_CVAR_CH4_NETMOD": "ucx", "UCX_TLS": "self,posix,cma"},
        wire="none",
        kernel_copies=True,
    ),
    FabricRow(
        "mpich-ucx-posix",
        "ucx-shm-copy",
        "mpich",
        "MPICH, UCX's shared memory, copy in and copy out",
        {"MPIR_CVAR_NOLOCAL": "1", "MPIR_CVAR_CH4_NETMOD": "ucx", "UCX_TLS": "self,posix"},
        wire="none",
        kernel_copies=False,
    ),
    FabricRow(
        "mpich-ofi-shm",
        "ofi-shm",
        "mpich",
        "MPICH, libfabric's shared-memory provider, one copy by the kernel (CMA)",
        {"MPIR_CVAR_NOLOCAL": "1", "MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "shm"},
        wire="none",
        kernel_copies=True,
    ),
    FabricRow(
        "mpich-ofi-tcp",
        "tcp",
        "mpich",
        "MPICH, libfabric's TCP provider over the loopback interface",
        {
            "MPIR_CVAR_NOLOCAL": "1",
            "MPIR_CVAR_CH4_NETMOD": "ofi",
            "FI_PROVIDER": "tcp",
            "FI_TCP_IFACE": "lo",
        },
        wire="loopback",
        kernel_copies=False,
    ),
    FabricRow(
        "mpich-ofi-network",
        "network",
        "mpich",
        "MPICH, libfabric's TCP provider over the interface that joins the nodes",
        {
            "MPIR_CVAR_NOLOCAL": "1",
            "MPIR_CVAR_CH4_NETMOD": "ofi",
            "FI_PROVIDER": "tcp",
            "FI_TCP_IFACE": INTERFACE,
        },
        wire="network",
        kernel_copies=False,
    ),
    FabricRow(
        "mpich-ucx-network",
        "ucx-network",
        "mpich",
        "MPICH, UCX's TCP transport over the interface that joins the nodes",
        {
            "MPIR_CVAR_NOLOCAL": "1",
            "MPIR_CVAR_CH4_NETMOD": "ucx",
            "UCX_TLS": "self,tcp",
            "UCX_NET_DEVICES": INTERFACE,
        },
        wire="network",
        kernel_copies=False,
    ),
    FabricRow(
        "ompi-ucx-network",
        "ucx-network",
        "openmpi",
        "Open MPI, UCX's TCP transport over the interface that joins the nodes",
        _UCX | {"UCX_TLS": "self,tcp", "UCX_NET_DEVICES": INTERFACE},
        wire="network",
        kernel_copies=False,
    ),
    *PORT_ROWS,
)

FABRICS: dict[str, FabricRow] = {row.name: row for row in _ROWS}


def fabric_aliases(mpi: str, nodes: int | None = 1) -> dict[str, str]:
    """What suites write → the row of the MPI at hand: {"shm": "ompi-sm-cma", "tcp": "ompi-tcp", …}.

    An unknown MPI gets Open MPI's rows, which are then refused for the missing launcher. Over several nodes "tcp" is
    TCP over the network between them.
    """
    rows = [row for row in _ROWS if row.mpi == mpi] or [row for row in _ROWS if row.mpi == "openmpi"]
    aliases = {row.alias: row.name for row in rows}
    return aliases | {"tcp": aliases["network"]} if nodes is not None and nodes > 1 else aliases


def every_fabric(mpi: str, nodes: int | None = 1, missing: Callable[[str], str] = missing_ports) -> tuple[str, ...]:
    """Rows of this MPI that claim something, join these nodes and have their adapters here; see `refuse_fabrics`."""
    offered = refuse_fabrics(mpi, "there is none", nodes, missing)
    claiming = [row for row in _ROWS if row.wire != "any" and not offered[row.name]]
    return tuple(row.name for row in claiming if row.wire not in PORT_WIRES or not missing(row.wire))


def refuse_fabrics(
    mpi: str, why_no_mpi: str, nodes: int | None = 1, missing: Callable[[str], str] = missing_ports
) -> dict[str, str]:
    """Fabric name → "" if this MPI offers it over these nodes, else the end of a sentence.

    Parameters
    ----------
    mpi : "openmpi", "mpich", or "" where there is no launcher
    why_no_mpi : the reason to give then
    nodes : that the launcher spreads ranks over; None if not known: nothing is refused for it, nor for adapters, which
        the nodes of a job may have and this one not
    missing : given a wire of adapters' ports, why this node has none
    """
    names = {"openmpi": "Open MPI", "mpich": "MPICH"}

    def reason(row: FabricRow) -> str:
        if not mpi:
            return why_no_mpi
        if row.mpi != mpi:
            return f"belongs to {names[row.mpi]}, and the launcher here is {names.get(mpi, mpi)}'s"
        if row.wire in PORT_WIRES and nodes is not None and missing(row.wire):
            return missing(row.wire)
        if row.wire in ("network", *PORT_WIRES) and nodes == 1:
            return "joins nodes, and there is one here; see `clustermark emulate`"
        if row.wire in ("none", "loopback") and nodes is not None and nodes > 1:
            return f"joins ranks of one node, and there are {nodes} here; use fabric 'network'"
        return ""

    return {name: reason(row) for name, row in FABRICS.items()}


def apply_fabric(name: str, environment: dict[str, str]) -> None:
    """Set the row's variables and drop those of every other row, so that nothing inherited wins.

    A row that claims nothing changes nothing: the site's own choice stands.

    Parameters
    ----------
    name : a row of FABRICS, or "self" for one rank, which only clears
    environment : os.environ, or the one of a launch to be
    """
    if name in FABRICS and FABRICS[name].wire == "any":
        return
    for row in _ROWS:
        for key in row.environment:
            environment.pop(key, None)
    if name not in FABRICS:
        return
    row = FABRICS[name]
    ports = active_ports(row.wire) if row.wire in PORT_WIRES else []
    known = {
        INTERFACE: environment.get(INTERFACE_VARIABLE, ""),
        PORTS: ",".join(ports),
        DEVICE: ports[0].partition(":")[0] if ports else "",
    }
    for key, value in row.environment.items():
        if known.get(value, value):
            environment[key] = known.get(value, value)
