"""Stripe removal beside its originals in algotom: time on one sinogram, in turns, and what is left of the stripes.

    python benchmarks/stripes.py [--angles 1000] [--columns 1024] [--repeat 3]

One thread each. The ratio is of the medians; errors are the root mean square against the sinogram without stripes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from algotom.prep import removal

from tomosaxs.testing.samples import random_phantom
from tomosaxs_plugins.stripes.combined import remove_all_stripes, remove_dead_stripes, remove_large_stripes
from tomosaxs_plugins.stripes.smooth import remove_stripes_by_fitting, remove_stripes_by_wavelets
from tomosaxs_plugins.stripes.sorting import remove_stripes_by_filtering, remove_stripes_by_sorting

PAIRS: tuple[tuple[Callable[..., Any], Callable[..., Any]], ...] = (
    (remove_stripes_by_sorting, removal.remove_stripe_based_sorting),
    (remove_stripes_by_filtering, removal.remove_stripe_based_filtering),
    (remove_stripes_by_fitting, removal.remove_stripe_based_fitting),
    (remove_stripes_by_wavelets, removal.remove_stripe_based_wavelet_fft),
    (remove_large_stripes, removal.remove_large_stripe),
    (remove_dead_stripes, removal.remove_dead_stripe),
    (remove_all_stripes, removal.remove_all_stripe),
)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--angles", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=1024)
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    rng = np.random.default_rng(1)
    angles = np.linspace(0, 180, chosen.angles, endpoint=False)
    phantom = random_phantom(chosen.columns, 1, 3, value=2.0 / chosen.columns)
    clean = phantom.projections(angles, 1, chosen.columns)[:, 0] + 0.005 * rng.normal(
        size=(chosen.angles, chosen.columns)
    )
    stripes = np.where(rng.uniform(size=chosen.columns) < 0.05, rng.normal(size=chosen.columns) * 0.05, 0)
    sinogram = (clean + stripes).astype(np.float32)
    print(f"{chosen.angles} angles, {chosen.columns} columns; error before {np.std(sinogram - clean):.5f}")
    print("| step | ours, s | original, s | times faster | our error | original's |\n|---|---|---|---|---|---|")
    for ours, theirs in PAIRS:
        ours(sinogram[None])  # compiles
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(chosen.repeat):
            start = time.perf_counter()
            made = ours(sinogram[None])[0]
            middle = time.perf_counter()
            other = theirs(sinogram.copy())
            times[0].append(middle - start)
            times[1].append(time.perf_counter() - middle)
        mine, its = (statistics.median(each) for each in times)
        print(
            f"| {ours.__name__} | {mine:.3f} | {its:.3f} | {its / mine:.1f} | {np.std(made - clean):.5f} "
            f"| {np.std(other - clean):.5f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
