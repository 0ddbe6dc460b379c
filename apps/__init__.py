"""Applications: one folder each, one line in the table."""

from clustermark.core.workload import Workload

APPS: dict[str, Workload] = {}
