"""How long `tomosaxs look` takes at a scan of 16 GB: frames in one piece, and one chunk a frame.

    python benchmarks/look.py FOLDER [--frames 2000] [--size 2048] [--repeat 3]

FOLDER needs 17 GB at a time. The file's pages are dropped from the cache before every second run, as far as the system
does that; CPU seconds are printed beside the wall clock, since they hold on a busy machine too.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np


def write(path: Path, frames: int, size: int, chunked: bool) -> None:
    """Write raw counts of discs, noisy, with flats before and after and darks."""
    rng = np.random.default_rng(1)
    angles = np.arange(frames) * 180.0 / frames
    turn = np.deg2rad(angles)[:, None]
    s = np.arange(size)[None, :] - 0.497 * size
    sums = np.zeros((frames, size), np.float32)
    for x, y, r, value in [
        (0, 0, 0.39, 1.2),
        (0.15, 0.05, 0.06, 4.0),
        (-0.17, 0.1, 0.045, 4.0),
        (0.2, -0.16, 0.02, 8.0),
    ]:
        where = size * (x * np.cos(turn) + y * np.sin(turn))
        sums += (2 * value / size * np.sqrt(np.maximum((r * size) ** 2 - (s - where) ** 2, 0))).astype(np.float32)
    noise = rng.normal(0, 60, (8, size, size)).astype(np.float32)
    flat = (30000 * (1 + 0.02 * rng.normal(size=size)))[None, :].astype(np.float32)
    keys = np.concatenate([np.full(10, 2), np.full(20, 1), np.zeros(frames, int), np.full(20, 1)])
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        entry["definition"] = "NXtomo"
        detector = entry.create_group("instrument/detector")
        chunks = (1, size, size) if chunked else None
        data = detector.create_dataset("data", (len(keys), size, size), "u2", chunks=chunks)
        detector["image_key"] = keys
        entry["sample/rotation_angle"] = np.concatenate([np.zeros(30), angles, np.full(20, 180.0)])
        entry["sample/rotation_angle"].attrs["units"] = "deg"
        for number, key in enumerate(keys):
            light = {2: 0.0, 1: flat, 0: flat * np.exp(-sums[number - 30])[None, :] if key == 0 else 0.0}[int(key)]
            data[number] = np.clip(100 + light + noise[number % 8], 0, 65535).astype("u2")


def drop(path: Path) -> None:
    """Ask the system to forget the file's pages."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def measure(path: Path) -> tuple[float, float]:
    """Return wall and CPU seconds of one look, interpreter start included."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "tomosaxs", "look", str(path), "-o", str(path.parent)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu


def main() -> None:
    """Measure both layouts and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    for chunked in (False, True):
        path = options.folder / f"look_{'chunked' if chunked else 'contiguous'}.nxs"
        write(path, options.frames, options.size, chunked)
        times: dict[str, list[tuple[float, float]]] = {"cold": [], "warm": []}
        for _ in range(options.repeat):
            drop(path)
            times["cold"].append(measure(path))
            times["warm"].append(measure(path))
        for name, each in times.items():
            wall, cpu = (statistics.median(column) for column in zip(*each, strict=True))
            size = path.stat().st_size / 1e9
            print(
                f"{path.stem}, {size:.1f} GB, {name}: {wall:.1f} s wall, {cpu:.1f} s CPU, load {os.getloadavg()[0]:.1f}"
            )
        path.unlink()


if __name__ == "__main__":
    main()
