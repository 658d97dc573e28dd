"""What all slices of a gridding reconstruction share: lengths, kernel, filter, places of views on the grid."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.reconstruction.angles import angular_weights
from tomosaxs_plugins.reconstruction.filters import filter_response, pad, padded_length
from tomosaxs_plugins.reconstruction.transforms import Transform, circle, good_length, transform_of

TAPS = 5
"""Grid points along either axis that a value is spread over."""

PAD = 2
"""Columns of the grid before frequency zero and beyond the highest one, where the kernel reaches."""

OVERSAMPLING = 1.25
"""Least period of the grid in sides of a slice."""

CHUNK = 16
"""Views that are spread together: neighbours meet the same part of the grid while it is in the cache."""

STEPS = 256
"""Places between two grid points at which the kernel is tabulated; linear between them, to 2e-6."""

_SHARPNESS = 1.02  # of the kernel, relative to that of Beatty et al. for the alias nearest to the edge of a slice
_SEGMENT = 64  # frequencies that are spread together, at least
_APART = 8.0  # grid points between segments that do not touch: more than 5 along both axes

Region: TypeAlias = tuple[int, int, int, int]


class Plan(NamedTuple):
    """What all slices share. Views are sorted by direction, from -90 to 90 degrees.

    Parameters
    ----------
    width : int
        Columns of the detector.
    views : Transform
        Of half the padded length: neighbours are taken as real and imaginary part.
    view_circle : ndarray, float32
        See `transforms.circle`, for the padded length.
    response : ndarray, shape (views.length + 4,), float64
        Factor of every frequency.
    edges : ndarray, shape (4 * (views.length + 1),) or (0,), float32
        Spectra (real, imaginary) of ones where the last and where the first value goes on; nothing to pad with zeros.
    order : ndarray, shape (views,), int64
        Their numbers in the sinogram.
    weights, shift, sign : ndarray, shape (views,), float64
        Angular weight; place of the origin in columns; 1 where the opposite view is taken, else -1.
    along_x, along_y : ndarray, shape (views,), float64
        Grid points from one frequency to the next, across the columns (not negative) and along them.
    segment : int
        Frequencies that are spread together: segments that are not neighbours share no grid point.
    columns, rows : Transform
        Of a column of the grid, and of half a row.
    row_circle : ndarray, float32
        As `view_circle`, for a row.
    pitch : int
        Complex numbers of a column in memory.
    table : ndarray, shape (16 * STEPS,), float32
        For every s the kernel at the grid points (eight, of which five count) that begin ``1.5 + s / STEPS`` before a
        value, and what it grows by to the next s.
    correction : ndarray, shape (size,), float32
        Factors of the pixels along either axis that undo the kernel.
    top, bottom, left, right : int
        Part of a slice that is worked out, the second and the last one excluded.
    """

    width: int
    views: Transform
    view_circle: NDArray[np.float32]
    response: NDArray[np.float64]
    edges: NDArray[np.float32]
    order: NDArray[np.int64]
    weights: NDArray[np.float64]
    shift: NDArray[np.float64]
    sign: NDArray[np.float64]
    along_x: NDArray[np.float64]
    along_y: NDArray[np.float64]
    segment: int
    columns: Transform
    rows: Transform
    row_circle: NDArray[np.float32]
    pitch: int
    table: NDArray[np.float32]
    correction: NDArray[np.float32]
    top: int
    bottom: int
    left: int
    right: int


def plan_of(
    angles_deg: ArrayLike,
    centre: float,
    width: int,
    side: int,
    region: Region,
    filter: str,
    padding: str,
    length: int | None = None,
) -> Plan:
    """Work out what all slices share.

    Parameters
    ----------
    angles_deg : array_like, shape (views,)
        Angles in degrees.
    centre : float
        Rotation axis in columns.
    width, side : int
        Columns of the detector, rows and columns of a slice.
    region : (top, bottom, left, right)
        Part of the slice.
    filter, padding : str
        See `filters`.
    length : int, optional
        Of a padded projection; by default that of `lengths`.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    needed, period = lengths(centre, width, side)
    length = length or needed
    half = length // 2
    angles = np.deg2rad(np.asarray(angles_deg, dtype=np.float64).ravel())
    order = np.argsort(np.mod(angles + 0.5 * np.pi, np.pi), kind="stable")
    cosine, sine = np.cos(angles[order]), np.sin(angles[order])
    sign = np.where(cosine < 0, 1.0, -1.0)
    response = np.zeros(half + 4)
    # half of it, because the transform of pairs leaves twice the spectrum
    response[: half + 1] = filter_response(filter, length) * 0.5 / length
    response[[0, half]] *= 0.5  # these two are their own mirror images
    table, correction = _kernel(side, period)
    return Plan(
        width=width,
        views=transform_of(half),
        view_circle=circle(half),
        response=response,
        edges=_edges(width, length, padding),
        order=order.astype(np.int64),
        weights=angular_weights(angles_deg)[order],
        # pixels lie half a grid point aside where their number is even
        shift=centre + (side // 2 - 0.5 * (side - 1)) * (cosine + sine),
        sign=sign,
        along_x=-sign * cosine * period / length,
        along_y=-sign * sine * period / length,
        segment=max(_SEGMENT, math.ceil(_APART * length / period)),
        columns=transform_of(period),
        rows=transform_of(period // 2),
        row_circle=circle(period // 2),
        pitch=period + 2 * PAD + 2,  # no power of two, whose columns would fall into the same places of a cache
        table=table,
        correction=correction,
        top=region[0],
        bottom=region[1],
        left=region[2],
        right=region[3],
    )


def lengths(centre: float, width: int, side: int) -> tuple[int, int]:
    """Return the padded length of a projection and the period of the grid.

    Parameters
    ----------
    centre : float
        Rotation axis in columns.
    width, side : int
        Columns of the detector, rows and columns of a slice.

    Returns
    -------
    (int, int)
        Multiples of 16 and 8. Filtered projections do not wrap around at any pixel of the slice.
    """
    radius = 0.5 * math.sqrt(2.0) * (side - 1)
    reach = math.ceil(max(centre + radius, width - 1 - centre + radius)) + 2
    return good_length(padded_length(width, reach), 16), good_length(max(32, math.ceil(OVERSAMPLING * side)), 8)


def _edges(width: int, length: int, padding: str) -> NDArray[np.float32]:
    """Return the spectra of what padding adds for a last and for a first value of one."""
    last, first = (pad(np.eye(width, dtype=np.float32)[[k]], length, padding)[0] for k in (-1, 0))
    last[width - 1] = first[0] = 0.0
    if padding == "zero":
        return np.zeros(0, dtype=np.float32)
    spectra = [2.0 * np.fft.rfft(values.astype(np.float64)) for values in (last, first)]
    parts = [part for spectrum in spectra for part in (spectrum.real, spectrum.imag)]
    return np.ascontiguousarray(np.stack(parts, axis=-1).ravel(), dtype=np.float32)


def _kernel(side: int, period: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the table of a Kaiser-Bessel kernel and its correction (Beatty et al., DOI 10.1109/TMI.2005.848376)."""
    reach = 0.5 * TAPS
    shape = _SHARPNESS * 2.0 * np.pi * reach * (1.0 - 0.5 * side / period)

    def kernel(distance: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = np.clip(1.0 - (distance / reach) ** 2, 0.0, None)
        return np.asarray(np.i0(shape * np.sqrt(inside)))

    nodes, weights = np.polynomial.legendre.leggauss(40)
    values = reach * weights * kernel(reach * nodes)
    values /= values.sum()
    scale = np.i0(shape) / (reach * (weights * kernel(reach * nodes)).sum())
    turns = 2.0 * np.pi * (np.arange(side) - side // 2)[:, np.newaxis] / period * (reach * nodes)
    table = np.zeros((STEPS + 1, 8))
    places = np.arange(TAPS) - (reach - 1.0) - np.arange(STEPS + 1)[:, np.newaxis] / STEPS
    table[:, :TAPS] = scale * kernel(places) / np.i0(shape)
    both = np.concatenate([table[:-1], np.diff(table, axis=0)], axis=1)
    return both.astype(np.float32).ravel(), (1.0 / (np.cos(turns) @ values)).astype(np.float32)
