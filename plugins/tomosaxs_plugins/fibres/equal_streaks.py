"""Streaks of fibres that differ in nothing but their directions, from one table: ten times quicker than one by one.

A point of the Ewald sphere at q and azimuth chi has the direction (c cos chi, c sin chi, s), s = q lambda / (4 pi). To
a fibre of direction n it makes an angle gamma whose cosine is c m + s n_z, m = n_x cos chi + n_y sin chi, and the
intensity is a function of q and |cos gamma| alone. Over the bins of one azimuth s changes by little: with x the cosine
at one q in their middle, the means over these bins are smooth functions of x and, far more weakly, of n_z. They are
tabulated at even steps of t = sqrt(1 - x), in which streaks are about Gaussian, and at four n_z, and interpolated by
cubic polynomials in both.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled
from tomosaxs_plugins.fibres.binned import plan
from tomosaxs_plugins.fibres.model import TOLERANCE, bin_means, check_parameters
from tomosaxs_plugins.fibres.problem import Bins, Floats
from tomosaxs_plugins.fibres.streak import arc_over_tangent, decay
from tomosaxs_plugins.reconstruction.parallel import thread_count

_MOST = 20_000  # steps of a table; with more of them streaks are computed one by one
_CURVED = 0.008  # and where over the bins the Ewald sphere curves by more than this part of the streak's width
_AT_ONCE = 64  # fibres that a thread takes


class EqualStreaks:
    """Means over bins of streaks of height 1 and one shape, for any directions.

    Agrees with `model.bin_means` to 1e-7 of the height.

    Parameters
    ----------
    bins : Bins
        The bins, their samples and the smearing.
    q0, wa, wmu, delta : float
        Shape of all streaks: nm^-1, nm^-1, rad, 1.
    folded : bool
        Bins are means over azimuths half a turn apart.

    Raises
    ------
    ValueError
        When a parameter is outside what the model allows.
    """

    def __init__(self, bins: Bins, q0: float, wa: float, wmu: float, delta: float, *, folded: bool = False) -> None:
        self._bins, self._shape, self._folded = bins, (q0, wa, wmu, delta), folded
        check_parameters(**{name: np.array([value]) for name, value in zip(
            ("q0", "wa", "wmu", "delta"), self._shape, strict=True)})  # fmt: skip
        points, weights, bands, cosines, sines, shares = plan(bins)
        if folded:
            cosines, sines = np.concatenate([cosines, -cosines], axis=1), np.concatenate([sines, -sines], axis=1)
            shares = np.concatenate([shares, shares]) / 2
        self._azimuths = np.ascontiguousarray(cosines), np.ascontiguousarray(sines), np.ascontiguousarray(shares)
        in_plane, beam = points[1] / points[0], points[2] / points[0]
        middle = bins.wavelength_nm * float(bins.q.mean()) / (4 * np.pi)
        self._middle = math.sqrt(1 - middle**2), middle
        # steps that a cubic follows to 1e-8: of a Gaussian of this width, of a Lorentzian where the Gaussian is wide
        steps = math.ceil(max(75 / math.tan(wmu), 125 * math.tan(wmu) * q0 / wa, 200.0))
        curved = float(np.abs(beam - middle).max()) if len(beam) else 0.0
        self._steps = steps if steps <= _MOST and curved < _CURVED * math.tan(wmu) else 0
        self._table = np.zeros((0, 0))
        if self._steps:
            table = np.zeros((steps + 3, 4, len(bins.q)))
            _tabulate(
                points[0], in_plane, beam, weights, bands, *self._middle, q0, q0 / delta,
                0.5 / (q0 * math.tan(wmu)) ** 2, 1 / wa**2, 1 / steps, table,
            )  # fmt: skip
            lit = np.flatnonzero((table > TOLERANCE).any(axis=(1, 2)))
            self._table = table[: int(lit[-1]) + 4].reshape(-1, len(bins.q)) if len(lit) else np.zeros((0, 0))

    def __call__(self, alpha_deg: Floats, beta_deg: Floats, threads: int | None = None) -> Floats:
        """Return (n, n_chi, n_q) means over bins of fibres of directions (n,) in degrees, rotation included.

        The result does not depend on the number of threads.
        """
        alpha, beta = np.radians(alpha_deg), np.radians(beta_deg)
        n = len(alpha)
        if not self._steps:
            return self._one_by_one(alpha, beta, threads)
        axes = np.stack([np.sin(alpha) * np.sin(beta), np.cos(alpha), np.sin(alpha) * np.cos(beta)], axis=1)
        out = np.zeros((n, len(self._bins.chi_deg), len(self._bins.q)))
        if not len(self._table):
            return out

        def some(edges: tuple[int, int]) -> None:
            _look_up(axes, *edges, *self._middle, *self._azimuths, self._table, float(self._steps), out)

        parts = list(pairwise([*range(0, n, _AT_ONCE), n]))
        count = min(thread_count(threads), len(parts))
        if count <= 1:
            some((0, n))
        else:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(some, parts))
        return out

    def _one_by_one(self, alpha: Floats, beta: Floats, threads: int | None) -> Floats:
        shape = [np.full(len(alpha), value) for value in self._shape]
        values: NDArray[Any] = bin_means(self._bins, alpha, beta, *shape, threads=threads)[0]
        if self._folded:
            opposite = replace(self._bins, chi_deg=self._bins.chi_deg + 180.0)
            values = (values + bin_means(opposite, alpha, beta, *shape, threads=threads)[0]) / 2
        return values


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def _tabulate(
    q: Any, in_plane: Any, beam: Any, weights: Any, bands: Any, c_middle: float, s_middle: float, q0: float,
    radius: float, steep: float, narrow: float, step: float, table: Any,
) -> None:  # fmt: skip
    """Write the table (steps + 3, 4, n_q): row k is at t = (k - 1) step, the four n_z are -1, -1/3, 1/3 and 1.

    Beside t = 0, cosines above 1 continue what is below: everything here is a function of squares that may be negative.
    """
    values = np.empty(q.size)
    for k in range(table.shape[0]):
        t = (k - 1) * step
        x = 1.0 - t * t
        for z in range(4):
            beside = (2 * z - 3) / 3.0
            for j in range(q.size):
                cosine = in_plane[j] / c_middle * x + (beam[j] - s_middle * in_plane[j] / c_middle) * beside
                u = q[j] * cosine
                off = u - q0
                across = (q[j] - u) * (q[j] + u)
                a = off + radius
                w = off * (off + 2.0 * radius) + across
                d = math.sqrt(max(radius * radius + w, 0.0))
                half = d + a + 1e-100
                s = w / (d + radius)
                arc = 2.0 * radius * arc_over_tangent(across / (half * half)) / half
                values[j] = decay(max(arc * arc * across * steep, -1.0)) / (1.0 + s * s * narrow)
            for i in range(table.shape[2]):
                total = 0.0
                for j in range(bands[i, 0], bands[i, 1]):
                    total += weights[i, j] * values[j]
                table[k, z, i] = total


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def _cubic(f: float, at: int) -> float:
    """Return the weight of the value at -1, 0, 1 or 2 (`at` 0 to 3) in the cubic through them, at f."""
    if at == 0:
        return -f * (f - 1.0) * (f - 2.0) / 6.0
    if at == 1:
        return (f + 1.0) * (f - 1.0) * (f - 2.0) / 2.0
    if at == 2:
        return -(f + 1.0) * f * (f - 2.0) / 2.0
    return (f + 1.0) * f * (f - 1.0) / 6.0


@partial(compiled, nogil=True, error_model="numpy", fastmath={"contract"})
def _look_up(
    axes: Any, low: int, high: int, c_middle: float, s_middle: float, cosines: Any, sines: Any, shares: Any, table: Any,
    steps: float, out: Any,
) -> None:  # fmt: skip
    """Add up the bins of fibres `low` to `high`, of axes (n, 3), from a table of 4 rows a step."""
    last, n_q = table.shape[0] // 4 - 3, table.shape[1]
    t_weights, z_weights = np.empty(4), np.empty(4)
    for f in range(low, high):
        for c in range(cosines.shape[0]):
            row = out[f, c]
            for k in range(shares.size):
                m = cosines[c, k] * axes[f, 0] + sines[c, k] * axes[f, 1]
                nz = axes[f, 2]
                cosine = c_middle * m + s_middle * nz
                if cosine < 0.0:
                    cosine, nz = -cosine, -nz
                t = math.sqrt(max(1.0 - cosine, 0.0)) * steps
                first = int(t)
                if first >= last:
                    continue
                for i in range(4):
                    t_weights[i] = shares[k] * _cubic(t - first, i)
                    z_weights[i] = _cubic(1.5 * (nz + 1.0) - 1.0, i)
                for i in range(4):
                    at = 4 * (first + i)
                    p, q = t_weights[i] * z_weights[0], t_weights[i] * z_weights[1]
                    r, s = t_weights[i] * z_weights[2], t_weights[i] * z_weights[3]
                    for b in range(n_q):
                        row[b] += p * table[at, b] + q * table[at + 1, b] + r * table[at + 2, b] + s * table[at + 3, b]
