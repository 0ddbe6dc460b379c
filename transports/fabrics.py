"""Fabrics: the wire a launch is told to use, as variables set before MPI_Init, and what must then be seen.

Selection is by environment only, so that a row works whoever starts the ranks. A row that is chosen is not yet
believed: transports/proof.py counts bytes and copies and compares them with `wire` and `kernel_copies`.
"""

from clustermark.core.context import FabricRow

_OB1 = {"OMPI_MCA_pml": "ob1", "OMPI_MCA_mtl": "^ofi"}
_SM = _OB1 | {"OMPI_MCA_btl": "self,sm"}
_MPICH_SHM = {"MPIR_CVAR_NOLOCAL": "0"}

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
        "ompi-tcp",
        "tcp",
        "openmpi",
        "Open MPI, TCP over the loopback interface",
        _OB1 | {"OMPI_MCA_btl": "self,tcp", "OMPI_MCA_btl_tcp_if_include": "lo"},
        wire="loopback",
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
)

FABRICS: dict[str, FabricRow] = {row.name: row for row in _ROWS}


def fabric_aliases(mpi: str) -> dict[str, str]:
    """What suites write → the row of the MPI at hand: {"shm": "ompi-sm-cma", "tcp": "ompi-tcp", …}.

    An unknown MPI gets Open MPI's rows, which are then refused for the missing launcher.
    """
    rows = [row for row in _ROWS if row.mpi == mpi] or [row for row in _ROWS if row.mpi == "openmpi"]
    return {row.alias: row.name for row in rows}


def refuse_fabrics(mpi: str, why_no_mpi: str) -> dict[str, str]:
    """Fabric name → "" if this MPI offers it, else the end of a sentence.

    Parameters
    ----------
    mpi : "openmpi", "mpich", or "" where there is no launcher
    why_no_mpi : the reason to give then
    """
    names = {"openmpi": "Open MPI", "mpich": "MPICH"}

    def reason(row: FabricRow) -> str:
        if not mpi:
            return why_no_mpi
        if row.mpi != mpi:
            return f"belongs to {names[row.mpi]}, and the launcher here is {names.get(mpi, mpi)}'s"
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
    if name in FABRICS:
        environment.update(FABRICS[name].environment)
