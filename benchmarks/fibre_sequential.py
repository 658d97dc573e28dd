"""The sequential method on simulated slices: what it accepts, what of it is right, which rules reject: prints tables.

python benchmarks/fibre_sequential.py [--rounds 3] [--seeds 3] [--large]

Samples: the shell of a disc on a lattice of 40 x 40 (245 fibres, the published case), a filled lattice of 8 x 8, and
with --large a filled one of 40 x 40 (1600 fibres). Data have no inverse crime in sampling, exact directions, no
background, Poisson noise by the counts in the fullest bin. The start is the mean of all parameters and the amplitudes
that `estimate_amplitudes` finds. Right: q0 within 0.1 % of the truth. Both sets of choices take turns; a figure is the
median over rounds of processor seconds (on one thread) and of wall seconds.

Published for the shell: 97 % accepted in about 45 minutes (a desktop of 6 cores, one process); nothing of right or
wrong. The published program, measured elsewhere: 1.6 s a fit of one fibre, 79 s a survey of the 8 x 8 lattice.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from tomosaxs_plugins.fibres.amplitudes import estimate_amplitudes
from tomosaxs_plugins.fibres.lattice import beam_paths_of, lattice
from tomosaxs_plugins.fibres.outcome import Outcome
from tomosaxs_plugins.fibres.problem import FibreTable
from tomosaxs_plugins.fibres.sequential import solve_sequential
from tomosaxs_plugins.fibres.sequential_options import SequentialOptions
from tomosaxs_plugins.fibres.simulate_library import SimulatedLibrary, simulate_library

CHOICES = {"mended": SequentialOptions(), "published": SequentialOptions().published()}
HEAD = f"{'sample':>12s} {'counts':>7s} {'choices':>10s} {'accepted':>9s} {'right':>7s} {'of them, sd < 0.2 %':>20s}"
HEAD += f" {'beyond 5 sd':>12s} {'alone':>9s} {'pairs':>9s} {'triples':>9s}"


def sample(name: str, counts: float, seed: int) -> tuple[SimulatedLibrary, FibreTable]:
    """Return a simulated slice and what to start from."""
    size = int(name.split()[1])
    made = lattice(size, shell=name.startswith("shell"), seed=seed)
    paths = beam_paths_of(made, np.linspace(-85, 95, 9))
    simulated = simulate_library(made.fibres, paths, peak_counts=counts, seed=seed)
    return simulated, estimate_amplitudes(simulated.library, simulated.paths, simulated.bins).values


def row(outcome: Outcome, truth: FibreTable) -> dict[str, float]:
    """Return counts of fibres, by what became of them."""
    good = outcome.flags == 0
    error = np.abs(outcome.values.q0 - truth.q0)
    right = good & (error < 1e-3 * truth.q0)
    assert outcome.details is not None
    together = outcome.details["fitted_together"]
    sure = right & (outcome.sd.q0 < 2e-3 * truth.q0)
    counted = {"fibres": len(good), "accepted": good.sum(), "right": right.sum(), "sure": sure.sum()}
    counted["beyond"] = np.sum(good & (error > 5 * outcome.sd.q0))
    for number, name in enumerate(("alone", "pairs", "triples"), 1):
        counted[name], counted[f"right {name}"] = np.sum(together == number), np.sum(right & (together == number))
    return counted


def print_rows(label: str, rows: list[dict[str, float]]) -> None:
    """Print sums over seeds as shares."""
    total = {name: sum(each[name] for each in rows) for name in rows[0]}
    n, good = total["fibres"], max(total["accepted"], 1)
    shares = " ".join(f"{total[f'right {k}']:.0f}/{total[k]:.0f}".rjust(9) for k in ("alone", "pairs", "triples"))
    print(
        f"{label} {total['accepted'] / n:9.1%} {total['right'] / n:7.1%} {total['sure'] / n:20.1%} "
        f"{total['beyond'] / good:12.1%} {shares}"
    )


def main() -> None:
    """Print what is accepted and right, which rules reject, and times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    given = parser.parse_args()
    names = ["filled 8", "shell 40"] + (["filled 40"] if given.large else [])
    print(HEAD + "   (right/accepted)")
    times: dict[tuple[str, str], list[tuple[float, float]]] = {}
    rejected: dict[tuple[str, str], dict[str, int]] = {}
    for name in names:
        for counts in (1e4, 1e6):
            cases = [sample(name, counts, seed) for seed in range(1 if name == "filled 40" else given.seeds)]
            rows: dict[str, list[dict[str, float]]] = {choice: [] for choice in CHOICES}
            for number in range(given.rounds if counts == 1e4 else 1):
                for choice, options in CHOICES.items():
                    for simulated, start in cases if number == 0 else cases[:1]:
                        wall, processor = time.perf_counter(), time.process_time()
                        outcome = solve_sequential(
                            simulated.library, simulated.paths, simulated.bins, start, options, threads=1
                        )
                        spent = time.process_time() - processor, time.perf_counter() - wall
                        times.setdefault((name, choice), []).append(spent)
                        if number == 0:
                            rows[choice].append(row(outcome, simulated.truth))
                            tally = rejected.setdefault((name, choice), {})
                            for key, count in outcome.counts.items():
                                if counts == 1e4 and key.startswith("fibres rejected by"):
                                    tally[key[19:]] = tally.get(key[19:], 0) + count
            for choice, counted in rows.items():
                print_rows(f"{name:>12s} {counts:7.0e} {choice:>10s}", counted)
    print("\nrules that rejected fibres, 1e4 counts, all seeds")
    for (name, choice), tally in rejected.items():
        print(f"{name:>12s} {choice:>10s}", ", ".join(f"{key} {count}" for key, count in tally.items() if count))
    print("\nseconds (processor, wall), median; published for the shell about 2700 s")
    for (name, choice), spent in times.items():
        processor, wall = (statistics.median(each) for each in zip(*spent, strict=True))
        print(f"{name:>12s} {choice:>10s} {processor:7.2f} {wall:7.2f}   n = {len(spent)}")


if __name__ == "__main__":
    main()
