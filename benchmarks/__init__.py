"""Benchmarks: one file each, one line in the table."""

from clustermark.benchmarks.allgather import ALLGATHER
from clustermark.benchmarks.allreduce import ALLREDUCE
from clustermark.benchmarks.alltoall import ALLTOALL
from clustermark.benchmarks.broadcast import BROADCAST
from clustermark.benchmarks.gemm import GEMM
from clustermark.benchmarks.halo import HALO
from clustermark.benchmarks.halo_exchange import HALO_EXCHANGE
from clustermark.benchmarks.hpl import HPL
from clustermark.benchmarks.hpl_mxp import HPL_MXP
from clustermark.benchmarks.low_precision_sum import LOW_PRECISION_SUM
from clustermark.benchmarks.membw import MEMBW
from clustermark.benchmarks.multi_pair import MULTI_PAIR
from clustermark.benchmarks.noop import NOOP
from clustermark.benchmarks.pairs import PAIRS
from clustermark.benchmarks.peak import PEAK
from clustermark.benchmarks.pingpong import PINGPONG
from clustermark.benchmarks.random_ring import RANDOM_RING
from clustermark.benchmarks.reduce_scatter import REDUCE_SCATTER
from clustermark.benchmarks.reduction import REDUCTION
from clustermark.benchmarks.reproducible_sum import REPRODUCIBLE_SUM
from clustermark.benchmarks.summa import SUMMA
from clustermark.core.workload import Workload

BENCHMARKS: dict[str, Workload] = {
    "allgather": ALLGATHER,
    "allreduce": ALLREDUCE,
    "alltoall": ALLTOALL,
    "broadcast": BROADCAST,
    "gemm": GEMM,
    "halo": HALO,
    "halo_exchange": HALO_EXCHANGE,
    "hpl": HPL,
    "hpl_mxp": HPL_MXP,
    "low_precision_sum": LOW_PRECISION_SUM,
    "membw": MEMBW,
    "multi_pair": MULTI_PAIR,
    "noop": NOOP,
    "pairs": PAIRS,
    "peak": PEAK,
    "pingpong": PINGPONG,
    "random_ring": RANDOM_RING,
    "reduce_scatter": REDUCE_SCATTER,
    "reduction": REDUCTION,
    "reproducible_sum": REPRODUCIBLE_SUM,
    "summa": SUMMA,
}
