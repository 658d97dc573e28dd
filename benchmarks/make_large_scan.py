"""Write a large scan of any size, a few projections or rows at a time: an NXtomo of noisy spheres, or an empty one.

    python benchmarks/make_large_scan.py scan.nxs --projections 1800 --rows 2048 --columns 2048

`--layout` says how the projections lie in the file: in one piece, in chunks of one frame, or in chunks of some rows of
all frames. `--sparse` allocates the room without writing it: such a scan takes no disk, is read as zeros, and serves to
plan with. Everything repeats every 32 rows, noise and all, so that
making it takes a few seconds a gigabyte.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

FLATS, DARKS, PERIOD = 10, 10, 32
BEAM, DARK = 40000.0, 100.0


def shadow(angles: NDArray[np.float64], columns: int, seed: int) -> NDArray[np.float32]:
    """Return the line integrals of cylinders, (angle, row of a period, column)."""
    random = np.random.default_rng(seed)
    x = np.arange(columns, dtype=np.float64) - (columns - 1) / 2 - 2.3
    made = np.zeros((len(angles), PERIOD, columns), np.float32)
    for _ in range(12):
        radius = columns * random.uniform(0.02, 0.08)
        distance, turn = columns * random.uniform(0.0, 0.35), random.uniform(0, 2 * np.pi)
        place = distance * np.cos(np.deg2rad(angles) - turn)
        chord = 2 * np.sqrt(np.clip(radius**2 - (x[None] - place[:, None]) ** 2, 0, None))
        rows = 0.5 + 0.5 * np.cos(2 * np.pi * (np.arange(PERIOD) / PERIOD + random.uniform()))
        made += (rows[None, :, None] * chord[:, None] * (1.5 / columns)).astype(np.float32)
    return made


def chunks_of(layout: str, shape: tuple[int, int, int]) -> tuple[int, int, int] | None:
    """Return the chunks of a layout; None for one piece."""
    if layout == "frames":
        return (1, shape[1], shape[2])
    if layout == "rows":
        return (min(64, shape[0]), min(8, shape[1]), shape[2])
    return None


def main() -> None:
    """Write the scan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--projections", type=int, default=1800)
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--columns", type=int, default=2048)
    parser.add_argument("--layout", choices=("piece", "frames", "rows"), default="piece")
    parser.add_argument("--sparse", action="store_true", help="take no room: for plans")
    parser.add_argument("--compression", choices=("gzip", "lzf"), help="of chunks")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    count, rows, columns = given.projections, given.rows, given.columns
    angles = np.arange(count) * (180.0 / count)
    keys = np.r_[np.full(DARKS, 2), np.full(FLATS, 1), np.zeros(count), np.full(FLATS, 1)].astype(np.int32)
    with h5py.File(given.scan, "w") as handle:
        entry = handle.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        entry["definition"] = "NXtomo"
        detector = entry.create_group("instrument/detector")
        entry["instrument"].attrs["NX_class"] = "NXinstrument"
        detector.attrs["NX_class"] = "NXdetector"
        detector["image_key"] = keys
        for name in ("x_pixel_size", "y_pixel_size"):
            detector[name] = 1e-6
            detector[name].attrs["units"] = "m"
        sample = entry.create_group("sample")
        sample.attrs["NX_class"] = "NXsample"
        sample["rotation_angle"] = np.r_[np.zeros(DARKS + FLATS), angles, np.full(FLATS, 180.0)]
        sample["rotation_angle"].attrs["units"] = "deg"
        data = _allocated(detector, (len(keys), rows, columns), given.layout, given.compression, given.sparse)
        entry["data"] = h5py.SoftLink("/entry/instrument/detector")
        if not given.sparse:
            _fill(data, keys, angles, given.seed)


def _allocated(
    detector: h5py.Group, shape: tuple[int, int, int], layout: str, compression: str | None, sparse: bool
) -> h5py.Dataset:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    chunks = chunks_of(layout, shape)
    if chunks is not None:
        properties.set_chunk(chunks)
        if compression == "gzip":
            properties.set_deflate(1)
        elif compression == "lzf":
            properties.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL)
    if not (compression and chunks):
        properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    if sparse:
        properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(detector.id, b"data", h5py.h5t.NATIVE_UINT16, space, properties)
    return detector["data"]


def _fill(data: h5py.Dataset, keys: NDArray[np.int32], angles: NDArray[np.float64], seed: int) -> None:
    random = np.random.default_rng(seed)
    count, rows, columns = data.shape
    noise = random.normal(0.0, 1.0, (PERIOD + 64, columns)).astype(np.float32)
    flat = (BEAM * (1 + 0.1 * random.normal(0, 1, (PERIOD, columns)).clip(-2, 2))).astype(np.float32)
    number = 0
    together = 64  # as many as the deepest chunks, so that none is written twice
    for low in range(0, count, together):
        some = keys[low : low + together]
        block = np.empty((len(some), rows, columns), np.uint16)
        views = int((some == 0).sum())
        shadows = np.exp(-shadow(angles[number : number + views], columns, seed))
        number += views
        view = 0
        for place, key in enumerate(some):
            start = int(random.integers(64))
            frame = np.zeros_like(flat) if key == 2 else flat if key == 1 else flat * shadows[view]
            frame = DARK + frame + np.sqrt(frame + 25.0) * noise[start : start + PERIOD]
            view += int(key == 0)
            counts = frame.clip(0, 65535).astype(np.uint16)
            for first in range(0, rows, PERIOD):
                block[place, first : first + PERIOD] = counts[: rows - first]
        data[low : low + together] = block


if __name__ == "__main__":
    main()
