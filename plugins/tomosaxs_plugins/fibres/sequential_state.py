"""What the sequential method knows at any time: the data, and the fibres solved so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.joint_weights import gain_of
from tomosaxs_plugins.fibres.problem import BeamPaths, Bins, FibreTable, Floats, Library
from tomosaxs_plugins.fibres.sequential_model import logit, peak_azimuths, profiles, rows_of, unit_streaks
from tomosaxs_plugins.fibres.sequential_options import SequentialOptions
from tomosaxs_plugins.fibres.sequential_sectors import Sectors

_ROW = 0.5  # share of the bins about the streak that an azimuth needs to count as usable


@dataclass(eq=False)
class State:
    """Data of a slice and the fibres as they are known.

    Parameters
    ----------
    library, paths, bins, options
        As of `solve_sequential`; what is not usable of the library is zero with variance one.
    usable : (n_paths, n_chi, n_q) bool array
        Bins with data.
    gain : (n_paths, n_chi, n_q) float array
        Intensity of one count.
    shapes : (n_fibres, 4) float array
        q0, wa, wmu and delta: estimated, or solved.
    height : (n_fibres,) float array
        Intensity at the peak; 0 where it is not known.
    solved : (n_fibres,) bool array
        Fibres accepted so far.
    profile : (n_rotations, n_fibres, n_chi) float array
        Mean over the streak's q at height 1.
    peak_deg : (n_rotations, n_fibres) float array
        Azimuth of the streaks, 0 to 180 degrees.
    row_usable : (n_paths, n_chi) bool array
        Azimuths with data about the streak.
    row_noise : (n_paths, n_chi) float array
        Standard uncertainty of the mean over the streak's q.
    threads : int, optional
        By default as many as the process may use.
    """

    values: Floats
    variance: Floats
    usable: NDArray[np.bool_]
    gain: Floats
    paths: BeamPaths
    bins: Bins
    options: SequentialOptions
    shapes: Floats
    height: Floats
    solved: NDArray[np.bool_]
    profile: Floats
    peak_deg: Floats
    row_usable: NDArray[np.bool_]
    row_noise: Floats
    threads: int | None

    def entries(self, path: int) -> slice:
        """Return the entries of a path in the table of beam paths."""
        return slice(int(self.paths.offsets[path]), int(self.paths.offsets[path + 1]))

    def signal(self, path: int) -> Floats:
        """Return (n, n_chi): simulated signal of the fibres of a path, mean over the streak's q."""
        part = self.entries(path)
        fibre = self.paths.fibre[part]
        level = self.paths.weight[part] * self.height[fibre]
        return np.ascontiguousarray(level[:, None] * self.profile[self.paths.path_rotation[path], fibre])

    def sectors(self, path: int, targets: NDArray[np.intp], rows: NDArray[np.intp]) -> Sectors:
        """Return what a fit of some fibres is given, in some rows of azimuth of a path."""
        part = self.entries(path)
        fibre, weight = self.paths.fibre[part], self.paths.weight[part]
        rotation = self.paths.rotation_deg[self.paths.path_rotation[path]]
        angles = np.radians(np.stack([self.paths.alpha_deg, self.paths.beta_deg + rotation], axis=1))
        made = rows_of(self.bins, rows)
        streaks = unit_streaks(angles[fibre], self.shapes[fibre], made, len(self.bins.q))
        streaks *= (weight * self.height[fibre])[:, None, None]
        solved, chosen = self.solved[fibre], np.isin(fibre, targets)
        own = np.array([weight[np.flatnonzero(fibre == target)[0]] for target in targets])
        shape = self.shapes[targets]
        level = np.log(np.maximum(own * self.height[targets], 1e-300))
        start = np.stack([shape[:, 0], np.log(shape[:, 1]), np.log(shape[:, 2]), logit(shape[:, 3]), level], axis=1)
        return Sectors(
            self.bins.q, made, self.values[path, rows], self.variance[path, rows], self.usable[path, rows],
            self.gain[path, rows], start, angles[targets], streaks[solved], streaks[~solved].sum(axis=0),
            streaks[~solved & ~chosen].sum(axis=0), own * self.typical,
        )  # fmt: skip

    def accept(self, fibres: NDArray[np.intp], shapes: Floats, height: Floats) -> None:
        """Take over fitted parameters of some fibres; every profile made from now on has them, delta included."""
        self.shapes[fibres], self.height[fibres] = shapes, height
        self.solved[fibres] = True
        self.refresh(fibres)

    def refresh(self, fibres: NDArray[np.intp]) -> None:
        """Make the profiles of some fibres again."""
        if len(fibres):
            shapes = self.shapes[fibres]
            self.profile[:, fibres] = profiles(self.bins, self.paths, fibres, shapes, self.streak, self.threads)

    def __post_init__(self) -> None:
        """Fix the bins of q about the streak, and the typical height, before any fibre is fitted."""
        centre = self.shapes[:, 0].mean() if len(self.shapes) else 0.0
        self.streak: NDArray[np.bool_] = np.asarray(np.abs(self.bins.q - centre) <= self.options.half_streak)
        seen = self.height[self.height > 0]
        self.typical = float(seen.mean()) if len(seen) else 1.0


def first_state(
    library: Library, paths: BeamPaths, bins: Bins, start: FibreTable, options: SequentialOptions, threads: int | None
) -> State:
    """Return what is known before anything is fitted.

    Raises
    ------
    ValueError
        When arrays do not fit each other, or no bin of q is about the streak.
    """
    n, shape = len(paths.identifiers), (len(paths.path_rotation), len(bins.chi_deg), len(bins.q))
    if library.values.shape != shape or library.sigma.shape != shape or library.usable.shape != shape:
        raise ValueError(f"the library has the shape {library.values.shape}; paths and bins have {shape}")
    if len(start.q0) != n:
        raise ValueError(f"{len(start.q0)} fibres to start from, but {n} in the table of beam paths")
    with np.errstate(invalid="ignore"):
        usable = library.usable & np.isfinite(library.values) & np.isfinite(library.sigma) & (library.sigma > 0)
    values = np.where(usable, library.values, 0.0).astype(np.float64)
    variance = np.where(usable, library.sigma, 1.0).astype(np.float64) ** 2
    shapes = np.stack([start.q0, start.wa, start.wmu, start.delta], axis=1).astype(np.float64)
    height = np.where(np.isfinite(start.height) & (start.height > 0), start.height, 0.0)
    centre = float(shapes[:, 0].mean()) if n else 0.0
    streak = np.abs(bins.q - centre) <= options.half_streak
    if n and not streak.any():
        raise ValueError(
            f"no bin of q lies within {options.half_streak:g} nm^-1 of the streaks at {centre:.4g} nm^-1: the library "
            f"has {bins.q.min():.4g} to {bins.q.max():.4g} nm^-1"
        )
    count = np.maximum((usable & streak).sum(axis=2), 1)
    noise = np.sqrt(np.sum(np.where(usable & streak, variance, 0.0), axis=2)) / count
    row_usable = (usable & streak).sum(axis=2) >= _ROW * streak.sum()
    made = profiles(bins, paths, np.arange(n), shapes, streak, threads)
    return State(
        values, variance, usable, gain_of(Library(values, np.sqrt(variance), usable), usable), paths, bins, options,
        shapes, height, np.zeros(n, np.bool_), made, peak_azimuths(paths), row_usable, noise, threads,
    )  # fmt: skip
