"""Applications: one folder each, one line in the table."""

from clustermark.apps.climate import CLIMATE
from clustermark.apps.md import MD
from clustermark.core.workload import Workload

APPS: dict[str, Workload] = {
    "climate": CLIMATE,
    "md": MD,
}
