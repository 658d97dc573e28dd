"""Amplitudes of all fibres of a slice: our own solver beside scipy's, and how near the truth they come.

python benchmarks/fibre_amplitudes.py [--sizes 8 40shell 40] [--rounds 5] [--threads 2] [--seeds 5]

Sizes are lattices: 8 (64 fibres), 40shell (245, the outer ring of a disc), 40 (1600). Beam paths at nine angles, bins
of 5 degrees by 0.0025 nm^-1, realistic scatter of all parameters, 1e4 counts at the peak. Rows of the table:

- matrix and normal equations of I(chi), as the published pipeline fits it; the original took 2.3 s for 8 x 8 to make
  its matrix (binned and unbinned), on one core of a busy two-core machine;
- the solve: ours on the normal matrix, scipy.optimize.nnls on the dense matrix (the original calls the latter: 4 to
  44 ms for 8 x 8); for 1600 fibres scipy is left out unless asked for with --scipy-large;
- the whole weighted estimate from bins of azimuth and q, backgrounds and two rounds of weights included.

Methods take turns; a figure is the median over the rounds. Then correlations with the truth, medians over seeds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tomosaxs_plugins.fibres.amplitudes import AmplitudeOptions, estimate_amplitudes
from tomosaxs_plugins.fibres.amplitudes_original import (
    OriginalOptions,
    design_matrix,
    estimate_original,
    normal_equations,
    peak_profiles,
)
from tomosaxs_plugins.fibres.lattice import beam_paths_of, lattice
from tomosaxs_plugins.fibres.nnls import nonnegative_least_squares
from tomosaxs_plugins.fibres.simulate_library import Background, simulate_library

NINE = np.linspace(-85.0, 95.0, 9)


def timed(methods: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median seconds of every method; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for method in methods.values():  # the first call compiles
        method()
    for _ in range(rounds):
        for name, method in methods.items():
            begin = time.perf_counter()
            method()
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def speed(size: str, rounds: int, threads: int, scipy_large: bool) -> None:
    """Print the times of one size."""
    sample = lattice(int(size.removesuffix("shell")), shell=size.endswith("shell"))
    paths = beam_paths_of(sample, NINE)
    given = simulate_library(sample.fibres, paths, peak_counts=1e4, background=Background(), threads=threads)
    n, pairs = len(sample.x), int((np.diff(paths.offsets).astype(float) ** 2).sum())
    blocks, data = peak_profiles(given.library, paths, given.bins, OriginalOptions(), threads)
    equations = normal_equations(blocks, data, n)
    matrix, right = design_matrix(blocks, n).dense(), np.concatenate(data)
    print(f"\n{size}: {n} fibres, {len(paths.path_rotation)} paths, {pairs} coupled pairs, matrix {matrix.shape}")
    methods: dict[str, Callable[[], Any]] = {
        "own: matrix of I(chi)": lambda: peak_profiles(given.library, paths, given.bins, OriginalOptions(), threads),
        "own: normal equations": lambda: normal_equations(blocks, data, n),
        "own: solve": lambda: nonnegative_least_squares(equations.normal, equations.right, threads=threads),
    }
    if n < 1000 or scipy_large:
        from scipy.optimize import nnls

        methods["scipy: solve"] = lambda: nnls(matrix, right, maxiter=30 * n)
        apart = np.abs(methods["own: solve"]().values - methods["scipy: solve"]()[0]).max()
        print(f"  largest difference of the solutions: {apart:.1e}")
    options = AmplitudeOptions()
    library = given.library, given.paths, given.bins
    methods["own: whole weighted estimate"] = lambda: estimate_amplitudes(*library, options, threads=threads)
    for name, taken in timed(methods, rounds).items():
        print(f"  {name:32} {1e3 * taken:10.2f} ms   {1e9 * taken / pairs:8.0f} ns a pair")


def truth(seeds: int, threads: int) -> None:
    """Print correlations with the truth for 8 x 8 fibres."""
    print("\n8 x 8, correlation with the truth (amplitude / height), median over seeds")
    cases: dict[str, dict[str, Any]] = {
        "no noise": {}, "1e4 counts": {"peak_counts": 1e4},
        "1e4 counts, background": {"peak_counts": 1e4, "background": Background()},
    }  # fmt: skip
    for scatter in ("documented", "realistic"):
        for name, more in cases.items():
            found: dict[str, list[tuple[float, float]]] = {"weighted": [], "original": []}
            for seed in range(seeds):
                sample = lattice(8, scatter=scatter, seed=seed)  # type: ignore[arg-type]
                given = simulate_library(sample.fibres, beam_paths_of(sample, NINE), seed=seed, **more)
                library = given.library, given.paths, given.bins
                ground = "exponential" if "background" in more else "none"
                options = replace(AmplitudeOptions(), background=ground, reweight=2 if more else 0)
                side = OriginalOptions(side_bands="background" in more)
                for method, outcome in (
                    ("weighted", estimate_amplitudes(*library, options, threads=threads)),
                    ("original", estimate_original(*library, side, threads=threads)),
                ):
                    pair = ((outcome.values.amplitude, sample.fibres.amplitude), (outcome.height, sample.fibres.height))
                    a, h = (float(np.corrcoef(*each)[0, 1]) for each in pair)
                    found[method].append((a, h))
            text = ", ".join(
                f"{method} {np.median([a for a, _ in each]):.3f} / {np.median([h for _, h in each]):.3f}"
                for method, each in found.items()
            )
            print(f"  {scatter:10} {name:24} {text}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["8", "40shell"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--scipy-large", action="store_true")
    given = parser.parse_args()
    for size in given.sizes:
        speed(size, given.rounds, given.threads, given.scipy_large)
    if given.seeds:
        truth(given.seeds, given.threads)


if __name__ == "__main__":
    main()
