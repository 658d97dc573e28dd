"""Time the whole list of absorption tomography beside the same chain written by hand.

    python benchmarks/run_chain.py [scan.nxs] [--repeat 3] [--other-python PATH] [--csv FILE]

Every variant is a process of its own: wall and processor time come from the system, peak memory (PSS: shared pages
are counted once) is sampled over all its processes. All variants get the same number of threads in total. They take
turns, A B C A B C ..., so that a busy machine disturbs all alike; medians are printed as a table.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "process_lists" / "tomography_fbp.yml"
BY_HAND = ROOT / "benchmarks" / "chain_by_hand.py"
TOMOSAXS = "import sys; from tomosaxs.cli import run_main; sys.argv[0] = 'tomosaxs_run'; run_main()"
SAMPLE_SECONDS = 0.1


@dataclass
class Variant:
    """One way to do it.

    Parameters
    ----------
    name : str
        For the table.
    command : list of str
        What is run.
    """

    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def measure(self, environment: dict[str, str], folder: Path) -> None:
        """Run it once; wall and processor seconds, and the largest memory of all its processes together."""
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with (folder / "output.txt").open("w") as out:
            running = subprocess.Popen(self.command, cwd=folder, env=environment, stdout=out, stderr=out)
            peak = 0
            while running.poll() is None:
                peak = max(peak, proportional_memory(running.pid))
                time.sleep(SAMPLE_SECONDS)
        end, after = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        if running.returncode:
            raise SystemExit(f"{self.name} failed:\n{(folder / 'output.txt').read_text()}")
        self.seconds.append(end - begin)
        self.processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        self.memory.append(peak / 1e6)


def proportional_memory(root: int) -> int:
    """Return the memory (PSS: shared pages counted once) of a process and its descendants in bytes."""
    total = 0
    for pid in descendants(root):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (OSError, ProcessLookupError):
            continue  # it ended meanwhile
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total * 1024


def descendants(root: int) -> list[int]:
    """Return the numbers of a process and of all it has started."""
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                left.extend(int(child) for child in task.read_text().split())
            except OSError:
                continue
    return found


def variants(scan: Path, threads: int, other: str | None) -> list[Variant]:
    """Return what is compared."""
    own = [sys.executable, "-c", TOMOSAXS, str(LIST), "--input", str(scan)]
    mpirun = Path(sys.executable).with_name("mpirun")
    found = [Variant("process list, 1 rank", [*own, "-o", "one"])]
    if mpirun.is_file() and threads > 1:
        found.append(Variant("process list, 2 ranks", [str(mpirun), "-n", "2", *own, "-o", "two"]))
    by_hand = [str(BY_HAND), str(scan), "--cores", str(threads)]
    for library in ("algotom", "astra"):
        found.append(Variant(f"by hand, {library}", [sys.executable, *by_hand, "--library", library]))
    if other:
        found.append(Variant("by hand, tomopy gridrec", [other, *by_hand, "--library", "tomopy"]))
    for each in [*found]:
        if (
            each.name.startswith("by hand")
            and subprocess.run(
                [*each.command[:1], "-c", f"import {each.name.split()[2]}, algotom"], capture_output=True, check=False
            ).returncode
        ):
            print(f"{each.name}: not installed, left out")
            found.remove(each)
    return found


def table(found: list[Variant]) -> str:
    """Return the medians as a table."""
    base = statistics.median(found[0].seconds)
    lines = ["| chain | wall s (median, range) | ratio | processor s | peak memory MB |", "|---|---|---|---|---|"]
    for each in found:
        wall = statistics.median(each.seconds)
        lines.append(
            f"| {each.name} | {wall:.1f} ({min(each.seconds):.1f} - {max(each.seconds):.1f}) | {wall / base:.2f} | "
            f"{statistics.median(each.processor):.1f} | {statistics.median(each.memory):.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path, nargs="?", help="NXtomo scan; default one is made by make_scan.py")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="in all, for every variant")
    parser.add_argument("--other-python", help="Python in which tomopy and algotom are installed")
    parser.add_argument("--csv", type=Path, help="write every single measurement here")
    parser.add_argument("--only", help="only variants whose names have one of these texts, comma between them")
    given = parser.parse_args()

    paths = os.pathsep.join(str(ROOT / name) for name in ("framework", "plugins"))
    environment = {**os.environ, "PYTHONPATH": paths}
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        environment.pop(name, None)  # tomosaxs shares the cores among its ranks by itself; the others take --cores
    with tempfile.TemporaryDirectory(prefix="tomosaxs_benchmark_") as name:
        folder = Path(name)
        scan = given.scan.absolute() if given.scan else folder / "scan.nxs"
        if not scan.is_file():
            subprocess.run(
                [sys.executable, str(ROOT / "benchmarks/make_scan.py"), str(scan)], env=environment, check=True
            )
        found = [
            each
            for each in variants(scan, given.threads, given.other_python)
            if any(part in each.name for part in (given.only or "").split(","))
        ]
        for number in range(given.repeat + 1):
            for each in found:
                each.measure(environment, folder)
                print(f"{number}: {each.name}: {each.seconds[-1]:.1f} s, {each.memory[-1]:.0f} MB", flush=True)
                if number == 0:  # compiled code and the scan are in their caches from now on
                    each.seconds.clear(), each.processor.clear(), each.memory.clear()
    if given.csv:
        with given.csv.open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["chain", "wall_s", "processor_s", "peak_memory_MB"])
            for each in found:
                writer.writerows(
                    zip([each.name] * given.repeat, each.seconds, each.processor, each.memory, strict=True)
                )
    print(table(found))


if __name__ == "__main__":
    main()
