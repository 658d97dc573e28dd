"""Frames of an Eiger 4M, packed with bitshuffle-LZ4, to curves on all cores; ours and pyFAI's recipe take turns.

python benchmarks/eiger.py [--frames N] [--type uint32|uint16] [--threads N] [--folder DIR] [--rounds N]

The file is made up: Poisson counts, mostly small, on 2167 x 2070 pixels with the gaps between the modules, one frame a
chunk. pyFAI's recipe is that of its tutorial on direct chunk reads: one thread reads chunks, as many as there are cores
decode and integrate (full splitting, CSC, which is serial within a frame). It decodes with the package bitshuffle where
that is installed, else with our decoder, which is faster.

Both get the same mask and geometry, 1000 bins in q, no corrections. The whole list goes from the file to result.nxs,
report and checksums; it is run on few frames too, so that its beginning and end can be told from what a frame costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import Any

_count = sys.argv[sys.argv.index("--threads") + 1] if "--threads" in sys.argv else str(len(os.sched_getaffinity(0)))
os.environ["NUMBA_NUM_THREADS"] = _count
os.environ["OMP_NUM_THREADS"] = "1"  # pyFAI's recipe asks for it: its threads are the workers

import h5py  # noqa: E402
import hdf5plugin  # noqa: E402
import numpy as np  # noqa: E402

from tomosaxs_plugins.integration.engine.apply import integrate  # noqa: E402
from tomosaxs_plugins.integration.engine.lookup import build_lookup  # noqa: E402
from tomosaxs_plugins.integration.geometry import DetectorGeometry  # noqa: E402
from tomosaxs_plugins.integration.radial import full_range  # noqa: E402
from tomosaxs_plugins.loaders.chunks_filters import Room, filters_of  # noqa: E402
from tomosaxs_plugins.loaders.hdf5 import open_file  # noqa: E402
from tomosaxs_plugins.loaders.readers import reader_of  # noqa: E402

SHAPE, BINS, THREADS = (2167, 2070), 1000, int(_count)
DATA = "entry/data/data"
FEW = 16
WHOLE, BEGINNING = "own: the whole list", "own: the whole list, few frames"
LIST = """\
input:
  eiger:
    plugin: array
    path: eiger.h5
    dataset: /entry/data/data
    axes: [frame, detector_y, detector_x]
steps:
  - plugin: azimuthal_integrate
    calibration: eiger.poni
    mask: mask.npy
    bins: 1000
"""
GEOMETRY = DetectorGeometry(0.25, 0.0825, 0.075, 0.0, 0.0, 0.0, 75e-6, 75e-6, 1e-10)


def make(path: Path, frames: int, dtype: str) -> np.ndarray:
    """Write the file; return the mask."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    radius = np.hypot(y - 1100, x - 1000)
    mean = 0.05 + 60 / (1 + (radius / 80) ** 2) + 2 * np.exp(-(((radius - 600) / 20) ** 2))
    mask = np.zeros(SHAPE, bool)
    for row in (514, 1065, 1616):
        mask[row : row + 37] = True
    mask[:, 1030:1040] = True
    different = []
    for _ in range(min(8, frames)):
        frame = rng.poisson(mean).astype(dtype)
        frame[mask] = np.iinfo(dtype).max
        different.append(frame)
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            DATA, (frames, *SHAPE), dtype, chunks=(1, *SHAPE), **hdf5plugin.Bitshuffle(nelems=0, cname="lz4")
        )
        for number in range(frames):
            data[number] = different[number % len(different)]
    return mask


