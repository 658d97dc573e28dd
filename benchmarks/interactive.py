"""One slice of a wide scan, from the command to the picture: a sparse file, so that it needs little disk.

    python benchmarks/interactive.py [--projections 1800] [--rows 2048] [--columns 2048] [--chunks contiguous | rows]
        [--repeats 5] [--folder FOLDER]

Writes an NXtomo of uint16 of which only some rows are filled (discs, as seen by the detector): those that
the search of the axis looks at, and the slice. Then `tomosaxs slice` is run with the axis known and with the axis
searched, in turn, with the file in the page cache; prints the median of wall and processor seconds and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np

CENTRE = 0.496  # of the width


def sinogram(angles_deg: np.ndarray, columns: int, seed: int) -> np.ndarray:
    """Return line integrals of discs, shape (angles, columns)."""
    random = np.random.default_rng(seed)
    radius = random.uniform(0.01, 0.05, 60) * columns
    place = random.uniform(-0.3, 0.3, (60, 2)) * columns
    theta = np.deg2rad(angles_deg)[:, None]
    column = np.arange(columns) - CENTRE * columns
    found = np.zeros((len(angles_deg), columns))
    for (x, y), r in zip(place, radius, strict=True):
        along = column - (x * np.cos(theta) + y * np.sin(theta))
        found += 2.0 * np.sqrt(np.maximum(r * r - along * along, 0.0))
    return found * (2.0 / found.max())


def write_scan(file: Path, projections: int, rows: int, columns: int, chunks: str) -> None:
    """Write the scan; rows that nobody reads stay holes."""
    angles = np.linspace(0, 180, projections, endpoint=False)
    size = projections + 4
    wanted = sorted({int((k + 0.5) * rows / 10) for k in range(10)} | {rows // 2, rows // 2 + 1})
    with h5py.File(file, "w", libver="latest") as made:
        made.attrs["default"] = "entry"
        entry = made.create_group("entry")
        entry.attrs.update(NX_class="NXentry", default="data")
        entry["definition"] = "NXtomo"
        detector = entry.create_group("instrument").create_group("detector")
        entry["instrument"].attrs["NX_class"], detector.attrs["NX_class"] = "NXinstrument", "NXdetector"
        shape = (size, rows, columns)
        layout = {} if chunks == "contiguous" else {"chunks": (size, 1, columns)}
        data = detector.create_dataset("data", shape, np.uint16, fillvalue=None, **layout)
        detector["image_key"] = np.r_[1, 1, 2, 2, np.zeros(projections)].astype(np.int32)
        entry.create_group("sample").attrs["NX_class"] = "NXsample"
        turned = entry["sample"].create_dataset("rotation_angle", data=np.r_[0, 0, 0, 0, angles])
        turned.attrs["units"] = "deg"
        random = np.random.default_rng(1)
        for number, row in enumerate(wanted):
            counts = 20000 * np.exp(-sinogram(angles, columns, number))
            data[4:, row] = random.poisson(counts) + 100
            data[0:2, row], data[2:4, row] = 20100, 100
        group = entry.create_group("data")
        group.attrs.update(NX_class="NXdata", signal="data")
        group["data"] = data


def timed(command: list[str]) -> tuple[float, float, float]:
    """Return wall seconds, processor seconds and the peak memory (MiB) of a command."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    """Write the scan, run the commands in turn, print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projections", type=int, default=1800)
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--columns", type=int, default=2048)
    parser.add_argument("--chunks", choices=("contiguous", "rows"), default="contiguous")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("interactive"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    scan = given.folder / f"{given.chunks}_{given.projections}_{given.rows}_{given.columns}.nxs"
    if not scan.exists():
        write_scan(scan, given.projections, given.rows, given.columns, given.chunks)
    axis = f"--axis={CENTRE * given.columns}"
    start = [sys.executable, "-m", "tomosaxs", "slice", str(scan), "-o", str(given.folder / "slice.png")]
    commands = {"axis known": [*start, axis], "axis searched": start}
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for turn in range(given.repeats + 1):
        for name, command in commands.items():
            once = timed(command)
            if turn:  # the first compiles and fills the page cache
                found[name].append(once)
    told = {
        name: dict(zip(("wall_s", "cpu_s", "peak_MiB"), map(statistics.median, zip(*each, strict=True)), strict=True))
        for name, each in found.items()
    }
    disk = scan.stat().st_blocks * 512 / 1e6
    print(json.dumps({"scan": scan.name, "MB_on_disk": round(disk), **told}))


if __name__ == "__main__":
    main()
