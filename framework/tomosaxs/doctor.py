"""Look at the machine as a run would find it: one line a matter, with the cure where something is wrong."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tomosaxs import registry
from tomosaxs.available import available_memory
from tomosaxs.launcher import ranks_on_node
from tomosaxs.threads import group_limit, pinned_warning, usable_cores

State = Literal["ok", "note", "wrong"]
_PATIENCE = 60.0
"""Seconds that a launcher may take to start two ranks."""
_WORLD = """
from mpi4py import MPI
world = MPI.COMM_WORLD
if world.Get_rank() == 0:
    library = " ".join(MPI.Get_library_version().splitlines()[0].split())
    print(f"{world.Get_size()} {library[:60]}", flush=True)
"""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Parameters
    ----------
    state : {"ok", "note", "wrong"}
        ``note``: something is missing that some lists need; ``wrong``: no list, or no parallel one, runs as it should.
    matter, text : str
        What was looked at and what was seen.
    cure : str
        What to do; empty where nothing is to be done.
    """

    state: State
    matter: str
    text: str
    cure: str = ""

    def __str__(self) -> str:
        line = f"{self.state:<6}{self.matter:<12}{self.text}"
        return f"{line}\n{'':<18}-> {self.cure}" if self.cure else line


def examine(folder: Path | None = None) -> Iterator[Finding]:
    """Yield what is found, matter by matter.

    Parameters
    ----------
    folder : Path, optional
        Where results would be written; default the current folder.
    """
    place = Path.cwd() if folder is None else folder
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _mpi,
        _hdf5,
        _gpu,
        lambda: _space(place),
        _threads,
        _packages,
        _broken,
    )
    for check in checks:
        yield from check()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _python() -> Iterator[Finding]:
    from tomosaxs import __version__

    yield Finding("ok", "tomosaxs", f"{__version__}, Python {platform.python_version()}, numpy {_version('numpy')}")


