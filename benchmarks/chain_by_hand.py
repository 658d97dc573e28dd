"""Absorption tomography written by hand with library calls only, for comparison with a process list.

    python benchmarks/chain_by_hand.py scan.nxs [--library astra | algotom | tomopy] [-o volume.h5]

Loads an NXtomo scan, corrects dark and flat fields, takes the logarithm, finds the rotation axis in the
middle row, reconstructs by filtered back-projection (ramp filter) and saves attenuation in 1/m; the whole
scan is in memory at once, as in most people's scripts. Prints one line of JSON: seconds and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time

import h5py
import numpy as np


def load(path: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Return corrected attenuation (angle, row, column), angles in radians, pixel size in metres."""
    with h5py.File(path, "r") as file:
        entry = file["entry"]
        detector = entry["instrument/detector"]
        key = detector["image_key"][()]
        angles = np.deg2rad(entry["sample/rotation_angle"][()][key == 0]).astype(np.float32)
        pixel = float(detector["x_pixel_size"][()])
        first, last = np.flatnonzero(key == 0)[[0, -1]]
        frames = detector["data"]
        dark = frames[key == 2].mean(axis=0, dtype=np.float32)
        # Flats before and after the projections, interpolated in time.
        flats = [
            np.flatnonzero(key == 1)[side]
            for side in (np.flatnonzero(key == 1) < first, np.flatnonzero(key == 1) > last)
        ]
        before, after = (frames[group[0] : group[-1] + 1].mean(axis=0, dtype=np.float32) - dark for group in flats)
        start, end = (group.mean() for group in flats)
        data = frames[first : last + 1].astype(np.float32)
    data -= dark
    for index, frame in enumerate(data, start=first):
        weight = np.float32((index - start) / (end - start))
        frame /= np.maximum((1 - weight) * before + weight * after, 1)
    np.clip(data, 1e-4, None, out=data)
    np.log(data, out=data)
    np.negative(data, out=data)
    return data, angles, pixel


def find_axis(sinogram: np.ndarray) -> float:
    """Return the rotation axis of one sinogram in 0-based pixel centres (Vo et al., 10.1364/OE.22.019078)."""
    from algotom.prep.calculation import find_center_vo

    return float(find_center_vo(sinogram))


def reconstruct(data: np.ndarray, axis: float, angles: np.ndarray, library: str, cores: int) -> np.ndarray:
    """Return the volume (z, y, x) per pixel."""
    if library == "tomopy":
        import tomopy

        volume = tomopy.recon(data, angles, center=axis, algorithm="gridrec", filter_name="ramlak", ncore=cores)
        return np.asarray(volume)
    if library == "algotom":
        from algotom.rec.reconstruction import fbp_reconstruction

        volume = fbp_reconstruction(
            data, axis, angles, filter_name=None, apply_log=False, gpu=False, ncore=cores, ratio=None
        )
    else:
        from algotom.rec.reconstruction import astra_reconstruction

        volume = astra_reconstruction(
            data, axis, angles, method="FBP", filter_name="ram-lak", apply_log=False, ncore=cores, ratio=None
        )
    return np.moveaxis(volume, 1, 0)


def default_library() -> str:
    """Return tomopy where it is installed, else algotom, the faster of the other two on a CPU."""
    try:
        import tomopy  # noqa: F401
    except ImportError:
        return "algotom"
    return "tomopy"


def main() -> None:
    """Run the chain and print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan")
    parser.add_argument("-o", "--output", default="volume_by_hand.h5")
    parser.add_argument("--library", choices=["astra", "algotom", "tomopy"], default=default_library())
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()

    begin = time.perf_counter()
    data, angles, pixel = load(given.scan)
    loaded = time.perf_counter()
    axis = find_axis(data[:, data.shape[1] // 2])
    found = time.perf_counter()
    volume = reconstruct(data, axis, angles, given.library, given.cores)
    reconstructed = time.perf_counter()
    with h5py.File(given.output, "w") as file:
        file["volume"] = (volume / pixel).astype(np.float32)
        file["volume"].attrs["units"] = "1/m"
    end = time.perf_counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "library": given.library,
                "cores": given.cores,
                "axis": axis,
                "shape": list(volume.shape),
                "seconds": round(end - begin, 3),
                "load_and_correct": round(loaded - begin, 3),
                "find_axis": round(found - loaded, 3),
                "reconstruct": round(reconstructed - found, 3),
                "save": round(end - reconstructed, 3),
                "peak_memory_bytes": memory,
            }
        )
    )


if __name__ == "__main__":
    main()
