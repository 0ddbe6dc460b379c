"""Batch scripts, launchers' tokens, manifests and site files as text: nothing foreign reaches a shell unquoted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shell import directives

from clustermark.core.errors import UsageError
from clustermark.runners.slurm_arrays import Array, Shape, Task
from clustermark.runners.slurm_render import Batch, launch_tokens, render_array
from clustermark.runners.slurm_site import Container, Site, load_site, sites

ARRAY = Array(0, Shape(2, 4, 2, 1, 0), 7, (Task((0,), ((0, 0),)), Task((1,), ((0, 1),))))
BATCH = Batch("/results/run-1", 0, "smoke", "/venv/bin/python")


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


def test_a_site_is_found_by_name_in_the_folder_that_the_user_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ours.toml").write_text('partition = "mine"\n')
    (tmp_path / "cpu-ethernet.toml").write_text('partition = "hidden"\n')
    with pytest.raises(UsageError, match="site 'ours' is not known"):
        load_site("ours")
    monkeypatch.setenv("CLUSTERMARK_SITES", str(tmp_path))
    assert load_site("ours") == Site(name="ours", partition="mine")
    assert load_site("cpu-ethernet").partition == "hidden", "the user's own hides what comes along"
    assert "template" in sites()


def test_an_unknown_site_names_every_place_that_was_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = str(sites()["template"].parent)
    for folder, said in ((tmp_path, str(tmp_path)), (tmp_path / "gone", f"{tmp_path / 'gone'} (no folder)")):
        monkeypatch.setenv("CLUSTERMARK_SITES", str(folder))
        with pytest.raises(UsageError) as caught:
            load_site("nowhere")
        assert f"looked in {own} and {said}; give a .toml file" in str(caught.value)
    monkeypatch.delenv("CLUSTERMARK_SITES")
    with pytest.raises(UsageError) as caught:
        load_site("nowhere")
    assert f"looked in {own}; give" in str(caught.value)


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
