"""Cakes (azimuth by q) by our own engine and by pyFAI, side by side on one core: prints a table.

python benchmarks/cake.py [--frame FRAME.tif --mask MASK --calibration FILE.poni]

Without a frame: as in azimuthal_integration.py. Methods take turns; a figure is the median over the rounds, the best in
the next column. Both get 32-bit integers and the same mask; the first call (set-up) counts apart. The last rows compare
what comes out of the two: their cells against points set 16 x 16 into every pixel.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from azimuthal_integration import made_up, measured, pyfai, turns  # sets the number of threads to one

from tomosaxs_plugins.integration.engine.cake_apply import make_cakes
from tomosaxs_plugins.integration.engine.cake_band import build_band_lookup, integrate_band
from tomosaxs_plugins.integration.engine.cake_lookup import CakeLookup, build_cake_lookup
from tomosaxs_plugins.integration.radial import full_range

FRAMES = 16  # as many as several blocks of eight: they do not stay in the cache
OWN: dict[str, dict[str, Any]] = {
    "own, areas": {},
    "own, areas, Poisson": {"errors": "poisson"},
    "own, areas, spread": {"errors": "azimuthal"},
    "own, no splitting": {"splitting": "no"},
}
PYFAI: dict[str, tuple[str, str | None]] = {
    "pyFAI, full, CSR": ("full", None),
    "pyFAI, full, CSR, Poisson": ("full", "poisson"),
    "pyFAI, full, CSR, spread": ("full", "azimuthal"),
    "pyFAI, no splitting, CSR": ("no", None),
}
PEER = dict(zip(OWN, PYFAI, strict=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frame", type=Path)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--calibration", type=Path)
    parser.add_argument("--bins", type=int, default=1000)
    parser.add_argument("--sectors", type=int, default=360)
    parser.add_argument("--rounds", type=int, default=11)
    given = parser.parse_args()
    whole = made_up() if given.frame is None else measured(given.frame, given.mask, given.calibration)
    frame, mask, geometry = whole
    frames = np.stack([frame] * FRAMES)
    low, high = full_range(geometry, frame.shape, "q_nm^-1")
    radial, azimuthal = (given.bins, low, high, "q_nm^-1"), (given.sectors, -180.0, 180.0)
    methods: dict[str, Callable[[], Any]] = {}
    begun: dict[str, float] = {}
    for title, more in OWN.items():
        begin = time.perf_counter()
        lookup = build_cake_lookup(geometry, mask, radial, azimuthal, splitting=more.get("splitting", "full"))
        errors = more.get("errors", "none")

        def own(lookup: CakeLookup = lookup, errors: str = errors) -> Any:
            return make_cakes(lookup, frames, errors=errors, dtype=np.float32)

        make_cakes(lookup, frames[:1], errors=errors)
        begun[title] = time.perf_counter() - begin
        methods[title] = own
    for title, (splitting, model) in PYFAI.items():
        peer = pyfai(geometry)

        def one(peer: Any = peer, splitting: str = splitting, model: str | None = model) -> Any:
            return peer.integrate2d(
                frame, given.bins, given.sectors, unit="q_nm^-1", radial_range=(low, high), azimuth_range=(-180, 180),
                mask=mask.astype(np.int8), correctSolidAngle=False, error_model=model,
                method=(splitting, "csr", "cython"),
            )  # fmt: skip

        begin = time.perf_counter()
        one()
        begun[title] = time.perf_counter() - begin
        methods[title] = one
    band = build_band_lookup(
        geometry, mask, "q_nm^-1", (1.0, 1.3), azimuthal, below=(0.8, 0.9), above=(1.4, 1.5), background="linear"
    )
    methods["own, band less a line, Poisson"] = lambda: integrate_band(band, frames, errors="poisson", dtype=np.float32)
    taken = turns(methods, given.rounds)
    print("| method | ms a frame, median | best | frames/s | set-up, s | against pyFAI |")
    print("| --- | --- | --- | --- | --- | --- |")
    each = {title: [one / (1 if title in PYFAI else FRAMES) for one in seconds] for title, seconds in taken.items()}
    for title, seconds in each.items():
        middle, best = statistics.median(seconds), min(seconds)
        peer_title = PEER.get(title)
        ratio = f"{statistics.median(each[peer_title]) / middle:.1f} x" if peer_title else ""
        setup = f"{begun[title]:.2f}" if title in begun else ""
        print(f"| {title} | {middle * 1e3:.3f} | {best * 1e3:.3f} | {1 / middle:.0f} | {setup} | {ratio} |")
    compare(frame, mask, geometry, radial, azimuthal, methods)


def compare(frame: Any, mask: Any, geometry: Any, radial: Any, azimuthal: Any, methods: Any) -> None:
    """Print how far both are from fine points, in cells of more than five pixels."""
    shape = azimuthal[0], radial[0]
    fine = build_cake_lookup(geometry, mask, radial, azimuthal, splitting="subpixel", oversampling=16)
    expected = make_cakes(fine, frame[None])[0][0]
    area = np.zeros(shape)
    area.ravel()[fine.used] = fine.area
    many = area > 5
    peers = methods["pyFAI, full, CSR"]()
    found = {"own, areas": methods["own, areas"]()[0][0], "pyFAI, full, CSR": np.asarray(peers.intensity)[::-1]}
    print("\n| cells of more than 5 pixels against 16 x 16 points | median | 99 % | largest |")
    print("| --- | --- | --- | --- |")
    for title, cake in found.items():
        off = np.abs(cake[many] / expected[many] - 1)[expected[many] > 0]
        middle, most = np.median(off), np.quantile(off, 0.99)
        print(f"| {title} | {middle:.1e} | {most:.1e} | {off.max():.1e} |")


if __name__ == "__main__":
    main()