def _mpi() -> Iterator[Finding]:
    cure = "pip install 'tomosaxs[mpi]', or mpi4py from where the site's MPI comes from"
    if importlib.util.find_spec("mpi4py") is None:
        yield Finding("note", "MPI", "mpi4py is not installed: lists run on one rank", cure)
        return
    # the launcher beside this Python first: the one that its mpi4py was made for
    launcher = shutil.which("mpirun", path=str(Path(sys.executable).parent)) or shutil.which("mpirun")
    under_slurm = shutil.which("srun") is not None
    if launcher is None:
        text = "no mpirun on the path" + ("; srun is there" if under_slurm else "")
        yield Finding("note", "MPI", f"mpi4py {_version('mpi4py')}, {text}", "" if under_slurm else cure)
        return
    try:
        done = subprocess.run(
            [launcher, "-n", "2", sys.executable, "-c", _WORLD],
            capture_output=True, text=True, timeout=_PATIENCE, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        yield Finding("wrong", "MPI", f"{launcher} did not start two ranks within {_PATIENCE:.0f} s", _OTHER_MPI)
        return
    worlds = [line.partition(" ") for line in done.stdout.splitlines() if line[:1].isdigit()]
    if done.returncode or not worlds:
        said = (done.stderr or done.stdout).strip().splitlines()
        yield Finding("wrong", "MPI", f"{launcher} fails: {said[-1] if said else done.returncode}", _OTHER_MPI)
    elif any(size != "2" for size, _, _ in worlds):
        text = f"{launcher} starts two worlds of one rank: it belongs to another MPI than mpi4py ({worlds[0][2]})"
        yield Finding("wrong", "MPI", text, _OTHER_MPI)
    else:
        yield Finding(
            "ok", "MPI", f"mpi4py {_version('mpi4py')}, {launcher}, two ranks found each other, {worlds[0][2]}"
        )


_OTHER_MPI = (
    "use the mpirun that belongs to mpi4py's library: `python -c 'from mpi4py import MPI; "
    "print(MPI.Get_library_version())'` names it; or pip install --force-reinstall 'tomosaxs[mpi]'"
)


def _hdf5() -> Iterator[Finding]:
    import h5py

    kind = "parallel" if h5py.get_config().mpi else "serial, which is enough"
    locking = os.environ.get("HDF5_USE_FILE_LOCKING", "")
    yield Finding("ok", "HDF5", f"{h5py.version.hdf5_version}, h5py {_version('h5py')} ({kind})")
    if locking.upper() == "FALSE":
        yield Finding("note", "HDF5", "file locking is switched off (HDF5_USE_FILE_LOCKING=FALSE)")
    if importlib.util.find_spec("hdf5plugin") is None:
        text = "hdf5plugin is not installed: frames packed by other compressions than LZ4, LZF and gzip are not read"
        yield Finding("note", "HDF5", text, "pip install hdf5plugin")


def _gpu() -> Iterator[Finding]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        yield Finding("ok", "GPU", "none found: everything runs on the CPU")
        return
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        yield Finding("wrong", "GPU", "nvidia-smi does not answer", "ask who keeps the machine: the driver hangs")
        return
    if done.returncode:
        said = done.stdout.strip() or done.stderr.strip()
        yield Finding("note", "GPU", f"nvidia-smi fails: {said.splitlines()[0] if said else done.returncode}")
        return
    for line in done.stdout.strip().splitlines():
        yield Finding("ok", "GPU", line)
    if importlib.util.find_spec("astra") is None:
        yield Finding(
            "note", "GPU", "astra, which reconstructs on it, is not installed", "pip install 'tomosaxs[astra]'"
        )
        return
    import astra

    if not astra.use_cuda():
        cure = "install an astra-toolbox with CUDA (conda install -c astra-toolbox astra-toolbox) that fits the driver"
        yield Finding("note", "GPU", "astra does not see it", cure)


def _space(folder: Path) -> Iterator[Finding]:
    seen: dict[int, str] = {}
    for name, path in (("results", folder), ("temporary", Path(tempfile.gettempdir())), ("shared", Path("/dev/shm"))):
        if not path.is_dir():
            continue
        device = path.stat().st_dev
        if name != "results" and seen.get(device):
            continue
        seen[device] = name
        free = shutil.disk_usage(path).free
        text = f"{free / 1e9:.3g} GB free in {path} ({name})"
        if name == "results" and not os.access(path, os.W_OK):
            yield Finding("wrong", "space", f"{path} cannot be written", "run elsewhere, or give -o a folder of yours")
        elif name == "results" and free < 10e9:
            yield Finding("note", "space", text, "a volume of 2048 x 2048 x 2048 takes 34 GB: give -o another disk")
        else:
            yield Finding("ok", "space", text)
    memory = available_memory()
    yield Finding("ok", "memory", f"{memory / 1e9:.3g} GB to be had; blocks take half of it unless --memory says else")


def _threads() -> Iterator[Finding]:
    cores, group = len(usable_cores()), group_limit()
    text = f"{cores} cores" + ("" if group is None or group >= cores else f", of which the container allows {group:g}")
    given = os.environ.get("OMP_NUM_THREADS", "")
    advice = pinned_warning(ranks_on_node())
    if advice:
        yield Finding("wrong", "threads", text, advice)
    elif given.split(",")[0] not in ("", str(cores)):
        yield Finding("ok", "threads", f"{text}; libraries use {given} (OMP_NUM_THREADS)")
    else:
        yield Finding("ok", "threads", text)


def _packages() -> Iterator[Finding]:
    """Name every optional library that something needs and that is not there, once."""
    absent: dict[str, tuple[list[str], str]] = {}
    entries = [(entry.name, entry.needs, entry.install) for entry in registry.plugins().values()]
    for plugin in registry.plugins():
        entries += [(f"{plugin}: {b.name}", b.needs, b.install) for b in registry.backends(plugin).values()]
    entries += [(f"tomosaxs {c.name}", c.needs, c.install) for c in registry.commands().values()]
    present = set()
    for user, needs, install in entries:
        for name in needs:
            if importlib.util.find_spec(name.partition(".")[0]) is None:
                users, _ = absent.setdefault(name, ([], install))
                users.append(user)
            else:
                present.add(name)
    if present:
        yield Finding("ok", "libraries", ", ".join(sorted(present)))
    for name, (users, install) in sorted(absent.items()):
        yield Finding("note", "libraries", f"{name} is not installed; wanted by {', '.join(users)}", install)


def _broken() -> Iterator[Finding]:
    for reason in registry.broken().values():
        yield Finding("wrong", "plugins", reason, "mend or remove that package or file")
    folder = registry.user_folder()
    count = len(list(folder.glob("*.py"))) if folder.is_dir() else 0
    yield Finding("ok", "plugins", f"{len(registry.plugins())} registered, {count} files in {folder}")
