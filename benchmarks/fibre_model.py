"""The model of a fibre, and the fit of one streak, beside the strategies in use: time and error.

    python benchmarks/fibre_model.py [--fits 8] [--rounds 3] [--simplex 2]

The fit is of the five parameters of a streak in 3 sectors of 6 azimuths and 50 q, with noise of 1 % of the peak.
Beside ours: the same sum of squares by Nelder-Mead, at most 50000 evaluations, from and within the bounds that the
published pipeline uses, with the model in NumPy; and by least squares with a numerical Jacobian (lmfit's, where it is
installed, else SciPy's MINPACK). The three take turns; the simplex, which takes long, in the first rounds only.
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
        vectors = geometry.scattering_vector(Q, self.chi[..., None], WAVELENGTH)
        self.along = vectors @ geometry.fibre_direction(self.alpha, self.beta)

    def in_numpy(self, parameters: Floats) -> Floats:
        """Return the sectors by the formulas as they are written."""
        q0, wa, wmu, delta, amplitude = parameters
        u = np.abs(self.along)
        p = np.sqrt(np.maximum(Q**2 - u**2, 0))
        radius = q0 / delta
        a = u - (q0 - radius)
        distance = np.sqrt(a * a + p * p)
        width = q0 * math.tan(wmu)
        streak = np.exp(-((radius * np.arctan2(p, a)) ** 2) / (2 * width**2)) / (1 + ((distance - radius) / wa) ** 2)
        return np.asarray(amplitude / (2 * math.pi * wa * width) * streak.mean(axis=1))

    def residual(self, parameters: Floats) -> Floats:
        """Return data less model in units of the noise."""
        return np.asarray(((self.data - self.in_numpy(parameters)) / self.sigma).ravel())


def ours(case: Case) -> tuple[Floats, int]:
    """Fit with the analytic Jacobian."""
    found = fit_single(
        Q, case.chi, case.data, alpha_deg=case.alpha, beta_deg=case.beta, wavelength_nm=WAVELENGTH, start=START,
        sigma=case.sigma,
    )  # fmt: skip
    return np.array([getattr(found, name) for name in NAMES]), found.evaluations


def _unbounded(parameters: Floats) -> Floats:
    """Return parameters from those of the bounded transformation that MINUIT and lmfit use."""
    return np.asarray(LOW + (np.sin(parameters) + 1) * (HIGH - LOW) / 2)


def _start(case: Case) -> Floats:
    """Return the usual start, with the best of three amplitudes, as the published pipeline chooses it."""
    starts = [np.array([*START, amplitude]) for amplitude in (1e4, 6e5, 1.5e6)]
    return min(starts, key=lambda start: abs(case.in_numpy(start).max() - case.data.max()))


def simplex(case: Case) -> tuple[Floats, int]:
    """Fit by Nelder-Mead, in the variables that keep parameters within their bounds, again until nothing changes."""
    inside = np.arcsin(2 * (_start(case) - LOW) / (HIGH - LOW) - 1)
    found = minimize(
        lambda x: float(np.sum(case.residual(_unbounded(x)) ** 2)), inside, method="Nelder-Mead",
        options={"maxfev": 50000, "maxiter": 50000, "xatol": 1e-4, "fatol": 1e-4},
    )  # fmt: skip
    return _unbounded(found.x), int(found.nfev)


def numerical(case: Case) -> tuple[Floats, int]:
    """Fit by least squares with a numerical Jacobian: lmfit's leastsq, or MINPACK's as SciPy has it."""
    try:
        import lmfit
    except ImportError:
        inside = np.arcsin(2 * (_start(case) - LOW) / (HIGH - LOW) - 1)
        plain = least_squares(lambda x: case.residual(_unbounded(x)), inside, method="lm")
        return _unbounded(plain.x), int(plain.nfev)
    parameters = lmfit.Parameters()
    for name, value, low, high in zip(NAMES, _start(case), LOW, HIGH, strict=True):
        parameters.add(name, value=value, min=low, max=high)
    found = lmfit.minimize(
        lambda p: case.residual(np.array([p[name].value for name in NAMES])), parameters, method="leastsq"
    )
    return np.array([found.params[name].value for name in NAMES]), int(found.nfev)


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
    methods = {"ours": ours, "numerical Jacobian": numerical, "Nelder-Mead": simplex}
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
    print("| method | median time | times ours | evaluations | relative RMSE of " + ", ".join(NAMES) + " |")
    print("|---|---|---|---|---|")
    for name in methods:
        middle, error = float(np.median(seconds[name])), np.sqrt(np.mean(np.array(errors[name]) ** 2, axis=0))
        shown = ", ".join(f"{100 * value:.3g} %" for value in error)
        print(f"| {name} | {middle * 1e3:.3g} ms | {middle / least:.0f} | {np.median(counts[name]):.0f} | {shown} |")


if __name__ == "__main__":
    main()
