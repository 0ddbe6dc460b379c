"""Kubernetes manifests as text: valid whatever the suite is called; nothing is executed here."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell import HOSTILE

from clustermark.core.errors import UsageError
from clustermark.runners.mpijob import PodLaunch, render_mpijobs
from clustermark.runners.slurm_arrays import Shape
from clustermark.runners.slurm_site import Site, load_site

# The fields of an MPIJob as types.go of the MPI Operator (v2beta1) has them, and of the pods as far as they are used.
_CONTAINER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "image"],
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
        "image": {"type": "string"},
        "command": {"type": "array", "items": {"type": "string"}},
        "volumeMounts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "mountPath"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string"},
                    "mountPath": {"type": "string"},
                    "readOnly": {"type": "boolean"},
                },
            },
        },
        "resources": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "limits": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[0-9]+$"}}
            },
        },
    },
}
_REPLICA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["replicas", "template"],
    "properties": {
        "replicas": {"type": "integer", "minimum": 1},
        "restartPolicy": {"enum": ["Always", "OnFailure", "Never", "ExitCode"]},
        "template": {
            "type": "object",
            "required": ["spec"],
            "additionalProperties": False,
            "properties": {
                "spec": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["containers"],
                    "properties": {
                        "containers": {"type": "array", "minItems": 1, "items": _CONTAINER},
                        "volumes": {"type": "array", "items": {"type": "object", "required": ["name"]}},
                    },
                }
            },
        },
    },
}
_METADATA = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}},
}
MPIJOB_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "kubeflow.org/v2beta1"},
        "kind": {"const": "MPIJob"},
        "metadata": _METADATA,
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["mpiReplicaSpecs"],
            "properties": {
                "slotsPerWorker": {"type": "integer", "minimum": 1},
                "runPolicy": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "cleanPodPolicy": {"enum": ["All", "Running", "None"]},
                        "backoffLimit": {"type": "integer", "minimum": 0},
                        "activeDeadlineSeconds": {"type": "integer", "minimum": 1},
                    },
                },
                "sshAuthMountPath": {"type": "string"},
                "mpiImplementation": {"enum": ["OpenMPI", "Intel", "MPICH"]},
                "mpiReplicaSpecs": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["Launcher", "Worker"],
                    "properties": {"Launcher": _REPLICA, "Worker": _REPLICA},
                },
            },
        },
    },
}


MPIJOB = jsonschema.Draft202012Validator(MPIJOB_SCHEMA)
METADATA = jsonschema.Draft202012Validator(_METADATA)


def manifest(suite: str = "smoke", gpus: int = 0) -> dict[str, Any]:
    launch = PodLaunch(Shape(2, 4, 2, 1, gpus), "ompi-default")
    return render_mpijobs(suite, "name = 'x'", [launch], ["--only", "gemm"], load_site("containers"), "openmpi")


@settings(max_examples=30)
@given(suite=HOSTILE, gpus=st.integers(0, 8))
def test_a_manifest_is_valid_whatever_the_suite_is_called(suite: str, gpus: int) -> None:
    config, job = manifest(suite, gpus)["items"]
    MPIJOB.validate(job)
    METADATA.validate(config["metadata"])
    launcher = job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]["command"]
    assert launcher[:3] == ["mpirun", "-n", "4"]
    assert job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] == 2


@pytest.mark.parametrize(
    "path", [("spec", "slotsPerWorker"), ("spec", "mpiReplicaSpecs"), ("metadata", "name"), ("kind",)]
)
def test_a_planted_fault_in_a_manifest_is_found(path: tuple[str, ...]) -> None:
    job = json.loads(json.dumps(manifest()["items"][1]))
    place = job
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "Not Valid"
    with pytest.raises(jsonschema.ValidationError):
        MPIJOB.validate(job)


def test_a_site_without_an_image_renders_no_manifest() -> None:
    with pytest.raises(UsageError, match="names no image"):
        render_mpijobs("x", "", [], [], Site(name="s"), "openmpi")
