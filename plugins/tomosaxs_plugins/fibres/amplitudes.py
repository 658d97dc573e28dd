"""Amplitudes of all fibres of a slice by weighted non-negative least squares, with streaks of one shape for all.

What is solved for are heights, of streaks whose q0, wa, wmu and delta are those of the mean fibre.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.amplitude_kernels import alike
from tomosaxs_plugins.fibres.amplitude_system import NormalEquations, PathSystem
from tomosaxs_plugins.fibres.eigen import symmetric_eigen
from tomosaxs_plugins.fibres.nnls import NonNegative, nonnegative_least_squares
from tomosaxs_plugins.fibres.outcome import Outcome
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, FibreTable, Floats, Library

Q0 = 6 * np.pi / 66.8
"""Third meridional order of collagen's D-period of 66.8 nm, in nm^-1."""
UNSEEN, UNDETERMINED, TOGETHER, AT_BOUND, NO_DATA = 1, 2, 3, 5, 6
"""Codes of `columns.FLAGS`."""
_SAME = 1e-9  # one less the correlation of two streaks that no measurement tells apart
_STRONGEST, _WEAKEST = 1e8, 1e-8  # regularisations that the discrepancy principle chooses from


@dataclass(frozen=True)
class AmplitudeOptions:
    """How amplitudes are estimated.

    Parameters
    ----------
    q0, wa, wmu, delta : float
        Parameters of all streaks: nm^-1, nm^-1, rad, 1.
    window : float
        Bins of q within so many nm^-1 of q0 are taken together: I(chi), which hardly depends on q0 and wa of each
        fibre; 0: each bin counts for itself, which is right only where all fibres have the same q0 and wa.
    background : {'none', 'constant', 'exponential'}
        What every beam path has besides: nothing, c, or a exp(-q / b) + c with free a and c; b may differ a
        little from path to path (the derivative with respect to it is a third shape).
    decay : float
        b in nm^-1.
    reweight : int
        How often the fit is made again with variances of counting from the intensities that it expects, not from the
        counts; right where nothing has been subtracted from these.
    regularisation : 'none', 'discrepancy' or float
        Tikhonov's, towards the mean height: its weight, 1 over the square of the relative spread that heights are
        expected to have; or as strong as the noise allows.
    truncate : float or None
        Leave out combinations of fibres whose singular value is below this part of the largest.
    folded : bool
        Whether azimuths half a turn apart were taken together.
    """

    q0: float = Q0
    wa: float = 0.002
    wmu: float = 0.2
    delta: float = 0.5
    window: float = 0.02
    background: str = "exponential"
    decay: float = 0.05
    reweight: int = 2
    regularisation: str | float = "none"
    truncate: float | None = None
    folded: bool = False

    def groups_of_bins(self, bins: Bins) -> NDArray[np.intp]:
        """Return (n_q,) numbers: bins whose centres lie in the window have the same."""
        numbers = np.arange(len(bins.q))
        if self.window > 0:
            inside = np.abs(bins.q - self.q0) <= self.window
            if inside.any():
                numbers[inside] = numbers[inside][0]
        return numbers

    def basis(self, q: Floats) -> Floats:
        """Return (terms, n_q) the shapes of the background of a path."""
        if self.background == "none":
            return np.zeros((0, len(q)))
        constant = np.ones_like(q)
        if self.background == "constant":
            return constant[None]
        fall = np.exp(-(q - q[0]) / self.decay)
        return np.stack([constant, fall, fall * (q - q[0]) / self.decay])


