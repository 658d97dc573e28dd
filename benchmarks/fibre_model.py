"""The model of a fibre, and the fit of one streak, beside the strategies in use: time and error.

    python benchmarks/fibre_model.py [--fits 8] [--rounds 3] [--simplex 1]

The fit is of the five parameters of a streak in 3 sectors of 6 azimuths and 50 q, with noise of 1 % of the peak. Beside
ours: the sum of squares (not weighted) by Nelder-Mead, at most 50000 evaluations, from the start and within the bounds
of the published pipeline; and least squares with a numerical Jacobian. Both by lmfit where it is installed, as in the
pipeline, else by SciPy. Their model is the same formula in NumPy, with directions turned into the frame of the fibre at
every evaluation, as in the pipeline; and once more, with a numerical Jacobian, with that done before the fit. They take
turns; the simplex, which takes long, in the first rounds only.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize

from tomosaxs_plugins.fibres import geometry, profiles
from tomosaxs_plugins.fibres.model import bin_means, bin_means_and_derivatives
from tomosaxs_plugins.fibres.problem import Bins, FibreTable
from tomosaxs_plugins.fibres.single import fit_single

Floats = NDArray[np.float64]

WAVELENGTH = 0.08856
Q = np.linspace(0.2, 0.355, 50)
START = (3 * 2 * math.pi / 66.8, 0.002, 0.2, 0.5)
LOW = np.array([6 * math.pi / 74, 5e-4, 0.02, 0.001, 1e3])
HIGH = np.array([6 * math.pi / 60, 0.01, 0.8, 0.99, 6e9])
NAMES = ("q0", "wa", "wmu", "delta", "amplitude")


class Case:
    """One streak with noise, and what a fit is told of it."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.truth = np.array([
            6 * math.pi / rng.normal(66.8, 0.6), max(rng.normal(0.002, 0.0004), 0.0008), rng.normal(0.2, 0.03),
            rng.normal(0.5, 0.1), 1e6 * rng.normal(1, 0.1),
        ])  # fmt: skip
        self.alpha, self.beta = rng.uniform(60, 120), rng.uniform(85, 95)
        fibre = FibreTable(*(np.array([value]) for value in (*self.truth, self.alpha, self.beta)))
        centres = geometry.streak_azimuth(self.alpha, self.beta) + np.array([-3.3, 0.0, 3.3])
        self.chi = centres[:, None] + np.linspace(-3, 3, 6)
        data = profiles.sector_profiles(fibre, Q, centres, wavelength_nm=WAVELENGTH)[0]
        self.sigma = np.full(data.shape, 0.01 * data.max())
        self.data = data + self.sigma * rng.normal(size=data.shape)
        self.along = self.anew()

    def anew(self) -> Floats:
        """Return the component of Q along the fibre, by the rotation into its frame."""
        vectors = geometry.scattering_vector(Q, self.chi[..., None], WAVELENGTH)
        turned = vectors @ geometry.rotation_to_fibre(self.alpha, self.beta).T
        return np.asarray(turned[..., 1])

    def in_numpy(self, parameters: Floats, along: Floats | None = None) -> Floats:
        """Return the sectors by the formulas as they are written."""
        q0, wa, wmu, delta, amplitude = parameters
        u = np.abs(self.anew() if along is None else along)
        p = np.sqrt(np.maximum(Q**2 - u**2, 0))
        radius = q0 / delta
        a = u - (q0 - radius)
        distance = np.sqrt(a * a + p * p)
        width = q0 * math.tan(wmu)
        streak = np.exp(-((radius * np.arctan2(p, a)) ** 2) / (2 * width**2)) / (1 + ((distance - radius) / wa) ** 2)
        return np.asarray(amplitude / (2 * math.pi * wa * width) * streak.mean(axis=1))


def ours(case: Case) -> tuple[Floats, int]:
    """Fit with the analytic Jacobian."""
    found = fit_single(
        Q, case.chi, case.data, alpha_deg=case.alpha, beta_deg=case.beta, wavelength_nm=WAVELENGTH, start=START,
        sigma=case.sigma,
    )  # fmt: skip
    return np.array([getattr(found, name) for name in NAMES]), found.evaluations


