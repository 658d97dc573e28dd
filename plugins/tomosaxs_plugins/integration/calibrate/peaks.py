"""Many peaks fitted at once: a Gaussian on a sloping background in each group of pixels; plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
_PARAMETERS = 5


@dataclass(frozen=True, eq=False)
class Peaks:
    """One entry a group.

    Attributes
    ----------
    position, sigma : (groups,) arrays
        Where the peak is, and its standard uncertainty from counting (scaled by the group's own misfit).
    height, height_sigma, width, background : (groups,) arrays
        `width` is the standard deviation of the Gaussian.
    misfit : (groups,) array
        Reduced chi squared.
    """

    position: Floats
    sigma: Floats
    height: Floats
    height_sigma: Floats
    width: Floats
    background: Floats
    misfit: Floats


def first_guess(group: Integers, x: Floats, counts: Floats, groups: int, reach: Floats, step: float) -> Floats:
    """Return (groups, 5) starting values: height, position, log width, background at x = 0, slope.

    Parameters
    ----------
    group, x, counts : (pixels,) arrays
        Group of a pixel, its place across the ring, its counts.
    reach : (groups,) array
        Half the window.
    step : float
        Bins of the profiles, same unit as x.
    """
    half = int(np.ceil(reach.max() / step))
    size = 2 * half + 1
    place = np.clip(np.rint(x / step).astype(np.intp) + half, 0, size - 1)
    flat = group * size + place
    number = np.bincount(flat, minlength=groups * size).reshape(groups, size)
    total = np.bincount(flat, weights=counts, minlength=groups * size).reshape(groups, size)
    smooth_number, smooth_total = (_smooth3(each.astype(np.float64)) for each in (number, total))
    with np.errstate(invalid="ignore", divide="ignore"):
        profile = np.where(smooth_number > 0, smooth_total / smooth_number, np.nan)
    at = (np.arange(size) - half) * step
    start = np.zeros((groups, _PARAMETERS))
    some = np.isfinite(profile).sum(axis=1) >= 5
    safe = np.where(some[:, None], profile, np.nan)
    # the slope of the background from the two ends of the window
    first, last = _ends(safe)
    start[:, 4] = (last - first) / (2 * np.maximum(reach, step))
    flat_profile = safe - start[:, 4:5] * at
    base = np.nan_to_num(_low(np.where(np.isfinite(profile), flat_profile, np.nan)))
    above = np.clip(np.where(np.isfinite(profile), flat_profile - base[:, None], 0.0), 0, None)
    top = above.argmax(axis=1)
    start[:, 0] = above[np.arange(groups), top]
    start[:, 1] = at[top]
    high = above > 0.5 * start[:, :1]
    near = np.abs(at - start[:, 1:2]) <= np.maximum(reach, step)[:, None]
    full = (high & near).sum(axis=1) * step
    start[:, 2] = np.log(np.clip(full / 2.355, 0.6 * step, 0.5 * np.maximum(reach, 2 * step)))
    start[:, 3] = base
    return start


def _smooth3(values: Floats) -> Floats:
    padded = np.pad(values, ((0, 0), (1, 1)))
    return np.asarray(padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:])


def _ends(profile: Floats) -> tuple[Floats, Floats]:
    """Return low values in the outer thirds of each profile."""
    third = max(1, profile.shape[1] // 3)
    first, last = (_low(part) for part in (profile[:, :third], profile[:, -third:]))
    # where one end is masked there is no slope to see
    first, last = np.where(np.isfinite(first), first, last), np.where(np.isfinite(last), last, first)
    return np.nan_to_num(first), np.nan_to_num(last)


def _low(profile: Floats) -> Floats:
    """Return the 20th percentile of the finite values of each row; NaN where there are none."""
    ordered = np.sort(profile, axis=1)  # NaN last
    number = np.isfinite(profile).sum(axis=1)
    at = np.clip(np.rint(0.2 * (number - 1)).astype(np.intp), 0, None)
    return np.asarray(ordered[np.arange(len(profile)), at])


def too_bright(group: Integers, counts: Floats, groups: int) -> NDArray[np.bool_]:
    """Return which pixels are far above the brightest three in a hundred of their group."""
    order = np.lexsort((counts, group))
    size = np.bincount(group, minlength=groups)
    first = np.cumsum(size) - size
    bright = counts[order][first + np.clip((0.97 * size).astype(np.intp) - 1, 0, None)]
    return np.asarray(counts > (1.5 * bright + 10 * np.sqrt(np.maximum(bright, 1)))[group])


def fit_peaks(
    group: Integers, x: Floats, counts: Floats, groups: int, start: Floats, *, rounds: int = 12, clip: float = 5.0
) -> Peaks:
    """Fit height, position, width and a sloping background in every group by weighted least squares.

    Weights are those of counting statistics on the fitted curve (never on the single count, which would pull
    the fit down); pixels more than `clip` standard deviations off are left out from the fourth round on.

    Parameters
    ----------
    group, x, counts : (pixels,) arrays
    groups : int
    start : (groups, 5) array
        As from `first_guess`.
    """
    values = start.copy()
    damping = np.full(groups, 1e-2)
    used = np.ones(len(x), dtype=bool)
    model, gauss, away = _curve(values, group, x)
    weight = 1 / np.maximum(model, 1.0)
    chi = np.bincount(group, weights=weight * (counts - model) ** 2, minlength=groups)
    normal = np.zeros((groups, _PARAMETERS, _PARAMETERS))
    misfit = np.ones(groups)
    for turn in range(rounds):
        normal, slope = _normal_equations(group, x, counts - model, weight * used, gauss, away, values, groups)
        step = _solve(normal, slope, damping)
        # a step no longer than the peak is wide keeps the linearisation honest
        width = np.exp(values[:, 2])
        step[:, 1] = np.clip(step[:, 1], -width, width)
        step[:, 2] = np.clip(step[:, 2], -0.5, 0.5)
        tried = values + step
        model_tried, gauss_tried, away_tried = _curve(tried, group, x)
        chi_tried = np.bincount(group, weights=weight * used * (counts - model_tried) ** 2, minlength=groups)
        better = chi_tried <= chi * (1 + 1e-12)
        values = np.where(better[:, None], tried, values)
        damping = np.where(better, damping * 0.2, damping * 10.0)
        ours = better[group]
        model = np.where(ours, model_tried, model)
        gauss = np.where(ours, gauss_tried, gauss)
        away = np.where(ours, away_tried, away)
        weight = 1 / np.maximum(model, 1.0)
        number = np.maximum(np.bincount(group, weights=used, minlength=groups) - _PARAMETERS, 1)
        chi = np.bincount(group, weights=weight * used * (counts - model) ** 2, minlength=groups)
        misfit = chi / number
        if turn >= 2:
            used = np.abs(counts - model) < clip * np.sqrt(np.maximum(misfit, 1.0)[group] / weight)
            chi = np.bincount(group, weights=weight * used * (counts - model) ** 2, minlength=groups)
    normal, _ = _normal_equations(group, x, counts - model, weight * used, gauss, away, values, groups)
    covariance = _invert(normal)
    scale = np.sqrt(np.maximum(misfit, 0.0))
    return Peaks(
        position=values[:, 1],
        sigma=np.sqrt(covariance[:, 1]) * scale,
        height=values[:, 0],
        height_sigma=np.sqrt(covariance[:, 0]) * scale,
        width=np.exp(values[:, 2]),
        background=values[:, 3] + values[:, 4] * values[:, 1],
        misfit=misfit,
    )


def _curve(values: Floats, group: Integers, x: Floats) -> tuple[Floats, Floats, Floats]:
    mine = values[group]
    away = (x - mine[:, 1]) / np.exp(mine[:, 2])
    gauss = np.exp(-0.5 * np.minimum(away * away, 200.0))
    return mine[:, 0] * gauss + mine[:, 3] + mine[:, 4] * x, gauss, away


def _normal_equations(
    group: Integers,
    x: Floats,
    rest: Floats,
    weight: Floats,
    gauss: Floats,
    away: Floats,
    values: Floats,
    groups: int,
) -> tuple[Floats, Floats]:
    height, width = values[group, 0], np.exp(values[group, 2])
    columns = (gauss, height * gauss * away / width, height * gauss * away**2, np.ones_like(x), x)
    normal = np.empty((groups, _PARAMETERS, _PARAMETERS))
    slope = np.empty((groups, _PARAMETERS))
    for i, first in enumerate(columns):
        weighted = weight * first
        slope[:, i] = np.bincount(group, weights=weighted * rest, minlength=groups)
        for j, second in enumerate(columns[: i + 1]):
            normal[:, i, j] = normal[:, j, i] = np.bincount(group, weights=weighted * second, minlength=groups)
    return normal, slope


def _solve(normal: Floats, slope: Floats, damping: Floats) -> Floats:
    scaled, size = _scaled(normal)
    scaled = scaled + damping[:, None, None] * np.eye(_PARAMETERS)
    return np.asarray(np.linalg.solve(scaled, (slope / size)[..., None])[..., 0] / size)


def _scaled(normal: Floats) -> tuple[Floats, Floats]:
    """Return the matrices with ones on the diagonal: heights and positions have very different sizes."""
    size = np.sqrt(np.maximum(np.einsum("gii->gi", normal), 1e-300))
    return normal / size[:, :, None] / size[:, None, :], size


def _invert(normal: Floats) -> Floats:
    """Return the diagonals of the inverses; very large where a matrix is singular."""
    scaled, size = _scaled(normal)
    scaled = scaled + 1e-12 * np.eye(_PARAMETERS)
    known = size > 1e-100
    diagonal = np.einsum("gii->gi", np.linalg.inv(scaled)) / np.where(known, size, 1.0) ** 2
    return np.where((diagonal > 0) & known, diagonal, 1e30)
