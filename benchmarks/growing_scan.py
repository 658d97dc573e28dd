"""Cost of a slice as a scan grows: the absorption list on scans of one width and more and more rows.

    python benchmarks/growing_scan.py FOLDER [--rows 16 64 256 1100] [--projections 1800] [--columns 2048] [--memory 4G]

Scans are made in FOLDER by make_large_scan.py where they are not there yet, and results are removed as soon as they
are measured: room for the largest scan and its volume is needed (8 GB and 18 GB for the defaults). Every scan is
planned first: seconds foretold stand beside those measured. The first run, on a scan that is not listed, calibrates.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tomosaxs.cli.run import bytes_of
from tomosaxs.library import plan
from tomosaxs.plan.cost import node_memory, time_of
from tomosaxs.rates import load_rates
from tomosaxs.testing.resident import measure

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "process_lists" / "tomography_fbp.yml"
OWN = "import sys; from tomosaxs.cli import run_main; sys.argv[0] = 'tomosaxs_run'; run_main()"


def made(folder: Path, projections: int, rows: int, columns: int, layout: str) -> Path:
    """Return a scan."""
    path = folder / f"large_{projections}_{rows}_{columns}_{layout}.nxs"
    if not path.is_file():
        size = ["--projections", projections, "--rows", rows, "--columns", columns, "--layout", layout]
        make = [sys.executable, ROOT / "benchmarks/make_large_scan.py", path, *size]
        subprocess.run([str(word) for word in make], check=True)
    return path


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[16, 64, 256, 1100])
    parser.add_argument("--calibrate", type=int, default=48, help="rows of the scan that calibrates; 0: none")
    parser.add_argument("--projections", type=int, default=1800)
    parser.add_argument("--columns", type=int, default=2048)
    parser.add_argument("--layout", choices=("piece", "rows", "frames"), default="piece")
    parser.add_argument("--memory", default="4G")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--centre", type=float, help="rotation axis; default it is looked for")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TOMOSAXS_RATES", str(given.folder / "rates.json"))
    columns = "raw GB, rows, foretold s, measured s, main pass s, a slice ms, processor s, peak MB, promised MB, load"
    print("| " + columns.replace(", ", " | ") + " |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for rows in [*([given.calibrate] if given.calibrate else []), *given.rows]:
        print(one_run(given, rows), flush=True)


def one_run(given: argparse.Namespace, rows: int) -> str:
    """Plan and run one scan; return the row of the table."""
    scan = made(given.folder, given.projections, rows, given.columns, given.layout)
    settings = [] if given.centre is None else [f"reconstruct.centre={given.centre}"]
    planned = plan(LIST, inputs=[f"tomo={scan}"], settings=settings, ranks=given.ranks, memory=bytes_of(given.memory))
    told = time_of(planned, load_rates())
    start = [str(Path(sys.executable).with_name("mpirun")), "-n", str(given.ranks)] if given.ranks > 1 else []
    words = ["--input", f"tomo={scan}", "--memory", given.memory, "-o", "out"]
    words += [word for text in settings for word in ("--set", text)]
    command = [*start, sys.executable, "-c", OWN, LIST, *words]
    done = measure(command, folder=given.folder, environment=dict(os.environ), every=0.25)
    if done.status:
        raise SystemExit(done.text)
    report = (given.folder / "out" / "report.html").read_text()
    last = planned.passes[-1].number
    found = re.search(rf"^pass {last} .*?([\d.]+) (s|min|h)$", report, re.MULTILINE)
    main = float(found[1]) * {"s": 1, "min": 60, "h": 3600}[found[2]] if found else float("nan")
    shutil.rmtree(given.folder / "out")
    return (
        f"| {scan.stat().st_size / 1e9:.2f} | {rows} | {told.seconds:.1f} | {done.seconds:.1f} | {main:.1f} | "
        f"{main / rows * 1e3:.0f} | {done.processor:.0f} | {done.peak / 1e6:.0f} | {node_memory(planned) / 1e6:.0f} | "
        f"{os.getloadavg()[0]:.1f} |"
    )


if __name__ == "__main__":
    main()
