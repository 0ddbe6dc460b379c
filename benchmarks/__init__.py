"""Benchmarks: one file each, one line in the table."""

from clustermark.benchmarks.allreduce import ALLREDUCE
from clustermark.benchmarks.gemm import GEMM
from clustermark.benchmarks.halo import HALO
from clustermark.benchmarks.membw import MEMBW
from clustermark.benchmarks.noop import NOOP
from clustermark.benchmarks.peak import PEAK
from clustermark.benchmarks.reduction import REDUCTION
from clustermark.core.workload import Workload

BENCHMARKS: dict[str, Workload] = {
    "allreduce": ALLREDUCE,
    "gemm": GEMM,
    "halo": HALO,
    "membw": MEMBW,
    "noop": NOOP,
    "peak": PEAK,
    "reduction": REDUCTION,
}
