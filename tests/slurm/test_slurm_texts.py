"""Batch scripts, launchers' tokens, manifests and site files as text: nothing foreign reaches a shell unquoted."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clustermark.core.errors import UsageError
from clustermark.runners.mpijob import PodLaunch, render_mpijobs
from clustermark.runners.slurm_arrays import Array, Shape, Task
from clustermark.runners.slurm_render import Batch, launch_tokens, render_array, render_collector
from clustermark.runners.slurm_site import Container, Site, load_site, sites

ARRAY = Array(0, Shape(2, 4, 2, 1, 0), 7, (Task((0,), ((0, 0),)), Task((1,), ((0, 1),))))
BATCH = Batch("/results/run-1", 0, "smoke", "/venv/bin/python")
HOSTILE = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(
    ["$(touch /tmp/x)", "`id`", "'; rm -rf /; '", '"$HOME"', "a\nb", "\n#SBATCH --wrap=x", "%j", "${IFS}", "\\",
     "--wrap=x", "a b", "&&id"]
)  # fmt: skip


def directives(text: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH")]


def test_the_script_of_an_array_is_as_expected() -> None:
    site = Site(
        name="x", partition="gpu", account="a1", modules=("openmpi/5",), environment={"A": "b c"}, exclusive=True
    )
    text = render_array(ARRAY, replace(site, max_running=1, memory="4G"), BATCH)
    assert directives(text) == [
        "--job-name=cm-run-1-0-0",
        "--output=slurm/0000/logs/array0-%a.out",
        "--open-mode=append",
        "--array=0-1%1",
        "--nodes=2",
        "--ntasks=4",
        "--ntasks-per-node=2",
        "--cpus-per-task=1",
        "--time=7",
        "--signal=B:USR1@60",
        "--requeue",
        "--exclusive",
        "--mem=4G",
        "--partition=gpu",
        "--account=a1",
    ]
    assert "set -euo pipefail\n" in text
    assert "export A='b c'\n" in text
    assert text.splitlines()[-1] == (
        'exec /venv/bin/python -m clustermark.runners.slurm_task /results/run-1 0 0 "$SLURM_ARRAY_TASK_ID"'
    )


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"gpu_type": "h100"}, "--gres=gpu:h100:2"),
        ({"gpu_syntax": "gpus-per-node"}, "--gpus-per-node=2"),
    ],
)
def test_gpus_are_asked_for_as_the_site_says(keys: dict[str, str], word: str) -> None:
    array = replace(ARRAY, shape=replace(ARRAY.shape, gpus_per_node=2))
    site = Site.from_dict(keys)
    assert word in directives(render_array(array, site, BATCH))
    assert word in launch_tokens(site, "openmpi", array, "/r", False)


def shell_words(text: str, site: Site, tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """What bash makes of a script: the argv of the program, and the variables; `exec` and `module` only tell."""
    stub = tmp_path / "stub"
    stub.write_text('#!/bin/bash\nprintf "%s\\0" "$@"\n')
    stub.chmod(0o755)
    body = text.replace("\nexec ", f"\nexec {shlex.quote(str(stub))} ")
    prefix = "module() { :; }\n"
    show = "\n".join(f'printf "%s\\0" "{name}=${name}"' for name in site.environment)
    lines = body.split("\nexec ", 1)
    script = f"{prefix}{lines[0]}\n{show}\nprintf 'ARGV\\0'\nexec {lines[1]}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, env={"SLURM_ARRAY_TASK_ID": "3", "PATH": "/usr/bin:/bin"},
        cwd=tmp_path, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, _, after = done.stdout.decode().partition("ARGV\0")
    pairs = (part.partition("=") for part in before.split("\0") if part)
    return after.split("\0")[:-1], {name: value for name, _, value in pairs}


@settings(max_examples=60)
@given(suite=HOSTILE, folder=HOSTILE, value=HOSTILE, module=HOSTILE, python=HOSTILE)
def test_no_hostile_word_reaches_the_shell_unquoted(
    tmp_path_factory: pytest.TempPathFactory, suite: str, folder: str, value: str, module: str, python: str
) -> None:
    """bash itself is asked: the program gets each word as it was, and nothing else ran."""
    tmp_path = tmp_path_factory.mktemp("shell")
    run = "/results/" + folder.replace("\0", "").replace("/", "")
    python = python.replace("\0", "") or "python"
    try:
        site = Site.from_dict({"environment": {"A": value}, "modules": [module]})
    except UsageError:
        site = Site()
    batch = Batch(run, 0, suite, python)
    if not (run + python).isprintable():
        with pytest.raises(UsageError, match="control characters"):
            render_array(ARRAY, site, batch)
        return
    for text, last in ((render_array(ARRAY, site, batch), ["3"]), (render_collector(site, batch), [])):
        words, variables = shell_words(text, site, tmp_path)
        assert words[0] == python
        assert words[1] == "-m"
        assert run in words
        assert words[len(words) - len(last) :] == last
        assert variables == dict(site.environment)
        assert len(directives(text)) == sum(line.startswith("#SBATCH --") for line in text.splitlines())
        expected = 12 if last else 6
        assert len(directives(text)) == expected, "no word of a file became a directive"
    assert [path.name for path in tmp_path.iterdir()] == ["stub"]


@settings(max_examples=150)
@given(
    key=st.sampled_from(["partition", "account", "qos", "constraint", "reservation", "memory", "gpu_type", "mpi_type"]),
    value=HOSTILE,
)
def test_a_word_for_the_scheduler_is_one_plain_word_or_refused(key: str, value: str) -> None:
    try:
        site = Site.from_dict({key: value})
    except UsageError as error:
        assert "\n" not in str(error)
        return
    for line in directives(render_array(replace(ARRAY, shape=replace(ARRAY.shape, gpus_per_node=1)), site, BATCH)):
        assert not set(line) & set(" \t'\"\\#$`;<>\n\0")


@given(
    st.dictionaries(
        st.text(max_size=20),
        st.none() | st.booleans() | st.integers() | HOSTILE | st.lists(HOSTILE, max_size=2),
        max_size=4,
    )
)
def test_any_site_table_is_a_site_or_one_sentence(data: dict[str, Any]) -> None:
    try:
        site = Site.from_dict(data)
    except UsageError as error:
        assert str(error).isprintable()
        return
    assert Site.from_dict(json.loads(json.dumps(site.to_dict()))) == site


MISTAKES = [
    ({"particion": "x"}, "did you mean 'partition'?"),
    ({"partition": "a b"}, "expected one word"),
    ({"mpi": "intel"}, "expected one of auto, openmpi, mpich"),
    ({"exclusive": 1}, "expected true or false"),
    ({"minutes": -1}, "expected a whole number"),
    ({"modules": "x"}, "expected a list of texts"),
    ({"modules": ["-x"]}, "expected a name such as"),
    ({"environment": {"A B": "x"}}, "is no name of a variable"),
    ({"environment": {"A": "x\ny"}}, "control characters"),
    ({"container": "x"}, "write [container]"),
    ({"container": {"runtime": "docker"}}, "expected one of apptainer, pyxis"),
    ({"container": {"runtime": "apptainer"}}, "names no image"),
    ({"container": {"runtime": "pyxis", "image": "i"}, "launcher": "mpiexec"}, "pyxis is a part of srun"),
    ({"container": {"imag": "x"}}, "did you mean 'image'?"),
]


@pytest.mark.parametrize(("data", "part"), MISTAKES)
def test_a_mistake_in_a_site_is_one_sentence(data: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError, match=r"^site") as caught:
        Site.from_dict(data)
    assert part in str(caught.value)


def test_the_sites_that_come_along_are_valid_and_the_template_has_every_key() -> None:
    names = set(sites())
    assert {"template", "cpu-ethernet", "gpu-infiniband", "containers"} <= names
    for name in names:
        assert load_site(name).name == name
    template = load_site("template")
    assert replace(template, name="", summary="") == Site(), "the template shows the defaults"
    text = sites()["template"].read_text()
    for key in [*Site().to_dict(), *Site().container.__dict__, *Site().kubernetes.__dict__]:
        assert key == "name" or f"{key} = " in text or f"[{key}]" in text, key


def test_an_unknown_site_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'gpu-infiniband'"):
        load_site("gpu-infinband")


def test_launchers_and_containers_are_tokens() -> None:
    srun = launch_tokens(Site(), "mpich", ARRAY, "/r", False)
    assert srun[:3] == ["srun", "--mpi=pmi2", "--nodes=2"]
    assert launch_tokens(Site(), "openmpi", ARRAY, "/r", False)[1] == "--mpi=pmix"
    hydra = launch_tokens(Site(launcher="mpiexec", mpiexec="/m"), "mpich", ARRAY, "/r", False)
    assert hydra == ["/m", "-n", "4", "-ppn", "2", "-bind-to", "core:1"]
    prte = launch_tokens(Site(launcher="mpiexec", mpiexec="/m"), "openmpi", ARRAY, "/r", True)
    assert prte == ["/m", "--allow-run-as-root", "-n", "4", "--map-by", "ppr:2:node:PE=1"]
    apptainer = Site(container=Container("apptainer", "/i.sif", mounts=("/scratch",), nvidia=True))
    words = launch_tokens(apptainer, "openmpi", ARRAY, "/r x", False)
    assert words[-8:] == ["apptainer", "exec", "--nv", "--bind", "/r x", "--bind", "/scratch", "/i.sif"]
    pyxis = Site(container=Container("pyxis", "registry#img:1", mounts=("/s",)))
    assert launch_tokens(pyxis, "openmpi", ARRAY, "/r", False)[-2:] == [
        "--container-image=registry#img:1",
        "--container-mounts=/r:/r,/s:/s",
    ]


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


def manifest(suite: str = "smoke", gpus: int = 0) -> dict[str, Any]:
    launch = PodLaunch(Shape(2, 4, 2, 1, gpus), "ompi-default")
    return render_mpijobs(suite, "name = 'x'", [launch], ["--only", "gemm"], load_site("containers"), "openmpi")


@given(suite=HOSTILE, gpus=st.integers(0, 8))
def test_a_manifest_is_valid_whatever_the_suite_is_called(suite: str, gpus: int) -> None:
    config, job = manifest(suite, gpus)["items"]
    jsonschema.validate(job, MPIJOB_SCHEMA)
    jsonschema.validate(config["metadata"], _METADATA)
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
        jsonschema.validate(job, MPIJOB_SCHEMA)


def test_a_site_without_an_image_renders_no_manifest() -> None:
    with pytest.raises(UsageError, match="names no image"):
        render_mpijobs("x", "", [], [], Site(name="s"), "openmpi")
