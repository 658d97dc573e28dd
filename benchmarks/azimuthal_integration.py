"""Azimuthal integration by our own engine and by pyFAI, side by side on one core: prints a table.

python benchmarks/azimuthal_integration.py [--frame FRAME.tif --mask MASK --calibration FILE.poni]

Without a frame: Poisson counts on a detector of 1043 x 981 pixels, whose mask hides the modules' gaps and the rest of
35 % of the pixels, as on a real one. Methods take turns; a figure is the median over the rounds, the best in
the next column. Both get 32-bit integers and the same mask; the first call (set-up) counts apart. "Corrected": dark
counts, flat field, polarisation and solid angle.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402

from tomosaxs_plugins.integration.backends import IntegrationSettings  # noqa: E402
from tomosaxs_plugins.integration.backends.own import OwnBackend  # noqa: E402
from tomosaxs_plugins.integration.calibration import read_calibration  # noqa: E402
from tomosaxs_plugins.integration.engine.errors import DarkCounts  # noqa: E402
from tomosaxs_plugins.integration.engine.frames import Frames  # noqa: E402
from tomosaxs_plugins.integration.geometry import DetectorGeometry  # noqa: E402
from tomosaxs_plugins.integration.masks import read_mask  # noqa: E402
from tomosaxs_plugins.integration.radial import full_range, radial_coordinate  # noqa: E402

SHAPE = (1043, 981)
FRAMES = 16  # as many as several blocks of eight: they do not stay in the cache


OWN: dict[str, dict[str, Any]] = {
    "own, areas": {},
    "own, areas, Poisson": {"error_model": "poisson"},
    "own, areas, spread": {"error_model": "azimuthal"},
    "own, areas, corrected, Poisson": {"corrected": True, "error_model": "poisson"},
    "own, areas, corrected, gain and noise": {"corrected": True, "error_model": "I / 0.8 + 25"},
    "own, areas, corrected, expression": {"corrected": True, "error_model": "sqrt(I * I + 25)"},
    "own, areas, corrected, uncertainties of the data": {"corrected": True, "error_model": "data"},
    "own, 3 x 3 sub-pixels": {"splitting": "subpixel"},
    "own, no splitting": {"splitting": "no"},
}
PYFAI: dict[str, tuple[str, str | None, bool]] = {
    "pyFAI, full, CSR": ("full", None, False),
    "pyFAI, full, CSR, Poisson": ("full", "poisson", False),
    "pyFAI, full, CSR, spread": ("full", "azimuthal", False),
    "pyFAI, full, CSR, corrected, Poisson": ("full", "poisson", True),
    "pyFAI, no splitting, CSR": ("no", None, False),
}
PEER = {
    "own, areas": "pyFAI, full, CSR",
    "own, areas, Poisson": "pyFAI, full, CSR, Poisson",
    "own, areas, spread": "pyFAI, full, CSR, spread",
    "own, areas, corrected, Poisson": "pyFAI, full, CSR, corrected, Poisson",
    "own, areas, corrected, gain and noise": "pyFAI, full, CSR, corrected, Poisson",
    "own, areas, corrected, expression": "pyFAI, full, CSR, corrected, Poisson",
    "own, areas, corrected, uncertainties of the data": "pyFAI, full, CSR, corrected, Poisson",
    "own, 3 x 3 sub-pixels": "pyFAI, full, CSR",
    "own, no splitting": "pyFAI, no splitting, CSR",
}


def corrections(corrected: bool) -> dict[str, Any]:
    """Return dark counts, flat field, polarisation and solid angle for `Frames`, or none of them."""
    if not corrected:
        return {}
    random = np.random.default_rng(2)
    dark = DarkCounts(random.uniform(0.0, 3.0, SHAPE), np.ones(SHAPE, dtype=np.int64))
    return {
        "dark": dark, "efficiency": random.uniform(0.9, 1.1, SHAPE), "polarization": 0.99, "solid_angle": True,
    }  # fmt: skip


def pyfai(geometry: DetectorGeometry) -> Any:
    """Return pyFAI's integrator, as a user makes it."""
    from pyFAI.detectors import Detector
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator

    return AzimuthalIntegrator(
        dist=geometry.distance, poni1=geometry.poni1, poni2=geometry.poni2,
        rot1=geometry.rot1, rot2=geometry.rot2, rot3=geometry.rot3, wavelength=geometry.wavelength,
        detector=Detector(geometry.pixel1, geometry.pixel2, max_shape=SHAPE, orientation=3),
    )  # fmt: skip


