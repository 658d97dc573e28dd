"""Thread limits of the numeric libraries, so that the ranks of a node share its cores.

The limits have to be in the environment before numpy, numba or any other numeric library is imported: this module
imports none of them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_VARIABLES = (
    "OMP_NUM_THREADS",  # OpenMP: astra, FFTW, MKL where its own variable is missing
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMBA_NUM_THREADS",
)


def usable_cores() -> set[int]:
    """Cores this process may run on; all of them where the system cannot tell."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def group_limit(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Cores that the control group of a container allows, for instance 1.5; None where there is no limit."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):  # no control groups of version 2 here
        return None


def _threads(ranks_on_node: int, affinity: int, node_cores: int, group: float | None) -> int:
    """Threads of one rank: its share of the node, but no more than the cores it is bound to.

    Ranks that a launcher has bound to cores of their own see few cores: dividing those once more would leave cores
    idle. Ranks that all see the same cores share them.
    """
    allowed = node_cores if group is None else min(node_cores, max(int(group), 1))
    return max(min(affinity, max(allowed // max(ranks_on_node, 1), 1)), 1)


def _job_cores(affinity: set[int], ranks_on_node: int) -> int:
    """Cores of this job on this node: more than this process sees where the launcher has bound each rank."""
    told = os.environ.get("SLURM_CPUS_ON_NODE", "")
    if told.isdigit() and os.environ.get("SLURM_JOB_ID"):
        return max(int(told), len(affinity))
    parent = _cores_of(os.getppid())  # the launcher on this node is not bound when its ranks are
    if ranks_on_node > 1 and parent and parent > affinity:
        return len(parent)
    return len(affinity)


def _cores_of(process: int) -> set[int]:
    try:
        return set(os.sched_getaffinity(process))
    except (AttributeError, OSError):  # another system, or a process that is gone or not ours
        return set()


def limit_threads(ranks_on_node: int) -> int:
    """Set the thread limits of this rank; call it before numpy is imported.

    What the user has set already stays: OMP_NUM_THREADS, when given, is taken for all libraries.

    Parameters
    ----------
    ranks_on_node : int
        Ranks that share this node, for instance `tomosaxs.launcher.ranks_on_node()`.

    Returns
    -------
    int
        Threads that one rank uses.
    """
    affinity = usable_cores()
    cores = _job_cores(affinity, ranks_on_node)
    count = _threads(ranks_on_node, len(affinity), cores, group_limit())
    given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if given.isdigit() and int(given) > 0:
        count = int(given)
    for name in _VARIABLES:
        os.environ.setdefault(name, str(count))
    return count


@contextlib.contextmanager
def planned_for(count: int) -> Iterator[None]:
    """Let everything that asks how many threads a rank has see another number, to plan for another machine."""
    before = os.environ.get("NUMBA_NUM_THREADS")
    os.environ["NUMBA_NUM_THREADS"] = str(count)
    try:
        yield
    finally:
        if before is None:
            del os.environ["NUMBA_NUM_THREADS"]
        else:
            os.environ["NUMBA_NUM_THREADS"] = before


def too_late() -> list[str]:
    """Numeric libraries that were imported already, so that `limit_threads` no longer reaches them."""
    return [name for name in ("numpy", "numba", "numexpr", "astra") if name in sys.modules]


def pinned_warning(ranks_on_node: int) -> str | None:
    """One line of advice where the launcher has bound this rank to fewer cores than its share of the node.

    Returns
    -------
    str or None
        None where all is well.
    """
    affinity = usable_cores()
    if ranks_on_node < 1 or any(os.environ.get(name) for name in ("OMP_PROC_BIND", "GOMP_CPU_AFFINITY")):
        return None
    share = max(_job_cores(affinity, ranks_on_node) // ranks_on_node, 1)
    if len(affinity) >= share:
        return None
    bound = "1 core" if len(affinity) == 1 else f"{len(affinity)} cores"
    return (
        f"the launcher binds each rank to {bound}, but its share of this node is {share}: start the ranks unbound "
        "(mpirun -bind-to none for MPICH, mpirun --bind-to none for Open MPI, I_MPI_PIN=0 for Intel MPI, "
        "srun --cpu-bind=none or --cpus-per-task)"
    )
