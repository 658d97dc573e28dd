"""Amplitudes as the published pipeline estimates them: unweighted, from I(chi), with or without its known faults."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.amplitude_kernels import dot, products
from tomosaxs_plugins.fibres.amplitude_system import NormalEquations
from tomosaxs_plugins.fibres.amplitudes import AT_BOUND, NO_DATA, Q0, UNSEEN, singular_values
from tomosaxs_plugins.fibres.model import bin_means
from tomosaxs_plugins.fibres.nnls import nonnegative_least_squares
from tomosaxs_plugins.fibres.outcome import Outcome
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, FibreTable, Floats, Library

MODEL_WINDOW = 0.02
"""Half width in nm^-1 of the band that the model is averaged over."""
DATA_WINDOW = 0.01
"""Half width in nm^-1 of the band that the data of the published pipeline are averaged over ..."""
SIDE_BAND = 0.005
"""... less the average of bands of this width on both sides of it."""


@dataclass(frozen=True)
class OriginalOptions:
    """How the published pipeline estimates amplitudes.

    Parameters
    ----------
    q0, wa, wmu, delta : float
        Parameters of all streaks: nm^-1, nm^-1, rad, 1.
    window : float
        Half width of the band of q that data and model are averaged over, in nm^-1.
    together : int
        Bins of azimuth that are averaged.
    smooth : bool
        Average of three neighbouring azimuths, of data and model alike.
    side_bands : bool
        Subtract, of data and model alike, the average of two bands of 0.005 nm^-1 beside the window.
    faults : bool
        As the published program did: the model counted twice and averaged over 0.02 nm^-1, the data over
        0.01 nm^-1 less side bands that the model knows nothing of.
    """

    q0: float = Q0
    wa: float = 0.002
    wmu: float = 0.2
    delta: float = 0.5
    window: float = MODEL_WINDOW
    together: int = 1
    smooth: bool = True
    side_bands: bool = False
    faults: bool = False


def band(q: Floats, q_width: float, low: float, high: float) -> Floats:
    """Return (n_q,) weights of the mean over a band: the parts of the bins that lie in it.

    Raises
    ------
    ValueError
        When bins do not cover the band.
    """
    part = np.minimum(q + q_width / 2, high) - np.maximum(q - q_width / 2, low)
    part = np.maximum(part, 0.0)
    if part.sum() < (high - low) * (1 - 1e-6):
        edges = q[0] - q_width / 2, q[-1] + q_width / 2
        raise ValueError(f"bins of q from {edges[0]:.4g} to {edges[1]:.4g} do not cover {low:.4g} to {high:.4g} nm^-1")
    return np.asarray(part / part.sum())


def peak_weights(q: Floats, q_width: float, q0: float, window: float, side_bands: bool) -> Floats:
    """Return (n_q,) weights that make I(chi) of a profile: mean over the window, less that of the bands beside it."""
    weights = band(q, q_width, q0 - window, q0 + window)
    if side_bands:
        weights = weights - band(q, q_width, q0 - window - SIDE_BAND, q0 - window) / 2
        weights = weights - band(q, q_width, q0 + window, q0 + window + SIDE_BAND) / 2
    return weights


def coarse(profile: Floats, usable: NDArray[np.bool_], together: int, smooth: bool) -> tuple[Floats, NDArray[np.bool_]]:
    """Average bins of azimuth, and smooth within stretches without a gap.

    Parameters
    ----------
    profile : (..., n_chi) float array
        Alike for all leading indices.
    usable : (n_chi,) bool array
        Bins that count.
    together : int
        Bins that are averaged; what is left over at the end of a stretch is dropped.
    smooth : bool
        Fit a straight line to three neighbours, that is their mean, and at the ends of a stretch the line's end.

    Returns
    -------
    profile : (..., n) float array
    first : (n_chi,) bool array
        True at the first bin of each that was made.
    """
    parts, first = [], np.zeros(len(usable), dtype=np.bool_)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], usable.astype(np.int8), [0]])))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        count = (end - begin) // together
        if count == 0:
            continue
        whole = profile[..., begin : begin + count * together]
        mean = whole.reshape(*whole.shape[:-1], count, together).mean(axis=-1)
        first[begin : begin + count * together : together] = True
        parts.append(_smoothed(mean) if smooth and count >= 3 else mean)
    return np.concatenate(parts, axis=-1) if parts else profile[..., :0], first


def _smoothed(profile: Floats) -> Floats:
    out = np.array(profile, dtype=np.float64)
    out[..., 1:-1] = (profile[..., :-2] + profile[..., 1:-1] + profile[..., 2:]) / 3
    out[..., 0] = (5 * profile[..., 0] + 2 * profile[..., 1] - profile[..., 2]) / 6
    out[..., -1] = (5 * profile[..., -1] + 2 * profile[..., -2] - profile[..., -3]) / 6
    return out


@dataclass(frozen=True, eq=False)
class Design:
    """Sparse design matrix in compressed rows; rows are azimuths of paths, columns fibres.

    Parameters
    ----------
    offsets : (n_rows + 1,) int array
        First entry of every row.
    column, value : (n_entries,) int and float arrays
        Fibre and what it gives at height (or amplitude) 1.
    n_columns : int
        Number of fibres.
    """

    offsets: NDArray[np.int64]
    column: NDArray[np.int64]
    value: Floats
    n_columns: int

    def dense(self) -> Floats:
        """Return (n_rows, n_columns)."""
        rows = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        out = np.zeros((len(self.offsets) - 1, self.n_columns))
        np.add.at(out, (rows, self.column), self.value)
        return out


def design_matrix(blocks: list[tuple[NDArray[np.intp], Floats]], n_columns: int) -> Design:
    """Return the matrix of blocks, one a path: its fibres (m,), and what each gives, (m, n_rows)."""
    counts = [np.full(each.shape[1], len(fibre)) for fibre, each in blocks]
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([*counts, np.zeros(0, dtype=np.int64)]))])
    column = [np.tile(fibre, each.shape[1]) for fibre, each in blocks]
    value = [each.T.ravel() for _, each in blocks]
    empty = np.zeros(0)
    return Design(
        offsets.astype(np.int64), np.concatenate([*column, empty]).astype(np.int64), np.concatenate([*value, empty]),
        n_columns,
    )  # fmt: skip


def normal_equations(blocks: list[tuple[NDArray[np.intp], Floats]], data: list[Floats], n: int) -> NormalEquations:
    """Return A^T A, A^T b and b^T b of blocks as in `design_matrix`, added up path by path."""
    normal, right, cost, count = np.zeros((n, n)), np.zeros(n), 0.0, 0
    for (fibre, rows), measured in zip(blocks, data, strict=True):
        block = np.zeros((len(fibre), len(fibre)))
        whole = np.ascontiguousarray(rows, dtype=np.float64)
        products(whole, block)
        normal[np.ix_(fibre, fibre)] += block
        mine = np.ascontiguousarray(measured, dtype=np.float64)
        right[fibre] += [dot(row, mine) for row in whole]
        cost += dot(mine, mine)
        count += len(mine)
    return NormalEquations(normal, right, float(cost), count)


def estimate_original(
    library: Library, paths: BeamPaths, bins: Bins, options: OriginalOptions | None = None, *, spectrum: bool = False,
    threads: int | None = None,
) -> Outcome:  # fmt: skip
    """Return amplitudes as the published pipeline estimates them.

    I(chi) of every path, averaged over a band of q about q0, is fitted by non-negative amplitudes of all fibres at
    once: every azimuth counts the same, whatever its noise. Uncertainties are from the scatter of the residuals.

    Parameters
    ----------
    library, paths, bins, spectrum, threads
        See `amplitudes.estimate_amplitudes`.
    options : OriginalOptions, optional

    Raises
    ------
    ValueError
        When the bins do not cover the bands of q.
    """
    options = OriginalOptions() if options is None else options
    n = len(paths.identifiers)
    blocks, data = peak_profiles(library, paths, bins, options, threads)
    equations = normal_equations(blocks, data, n)
    found = nonnegative_least_squares(equations.normal, equations.right, threads=threads)
    return _outcome(paths, options, equations, found.values, found.variances(threads), found.exchanges, spectrum)


def peak_profiles(
    library: Library, paths: BeamPaths, bins: Bins, options: OriginalOptions, threads: int | None = None
) -> tuple[list[tuple[NDArray[np.intp], Floats]], list[Floats]]:
    """Return I(chi) of every path: what each of its fibres gives at amplitude 1, and what was measured.

    An azimuth counts where all bins of the bands can be used.

    Returns
    -------
    blocks : list of ((m,) int array, (m, n_azimuths) float array)
        As `design_matrix` takes them.
    data : list of (n_azimuths,) float array
    """
    model_of, data_of = _bands(bins, options)
    blocks, data = [], []
    profiles = _profiles(paths, bins, options, model_of, threads)
    used = (model_of != 0) | (data_of != 0)
    for path in range(len(paths.path_rotation)):
        part = slice(paths.offsets[path], paths.offsets[path + 1])
        usable = (library.usable[path] & np.isfinite(library.values[path]))[:, used].all(axis=1)
        measured = (np.where(library.usable[path], library.values[path], 0.0) * data_of).sum(axis=1)
        whole = paths.weight[part, None] * profiles[int(paths.path_rotation[path])][paths.fibre[part]]
        blocks.append((paths.fibre[part], coarse(whole, usable, options.together, options.smooth)[0]))
        data.append(coarse(measured, usable, options.together, options.smooth)[0])
    return blocks, data


def _bands(bins: Bins, options: OriginalOptions) -> tuple[Floats, Floats]:
    """Return the weights of bins of q that make I(chi) of the model, and of the data."""
    if options.faults:
        model = peak_weights(bins.q, bins.q_width, options.q0, MODEL_WINDOW, False)
        return 2 * model, peak_weights(bins.q, bins.q_width, options.q0, DATA_WINDOW, True)
    same = peak_weights(bins.q, bins.q_width, options.q0, options.window, options.side_bands)
    return same, same


def _profiles(
    paths: BeamPaths, bins: Bins, options: OriginalOptions, weights: Floats, threads: int | None
) -> dict[int, Floats]:
    """Return I(chi) of all fibres at amplitude 1, (n, n_chi), for every rotation that has paths."""
    one = 1 / (2 * np.pi * options.wa * options.q0 * np.tan(options.wmu))
    shape = [np.full(len(paths.identifiers), each) for each in (options.q0, options.wa, options.wmu, options.delta)]
    out = {}
    for rotation in np.unique(paths.path_rotation):
        beta = np.radians(paths.beta_deg + paths.rotation_deg[rotation])
        values, _ = bin_means(bins, np.radians(paths.alpha_deg), beta, *shape, threads=threads)
        out[int(rotation)] = one * (values * weights).sum(axis=2)
    return out


def _outcome(
    paths: BeamPaths, options: OriginalOptions, equations: NormalEquations, amplitudes: Floats, variances: Floats,
    exchanges: int, spectrum: bool,
) -> Outcome:  # fmt: skip
    n = len(amplitudes)
    counted = np.bincount(paths.fibre, minlength=n).astype(np.int64)
    seen = np.diagonal(equations.normal) > 0
    cost = equations.cost_of(amplitudes)
    scatter = cost / max(equations.n_data - n, 1)
    flags = np.where(amplitudes <= 0, AT_BOUND, 0)
    flags = np.where(counted == 0, UNSEEN, np.where(seen, flags, NO_DATA)).astype(np.int64)
    known = ~np.isin(flags, (UNSEEN, NO_DATA))
    amplitudes = np.where(known, amplitudes, np.nan)
    with np.errstate(invalid="ignore"):
        sd = np.where(known & np.isfinite(variances), np.sqrt(variances * scatter), np.nan)
    one = 1 / (2 * np.pi * options.wa * options.q0 * np.tan(options.wmu))
    q0, wa, wmu, delta = (np.full(n, each) for each in (options.q0, options.wa, options.wmu, options.delta))
    table = FibreTable(q0, wa, wmu, delta, amplitudes, paths.alpha_deg, paths.beta_deg)
    held = np.zeros(n)
    details: dict[str, object] = {"exchanges": exchanges, "n_data": equations.n_data}
    if spectrum:
        details["singular_values"] = singular_values(equations)
    return Outcome(
        table, replace(table, q0=held, wa=held, wmu=held, delta=held, amplitude=sd, alpha_deg=held, beta_deg=held),
        amplitudes * one, sd * one, flags, np.arange(n), np.full(n, np.nan), counted, ("",) * n, None, exchanges, cost,
        {"zero": int((flags == AT_BOUND).sum())}, details,
    )  # fmt: skip
