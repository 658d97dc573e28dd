"""Windows in azimuth in which one fibre of a beam path dominates: loops over one path."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.compiled import compiled

PASSED, TOO_WEAK, HIDDEN, NO_BINS = 0, 1, 2, 3
"""Verdicts on a fibre in a path: a window was found; too weak everywhere; hidden by others; no usable window."""


def _single_loop(
    signal: NDArray[np.float64],
    unsolved: NDArray[np.bool_],
    floor: NDArray[np.float64],
    usable: NDArray[np.bool_],
    width: int,
    wrap: bool,
    share: float,
    windows: NDArray[np.bool_],
    brightness: NDArray[np.float64],
    verdict: NDArray[np.int64],
) -> None:
    """Mark the bins of every window in which one fibre dominates all others that are not yet solved.

    Parameters
    ----------
    signal : (n, n_chi) float array
        Simulated signal of the path's fibres.
    unsolved : (n,) bool array
        Fibres that are not part of the model of the fit yet.
    floor : (n_chi,) float array
        Signal that can be detected.
    usable : (n_chi,) bool array
        Bins that hold data.
    width : int
        Bins of a window.
    wrap : bool
        The last bin has the first one beside it.
    share : float
        Least share of the sum over the unsolved fibres.
    windows : (n, n_chi) bool array, written
        Bins of all windows that pass.
    brightness : (n,) float array, written
        Largest sum of the fibre's signal over a window; 0 where none passes.
    verdict : (n,) int array, written
        One of this module's codes.
    """
    n, n_chi = signal.shape
    total = np.zeros(n_chi)
    for i in range(n):
        if unsolved[i]:
            for k in range(n_chi):
                total[k] += signal[i, k]
    starts = n_chi if wrap else n_chi - width + 1
    for i in range(n):
        brightness[i] = 0.0
        windows[i] = False
        if not unsolved[i]:
            continue
        verdict[i] = NO_BINS
        for start in range(starts):
            bins, weak, hidden, bright = 0, False, False, 0.0
            for j in range(width):
                k = (start + j) % n_chi
                if usable[k]:
                    bins += 1
                    bright += signal[i, k]
                    weak = weak or signal[i, k] < floor[k]
                    hidden = hidden or signal[i, k] < share * total[k]
            if bins < 2:
                continue
            if weak:
                if verdict[i] == NO_BINS:
                    verdict[i] = TOO_WEAK
            elif hidden:
                if verdict[i] != PASSED:
                    verdict[i] = HIDDEN
            else:
                verdict[i] = PASSED
                brightness[i] = max(brightness[i], bright)
                for j in range(width):
                    k = (start + j) % n_chi
                    windows[i, k] = windows[i, k] or usable[k]


single_windows: Any = compiled(_single_loop, nogil=True, error_model="numpy")
