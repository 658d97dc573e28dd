"""What mpirun or srun told this process through its environment; nothing is imported for it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

# Set by Hydra (MPICH, Intel MPI), by Open MPI and by srun --mpi=pmi2 or --mpi=pmix; never by a plain shell.
_LAUNCHED = ("PMI_RANK", "PMI_SIZE", "PMI_FD", "PMIX_RANK", "PMIX_NAMESPACE", "OMPI_COMM_WORLD_SIZE")
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID")
_NODE_SIZES = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    numbers = (_number(environment, name) for name in names)
    return next((number for number in numbers if number is not None), None)


def under_mpi(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a launcher that speaks PMI or PMIx started this process."""
    return any(environment.get(name) for name in _LAUNCHED)


def promised_size(environment: Mapping[str, str] = os.environ) -> int:
    """Ranks that the launcher says it started; 1 for a plain process.

    Inside a SLURM job the number of tasks of the step counts only where no MPI launcher spoke: mpirun starts one
    task of a step on each node, whatever the number of ranks. The number of tasks of the job says nothing, since a
    plain command in a batch script sees it too.
    """
    sizes = [size for name in _SIZES if (size := _number(environment, name)) is not None]
    if sizes:
        return max(sizes)
    return _number(environment, "SLURM_STEP_NUM_TASKS") or 1


def launcher_rank(environment: Mapping[str, str] = os.environ) -> int:
    """Rank that the launcher gave this process; known before MPI starts, 0 for a plain process."""
    return _first(environment, _RANKS) or 0


def ranks_on_node(environment: Mapping[str, str] = os.environ) -> int:
    """Ranks of this job on this node, at least 1; known before MPI starts.

    Under srun with several nodes it is the largest number of tasks on any node.
    """
    told = _first(environment, _NODE_SIZES)
    if told is not None:
        return max(told, 1)
    if "SLURM_STEP_NUM_TASKS" in environment:  # 2(x3),1 means two tasks on three nodes, one on a fourth
        tasks = environment.get("SLURM_STEP_TASKS_PER_NODE", "")
        counts = [int(count) for count in re.findall(r"(\d+)(?:\(x\d+\))?(?:,|$)", tasks)]
        if counts:
            return max(counts)
    return promised_size(environment)
