"""Ranks under a real mpirun: what they tell each other, and how they end."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

MPIRUN = shutil.which("mpirun", path=str(Path(sys.executable).parent))
PROGRAM = Path(__file__).with_name("program.py")
needs_mpi = pytest.mark.skipif(
    MPIRUN is None or importlib.util.find_spec("mpi4py") is None,
    reason=f"needs mpi4py and an mpirun beside {sys.executable}: pip install 'tomosaxs[mpi]'",
)
pytestmark = needs_mpi
STEP = "step 4 reconstruct, block 3 of 20"


def environment() -> dict[str, str]:
    paths = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def command(ranks: int, *arguments: object) -> list[str]:
    assert MPIRUN is not None
    return [MPIRUN, "-n", str(ranks), sys.executable, str(PROGRAM), *map(str, arguments)]


def mpirun(ranks: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(ranks, *arguments), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


def running(process: int) -> bool:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] != "Z"


def watchers(folder: Path) -> list[str]:
    """Command lines of watchers of this folder that still run."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if "tomosaxs.watcher" in line and str(folder) in line]


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def assert_all_gone(folder: Path, seconds: float) -> None:
    ranks = [int(path.read_text()) for path in folder.glob("pid-*")]
    assert ranks
    assert eventually(lambda: not any(map(running, ranks)), seconds)
    assert eventually(lambda: not watchers(folder), 1.0)


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_values(ranks: int) -> None:
    done = mpirun(ranks, "values")
    assert done.returncode == 0, done.stderr
    for rank in range(ranks):
        assert f"rank {rank} of {ranks} node {rank} of {ranks} ok" in done.stdout


def test_waiting_ranks_leave_the_cores_to_others() -> None:
    done = mpirun(2, "waiting")
    used = float(re.findall(r"waited (\S+)", done.stdout)[0])
    # a spinning wait uses 1 s of processor time in a wait of 1 s; a polite one was measured to use 0.03 s
    assert used < 0.3


@pytest.mark.parametrize("status", [2, 130])  # 0 is that of the values above
def test_exit_status_of_all_ranks(status: int) -> None:
    assert mpirun(3, "status", status).returncode == status


@pytest.mark.parametrize("status", [1, 2, 130])
def test_abort(status: int) -> None:
    start = time.monotonic()
    done = mpirun(3, "abort", status)
    assert done.returncode == status
    assert done.stderr.count("the last words") == 1
    assert time.monotonic() - start < 20  # the others wait in a barrier; nothing hangs


def test_an_exception_that_nobody_catches_ends_all() -> None:
    done = mpirun(3, "raise")
    assert done.returncode == 1
    assert done.stderr.count("ValueError: nobody catches this") == 1


