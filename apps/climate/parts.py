"""What a simulation is put together from, as its setup asks for: the core, flux matching, a tracer."""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.apps.climate.backend import Backend
from clustermark.apps.climate.cases import PrimitiveCase
from clustermark.apps.climate.core import Core
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.flux_matching import FluxMatching
from clustermark.apps.climate.layout import Floats, State
from clustermark.apps.climate.metric import Metric
from clustermark.apps.climate.model import Model
from clustermark.apps.climate.primitive_core import PrimitiveCore
from clustermark.apps.climate.seam import make_seam, partition_weights
from clustermark.apps.climate.shallow_core import ShallowCore
from clustermark.apps.climate.tracer import Tracer


def make_core(model: Model, domain: Domain, metric: Metric, backend: Backend) -> Core:
    """The right-hand side of the case's equations."""
    if isinstance(model.case, PrimitiveCase):
        return PrimitiveCore(model.case, model, domain, metric, backend)
    return ShallowCore(model.case, model, domain, metric, backend)


def make_matching(
    model: Model, domain: Domain, comm: Any, metric: Metric, state: State, backend: Backend
) -> tuple[FluxMatching | None, Floats | None]:
    """The correction along the seam, and the areas of the partition whose mass it keeps; None where not asked for."""
    if not model.setup.flux_matching:
        return None, None
    seam = make_seam(domain.grid)
    thickness = np.diff(model.interfaces) if len(model.interfaces) else np.ones(1)
    areas = partition_weights(domain.grid, seam, model.case.planet.radius)
    return FluxMatching(domain, comm, seam, metric, thickness, state, backend), areas


def make_tracer(
    model: Model, domain: Domain, comm: Any, metric: Metric, state: State, backend: Backend
) -> Tracer | None:
    """The transport of the state's tracer, if it has one."""
    if state.tracer is None:
        return None
    return Tracer(domain, comm, metric, model.interfaces, state.tracer, model.threads, backend)