def ours(path: Path, mask: np.ndarray) -> Callable[[], np.ndarray]:
    """Return our reader and integrator, block by block, as a list runs them."""
    low, high = full_range(GEOMETRY, SHAPE, "q_nm^-1")
    lookup = build_lookup(GEOMETRY, mask, BINS, low, high, "q_nm^-1", threads=THREADS)
    file = open_file(path)
    reader = reader_of(file, file.handle[DATA])
    block = 8 * max(2, THREADS)

    def run() -> np.ndarray:
        curves = []
        for first in range(0, reader.shape[0], block):
            frames = reader.read((slice(first, first + block), slice(None), slice(None)))
            curves.append(integrate(lookup, frames, threads=THREADS, dtype=np.float32)[0])
        return np.concatenate(curves)

    return run


def only_reading(path: Path) -> Callable[[], Any]:
    """Return what reads and decodes every frame, and nothing else."""
    file = open_file(path)
    reader = reader_of(file, file.handle[DATA])

    def run() -> None:
        for first in range(0, reader.shape[0], 16):
            reader.read((slice(first, first + 16), slice(None), slice(None)))

    return run


def by_hdf5(path: Path) -> Callable[[], Any]:
    """Return what h5py with hdf5plugin does, one frame after the other into the same array."""
    file = h5py.File(path, "r")

    def run() -> None:
        data = file[DATA]
        frame = np.empty(SHAPE, data.dtype)
        for number in range(len(data)):
            data.read_direct(frame, np.s_[number])

    return run