def estimate_amplitudes(
    library: Library,
    paths: BeamPaths,
    bins: Bins,
    options: AmplitudeOptions | None = None,
    *,
    spectrum: bool = False,
    threads: int | None = None,
) -> Outcome:
    """Return heights and amplitudes of all fibres of a slice.

    Parameters
    ----------
    library : Library
        Measured intensities with standard uncertainties.
    paths : BeamPaths
        Which fibres every path crosses.
    bins : Bins
        Of the library.
    options : AmplitudeOptions, optional
    spectrum : bool
        Whether the singular values of the design matrix are wanted; they take longer than all the rest.
    threads : int, optional
        By default as many as the process may use; the result does not depend on it.

    Returns
    -------
    Outcome
        Shape parameters are those of `options`, with uncertainty 0. Uncertainties of heights are those of the noise,
        times the root of the reduced chi squared of the fibre's own bins where that is above 1: shapes that differ
        from the mean are far more than noise. `details` has ``singular_values`` (of the design matrix in units of
        noise, the columns as they are), ``regularisation``, ``violation`` (of the conditions of the optimum),
        ``exchanges``, ``n_data``, ``expected_cost`` (what noise alone gives).

    """
    options = AmplitudeOptions() if options is None else options
    n = len(paths.identifiers)
    table = _shapes(options, paths)
    system = PathSystem(
        library, paths, bins, (options.q0, options.wa, options.wmu, options.delta), options.basis(bins.q),
        group=options.groups_of_bins(bins), folded=options.folded, threads=threads,
    )  # fmt: skip
    equations = system.normal_equations()
    groups, free = merged(equations), None
    for _ in range(options.reweight):
        problem = _problem(equations, groups, options, system.expected_cost, free, threads)
        free = problem.solution.free
        equations = system.normal_equations(problem.solution.values[problem.member])
        groups = merged(equations)
    found = _solved(_problem(equations, groups, options, system.expected_cost, free, threads), threads)
    residuals = system.residuals(found.heights)
    counted = np.bincount(paths.fibre, minlength=n)
    own = residuals.squares / np.maximum(residuals.number, 1.0)
    reduced = np.where(residuals.number > 0, own, np.nan)
    height_sd = found.sd * np.sqrt(np.maximum(np.nan_to_num(reduced, nan=1.0), 1.0))
    flags, reasons = _flags(found, groups, height_sd, counted, np.diagonal(equations.normal))
    known = ~np.isin(flags, (UNSEEN, NO_DATA))
    heights = np.where(known, found.heights, np.nan)
    height_sd = np.where(known, height_sd, np.nan)
    one = 2 * np.pi * options.wa * options.q0 * np.tan(options.wmu)
    held = np.zeros(n)
    details: dict[str, object] = {
        "regularisation": found.regularisation, "violation": found.solution.violation,
        "exchanges": found.solution.exchanges, "n_data": equations.n_data, "kept": found.kept,
        "expected_cost": system.expected_cost or float(equations.n_data),
    }  # fmt: skip
    if spectrum:
        details["singular_values"] = singular_values(equations)
    return Outcome(
        replace(table, amplitude=heights * one),
        FibreTable(held, held, held, held, height_sd * one, held, held),
        heights, height_sd, flags, groups, reduced, counted.astype(np.int64), reasons, residuals.backgrounds,
        found.solution.sweeps, residuals.cost, {"zero": int((flags == AT_BOUND).sum())}, details,
    )  # fmt: skip


def _shapes(options: AmplitudeOptions, paths: BeamPaths) -> FibreTable:
    q0, wa, wmu, delta, unknown = (
        np.full(len(paths.identifiers), value) for value in (options.q0, options.wa, options.wmu, options.delta, np.nan)
    )
    return FibreTable(q0, wa, wmu, delta, unknown, paths.alpha_deg, paths.beta_deg)


def singular_values(equations: NormalEquations) -> Floats:
    """Return (n,) singular values of the design matrix over the noise, largest first."""
    values, _ = symmetric_eigen(equations.normal, vectors=False)
    return np.sqrt(np.maximum(values, 0.0))


def merged(equations: NormalEquations) -> NDArray[np.int64]:
    """Return (n,) for every fibre the first of those whose streaks cannot be told from its own.

    Two fibres are one where the standard uncertainty of the difference of their heights exceeds the mean height, or
    where their streaks are the same to rounding.
    """
    groups = np.arange(len(equations.right), dtype=np.int64)
    total = float(equations.normal.sum())
    mean = float(equations.right.sum()) / total if total > 0 else 0.0
    alike(equations.normal, mean, _SAME, groups)
    return groups


@dataclass(frozen=True, eq=False)
class _Problem:
    """One height a group: which fibres have which, the normal matrix that was solved, and what came out."""

    member: NDArray[np.intp]
    normal: Floats
    mean: float
    regularisation: float
    kept: int
    solution: NonNegative


@dataclass(frozen=True, eq=False)
class _Solved:
    heights: Floats
    sd: Floats
    zero: NDArray[np.bool_]
    mean: float
    regularisation: float
    kept: int
    solution: NonNegative


