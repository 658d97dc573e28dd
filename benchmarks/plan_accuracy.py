"""How near `tomosaxs plan` comes: foretold and measured seconds of shipped lists, after one run on another size.

    python benchmarks/plan_accuracy.py [--ranks 1 2] [--repeat 2] [--lists tomography_fbp phase_contrast]

Rates are kept in a file of the benchmark's own. For every list one run on a smaller scan calibrates it; then the
larger scan is planned and run. Wall seconds are those of the whole command. The load of the machine is told
with every run: on a busy machine figures say little.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

from tomosaxs.library import plan
from tomosaxs.plan.cost import time_of
from tomosaxs.rates import load_rates
from tomosaxs.testing.resident import measure

ROOT = Path(__file__).resolve().parent.parent
OWN = "import sys; from tomosaxs.cli import run_main; sys.argv[0] = 'tomosaxs_run'; run_main()"
PHASE = ["retrieve_phase.energy=20", "retrieve_phase.distance=0.1"]
PONI = """poni_version: 2
Detector: Detector
Detector_config: {{"pixel1": 0.000172, "pixel2": 0.000172, "max_shape": [{0}, {0}]}}
Distance: 2.0
Poni1: 0.05
Poni2: 0.06
Rot1: 0.0
Rot2: 0.0
Rot3: 0.0
Wavelength: 1e-10
"""
FRAMES = """title: Azimuthal integration
input:
  images:
    plugin: array
    path: frames.h5
    dataset: data
    axes: [x, detector_y, detector_x]
steps:
  - plugin: azimuthal_integrate
    calibration: calibration.poni
    bins: 1000
    solid_angle: false
    error_model: poisson
"""


def scan(folder: Path, projections: int, rows: int, columns: int) -> Path:
    """Return a scan, made where it is not there yet."""
    path = folder / f"scan_{projections}_{rows}_{columns}.nxs"
    if not path.is_file():
        size = ["--projections", projections, "--rows", rows, "--columns", columns, "--centre", columns / 2 + 6.4]
        make = [sys.executable, ROOT / "benchmarks/make_scan.py", path, *size]
        subprocess.run([str(word) for word in make], check=True)
    return path


def frames(folder: Path, count: int, width: int) -> Path:
    """Return a list that integrates some frames."""
    place = folder / f"frames_{count}_{width}"
    if not place.is_dir():
        place.mkdir()
        image = np.random.default_rng(1).poisson(15.0, (width, width)).astype(np.int32)
        with h5py.File(place / "frames.h5", "w") as handle:
            data = handle.create_dataset("data", (count, width, width), np.int32)
            for number in range(count):
                data[number] = image
        (place / "calibration.poni").write_text(PONI.format(width))
        (place / "list.yml").write_text(FRAMES)
    return place / "list.yml"


def cases(folder: Path) -> dict[str, tuple[list[tuple[Path, list[str]]], list[str]]]:
    """Return, by name, (list, inputs) of the calibrating and the measured run, and settings."""
    small, large = scan(folder, 541, 96, 480), scan(folder, 721, 128, 640)
    made: dict[str, tuple[list[tuple[Path, list[str]]], list[str]]] = {}
    for name, settings in (("tomography_fbp", []), ("phase_contrast", PHASE)):
        file = ROOT / "process_lists" / f"{name}.yml"
        made[name] = ([(file, [f"tomo={small}"]), (file, [f"tomo={large}"])], list(settings))
    made["azimuthal_integration"] = ([(frames(folder, 60, 768), []), (frames(folder, 160, 1024), [])], [])
    return made


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--repeat", type=int, default=1, help="runs of the larger scan; each is planned by the ones before"
    )
    parser.add_argument("--lists", nargs="+")
    parser.add_argument("--folder", type=Path, help="where scans are kept")
    parser.add_argument("--rates", type=Path, help="keep what was measured here")
    given = parser.parse_args()
    print("| list | ranks | foretold s | measured s | ratio | start, passes, end foretold | load |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="tomosaxs_benchmark_") as name:
        work = Path(name)
        folder = given.folder or work
        folder.mkdir(exist_ok=True)
        os.environ["TOMOSAXS_RATES"] = str(given.rates or work / "rates.json")
        for case, (runs, settings) in cases(folder).items():
            if given.lists and case not in given.lists:
                continue
            for ranks in given.ranks:
                for turn in range(given.repeat + 1):
                    file, inputs = runs[min(turn, 1)]
                    _turn(work, case, turn, ranks, file, inputs, settings)


def _turn(
    work: Path, case: str, turn: int, ranks: int, file: Path, inputs: list[str], settings: list[str]
) -> None:  # fmt: skip
    planned = plan(file, inputs=inputs, settings=settings, ranks=ranks)
    told = time_of(planned, load_rates())
    start = [str(Path(sys.executable).with_name("mpirun")), "-n", str(ranks)] if ranks > 1 else []
    given = [word for text in inputs for word in ("--input", text)] + [w for text in settings for w in ("--set", text)]
    command = [*start, sys.executable, "-c", OWN, file, *given, "-o", work / "out"]
    done = measure(command, folder=work, environment=dict(os.environ), every=1.0)
    if done.status:
        raise SystemExit(done.text)
    if turn:
        parts = ", ".join(f"{one.seconds:.2f}" for one in told.passes)
        print(
            f"| {case} | {ranks} | {told.seconds:.1f} | {done.seconds:.1f} | {told.seconds / done.seconds:.2f} | "
            f"{told.start:.2f}, {parts}, {told.finish:.2f} | {os.getloadavg()[0]:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
