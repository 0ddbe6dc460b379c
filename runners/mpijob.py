"""A suite as Kubernetes MPIJobs (kubeflow.org/v2beta1, MPI Operator): rendered as JSON for kubectl, never run here.

One MPIJob per launch shape; its launcher starts `clustermark run` inside mpirun, once, and results go to a volume.
Source of the fields: types.go of github.com/kubeflow/mpi-operator, package v2beta1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clustermark.core.errors import UsageError
from clustermark.runners.slurm_arrays import Shape
from clustermark.runners.slurm_site import Site

SUITE_FOLDER = "/etc/clustermark"
RESULTS_FOLDER = "/results"
_IMPLEMENTATIONS = {"openmpi": "OpenMPI", "mpich": "MPICH"}


@dataclass(frozen=True)
class PodLaunch:
    """One launch shape with its fabric."""

    shape: Shape
    fabric: str


def render_mpijobs(
    suite: str, suite_text: str, launches: Sequence[PodLaunch], words: Sequence[str], site: Site, mpi: str
) -> dict[str, Any]:
    """A List of one ConfigMap with the suite file and an MPIJob per launch.

    Parameters
    ----------
    suite, suite_text : name, and the file as it is
    launches : distinct shapes and fabrics
    words : options of `clustermark run` that narrow the suite
    site : its [kubernetes] table names image, namespace and claim; gpus are resources nvidia.com/gpu
    mpi : "openmpi" or "mpich"

    Raises
    ------
    UsageError : the site names no image
    """
    if not site.kubernetes.image:
        raise UsageError(f'site {site.name}: names no image; add [kubernetes] image = "registry/clustermark:1"')
    name = _dns_name(suite)
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": site.kubernetes.namespace},
        "data": {"suite.toml": suite_text},
    }
    jobs = [_job(f"{name}-{n}", name, launch, words, site, mpi) for n, launch in enumerate(launches)]
    return {"apiVersion": "v1", "kind": "List", "items": [config, *jobs]}


def _job(name: str, config: str, launch: PodLaunch, words: Sequence[str], site: Site, mpi: str) -> dict[str, Any]:
    shape, kubernetes = launch.shape, site.kubernetes
    fabric = [] if launch.fabric == "self" else ["--fabric", launch.fabric]
    program = [
        *("mpirun", "-n", str(shape.ranks), kubernetes.python, "-m", "clustermark", "run"),
        *(f"{SUITE_FOLDER}/suite.toml", "--out", RESULTS_FOLDER, "--ranks", str(shape.ranks)),
        *("--threads", str(shape.threads), *fabric, *words),
    ]
    volumes: list[dict[str, Any]] = [{"name": "suite", "configMap": {"name": config}}]
    mounts = [{"name": "suite", "mountPath": SUITE_FOLDER, "readOnly": True}]
    if kubernetes.claim:
        volumes.append({"name": "results", "persistentVolumeClaim": {"claimName": kubernetes.claim}})
        mounts.append({"name": "results", "mountPath": RESULTS_FOLDER, "readOnly": False})
    resources = {"cpu": str(shape.ranks_per_node * shape.threads)}
    if shape.gpus_per_node:
        resources["nvidia.com/gpu"] = str(shape.gpus_per_node)

    def replica(count: int, container: dict[str, Any]) -> dict[str, Any]:
        base = {"name": "clustermark", "image": kubernetes.image, "volumeMounts": mounts}
        return {
            "replicas": count,
            "restartPolicy": "Never",
            "template": {"spec": {"containers": [base | container], "volumes": volumes}},
        }

    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": name, "namespace": kubernetes.namespace, "labels": {"app": "clustermark"}},
        "spec": {
            "slotsPerWorker": shape.ranks_per_node,
            "runPolicy": {"cleanPodPolicy": "Running", "backoffLimit": 0},
            "mpiImplementation": _IMPLEMENTATIONS[mpi],
            "mpiReplicaSpecs": {
                "Launcher": replica(1, {"command": program}),
                "Worker": replica(shape.nodes, {"resources": {"limits": resources}}),
            },
        },
    }


def _dns_name(text: str) -> str:
    """A name as Kubernetes takes it: lower-case letters, digits and dashes, 40 at most."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower())[:28].strip("-")
    return f"clustermark-{plain or 'suite'}"