def _problem(
    equations: NormalEquations,
    groups: NDArray[np.int64],
    options: AmplitudeOptions,
    cost: float | None,
    free: NDArray[np.bool_] | None,
    threads: int | None,
) -> _Problem:
    """Solve for one height a group; `free` is where the search for those that are not zero begins."""
    first, member = np.unique(groups, return_inverse=True)
    small = equations
    if len(first) < len(groups):
        together = np.zeros((len(first), len(first)))
        np.add.at(together, (member[:, None], member[None, :]), equations.normal)
        right = np.bincount(member, equations.right, len(first)).astype(np.float64)
        small = NormalEquations(together, right, equations.cost, equations.n_data)
    total = float(small.normal.sum())
    mean = max(float(small.right.sum()) / total, 0.0) if total > 0 else 0.0
    begin = free if free is not None and len(free) == len(first) else None
    normal, wanted, kept = _truncated(small, options.truncate)
    seen = np.diagonal(small.normal) > 0

    def solved(weight: float) -> NonNegative:
        pull = weight / mean**2 if mean > 0 else 0.0
        if not pull:
            return nonnegative_least_squares(normal, wanted, free=begin, threads=threads)
        pulled = normal.copy()
        pulled[np.diag_indices(len(pulled))] += pull * seen
        return nonnegative_least_squares(pulled, wanted + pull * mean * seen, free=begin, threads=threads)

    weight = _regularisation(small, solved, options.regularisation, cost)
    return _Problem(member, normal, mean, weight, kept, solved(weight))


def _solved(problem: _Problem, threads: int | None) -> _Solved:
    """Return heights and their standard uncertainties, of fibres at zero what they would be beside the others."""
    solution, member = problem.solution, problem.member
    variance = solution.variances(threads)
    zero = np.flatnonzero(~solution.free)
    variance[zero] = solution.variances_if_free(problem.normal, zero, threads)
    return _Solved(
        solution.values[member], np.sqrt(variance)[member], (solution.values <= 0)[member], problem.mean,
        problem.regularisation, problem.kept, solution,
    )  # fmt: skip


def _truncated(equations: NormalEquations, cut: float | None) -> tuple[Floats, Floats, int]:
    """Return the equations without combinations of small singular value, and how many are kept.

    Without conditions the solution is that of the truncated singular value decomposition: combinations that are left
    out are pulled to zero as strongly as the best are measured.
    """
    if cut is None:
        return equations.normal, equations.right, len(equations.right)
    values, vectors = symmetric_eigen(equations.normal)
    keep = np.sqrt(np.maximum(values, 0.0)) >= cut * np.sqrt(max(values[0], 0.0))
    n, taken = len(values), np.ascontiguousarray(vectors[keep])
    normal, wanted = np.zeros((n, n)), np.zeros(n)
    for value, vector in zip(values[keep], taken, strict=True):  # one after the other: no library's order of sums
        normal += (value - values[0]) * np.outer(vector, vector)
        wanted += float((vector * equations.right).sum()) * vector
    normal[np.diag_indices(n)] += values[0]
    return normal, wanted, int(keep.sum())


def _regularisation(
    equations: NormalEquations, solved: Callable[[float], NonNegative], wanted: str | float, expected: float | None
) -> float:
    """Return the weight that is asked for; by the discrepancy principle the largest that the noise allows.

    That is where the weighted sum of squared residuals equals what noise gives, `expected` or the number of data. Where
    it is larger already without any, the model is what does not fit, and no weight is right.
    """
    if not isinstance(wanted, str):
        return float(wanted)
    if wanted == "none":
        return 0.0

    def cost(weight: float) -> float:
        return equations.cost_of(solved(weight).values)

    target = float(equations.n_data) if expected is None else expected
    if cost(0.0) >= target:
        return 0.0
    low, high = np.log(_WEAKEST), np.log(_STRONGEST)
    if cost(float(np.exp(high))) <= target:
        return _STRONGEST
    for _ in range(30):
        middle = (low + high) / 2
        if cost(float(np.exp(middle))) > target:
            high = middle
        else:
            low = middle
    return float(np.exp(low))


def _flags(
    found: _Solved, groups: NDArray[np.int64], sd: Floats, counted: NDArray[np.intp], information: Floats
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return flags and, where something is to be said, the reason in words."""
    n = len(groups)
    flags, reasons = np.zeros(n, dtype=np.int64), [""] * n
    size = np.bincount(groups, minlength=n)
    for i in range(n):
        if counted[i] == 0:
            flags[i] = UNSEEN
        elif not information[i] > 0:
            flags[i], reasons[i] = NO_DATA, "its streak lights no bin that can be used"
        elif not sd[i] <= found.mean:
            flags[i], reasons[i] = UNDETERMINED, "the uncertainty of its height exceeds the mean height"
        elif size[groups[i]] > 1:
            flags[i], reasons[i] = TOGETHER, f"its streaks cannot be told from those of fibre row {groups[i]}"
            if groups[i] == i:
                reasons[i] = f"its streaks cannot be told from those of {size[i] - 1} other fibres"
        elif found.zero[i]:
            flags[i], reasons[i] = AT_BOUND, "the data ask for a height of zero or less"
    return flags, tuple(reasons)
