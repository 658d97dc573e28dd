"""What the sequential method can be told, and its schedule of phases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

Weights: TypeAlias = Literal["poisson", "given", "equal"]
SINGLE, PAIR, TRIPLE = 1, 2, 3


@dataclass(frozen=True)
class SequentialOptions:
    """Thresholds of the sequential method; by default relative to the noise of the data.

    The angles and ratios are the published ones. Signals are in standard uncertainties: five to search for a fibre
    (where chance alone is not mistaken for one), and the published ratios of signal to noise to accept it.

    Parameters
    ----------
    window_deg : float
        Width in degrees of the window in azimuth in which fibres must dominate.
    detection : float
        Signal that every bin of a window needs, in standard uncertainties of its mean over the streak's q.
    single_share, pair_share, triple_share : float
        Share of the signal of all fibres not yet solved that one, two or three of them need in every bin of a window
        (three of them: in nine of ten bins).
    pair_least, triple_least : float
        Share that each of two (mean over the window) or three (in three of ten bins) needs.
    pair_deg, triple_deg : tuple of float
        Smallest and largest distance in azimuth of the streaks of two or three fibres.
    under_solved : float
        Share that the targets need beside fibres solved before; bins with less are left out.
    half_streak : float
        Half width in nm^-1 of the interval of q around the streak; the background is looked for outside.
    order : int
        Order of the reflection; with the D-period it bounds q0.
    neighbour_factor : float
        How far the amplitude of a fibre solved before may move in a fit, as a factor either way; 1 holds it.
    sectors : int
        Most bins in azimuth that a fit takes, the first, the last and those between evenly; 0 takes all.
    weights : {'poisson', 'given', 'equal'}
        Variances from the fitted expectation of counts, or as measured; or all bins alike, as published.
    background_first : bool
        Subtract the background before the fit, as published; otherwise it is fitted beside the streaks.
    smooth : bool
        Smooth along q before the fit, as published: it broadens every streak.
    best_sector : bool
        Judge the misfit by the best sector, as published; otherwise by all together.
    determined : bool
        Reject fibres whose uncertainty is as large as what was known before; there was no such rule.
    scale : float, optional
        Factor from the data to the intensities of the published thresholds, which then take the place of those in
        standard uncertainties; by default the thresholds are relative to the noise.
    max_sweeps : int
        Most sweeps in a phase; a phase ends before when a sweep solves nothing.
    """

    window_deg: float = 10.0
    detection: float = 5.0
    single_share: float = 0.90
    pair_share: float = 0.80
    triple_share: float = 0.80
    pair_least: float = 0.10
    triple_least: float = 0.15
    pair_deg: tuple[float, float] = (2.0, 10.0)
    triple_deg: tuple[float, float] = (0.5, 10.0)
    under_solved: float = 0.30
    half_streak: float = 0.02
    order: int = 3
    neighbour_factor: float = 10.0
    sectors: int = 0
    weights: Weights = "poisson"
    background_first: bool = False
    smooth: bool = False
    best_sector: bool = False
    determined: bool = True
    scale: float | None = None
    max_sweeps: int = 10

    def published(self, scale: float | None = None) -> SequentialOptions:
        """Return these options with everything as published that is a choice; what was an error stays mended."""
        return replace(
            self, sectors=3, weights="equal", background_first=True, smooth=True, best_sector=True, determined=False,
            scale=scale,
        )  # fmt: skip


@dataclass(frozen=True)
class Phase:
    """One phase of the schedule: what is searched for, and what is accepted.

    Parameters
    ----------
    name : str
        As it is reported.
    most : int
        Most fibres that are fitted together: 1, 2 or 3.
    attempts : int
        Windows of a fibre that are tried in a sweep, the brightest first; 0 for all.
    sweeps : int
        Most sweeps; 0 until one solves nothing.
    signal : float
        Least ratio of signal to noise of the data and of the fitted streak.
    misfit : float
        Largest root mean square difference of data and fit, as a share of the streak's peak.
    d_period : tuple of float
        Bounds of the D-period in nm.
    wmu, wmu_gate : tuple of float
        Bounds of the fit in rad, and what is accepted.
    diameter : tuple of float
        Diameters in nm that are accepted.
    wake : bool
        Give fibres whose amplitude was estimated as zero the mean amplitude of those solved, before it begins.
    """

    name: str
    most: int
    attempts: int
    sweeps: int
    signal: float
    misfit: float
    d_period: tuple[float, float] = (60.0, 74.0)
    wmu: tuple[float, float] = (0.02, 0.8)
    wmu_gate: tuple[float, float] = (0.06, 0.799)
    diameter: tuple[float, float] = (5.0, 200.0)
    wake: bool = False

    def q0_bounds(self, order: int) -> tuple[float, float]:
        """Return the bounds of q0 in nm^-1 for an order of the reflection."""
        return 2 * np.pi * order / self.d_period[1], 2 * np.pi * order / self.d_period[0]


WA, WA_GATE = (5e-4, 1e-2), (6e-4, 9.8e-3)
DELTA = (1e-3, 0.99)
HEIGHT = (1e-3, 6e3)
Q0_MARGIN = 1e-3
"""Bounds of the radial width in nm^-1, of the shape, of the height beside the mean of all fibres (the ratios of the
published bounds of the amplitude to its start), and how near q0 in nm^-1 may come to its bounds."""

_WIDE = {"d_period": (58.0, 76.0), "wmu": (0.005, 0.9), "wmu_gate": (0.02, 0.899), "diameter": (1.0, 220.0)}


def schedule(options: SequentialOptions) -> tuple[Phase, ...]:
    """Return the published phases, in their order.

    Parameters
    ----------
    options : SequentialOptions
        Gives the number of sweeps.

    Returns
    -------
    tuple of Phase
        Survey (the two brightest windows of every fibre, single fibres only); strict sweeps; relaxed sweeps; relaxed
        sweeps with fibres of no estimated amplitude; and twice with wider bounds.
    """
    n = options.max_sweeps
    return (
        Phase("survey", SINGLE, 2, 0, 4.0, 0.30),
        Phase("strict", TRIPLE, 0, n, 3.0, 0.35),
        Phase("relaxed", TRIPLE, 0, n, 2.0, 0.40),
        Phase("no amplitude", TRIPLE, 0, n, 2.0, 0.40, wake=True),
        Phase("wide bounds", TRIPLE, 0, n, 2.0, 0.40, **_WIDE),  # type: ignore[arg-type]
        Phase("wide bounds again", TRIPLE, 0, n, 2.0, 0.40, **_WIDE),  # type: ignore[arg-type]
    )
