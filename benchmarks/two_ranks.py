"""What ranks are worth: one list on 1 and 2 ranks of one thread, beside two independent processes, in turns.

    python benchmarks/two_ranks.py scan.nxs [--repeat 5] [--ranks 2] [--set STEP.PARAM=VALUE ...] [--folder F]

Memory bandwidth, caches and clocks are shared: two processes that know nothing of each other do not reach twice the
speed of one. What ranks lose to each other is told by their share of what independent processes reach.
Seconds are those of the run alone, as result.nxs has them (after imports and the start of MPI).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py

ROOT = Path(__file__).resolve().parent.parent
MPIRUN = Path(sys.executable).parent / "mpirun"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def start(scan: Path, out: Path, ranks: int, settings: list[str]) -> subprocess.Popen[bytes]:
    """Start the list; every rank gets one thread."""
    launcher = [str(MPIRUN), "-n", str(ranks)] if ranks > 1 else []
    words = [word for each in settings for word in ("--set", each)]
    listing = ROOT / "process_lists" / "tomography_fbp.yml"
    command = [*launcher, sys.executable, "-m", "tomosaxs", "run", str(listing), "--input", str(scan), "-o", str(out)]
    return subprocess.Popen(
        [*command, *words], env={**os.environ, **ONE_THREAD}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def seconds(running: list[tuple[subprocess.Popen[bytes], Path]]) -> tuple[float, float]:
    """Wait for runs that were started together; return the seconds of the slowest, and processor seconds of all."""
    taken, before = [], os.times()
    for process, out in running:
        _, words = process.communicate()
        if process.returncode:
            raise SystemExit(words.decode())
        with h5py.File(out / "result.nxs") as handle:
            taken.append(float(handle["entry/duration"][()]))
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return max(taken), spent


def main() -> None:
    """Measure in turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--folder", type=Path, help="where all write; default the system's for temporary files")
    given = parser.parse_args()
    count = given.ranks
    taken: dict[str, list[tuple[float, float]]] = {"1 rank": [], f"{count} ranks": [], f"{count} processes": []}
    with tempfile.TemporaryDirectory(prefix="tomosaxs_benchmark_", dir=given.folder) as name:
        folder = Path(name)
        for number in range(given.repeat + 1):
            for label in taken:
                ranks = count if label.endswith("ranks") else 1
                outs = [folder / f"{k}" for k in range(count if label.endswith("processes") else 1)]
                found = seconds([(start(given.scan, out, ranks, given.settings), out) for out in outs])
                if number:  # the first round compiles
                    taken[label].append(found)
    one, together, apart = ([wall for wall, _ in times] for times in taken.values())
    for (label, pairs), times in zip(taken.items(), (one, together, apart), strict=True):
        spent = statistics.median(processor for _, processor in pairs)
        low, high = min(times), max(times)
        print(f"{label}: {statistics.median(times):.2f} s ({low:.2f} - {high:.2f}), processor with start {spent:.1f} s")
    print(f"speed of {count} ranks: {statistics.median(a / b for a, b in zip(one, together, strict=True)):.2f}")
    print(f"of {count} processes: {statistics.median(count * a / c for a, c in zip(one, apart, strict=True)):.2f}")
    shares = sorted(c / (count * b) for b, c in zip(together, apart, strict=True))
    print(f"share of what is reached apart: {statistics.median(shares):.2f} ({shares[0]:.2f} - {shares[-1]:.2f})")


if __name__ == "__main__":
    main()