def made_up() -> tuple[np.ndarray, np.ndarray, DetectorGeometry]:
    """Return a frame, a mask and a geometry like those of a small-angle beamline."""
    geometry = DetectorGeometry.from_tilt(
        (234.63, 387.772), 1.031657, -0.0098, -1.284, (1.72e-4, 1.72e-4), 1.54e-10, SHAPE
    )
    rows, columns = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5
    q = radial_coordinate(geometry, "q_nm^-1", rows, columns)
    mask = (q < 0.1) | (q > 4.6)
    for edge in range(195, SHAPE[0], 212):
        mask[edge : edge + 17] = True
    mask[:, 487:494] = True
    frame = np.random.default_rng(1).poisson(20 + 200 * np.exp(-q)).astype(np.int32)
    frame[mask] = -1
    return frame, mask, geometry


def measured(frame: Path, mask: Path, calibration: Path) -> tuple[np.ndarray, np.ndarray, DetectorGeometry]:
    """Return a measured frame, its mask and its geometry."""
    import fabio

    data = np.array(fabio.open(str(frame)).data)
    return data, read_mask(mask), read_calibration(calibration, data.shape)


def turns(methods: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return seconds per call of every method, in turns; the first round warms up."""
    taken: dict[str, list[float]] = {name: [] for name in methods}
    for number in range(rounds + 1):
        for name, call in methods.items():
            begin = time.perf_counter()
            call()
            if number:
                taken[name].append(time.perf_counter() - begin)
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frame", type=Path)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--bins", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    if given.frame is None:
        frame, mask, geometry = made_up()
    else:
        frame, mask, geometry = measured(given.frame, given.mask, given.calibration)
    frames = np.stack([frame] * FRAMES)
    sigma = np.sqrt(np.maximum(frames, 1)).astype(np.float32)
    low, high = full_range(geometry, frame.shape, "q_nm^-1")
    methods: dict[str, Callable[[], object]] = {}
    begun: dict[str, float] = {}
    for title, options in OWN.items():
        own, more = OwnBackend(), dict(options)
        begin = time.perf_counter()
        described = Frames(geometry, SHAPE, mask, **corrections(more.pop("corrected", False)))
        own.setup(IntegrationSettings(described, given.bins, low, high, "q_nm^-1", **more))
        data = (frames, sigma) if more.get("error_model") == "data" else (frames,)
        own.integrate(*(each[:1] for each in data))
        begun[title] = time.perf_counter() - begin
        methods[title] = lambda own=own, data=data: own.integrate(*data)  # type: ignore[misc]
    for title, (splitting, model, corrected) in PYFAI.items():
        peer, own_words = pyfai(geometry), corrections(corrected)
        dark = own_words.get("dark")
        theirs = {
            "dark": None if dark is None else dark.counts, "flat": own_words.get("efficiency"),
            "polarization_factor": own_words.get("polarization"), "correctSolidAngle": corrected,
            "error_model": model, "method": (splitting, "csr", "cython"), "mask": mask.astype(np.int8),
        }  # fmt: skip

        def one(peer: Any = peer, theirs: dict[str, Any] = theirs) -> Any:
            return peer.integrate1d(frame, given.bins, unit="q_nm^-1", radial_range=(low, high), **theirs)

        begin = time.perf_counter()
        one()
        begun[title] = time.perf_counter() - begin
        methods[title] = one
    taken = turns(methods, given.rounds)
    each = {title: [second / (FRAMES if title in OWN else 1) for second in seconds] for title, seconds in taken.items()}
    print("| method | ms a frame, median | best | frames/s | set-up, s | against pyFAI |")
    print("| --- | --- | --- | --- | --- | --- |")
    for title, seconds in each.items():
        middle, best = statistics.median(seconds), min(seconds)
        peer_title = PEER.get(title)
        ratio = f"{statistics.median(each[peer_title]) / middle:.1f} x" if peer_title else ""
        print(f"| {title} | {middle * 1e3:.3f} | {best * 1e3:.3f} | {1 / middle:.0f} | {begun[title]:.2f} | {ratio} |")


if __name__ == "__main__":
    main()
