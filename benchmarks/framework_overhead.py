"""What the framework costs: the same kernels in a plain loop and through the runner, in turns.

    python benchmarks/framework_overhead.py scan.nxs [--repeat 3]

Both read the same scan, correct it, take the logarithm, reconstruct around the same given axis in the same blocks and
write the volume. The runner besides checks, plans, keeps checksums, writes NeXus metadata and the report.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

import tomosaxs
from tomosaxs_plugins.corrections.kernels import minus_logarithm, transmission
from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection

ROOT = Path(__file__).resolve().parent.parent


def plain_loop(scan: Path, axis: float, block: int, target: Path) -> None:
    """Do it with the kernels alone."""
    with h5py.File(scan, "r") as file, h5py.File(target, "w") as out:
        detector = file["entry/instrument/detector"]
        key = detector["image_key"][()]
        angles = file["entry/sample/rotation_angle"][()][key == 0]
        pixel = float(detector["x_pixel_size"][()])
        first, last = np.flatnonzero(key == 0)[[0, -1]]
        where = np.flatnonzero(key == 1)
        frames = detector["data"]
        dark = frames[: np.flatnonzero(key == 2)[-1] + 1].mean(axis=0, dtype=np.float32)
        groups = [where[where < first], where[where > last]]
        flats = np.stack([frames[g[0] : g[-1] + 1].mean(axis=0, dtype=np.float32) for g in groups])
        after = (np.arange(first, last + 1) - groups[0].mean()) / (groups[1].mean() - groups[0].mean())
        weights = np.stack([1 - after, after])[:, None, :, None].astype(np.float32)
        rows, columns = frames.shape[1:]
        volume = out.create_dataset("volume", (rows, columns, columns), np.float32)
        for low in range(0, rows, block):
            part = slice(low, min(low + block, rows))
            counts = np.ascontiguousarray(frames[first : last + 1, part].transpose(1, 0, 2))
            made, _ = transmission(counts, dark[part, None], flats[:, part, None], weights)
            made, _ = minus_logarithm(made, 1e-4)
            volume[part] = filtered_backprojection(made, angles, axis, padding="edge") * np.float32(1 / pixel)


def through_the_runner(scan: Path, axis: float, block: int, folder: Path) -> None:
    """Do it with a process list."""
    tomosaxs.run(
        ROOT / "process_lists" / "tomography_fbp.yml",
        inputs=[str(scan)],
        settings=[f"axis.value={axis}", "reconstruct.backend=tomosaxs"],
        output=folder,
        block=block,
        log=lambda text: None,
    )


def main() -> None:
    """Measure in turns and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--axis", type=float, default=326.4)
    parser.add_argument("--block", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    taken: dict[str, list[tuple[float, float]]] = {"plain loop": [], "runner": []}
    with tempfile.TemporaryDirectory(prefix="tomosaxs_benchmark_") as name:
        folder = Path(name)
        for number in range(given.repeat + 1):
            for label in taken:
                wall, processor = time.perf_counter(), time.process_time()
                if label == "plain loop":
                    plain_loop(given.scan, given.axis, given.block, folder / "volume.h5")
                else:
                    through_the_runner(given.scan, given.axis, given.block, folder / "run")
                if number:  # the first round compiles
                    taken[label].append((time.perf_counter() - wall, time.process_time() - processor))
        with h5py.File(folder / "volume.h5") as one, h5py.File(folder / "run" / "result.nxs") as two:
            other = two["entry/reconstruct/data"][()] if "entry/reconstruct/data" in two else None
            if other is not None:
                print(
                    "largest difference / mean:", float(np.abs(one["volume"][()] - other).max() / np.abs(other).mean())
                )
    for label, pairs in taken.items():
        wall, processor = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{label}: {wall:.2f} s wall, {processor:.2f} s processor")
    ratios = [two[1] / one[1] for one, two in zip(*taken.values(), strict=True)]
    print(
        f"runner / plain loop, processor time: {statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
