"""Joint fit of fibres: time, memory and accuracy on simulated slices, against the truth and its own uncertainties.

    python benchmarks/fibre_joint.py                 8 x 8, shell and filled 40 x 40
    python benchmarks/fibre_joint.py --case accuracy ten noise realisations of the case with all systematic errors
    python benchmarks/fibre_joint.py --case iteration one iteration, from 64 to 6400 fibres

Prints processor and wall time of the fit alone (data are simulated before; one small fit has compiled everything).
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from tomosaxs_plugins.fibres.joint import solve_joint
from tomosaxs_plugins.fibres.joint_fit import Fit, blocks_of
from tomosaxs_plugins.fibres.joint_options import JointOptions
from tomosaxs_plugins.fibres.joint_sights import workers
from tomosaxs_plugins.fibres.lattice import beam_paths_of, lattice
from tomosaxs_plugins.fibres.problem import FibreTable, Library
from tomosaxs_plugins.fibres.simulate_library import Background, simulate_library, standard_bins

NAMES = ("q0", "wa", "wmu", "delta", "amplitude")
ANGLES = np.linspace(-85, 95, 9)


def run(n: int, shell: bool, peak: float, seed: int, systematic: bool, threads: int | None) -> dict[str, np.ndarray]:
    """Simulate and fit one slice; print a line; return errors, z-scores and flags."""
    sample = lattice(n, shell=shell, seed=3)
    paths = beam_paths_of(sample, ANGLES)
    bins = standard_bins(smearing=4e-4 if systematic else 0.0)
    data = simulate_library(
        sample.fibres, paths, bins, peak_counts=peak, seed=seed,
        background=Background() if systematic else None, angle_error_deg=3.0 if systematic else 0.0,
    )  # fmt: skip
    ones = np.ones(len(sample.identifiers))
    told = data.paths
    start = FibreTable(0.28218 * ones, 0.002 * ones, 0.2 * ones, 0.5 * ones, ones, told.alpha_deg, told.beta_deg)
    options = JointOptions(background="exponential" if systematic else "none", refine_angles=systematic)
    wall, processor = time.perf_counter(), time.process_time()
    found = solve_joint(data.library, told, bins, start, options, threads=threads)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    error = np.stack([getattr(found.values, name) / getattr(data.truth, name) - 1 for name in NAMES], axis=1)
    names = (*NAMES, "alpha_deg", "beta_deg") if systematic else NAMES
    off = [getattr(found.values, name) - getattr(data.truth, name) for name in names]
    z = np.stack([each / getattr(found.sd, name) for each, name in zip(off, names, strict=True)], axis=1)
    if systematic:
        z[:, -1] = ((off[-1] + 180) % 360 - 180) / found.sd.beta_deg
    pairs = int((np.diff(paths.offsets) ** 2).sum())
    spread = found.sd.q0 / found.values.q0
    right = (np.abs(error[:, 0]) < 1e-3) & (spread < 2e-3)
    good = found.flags == 0
    wrong = good & (np.abs(z).max(axis=1) > 5)
    print(
        f"{len(ones):6d} fibres {len(paths.path_rotation):5d} paths {pairs:9d} pairs: wall {wall:7.2f} s, "
        f"processor {processor:7.2f} s, {processor / pairs * 1e6:7.2f} us a pair, {found.iterations} iterations, "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB so far; recovered {right.mean():.3f}, "
        f"flagged {int((~good).sum())}, silently wrong {int(wrong.sum())}\n"
        f"       relative RMSE {np.sqrt((error[good] ** 2).mean(axis=0)).round(6)}, "
        f"bias of q0 {error[good, 0].mean():.1e}, "
        f"RMS uncertainty of q0 {np.sqrt((spread[good] ** 2).mean()):.1e}, s.d. of z {z[good].std(axis=0).round(2)}",
        flush=True,
    )
    return {"error": error[good], "z": z[good], "spread": spread[good], "flagged": np.array([(~good).sum()])}


def one_iteration(n: int, threads: int | None, products: int = 20) -> None:
    """Print the time of what every iteration does, for an n x n lattice: streaks, curvature and products."""
    sample = lattice(n, seed=3)
    paths = beam_paths_of(sample, ANGLES)
    pairs = int((np.diff(paths.offsets) ** 2).sum())
    shape = (len(paths.path_rotation), 36, 36)
    library = Library(np.ones(shape), np.ones(shape), np.ones(shape, dtype=np.bool_))
    options = JointOptions(background="none", refine_angles=False)
    with workers(threads) as crew:
        fit = Fit(library, paths, standard_bins(), sample.fibres, options, crew)
        for _ in range(2):
            wall, processor = time.perf_counter(), time.process_time()
            state = fit.state(fit.start)
            blocks_of(fit, state, fit.given)
            for _ in range(products):
                state.streaks.backward(state.streaks.forward(fit.start[:, :5]) * fit.given)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(
        f"{n * n:6d} fibres {pairs:9d} pairs {len(paths.fibre):7d} entries: wall {wall:6.2f} s, "
        f"{processor / pairs * 1e6:6.2f} us a pair, {processor / len(paths.fibre) * 1e6:6.0f} us an entry, "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB so far",
        flush=True,
    )


def main() -> None:
    """Run the cases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--case", choices=("all", "8x8", "shell", "filled", "accuracy", "scaling", "iteration"), default="all"
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=None)
    given = parser.parse_args()
    cases = ("8x8", "shell", "filled", "accuracy") if given.case == "all" else (given.case,)
    run(3, False, 1e4, 1, False, given.threads)
    for case in cases:
        print(case)
        if case == "8x8":
            run(8, False, 1e4, 1, False, given.threads)
        elif case == "shell":
            run(40, True, 1e4, 1, False, given.threads)
        elif case == "filled":
            run(40, False, 1e4, 1, False, given.threads)
        elif case == "scaling":
            for n in (8, 16, 40, 80):
                run(n, False, 1e4, 1, False, given.threads)
        elif case == "iteration":
            for n in (8, 16, 40, 80):
                one_iteration(n, given.threads)
        else:
            each = [run(8, False, 1e3, 1 + k, True, given.threads) for k in range(given.seeds)]
            z, error = (np.concatenate([one[key] for one in each]) for key in ("z", "error"))
            spread = np.concatenate([one["spread"] for one in each])
            print(
                f"pooled over {given.seeds}: s.d. of z {z.std(axis=0).round(3)}, "
                f"largest {np.abs(z).max(axis=0).round(1)}; "
                f"bias of q0 {error[:, 0].mean():.1e} +- {error[:, 0].std() / np.sqrt(len(error)):.1e}, strain RMSE "
                f"{np.sqrt((error[:, 0] ** 2).mean()):.1e} (uncertainty, RMS: {np.sqrt((spread**2).mean()):.1e}), "
                f"flagged {sum(int(one['flagged'][0]) for one in each)}"
            )


if __name__ == "__main__":
    main()
