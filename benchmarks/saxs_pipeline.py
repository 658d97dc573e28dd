"""A raster map from uncompressed HDF5 to NXcanSAS: corrected, masked, with errors; our list beside pyFAI and h5py.

python benchmarks/saxs_pipeline.py [--frames 400] [--rounds 3] [--folder DIR] [--mask MASK] [--calibration FILE.poni]

Frames of 1043 x 981 32-bit counts. Corrected are flat field, dark counts, polarisation, solid angle and the monitor;
errors are Poisson; 1000 bins in q. Ways take turns; a figure is the median over the rounds, seconds of the wall.
Reading alone goes through the file in blocks of 16 frames. The list is run with few and with four times as many frames,
and with a memory for blocks that holds a fraction of them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

import tomosaxs
from tomosaxs_plugins.integration.calibration import read_calibration
from tomosaxs_plugins.integration.masks import read_mask

SHAPE = (1043, 981)
BINS = 1000
PONI = """poni_version: 2.1
Detector: Detector
Detector_config: {"pixel1": 1.72e-4, "pixel2": 1.72e-4, "max_shape": [1043, 981], "orientation": 3}
Distance: 1.0316
Poni1: 0.0424
Poni2: 0.0660
Rot1: 0.002
Rot2: -0.009
Rot3: 0.0
Wavelength: 1.54e-10
"""
LIST = """title: Corrected curves
input:
  saxs:
    plugin: raster_map
    path: {scan}
    technique: xrd
steps:
  - plugin: azimuthal_integrate
    calibration: {calibration}
    mask: {mask}
    flat: {flat}
    dark: {dark}
    polarization: 0.98
    solid_angle: true
    error_model: poisson
    normalise: monitor
    bins: 1000
    save: true
output:
  plugin: nexus
