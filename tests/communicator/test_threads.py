"""Thread limits reach the libraries, and the user's own settings stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tomosaxs import threads

CORES = len(os.sched_getaffinity(0))


def child(code: str, **variables: str) -> str:
    """Run code in a fresh process with no thread limits but those given."""
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_THREADS")}
    environment.update(variables)
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return process.stdout.strip()


def test_share_of_a_node() -> None:
    share = threads._threads
    assert share(1, 16, 16, None) == 16
    assert share(4, 16, 16, None) == 4  # unbound ranks share
    assert share(4, 4, 16, None) == 4  # ranks bound to cores of their own do not share again
    assert share(3, 1, 16, None) == 1  # bound to one core
    assert share(3, 2, 2, None) == 1  # more ranks than cores
    assert share(2, 16, 16, 4.0) == 2  # a container that may use four of them
    assert share(1, 16, 16, 0.5) == 1


def test_limits_are_set_before_numpy(tmp_path: Path) -> None:
    code = (
        "from tomosaxs.threads import limit_threads, too_late\n"
        "n = limit_threads(1000)\n"
        "assert too_late() == []\n"
        "import os, numba\n"
        "print(n, os.environ['OPENBLAS_NUM_THREADS'], numba.config.NUMBA_NUM_THREADS, *too_late())"
    )
    assert child(code).split()[:4] == ["1", "1", "1", "numpy"]


def test_the_users_setting_stays() -> None:
    code = (
        "from tomosaxs.threads import limit_threads\nimport os\n"
        "names = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'NUMBA_NUM_THREADS')\n"
        "print(limit_threads(1), *(os.environ[name] for name in names))"
    )
    assert child(code, OMP_NUM_THREADS="7", NUMBA_NUM_THREADS="5").split() == ["7", "7", "7", "5"]


@pytest.mark.skipif(CORES < 2, reason="needs two cores to bind to one of them")
def test_a_bound_rank_is_told() -> None:
    code = (
        "import os; from tomosaxs.threads import limit_threads, pinned_warning\n"
        "assert pinned_warning(1) is None\n"
        "os.environ['SLURM_JOB_ID'] = '1'; os.environ['SLURM_CPUS_ON_NODE'] = '64'\n"
        "os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])\n"
        "print(limit_threads(2), pinned_warning(2))"
    )
    assert child(code).startswith("1 the launcher binds each rank to 1 core, but its share of this node is 32")
