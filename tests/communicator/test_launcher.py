"""What launchers say, as seen in their environments."""

from __future__ import annotations

import pytest

from tomosaxs import launcher

HYDRA = {"PMI_RANK": "1", "PMI_SIZE": "3", "PMI_FD": "9", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}
OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "2",
    "OMPI_COMM_WORLD_SIZE": "3",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "3",
    "PMIX_RANK": "2",
}
SRUN = {
    "SLURM_JOB_ID": "5",
    "SLURM_PROCID": "1",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_TASKS_PER_NODE": "2(x2)",
}
SRUN_PMI2 = {**SRUN, "PMI_RANK": "1", "PMI_SIZE": "4", "PMI_FD": "11"}
BATCH_SCRIPT = {"SLURM_JOB_ID": "5", "SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_TASKS_PER_NODE": "4"}
HYDRA_IN_SLURM = {**SRUN, **HYDRA, "SLURM_STEP_NUM_TASKS": "1"}  # one proxy per node is the step


@pytest.mark.parametrize(
    ("environment", "mpi", "size", "rank", "on_node"),
    [
        ({}, False, 1, 0, 1),
        (HYDRA, True, 3, 1, 2),
        (OPEN_MPI, True, 3, 2, 3),
        (SRUN, False, 4, 1, 2),
        (SRUN_PMI2, True, 4, 1, 2),
        (BATCH_SCRIPT, False, 1, 0, 1),
        (HYDRA_IN_SLURM, True, 3, 1, 2),
        ({**SRUN, "SLURM_STEP_TASKS_PER_NODE": "1,3"}, False, 4, 1, 3),
    ],
)
def test_environments(environment: dict[str, str], mpi: bool, size: int, rank: int, on_node: int) -> None:
    assert launcher.under_mpi(environment) is mpi
    assert launcher.promised_size(environment) == size
    assert launcher.launcher_rank(environment) == rank
    assert launcher.ranks_on_node(environment) == on_node