def test_one_process_needs_no_mpi() -> None:
    code = (
        "import sys; from tomosaxs.communicator import world; from tomosaxs import watcher\n"
        "c = world(); assert world() is c; assert (c.rank, c.size) == (0, 1); c.barrier()\n"
        "assert c.allgather(1) == c.gather(1) == [1]; assert c.bcast('x') == 'x'\n"
        "print([name for name in sys.modules if name.startswith('mpi4py')])\n"
        "c.abort(130)"
    )
    plain = {key: text for key, text in environment().items() if not key.startswith(("PMI", "OMPI", "SLURM"))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=plain, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (130, "[]"), done.stderr


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        # what Open MPI sets, around a Python whose library is another one: a world of one rank each
        ({"OMPI_COMM_WORLD_SIZE": "3", "OMPI_COMM_WORLD_RANK": "0"}, "the launcher started 3 ranks, but"),
        ({"SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "0", "SLURM_JOB_ID": "1"}, "use --mpi=pmi2"),
        ({"PMI_SIZE": "2", "PMI_RANK": "0", "HIDE": "mpi4py"}, "pip install 'tomosaxs[mpi]'"),
    ],
)
def test_a_wrong_set_up_is_refused(variables: dict[str, str], expected: str) -> None:
    code = (
        "import os, sys\n"
        "if os.environ.get('HIDE'): sys.modules['mpi4py'] = None\n"
        "from tomosaxs.communicator import MPIError, world\n"
        "try: world()\n"
        "except MPIError as error: print(error); sys.exit(error.exit_status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert expected in done.stdout
    others = {**variables, "OMPI_COMM_WORLD_RANK": "1", "PMI_RANK": "1", "SLURM_PROCID": "1"}
    if "PMI_SIZE" not in variables:
        del others["PMI_RANK"]
    if "OMPI_COMM_WORLD_SIZE" not in variables:
        del others["OMPI_COMM_WORLD_RANK"]
    silent = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment(), **others},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (silent.returncode, silent.stdout, silent.stderr) == (2, "", "")


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("signal9", "was killed by signal 9"),
        ("signal11", "was killed by signal 11"),
        ("exit3", "ended with exit status 3"),
        ("exit0", "ended with exit status 0"),
    ],
)
def test_a_rank_that_dies_is_named(tmp_path: Path, end: str, expected: str) -> None:
    done = mpirun(3, "watched", tmp_path, end)
    if end != "exit0":  # MPICH's mpirun then returns 0 now and then: it adds up what the ranks returned
        assert done.returncode != 0
    assert_all_gone(tmp_path, 6.0)
    lines = [line for line in done.stderr.splitlines() if line.startswith("tomosaxs:")]
    process = (tmp_path / "pid-1").read_text()
    # the cause is missing where the launcher was faster than a kernel older than 6.15 can tell
    cause = f"({expected}|disappeared)"
    assert len(lines) == 1
    said = rf"tomosaxs: rank 1 of 3 \(pid {process}\) {cause} during {STEP}( \([^)]+\))?; all ranks were ended"
    place = r"( \(its threads: .+\)|\. It was at .+)?"  # of a fault in compiled code
    assert re.fullmatch(said + place, lines[0])
    assert (tmp_path / "lost-rank.txt").read_text() == lines[0] + "\n"


@pytest.mark.parametrize("times", [3, pytest.param(30, marks=pytest.mark.long)])
def test_the_first_dead_rank_is_named_every_time(tmp_path: Path, times: int) -> None:
    for attempt in range(times):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        done = mpirun(3, "watched", folder, "signal9")
        assert done.stderr.count("tomosaxs: rank 1 of 3") == 1, done.stderr
        assert done.stderr.count("tomosaxs: rank") == 1, done.stderr


def test_a_rank_that_raises_tells_it_itself(tmp_path: Path) -> None:
    done = mpirun(3, "watched", tmp_path, "raise")
    assert done.returncode == 1
    assert done.stderr.count("rank 1: this block is bad") == 1
    assert "tomosaxs: rank" not in done.stderr
    assert_all_gone(tmp_path, 6.0)


def test_the_watcher_is_silent_about_a_finished_run(tmp_path: Path) -> None:
    done = mpirun(3, "watched", tmp_path, "done")
    assert (done.returncode, done.stderr) == (0, "")
    assert_all_gone(tmp_path, 1.0)


@pytest.mark.parametrize(
    ("mode", "number"),
    [
        ("wait", signal.SIGINT),
        ("sleep", signal.SIGINT),
        ("sleep", signal.SIGTERM),
        ("sleep", signal.SIGKILL),
        ("stubborn", signal.SIGKILL),
    ],
)
def test_a_signal_to_mpirun_ends_everything(tmp_path: Path, mode: str, number: signal.Signals) -> None:
    process = subprocess.Popen(
        command(3, "watched", tmp_path, mode),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert eventually(lambda: len(list(tmp_path.glob("ready-*"))) == 3, 20)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert_all_gone(tmp_path, 6.0)
    if number == signal.SIGINT:
        assert process.returncode == 130
