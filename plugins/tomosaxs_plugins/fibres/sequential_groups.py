"""Windows in azimuth in which two or three fibres of a beam path dominate together: loops over one path."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled

_TRIPLE_BINS, _LEAST_BINS = 0.9, 0.3  # shares of a window's bins in which three together, and each, must be seen


def _group_loop(
    signal: NDArray[np.float64],
    members: NDArray[np.int64],
    total: NDArray[np.float64],
    floor: NDArray[np.float64],
    usable: NDArray[np.bool_],
    width: int,
    wrap: bool,
    share: float,
    least: float,
    windows: NDArray[np.bool_],
) -> float:
    """Mark the bins of every window in which two or three fibres dominate together; return the largest mean share.

    Two fibres must reach the shared floor and share in every bin and the least share in the mean of a window, three in
    nine and three of ten bins.

    Parameters
    ----------
    signal : (n, n_chi) float array
        Simulated signal of the path's fibres.
    members : (2,) or (3,) int array
        The fibres' places in it.
    total : (n_chi,) float array
        Sum over the fibres that are not yet solved.
    floor, usable, width, wrap
        As for one fibre.
    share, least : float
        Least share of all together, and of each.
    windows : (n_chi,) bool array, written
        Bins of all windows that pass.

    Returns
    -------
    float
        Largest mean of the share of all together over a window that passes; 0 where none does.
    """
    n_chi, m = signal.shape[1], members.size
    part = 1.0 if m == 2 else _TRIPLE_BINS
    starts = n_chi if wrap else n_chi - width + 1
    windows[:] = False
    best = 0.0
    for start in range(starts):
        bins, together, mean = 0, 0, 0.0
        each = np.zeros(m)
        for j in range(width):
            k = (start + j) % n_chi
            if not usable[k]:
                continue
            bins += 1
            group, seen = 0.0, True
            for i in range(m):
                value = signal[members[i], k]
                group += value
                seen = seen and value >= floor[k]
                ratio = value / total[k] if total[k] > 0.0 else 0.0
                each[i] += ratio if m == 2 else (1.0 if ratio >= least else 0.0)
            mean += group / total[k] if total[k] > 0.0 else 0.0
            if seen and group >= share * total[k]:
                together += 1
        if bins < 2 or together < part * bins:
            continue
        passed = True
        for i in range(m):
            passed = passed and each[i] >= (least if m == 2 else _LEAST_BINS) * bins
        if passed:
            best = max(best, mean / bins)
            for j in range(width):
                k = (start + j) % n_chi
                windows[k] = windows[k] or usable[k]
    return best


def _best_group_loop(
    signal: NDArray[np.float64],
    peak_deg: NDArray[np.float64],
    unsolved: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    size: int,
    near: tuple[float, float],
    floor: NDArray[np.float64],
    usable: NDArray[np.bool_],
    width: int,
    wrap: bool,
    share: float,
    least: float,
    partners: NDArray[np.int64],
    windows: NDArray[np.bool_],
    score: NDArray[np.float64],
) -> None:
    """Find, for every wanted fibre, the partners with which it dominates most.

    Parameters
    ----------
    signal, floor, usable, width, wrap, share, least
        As for one group.
    peak_deg : (n,) float array
        Azimuth of every streak in degrees; opposite ones are the same.
    unsolved, wanted : (n,) bool arrays
        Fibres that may be partners, and those to find partners for.
    size : int
        Two or three fibres together.
    near : (float, float)
        Smallest and largest distance in degrees between the fibre's streak and a partner's.
    partners : (n, 2) int array, written
        Places of the partners; -1 for none.
    windows : (n, n_chi) bool array, written
        Bins of the windows of the best group.
    score : (n,) float array, written
        Mean share of the best group in its best window; 0 where there is none.
    """
    n, n_chi = signal.shape
    total = np.zeros(n_chi)
    seen = np.zeros(n, np.bool_)
    for i in range(n):
        if unsolved[i]:
            for k in range(n_chi):
                total[k] += signal[i, k]
                seen[i] = seen[i] or (usable[k] and signal[i, k] >= floor[k])
    trial = np.zeros(n_chi, np.bool_)
    others = np.empty(n, np.int64)
    group = np.empty(size, np.int64)
    for i in range(n):
        score[i], partners[i, 0], partners[i, 1] = 0.0, -1, -1
        windows[i] = False
        if not (wanted[i] and seen[i]):
            continue
        m = 0
        for j in range(n):
            apart = abs((peak_deg[i] - peak_deg[j] + 90.0) % 180.0 - 90.0)
            if j != i and unsolved[j] and seen[j] and near[0] <= apart <= near[1]:
                others[m] = j
                m += 1
        group[0] = i
        for a in range(m):
            group[1] = others[a]
            for b in range(a + 1, m) if size == 3 else range(a, a + 1):
                if size == 3:
                    group[2] = others[b]
                found = _group(signal, group, total, floor, usable, width, wrap, share, least, trial)
                if found > score[i]:
                    score[i] = found
                    windows[i] = trial
                    partners[i, 0] = others[a]
                    partners[i, 1] = others[b] if size == 3 else -1


_group: Any = compiled(_group_loop, nogil=True, error_model="numpy")
group_windows: Any = compiled(_best_group_loop, nogil=True, error_model="numpy")
