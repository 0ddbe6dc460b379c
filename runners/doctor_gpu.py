"""What `clustermark doctor` finds out about GPUs: driver, CuPy, health, links, NCCL, MPI on device memory."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from clustermark.core.errors import LaunchError
from clustermark.runners.children import Ask, Ended, probe_arguments
from clustermark.runners.findings import Finding
from clustermark.runners.launcher import find_launcher, launch_arguments, launch_environment, usable_cores

GPU_SECONDS = 20.0
# Importing CuPy, making a context, compiling a first kernel.
WORK_SECONDS = 60.0
_ZERO_EXPECTED = ("ECC errors uncorrected", "row remappings pending", "row remappings failed")
_HARMLESS = ("power cap",)


def examine_gpu(ask: Ask, mpirun: str | None, launch: bool) -> Iterator[Finding]:
    """Findings about GPUs, each as soon as it is known; one where there is none.

    Parameters
    ----------
    ask : runs the children
    mpirun : the launcher that the user named, or None
    launch : whether ranks may be started
    """
    answer = _asked(ask, "gpu", GPU_SECONDS, {"driver": True})
    yield gpu_finding(answer)
    if not answer.get("names"):
        return
    yield from health_findings(_asked(ask, "gpu_health", GPU_SECONDS, {}))
    if answer.get("missing"):
        yield Finding("CuPy", "warning", f"--device cuda is refused: device 'cuda' {answer['missing']}", _mend(answer))
        return
    work = _asked(ask, "gpu_work", WORK_SECONDS, {})
    yield work_finding(work)
    if "error" in work:
        return
    yield numba_finding(_asked(ask, "numba_work", WORK_SECONDS, {}))
    yield nccl_finding(_asked(ask, "nccl", WORK_SECONDS, {}), answer["cuda"])
    yield _cuda_mpi(ask, mpirun, launch)


def _asked(ask: Ask, word: str, seconds: float, otherwise: dict[str, Any]) -> dict[str, Any]:
    ended = ask(probe_arguments(word), os.environ, seconds)
    documents = ended.documents()
    return documents[-1] if documents else {**otherwise, "error": f"the test {ended.complaint()}"}


def _mend(answer: Mapping[str, Any]) -> str:
    """The command inside the sentence about what is missing."""
    sentence = str(answer["missing"])
    place = sentence.find("pip ")
    return sentence[place:] if place >= 0 else "nvidia-smi (it says what the driver lacks)"


def gpu_finding(answer: Mapping[str, Any]) -> Finding:
    """NVIDIA GPUs as the driver shows them."""
    if not answer["driver"]:
        return Finding("GPU", "absent", "no NVIDIA driver; --device cuda is refused")
    if "error" in answer:
        what = f"the NVIDIA driver is installed and does not work: {answer['error']}; --device cuda is refused"
        return Finding("GPU", "warning", what, "nvidia-smi (it says what the driver lacks)")
    names = answer["names"]
    if not names:
        what = "the NVIDIA driver shows no GPU; --device cuda is refused"
        return Finding("GPU", "warning", what, "unset CUDA_VISIBLE_DEVICES, or start the container with --gpus all")
    kinds = ", ".join(f"{names.count(kind)} × {kind}" for kind in dict.fromkeys(names))
    rows = answer.get("gpus", [])
    capabilities = ", ".join(dict.fromkeys(row["capability"] for row in rows))
    nodes = sorted({row["numa_node"] for row in rows} - {-1})
    shown = f"{kinds}; the driver serves CUDA {answer['cuda']}"
    shown += f"; compute capability {capabilities}" if capabilities else ""
    shown += f"; NUMA node(s) {', '.join(map(str, nodes))}" if nodes else ""
    return Finding("GPU", "ok", shown)


def health_findings(answer: Mapping[str, Any]) -> Iterator[Finding]:
    """ECC, remapped rows, throttling and links of every GPU."""
    if answer.get("error") or answer.get("missing"):
        why = answer.get("error") or answer["missing"]
        mend = "pip install nvidia-ml-py" if "pip install" in why else "nvidia-smi (it says what the driver lacks)"
        what = f"cannot be read: {why}; runs work, without health flags and energy"
        yield Finding("GPU health", "warning", what, mend)
        return
    rows = answer["gpus"]
    yield _errors(rows)
    yield _throttles(rows)
    yield links_finding(rows)


def _errors(rows: list[Mapping[str, Any]]) -> Finding:
    bad = [
        f"GPU {index}: {name} {row['counters'][name]}"
        for index, row in enumerate(rows)
        for name in _ZERO_EXPECTED
        if row["counters"].get(name)
    ]
    if bad:
        what = f"{'; '.join(bad)}: answers may be wrong until the GPU was reset"
        return Finding(
            "GPU memory", "warning", what, "sudo nvidia-smi --gpu-reset, then nvidia-smi -q -d ECC,ROW_REMAPPER"
        )
    modes = {row["facts"].get("ecc") for row in rows}
    shown = {True: "ECC on", False: "ECC off", None: "no ECC"}
    corrected = sum(row["counters"].get("ECC errors corrected", 0) for row in rows)
    counted = f", {corrected} corrected error(s) since the driver was loaded" if corrected else ""
    return Finding("GPU memory", "ok", " and ".join(sorted(shown[mode] for mode in modes)) + counted)


def _throttles(rows: list[Mapping[str, Any]]) -> Finding:
    held = {
        index: [name for name in row["state"].get("throttled", []) if name not in _HARMLESS]
        for index, row in enumerate(rows)
    }
    bad = [f"GPU {index}: {', '.join(names)}" for index, names in held.items() if names]
    if bad:
        what = f"{'; '.join(bad)} holds the clock down now: figures would be those of a GPU that is too hot or underfed"
        return Finding("GPU clocks", "warning", what, "nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER")
    hottest = max((row["state"].get("temperature_c", 0) for row in rows), default=0)
    limits = sorted({row["facts"]["power_limit_w"] for row in rows if "power_limit_w" in row["facts"]})
    shown = ["nothing holds them down"]
    shown += [f"hottest GPU {hottest} °C"] if hottest else []
    shown += [f"power limit {' and '.join(f'{limit:g}' for limit in limits)} W"] if limits else []
    return Finding("GPU clocks", "ok", ", ".join(shown))


def links_finding(rows: list[Mapping[str, Any]]) -> Finding:
    """NVLinks that are up, and whether the PCIe slot gives all its lanes; an idle GPU may lower the generation."""
    narrow = [
        f"GPU {index} has {row['state']['pcie_width']} of {row['facts']['pcie_width_max']} PCIe lanes"
        for index, row in enumerate(rows)
        if row["state"].get("pcie_width", 99) < row["facts"].get("pcie_width_max", 0)
    ]
    if narrow:
        return Finding("GPU links", "warning", f"{'; '.join(narrow)}: copies are slow", "put the GPU into another slot")
    nvlinks = sorted({row["facts"].get("nvlinks", 0) for row in rows})
    buses = sorted(
        {
            f"PCIe {row['facts']['pcie_generation_max']} × {row['facts']['pcie_width_max']}"
            for row in rows
            if {"pcie_generation_max", "pcie_width_max"} <= set(row["facts"])
        }
    )
    words = [f"{' or '.join(map(str, nvlinks))} NVLink(s) up on each GPU"] if any(nvlinks) else ["no NVLink"]
    return Finding("GPU links", "ok", ", ".join([*words, *_remotes(rows), *buses, *_counted(rows)]))


def _remotes(rows: list[Mapping[str, Any]]) -> list[str]:
    """What the NVLinks lead to: switches, or other GPUs by their number here."""
    places = {row["links"]["pci"]: index for index, row in enumerate(rows) if "links" in row}
    shown = []
    for index, row in enumerate(rows):
        ends = {
            f"GPU {places[where]}" if (where := remote.removeprefix("GPU ")) in places else remote: count
            for remote, count in row.get("links", {}).get("remotes", {}).items()
        }
        if ends:
            shown.append((index, " and ".join(f"{count} to {end}" for end, count in ends.items())))
    if len({words for _, words in shown}) == 1:
        return [shown[0][1]]
    return [f"GPU {index}: {words}" for index, words in shown]


def _counted(rows: list[Mapping[str, Any]]) -> list[str]:
    """By which counters a wire between these GPUs can be proven."""
    if not all("links" in row for row in rows):
        return []
    both = set.intersection(*(set(row["links"]["counted"]) for row in rows)) if rows else set()
    names = [shown for wire, shown in (("nvlink", "NVLink"), ("pcie", "PCIe")) if wire in both]
    return [f"bytes over {' and '.join(names)} are counted" if names else "bytes over links are not counted"]


def work_finding(answer: Mapping[str, Any]) -> Finding:
    """Whether CuPy computes on the GPU."""
    if "error" in answer:
        return Finding(
            "CuPy",
            "warning",
            f"does not work: {answer['error']}",
            "pip install --force-reinstall 'clustermark[cuda13]'",
        )
    if not answer["right"]:
        return Finding("CuPy", "problem", "the GPU gave a wrong answer to x + 1", "sudo nvidia-smi --gpu-reset")
    facts = answer["facts"]
    return Finding("CuPy", "ok", f"{facts['cupy']} on CUDA {_dotted(facts['cuda_runtime'])} computes on the GPU")


def numba_finding(answer: Mapping[str, Any]) -> Finding:
    """Whether numba's kernels, those of the applications, compile and run."""
    if "error" in answer or not answer["right"]:
        why = answer.get("error") or "the GPU gave a wrong answer to a conversion of numbers"
        what = f"kernels of numba do not work: {why}; workloads 'md' and 'climate' fail on the GPU"
        return Finding("numba-cuda", "warning", what, "pip install --force-reinstall 'clustermark[cuda13]'")
    return Finding("numba-cuda", "ok", f"{answer['version']} compiles, and the GPU computes what it should")


