"""Fabric rows of InfiniBand, RoCE and Slingshot, for both MPIs through UCX and libfabric. Unmeasured.

Written from Open MPI's pages on "InfiniBand / RoCE" and "OFI / Libfabric" (docs.open-mpi.org, tuning-apps/networking),
UCX's UCX_TLS and UCX_NET_DEVICES, libfabric's fi_verbs(7), fi_rxm(7) and fi_cxi(7), and MPICH's CVARs. MPI libraries
from PyPI may lack a provider: rows are meant for a site's own MPI, and are believed only after the ports' counters.
"""

from __future__ import annotations

from clustermark.core.context import FabricRow
from clustermark.transports.ports import NAMES

# In a row's variables: all active ports of the wire on the rank's node, comma-separated, and the first port's device.
PORTS, DEVICE = "{ports}", "{device}"

_OMPI_UCX = {
    "OMPI_MCA_pml": "ucx",
    "OMPI_MCA_opal_common_ucx_tls": "any",
    "OMPI_MCA_opal_common_ucx_devices": "any",
}
_OMPI_OFI = {"OMPI_MCA_pml": "cm", "OMPI_MCA_mtl": "ofi"}
_MPICH = {"MPIR_CVAR_NOLOCAL": "1"}
# "self" and a reliable connection, and nothing that could take another way.
_UCX = {"UCX_TLS": "self,rc", "UCX_NET_DEVICES": PORTS}
_VERBS = {"FI_PROVIDER": "verbs;ofi_rxm", "FI_VERBS_DEVICE_NAME": DEVICE}
_CXI = {"FI_PROVIDER": "cxi", "FI_CXI_DEVICE_NAME": PORTS}


def _rows(wire: str) -> tuple[FabricRow, ...]:
    """UCX and libfabric, Open MPI and MPICH, for a wire of verbs."""
    name = NAMES[wire]
    verbs = _VERBS | {"OMPI_MCA_mtl_ofi_provider_include": "verbs;ofi_rxm"}
    return (
        _row(f"ompi-ucx-{wire}", wire, "openmpi", f"Open MPI, UCX over {name}", wire, _OMPI_UCX | _UCX),
        _row(
            f"mpich-ucx-{wire}",
            wire,
            "mpich",
            f"MPICH, UCX over {name}",
            wire,
            _MPICH | {"MPIR_CVAR_CH4_NETMOD": "ucx"} | _UCX,
        ),
        _row(f"ompi-ofi-{wire}", f"ofi-{wire}", "openmpi", f"Open MPI, libfabric over {name}", wire, _OMPI_OFI | verbs),
        _row(
            f"mpich-ofi-{wire}",
            f"ofi-{wire}",
            "mpich",
            f"MPICH, libfabric over {name}",
            wire,
            _MPICH | {"MPIR_CVAR_CH4_NETMOD": "ofi"} | _VERBS,
        ),
    )


def _row(name: str, alias: str, mpi: str, summary: str, wire: str, environment: dict[str, str]) -> FabricRow:
    return FabricRow(name, alias, mpi, f"{summary}; unmeasured", environment, wire=wire, kernel_copies=None)


PORT_ROWS: tuple[FabricRow, ...] = (
    *_rows("infiniband"),
    *_rows("roce"),
    _row(
        "ompi-ofi-slingshot",
        "slingshot",
        "openmpi",
        "Open MPI, libfabric over Slingshot",
        "slingshot",
        _OMPI_OFI | {"OMPI_MCA_mtl_ofi_provider_include": "cxi"} | _CXI,
    ),
    _row(
        "mpich-ofi-slingshot",
        "slingshot",
        "mpich",
        "MPICH, libfabric over Slingshot",
        "slingshot",
        _MPICH | {"MPIR_CVAR_CH4_NETMOD": "ofi"} | _CXI,
    ),
)