def rival(case: Case, method: str, along: Floats | None) -> tuple[Floats, int]:
    """Fit with a general routine, within the bounds of the published pipeline."""
    # as the pipeline chooses it: the best of three amplitudes
    starts = [np.array([*START, amplitude]) for amplitude in (1e4, 6e5, 1.5e6)]
    start = min(starts, key=lambda one: abs(case.in_numpy(one).max() - case.data.max()))
    try:
        import lmfit
    except ImportError:
        return _scipy(case, method, along, start)
    parameters = lmfit.Parameters()
    for name, value, low, high in zip(NAMES, start, LOW, HIGH, strict=True):
        parameters.add(name, value=value, min=low, max=high)

    def residual(now: Any) -> Floats:
        return np.asarray((case.data - case.in_numpy(np.array([now[name].value for name in NAMES]), along)).ravel())

    found = lmfit.minimize(residual, parameters, method=method, max_nfev=50000)
    return np.array([found.params[name].value for name in NAMES]), int(found.nfev)


def _scipy(case: Case, method: str, along: Floats | None, start: Floats) -> tuple[Floats, int]:
    """Fit with SciPy, in variables whose sine keeps parameters within their bounds, as lmfit does."""
    count = 0

    def given(x: Floats) -> Floats:
        return np.asarray(LOW + (np.sin(x) + 1) * (HIGH - LOW) / 2)

    def residual(x: Floats) -> Floats:
        nonlocal count
        count += 1
        return np.asarray((case.data - case.in_numpy(given(x), along)).ravel())

    inside = np.arcsin(2 * (start - LOW) / (HIGH - LOW) - 1)
    if method == "leastsq":
        return given(least_squares(residual, inside, method="lm").x), count
    options = {"maxfev": 50000, "maxiter": 50000}
    found = minimize(lambda x: float(np.sum(residual(x) ** 2)), inside, method="Nelder-Mead", options=options)
    return given(found.x), count


def time_of_points() -> None:
    """Print the time of a point of the model, in bins as a solver has them."""
    bins = Bins(2.5 + 5.0 * np.arange(36), 5.0, 0.24125 + 0.0025 * np.arange(36), 0.0025, WAVELENGTH)
    smeared = Bins(bins.chi_deg, 5.0, bins.q, 0.0025, WAVELENGTH, smearing=5e-4)
    n = 200
    fibres = [np.full(n, x) for x in (1.2, 1.55, 0.2822, 0.002, 0.2, 0.5)]
    for name, where in (("bins", bins), ("smeared bins", smeared)):
        for function in (bin_means, bin_means_and_derivatives):
            call: Callable[..., Any] = function
            call(where, *fibres, threads=1)
            seconds = []
            for _ in range(9):
                begin = time.perf_counter()
                call(where, *fibres, threads=1, tolerance=0)
                seconds.append(time.perf_counter() - begin)
            each = float(np.median(seconds)) / n
            per_point = each / (36 * 3 * 36 * 4) * 1e9
            print(f"{name}, {function.__name__}: {each * 1e6:.0f} us a fibre, {per_point:.1f} ns a point")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fits", type=int, default=8, help="streaks")
    parser.add_argument("--rounds", type=int, default=3, help="how often every streak is fitted")
    parser.add_argument("--simplex", type=int, default=1, help="rounds in which the simplex takes part")
    arguments = parser.parse_args()
    time_of_points()
    cases = [Case(seed) for seed in range(arguments.fits)]
    ours(cases[0])
    methods: dict[str, Callable[[Case], tuple[Floats, int]]] = {
        "ours": ours,
        "numerical Jacobian": lambda case: rival(case, "leastsq", None),
        "the same, directions made once": lambda case: rival(case, "leastsq", case.along),
        "Nelder-Mead": lambda case: rival(case, "nelder", None),
    }
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    errors: dict[str, list[Floats]] = {name: [] for name in methods}
    counts: dict[str, list[int]] = {name: [] for name in methods}
    for number in range(arguments.rounds):
        for case in cases:
            for name, method in methods.items():
                if name == "Nelder-Mead" and number >= arguments.simplex:
                    continue
                begin = time.perf_counter()
                found, count = method(case)
                seconds[name].append(time.perf_counter() - begin)
                errors[name].append(found / case.truth - 1)
                counts[name].append(count)
    least = float(np.median(seconds["ours"]))
    print("| method | median time | times ours | evaluations | median relative error of " + ", ".join(NAMES) + " |")
    print("|---|---|---|---|---|")
    for name in methods:
        middle, error = float(np.median(seconds[name])), np.median(np.abs(np.array(errors[name])), axis=0)
        shown = ", ".join(f"{100 * value:.3g} %" for value in error)
        print(f"| {name} | {middle * 1e3:.3g} ms | {middle / least:.0f} | {np.median(counts[name]):.0f} | {shown} |")


if __name__ == "__main__":
    main()
