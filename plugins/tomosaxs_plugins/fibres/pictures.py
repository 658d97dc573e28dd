"""Pictures of reconstructed fibres as SVG text: maps, fitted against true values, z-scores, fits; no framework."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.colours import blanked, coloured, limits_of, png_uri, scale
from tomosaxs_plugins.fibres.svg_plot import BLUE, GREEN, GREY, INK, ORANGE, RED, Plot, labelled

Floats = NDArray[np.float64]

_LONGEST, _CROSSES = 218.0, 500


@dataclass(frozen=True, eq=False)
class MapPicture:
    """One map to draw.

    Parameters
    ----------
    values : (z, x) float array
        NaN where no fibre is solved.
    flags : (z, x) float array
        0 where solved, else why not; NaN where there is no fibre.
    x_mm, z_mm : float arrays
        Centres of the voxels in mm.
    name, units : str
        What is shown.
    limits : (low, high)
        Values at the ends of the scale of colours.
    diverging : bool
        Whether the scale is one of positive and negative values.
    """

    values: Floats
    flags: Floats
    x_mm: Floats
    z_mm: Floats
    name: str
    units: str
    limits: tuple[float, float]
    diverging: bool = False


def map_chart(picture: MapPicture, title: str) -> str:
    """Return a map with axes and its scale of colours; fibres that are not solved are grey and crossed out."""
    x, z = _edges(picture.x_mm), _edges(picture.z_mm)
    zoom = _LONGEST / max(x[1] - x[0], z[1] - z[0])
    size = max(zoom * (x[1] - x[0]), 60.0), max(zoom * (z[1] - z[0]), 60.0)
    plot = Plot(labelled(title, picture.units), "x / mm", "z / mm", x, z, *size)
    image = coloured(picture.values, *picture.limits, diverging=picture.diverging)
    image = blanked(image, ~np.isfinite(picture.flags))
    plot.image(png_uri(image[::-1]), x[0], x[1], z[0], z[1])
    down, across = np.nonzero(np.nan_to_num(picture.flags) > 0)
    if len(down) <= _CROSSES:
        step = zoom * (x[1] - x[0]) / len(picture.x_mm)
        arm = float(np.clip(0.3 * step, 1.2, 6.0))
        plot.points(picture.x_mm[across], picture.z_mm[down], RED, cross=True, radius=arm)
    plot.colour_bar(png_uri(scale(diverging=picture.diverging)), *picture.limits)
    return plot.svg()


def _edges(centres: Floats) -> tuple[float, float]:
    half = 0.5 * float(centres[1] - centres[0]) if len(centres) > 1 else 0.5
    return float(centres[0]) - half, float(centres[-1]) + half


@dataclass(frozen=True)
class Agreement:
    """How fitted values of solved fibres agree with true ones.

    Parameters
    ----------
    count : int
        Fibres compared.
    correlation : float
        Pearson's coefficient.
    rmse, bias : float
        Root mean square and mean of the relative differences; of angles (units deg) the differences themselves.
    z_sd : float
        Standard deviation of (fitted - true) / standard uncertainty; 1 where uncertainties are right.
    z_largest : float
        The largest absolute value of it.
    """

    count: int
    correlation: float
    rmse: float
    bias: float
    z_sd: float
    z_largest: float


def agreement(fitted: Floats, sd: Floats, true: Floats, *, relative: bool = True) -> Agreement:
    """Compare fitted with true values, of solved fibres alone."""
    known = np.isfinite(fitted) & np.isfinite(true)
    one, other = fitted[known], true[known]
    if not len(one):
        return Agreement(0, *[float("nan")] * 5)
    off = (one - other) / other if relative else one - other
    z = z_scores(one, sd[known], other)
    varied = len(one) > 1 and float(np.ptp(other)) > 1e-9 * abs(float(other.mean())) and np.ptp(one) > 0
    return Agreement(
        len(one),
        float(np.corrcoef(one, other)[0, 1]) if varied else float("nan"),
        float(np.sqrt(np.mean(off**2))),
        float(off.mean()),
        float(np.sqrt(np.mean(z**2))) if len(z) else float("nan"),
        float(np.abs(z).max()) if len(z) else float("nan"),
    )


def z_scores(fitted: Floats, sd: Floats, true: Floats) -> Floats:
    """Return (fitted - true) / sd where there is an uncertainty."""
    usable = np.isfinite(fitted) & np.isfinite(true) & np.isfinite(sd) & (sd > 0)
    return np.asarray((fitted[usable] - true[usable]) / sd[usable], dtype=np.float64)


def against_truth(name: str, units: str, fitted: Floats, sd: Floats, true: Floats, solved: NDArray[np.bool_]) -> str:
    """Return a plot of fitted against true values; unsolved fibres are crosses."""
    shown = np.concatenate([true[np.isfinite(true)], fitted[solved & np.isfinite(fitted)]])
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    span = low - room, high + room
    plot = Plot(name, labelled("true", units), labelled("fitted", units), span, span, 186.0, 186.0)
    plot.line(np.array(span), np.array(span), GREY, dash="4 3", width=1.2)
    plot.points(true[solved], fitted[solved], BLUE, errors=sd[solved])
    other = ~solved & np.isfinite(fitted) & np.isfinite(true)
    if other.any():
        inside = np.clip(fitted[other], *span)
        plot.points(true[other], inside, RED, cross=True, radius=3.0)
    return plot.svg()


def z_chart(name: str, z: Floats) -> str:
    """Return the histogram of z-scores with the normal distribution that it should follow."""
    edges = np.linspace(-5, 5, 26)
    counts = np.histogram(np.clip(z, -4.999, 4.999), edges)[0].astype(np.float64)
    at = np.linspace(-5, 5, 201)
    expected = len(z) * (edges[1] - edges[0]) * np.exp(-0.5 * at**2) / np.sqrt(2 * np.pi)
    top = 1.15 * max(float(counts.max(initial=1.0)), float(expected.max()))
    plot = Plot(name, "(fitted − true) / uncertainty", "fibres", (-5.0, 5.0), (0.0, top), 186.0, 110.0)
    plot.bars(edges, counts, BLUE)
    plot.line(at, expected, ORANGE)
    return plot.svg()


@dataclass(frozen=True, eq=False)
class Profile:
    """One measured profile and what was fitted to it.

    Parameters
    ----------
    at : (n,) float array
        Azimuth in degrees or q in nm^-1.
    label : str
        Of the axis.
    measured, sigma : (n,) float arrays
        Means over bins and their standard uncertainties, NaN where a mask hides all.
    fitted, own, background : (n,) float arrays
        The whole model, the part of this fibre, and the background.
    """

    at: Floats
    label: str
    measured: Floats
    sigma: Floats
    fitted: Floats
    own: Floats
    background: Floats


def fit_chart(profile: Profile, title: str, *, legend: bool = True) -> str:
    """Return measured points with error bars, the fit, the fibre's own part and the background."""
    everything = np.concatenate([
        profile.measured + profile.sigma, profile.measured - profile.sigma, profile.fitted, profile.background,
        np.zeros(1),
    ])  # fmt: skip
    finite = everything[np.isfinite(everything)]
    low, high = float(finite.min()), float(finite.max())
    room = 0.06 * (high - low) or 1.0
    half = 0.5 * float(profile.at[1] - profile.at[0]) if len(profile.at) > 1 else 0.5
    across = float(profile.at[0]) - half, float(profile.at[-1]) + half
    plot = Plot(
        title, profile.label, "intensity", across, (low - (room if low < 0 else 0.0), high + room), 330.0, 170.0
    )
    shown = ("measured", "fitted, all fibres and background", "this fibre", "background") if legend else ("",) * 4
    plot.line(profile.at, profile.background, GREY, shown[3], dash="3 3")
    plot.line(profile.at, profile.background + profile.own, GREEN, shown[2], dash="6 3")
    plot.line(profile.at, profile.fitted, ORANGE, shown[1], width=1.8)
    plot.points(profile.at, profile.measured, INK, shown[0], errors=profile.sigma, radius=2.4)
    return plot.svg()


def map_limits(values: Floats, name: str) -> tuple[tuple[float, float], bool]:
    """Return limits of a map's colours, and whether they are even about zero."""
    diverging = name == "strain"
    return limits_of(values, around_zero=diverging), diverging