"""


def write_scan(path: Path, frames: int) -> None:
    """Write a raster of Poisson counts, contiguous, in rows of 20 points."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    radius = np.hypot(rows - 250, columns - 390)
    some = rng.poisson(2000 / (1 + radius / 5), (16, *SHAPE)).astype(np.int32)
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs.update(NX_class="NXentry", default="data")
        entry["definition"] = "NXxrd"
        data = entry.create_dataset("instrument/detector/data", (1, frames // 20, 20, *SHAPE), np.int32)
        entry["instrument/detector"].attrs["NX_class"] = "NXdetector"
        for row in range(frames // 20):
            data[0, row] = some[rng.integers(0, 16, 20)]
        for name, size in (("theta", 1), ("y", frames // 20), ("x", 20)):
            entry[f"sample/{name}"] = np.arange(size, dtype=np.float64)
            entry[f"sample/{name}"].attrs["units"] = "degrees" if name == "theta" else "mm"
        entry["monitor/data"] = rng.uniform(0.9, 1.1, data.shape[:3])
        plot = entry.create_group("data")
        plot.attrs.update(NX_class="NXdata", signal="data", axes=["theta", "y", "x", "detector_y", "detector_x"])
        plot["data"] = h5py.SoftLink("/entry/instrument/detector/data")
        for name in ("theta", "y", "x"):
            plot[name] = h5py.SoftLink(f"/entry/sample/{name}")


def read_alone(scan: Path) -> None:
    """Go through the frames."""
    with h5py.File(scan) as file:
        data = file["entry/instrument/detector/data"]
        frames = np.empty((16, *SHAPE), data.dtype)
        for row in range(data.shape[1]):
            data.read_direct(frames, np.s_[0, row, :16])
            data.read_direct(frames[:4], np.s_[0, row, 16:])


def by_pyfai(scan: Path, files: dict[str, Path], out: Path) -> None:
    """Do the same frame by frame with pyFAI and h5py, on all cores that it takes."""
    import pyFAI

    integrator = pyFAI.load(str(files["calibration"]))
    mask, flat, dark = (np.load(files[name]) for name in ("mask", "flat", "dark"))
    with h5py.File(scan) as file, h5py.File(out, "w") as result:
        data, monitor = file["entry/instrument/detector/data"], file["entry/monitor/data"][()]
        points = data.shape[:3]
        group = result.create_group("entry/data")
        group.attrs.update(canSAS_class="SASdata", signal="I", I_axes=["theta", "y", "x", "Q"])
        intensity = group.create_dataset("I", (*points, BINS), np.float32)
        sigma = group.create_dataset("Idev", (*points, BINS), np.float32)
        for point in np.ndindex(points):
            found = integrator.integrate1d_ng(
                data[point], BINS, unit="q_nm^-1", method=("full", "csr", "cython"), mask=mask, flat=flat, dark=dark,
                polarization_factor=0.98, correctSolidAngle=True, error_model="poisson",
                normalization_factor=float(monitor[point]),
            )  # fmt: skip
            intensity[point], sigma[point] = found.intensity, found.sigma
        group["Q"] = found.radial


def timed(action: Callable[[], object]) -> float:
    """Return seconds of the wall."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--pyfai-frames", type=int, default=100, help="pyFAI gets fewer: it needs the time")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        measure(Path(scratch), given)


def measure(folder: Path, given: argparse.Namespace) -> None:
    """Write the scans and let the ways take turns."""
    rng = np.random.default_rng(1)
    files = {name: folder / f"{name}.npy" for name in ("mask", "flat", "dark")}
    files["calibration"] = given.calibration or folder / "geometry.poni"
    if given.calibration is None:
        files["calibration"].write_text(PONI)
    mask = np.zeros(SHAPE, bool) if given.mask is None else read_mask(given.mask)
    mask[195::212] = True
    np.save(files["mask"], mask.astype(np.int8))
    np.save(files["flat"], rng.uniform(0.95, 1.05, SHAPE))
    np.save(files["dark"], np.full(SHAPE, 0.1))
    assert read_calibration(files["calibration"]).wavelength
    sizes = {"few": given.frames, "many": 4 * given.frames, "pyfai": given.pyfai_frames}
    scans = {name: folder / f"{name}.nxs" for name in sizes}
    for name, count in sizes.items():
        write_scan(scans[name], count)

    def ours(name: str, memory: float | None = None) -> Callable[[], object]:
        listing = folder / f"{name}.yml"
        listing.write_text(LIST.format(scan=scans[name], **files))
        return lambda: tomosaxs.run(listing, output=folder / "out", memory=memory, log=lambda text: None)

    ways: dict[str, tuple[Callable[[], object], int]] = {
        "reading alone": (lambda: read_alone(scans["few"]), sizes["few"]),
        "our list": (ours("few"), sizes["few"]),
        "pyFAI and h5py": (lambda: by_pyfai(scans["pyfai"], files, folder / "pyfai.h5"), sizes["pyfai"]),
        "our list, four times the frames": (ours("many"), sizes["many"]),
        "the same, 600 MB for blocks": (ours("many", 6e8), sizes["many"]),
    }
    for action, _ in ways.values():
        action()  # compiles, and brings the files into the cache
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, (action, frames) in ways.items():
            found[name].append(1e3 * timed(action) / frames)
    middle = {name: statistics.median(values) for name, values in found.items()}
    print(
        "| way | ms a frame, median | best | frames/s | against pyFAI | against reading |\n| --- " * 1
        + "| --- " * 5
        + "|"
    )
    for name, values in found.items():
        print(
            f"| {name} | {middle[name]:.3f} | {min(values):.3f} | {1e3 / middle[name]:.0f} | "
            f"{middle['pyFAI and h5py'] / middle[name]:.1f} x | {middle['reading alone'] / middle[name]:.2f} |"
        )
    few, many = middle["our list"] * sizes["few"], middle["our list, four times the frames"] * sizes["many"]
    further = (many - few) / (sizes["many"] - sizes["few"])
    print(
        f"\nOur list takes {(few - further * sizes['few']) / 1e3:.1f} s for no frame, a further one {further:.2f} ms: "
        f"{middle['pyFAI and h5py'] / further:.1f} x pyFAI, {middle['reading alone'] / further:.2f} of reading alone."
    )


if __name__ == "__main__":
    main()