def _dotted(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def nccl_finding(answer: Mapping[str, Any], cuda: str) -> Finding:
    """Whether NCCL is there."""
    if "error" in answer:
        package = f"nvidia-nccl-cu{'12' if cuda.startswith('12') else '13'}"
        return Finding("NCCL", "absent", f"{answer['error']}; transport 'nccl' needs it", f"pip install {package}")
    return Finding("NCCL", "ok", answer["version"])


def _cuda_mpi(ask: Ask, mpirun: str | None, launch: bool) -> Finding:
    if not launch:
        return Finding("MPI on GPU", "absent", "not tried: --no-launch")
    try:
        launcher = find_launcher(mpirun)
    except LaunchError:
        return Finding("MPI on GPU", "absent", "not tried: it needs a launcher")
    tokens = launch_arguments(launcher, 2, 1, usable_cores(), os.geteuid() == 0)
    environment = launch_environment(os.environ, "self", 1)
    return cuda_mpi_finding(ask([*tokens, *probe_arguments("cuda_mpi")], environment, WORK_SECONDS))


def cuda_mpi_finding(ended: Ended) -> Finding:
    """Whether MPI moves device memory: what it did counts, not what it says."""
    answers: dict[str, Any] = {}
    for document in ended.documents():
        answers |= document
    says = {True: "says that it can", False: "says that it cannot", None: "does not say whether it can"}
    if "asked" not in answers:
        return Finding("MPI on GPU", "warning", f"could not be tried: a launch with GPUs {ended.complaint()}")
    said = f"the library {says[answers['asked']]}"
    if answers.get("right") and ended.status == 0:
        return Finding("MPI on GPU", "ok", f"two ranks exchanged device memory ({said})")
    if "right" in answers and not answers["right"]:
        what = f"two ranks exchanged device memory and it arrived wrong ({said})"
        return Finding("MPI on GPU", "warning", what, "use transport 'mpi' (through host memory) or 'nccl'")
    what = f"an exchange of device memory {ended.complaint()} ({said})"
    mend = "use transport 'mpi' (through host memory) or 'nccl', or an MPI that was built with CUDA"
    return Finding("MPI on GPU", "warning" if answers["asked"] else "absent", what, mend)