def decoder(path: Path) -> tuple[str, Callable[[bytes, np.dtype[Any]], np.ndarray]]:
    """Return what decodes a chunk in pyFAI's recipe."""
    try:
        import bitshuffle
    except ImportError:
        with h5py.File(path, "r") as file:
            filters = filters_of(file[DATA])
        rooms = threading.local()

        def own(raw: bytes, dtype: np.dtype[Any]) -> np.ndarray:
            if not hasattr(rooms, "room"):
                rooms.room = Room.of(filters.size)
            return filters.decode(np.frombuffer(raw, np.uint8), 0, rooms.room).view(dtype).reshape(SHAPE)

        return "our decoder", own

    def package(raw: bytes, dtype: np.dtype[Any]) -> np.ndarray:
        _, block = struct.unpack(">QI", raw[:12])
        values = np.frombuffer(raw, np.uint8, offset=12)
        return bitshuffle.decompress_lz4(values, SHAPE, dtype, block // dtype.itemsize)

    return "bitshuffle", package


def pyfai_engine(mask: np.ndarray, example: np.ndarray) -> Any:
    """Return pyFAI's serial sparse-matrix engine for this geometry and mask."""
    from pyFAI.detectors import Detector
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    low, high = full_range(GEOMETRY, SHAPE, "q_nm^-1")
    integrator = AzimuthalIntegrator(
        dist=GEOMETRY.distance, poni1=GEOMETRY.poni1, poni2=GEOMETRY.poni2, wavelength=GEOMETRY.wavelength,
        detector=Detector(GEOMETRY.pixel1, GEOMETRY.pixel2, max_shape=SHAPE, orientation=3),
    )  # fmt: skip
    made = integrator.integrate1d(
        example, BINS, unit="q_nm^-1", radial_range=(low, high), mask=mask.astype(np.int8), correctSolidAngle=False,
        method=("full", "csc", "cython"),
    )  # fmt: skip
    return integrator.engines[made.method].engine


def pyfai_recipe(path: Path, mask: np.ndarray) -> tuple[str, Callable[[], np.ndarray]]:
    """Return pyFAI's recipe: one thread reads raw chunks, the others decode and integrate them."""
    with h5py.File(path, "r") as file:
        count, dtype, example = len(file[DATA]), file[DATA].dtype, file[DATA][0]
    engine = pyfai_engine(mask, example)
    name, decode = decoder(path)

    def read(waiting: Queue[Any]) -> None:
        with h5py.File(path, "r") as file:
            identifier = file[DATA].id
            for number in range(count):
                waiting.put((number, identifier.read_direct_chunk((number, 0, 0))[1]))
        for _ in range(THREADS):
            waiting.put(None)

    def run() -> np.ndarray:
        curves = np.zeros((count, BINS), np.float32)
        waiting: Queue[Any] = Queue(maxsize=1000)

        def work() -> None:
            while (item := waiting.get()) is not None:
                number, raw = item
                curves[number] = engine.integrate_ng(decode(raw, dtype)).intensity

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        threads.append(threading.Thread(target=read, args=(waiting,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return curves

    return name, run


def whole_list(folder: Path, mask: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Return runs of a list, from the file to result.nxs, report and all: of all frames, and of few."""
    import tomosaxs

    np.save(folder / "mask.npy", mask)
    detector = f'{{"pixel1": 75e-6, "pixel2": 75e-6, "max_shape": [{SHAPE[0]}, {SHAPE[1]}], "orientation": 3}}'
    (folder / "eiger.poni").write_text(
        f"poni_version: 2.1\nDetector: Detector\nDetector_config: {detector}\nDistance: {GEOMETRY.distance}\n"
        f"Poni1: {GEOMETRY.poni1}\nPoni2: {GEOMETRY.poni2}\nRot1: 0\nRot2: 0\nRot3: 0\n"
        f"Wavelength: {GEOMETRY.wavelength}\n"
    )
    (folder / "all.yml").write_text(LIST)
    (folder / "few.yml").write_text(LIST.replace("steps:", f"    crop:\n      frame: [0, {FEW}]\nsteps:"))
    runs = iter(range(1000))

    def run(name: str) -> None:
        tomosaxs.run(folder / f"{name}.yml", output=folder / f"out{next(runs)}", log=lambda line: None)

    return {WHOLE: lambda: run("all"), BEGINNING: lambda: run("few")}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--type", choices=["uint32", "uint16"], default="uint32")
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    path = folder / "eiger.h5"
    mask = make(path, given.frames, given.type)
    name, recipe = pyfai_recipe(path, mask)
    methods: dict[str, Callable[[], Any]] = {
        "own: read, decode, integrate": ours(path, mask),
        f"pyFAI's recipe ({name}, CSC)": recipe,
        "own: read and decode only": only_reading(path),
        "h5py: read and decode only": by_hdf5(path),
        **whole_list(folder, mask),
    }
    mine, theirs = (methods[title]() for title in list(methods)[:2])
    apart = np.abs(mine - theirs) / np.where(theirs > 0, theirs, np.nan)
    taken: dict[str, list[float]] = {title: [] for title in methods}
    for _ in range(given.rounds):
        for title, call in methods.items():
            begin = time.perf_counter()
            call()
            taken[title].append(time.perf_counter() - begin)
    print(
        f"{given.frames} frames of {SHAPE[0]} x {SHAPE[1]} {given.type}, {path.stat().st_size / given.frames / 1e6:.2f}"
    )
    print(f"MB a frame packed; {THREADS} threads; curves differ by {np.nanmedian(apart):.1e} in the median,")
    print(f"{np.nanmax(apart):.1e} at most\n")
    whole, few = taken.pop(WHOLE), taken.pop(BEGINNING)
    each = {title: [second / given.frames for second in seconds] for title, seconds in taken.items()}
    further = [(a - b) / (given.frames - FEW) for a, b in zip(whole, few, strict=True)]
    each["own: the whole list, a further frame"] = further
    print("| method | ms a frame, median | best | frames/s | against pyFAI |\n| --- | --- | --- | --- | --- |")
    peer = statistics.median(each[list(each)[1]])
    for title, seconds in each.items():
        middle = statistics.median(seconds)
        ratio = "" if "only" in title else f"{peer / middle:.1f} x"
        print(f"| {title} | {middle * 1e3:.2f} | {min(seconds) * 1e3:.2f} | {1 / middle:.0f} | {ratio} |")
    print(f"\nThe whole list takes {statistics.median(whole):.2f} s, of {FEW} frames {statistics.median(few):.2f} s.")


if __name__ == "__main__":
    main()
