"""What the framework costs: the same kernels in a plain loop and through the runner, in turns.

    python benchmarks/framework_overhead.py scan.nxs [--repeat 5] [--block 16] [--algorithm fbp] [--folder FOLDER]

Both read the same scan, correct it, take the logarithm, reconstruct around the same given axis in the same blocks and
write the volume. Three spans are compared: the loop, from the first block read to the last one handed to the system
(without what is planned and imported before it); the same until the disk has it; and the whole, with checks, plan,
checksums, NeXus metadata and report. Both write beside the result of the round before and put the new one in its
place once it is whole: writing over a file that was just emptied takes pages that the system still has at hand. A
folder in memory (``--folder /dev/shm``) leaves the disk out, whose cost changes by more than the framework's from one
round to the next.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import tomosaxs
from tomosaxs.runner import run as runner
from tomosaxs.runner import sections
from tomosaxs_plugins.corrections.kernels import minus_logarithm, transmission
from tomosaxs_plugins.reconstruction.backends.own import backend

ROOT = Path(__file__).resolve().parent.parent
Times = dict[str, float]
SPANS = ("loop", "processor of loop", "to disk", "processor to disk")


def now() -> tuple[float, float]:
    """Return seconds by the clock and of this process."""
    return time.perf_counter(), time.process_time()


def plain_loop(scan: Path, axis: float, block: int, algorithm: str, target: Path) -> Times:
    """Do it with the kernels alone; return the seconds of the loop."""
    fresh = target.with_suffix(".new")
    with h5py.File(scan, "r") as file, h5py.File(fresh, "w") as out:
        detector = file["entry/instrument/detector"]
        key = detector["image_key"][()]
        angles = file["entry/sample/rotation_angle"][()][key == 0]
        pixel = float(detector["x_pixel_size"][()])
        first, last = np.flatnonzero(key == 0)[[0, -1]]
        where = np.flatnonzero(key == 1)
        frames = detector["data"]
        wall, processor = now()  # the runner reads flats and darks within the section, too
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
            slices = backend.reconstruct(made, angles, axis, algorithm=algorithm, padding="edge")
            volume[part] = slices * np.float32(1 / pixel)
        out.flush()
        ended = now()
        os.fsync(out.id.get_vfd_handle())
        on_disk = now()
    fresh.replace(target)
    return {
        "loop": ended[0] - wall,
        "processor of loop": ended[1] - processor,
        "to disk": on_disk[0] - wall,
        "processor to disk": on_disk[1] - processor,
    }


@contextmanager
def section_timed() -> Iterator[Times]:
    """Take the time of the last section of a run, from its first block read to its last one written."""
    found: Times = {}
    run_section, flush = sections.run_section, sections.flush

    def timed(*arguments: Any) -> None:
        begun = now()
        found["begun"], found["begun by processor"] = begun
        run_section(*arguments)

    def ended(target: Any) -> None:
        if "loop" not in found:
            wall, processor = now()
            found["loop"] = wall - found["begun"]
            found["processor of loop"] = processor - found["begun by processor"]
        flush(target)
        wall, processor = now()
        found["to disk"] = wall - found["begun"]
        found["processor to disk"] = processor - found["begun by processor"]

    runner.run_section, sections.flush = timed, ended
    try:
        yield found
    finally:
        runner.run_section, sections.flush = run_section, flush


def through_the_runner(scan: Path, axis: float, block: int, algorithm: str, folder: Path) -> Times:
    """Do it with a process list."""
    with section_timed() as found:
        tomosaxs.run(
            ROOT / "process_lists" / "tomography_fbp.yml",
            inputs=[str(scan)],
            settings=[f"axis.value={axis}", "reconstruct.backend=tomosaxs", f"reconstruct.algorithm={algorithm}"],
            output=folder,
            block=block,
            log=lambda text: None,
        )
    return {name: found[name] for name in SPANS}


def main() -> None:
    """Measure in turns and print medians and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--axis", type=float, default=326.4)
    parser.add_argument("--block", type=int, default=16)
    parser.add_argument("--algorithm", default="fbp")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where both write; default the system's for temporary files")
    given = parser.parse_args()
    taken: dict[str, list[Times]] = {"plain loop": [], "runner": []}
    with tempfile.TemporaryDirectory(prefix="tomosaxs_benchmark_", dir=given.folder) as name:
        folder = Path(name)
        for number in range(given.repeat + 1):
            for label in taken:
                wall, processor = now()
                if label == "plain loop":
                    found = plain_loop(given.scan, given.axis, given.block, given.algorithm, folder / "volume.h5")
                else:
                    found = through_the_runner(given.scan, given.axis, given.block, given.algorithm, folder / "run")
                ended = now()
                if number:  # the first round compiles
                    taken[label].append({**found, "whole": ended[0] - wall, "processor of whole": ended[1] - processor})
        with h5py.File(folder / "volume.h5") as one, h5py.File(folder / "run" / "result.nxs") as two:
            other = two["entry/reconstruct/data"][()]
            print("largest difference / mean:", float(np.abs(one["volume"][()] - other).max() / np.abs(other).mean()))
    plain, run = taken.values()
    for span in (*SPANS, "whole", "processor of whole"):
        medians = [statistics.median(each[span] for each in times) for times in taken.values()]
        ratios = sorted(b[span] / a[span] for a, b in zip(plain, run, strict=True))
        print(
            f"{span}: plain {medians[0]:.2f} s, runner {medians[1]:.2f} s, ratio {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} - {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
