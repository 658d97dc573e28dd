"""Which bins of azimuth and q are seen in part only: their mean is not that of the whole bin."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.backends.cakes import CakeSettings
from tomosaxs_plugins.integration.frame_lines import where_on_detector
from tomosaxs_plugins.integration.radial import scale_of

Shares = NDArray[np.float64]

_FINE = 4  # points a pixel, along q and along the azimuth
_Q_POINTS, _CHI_POINTS = (8, 64), (8, 512)  # fewest and most of them in a bin


def partly_hidden(settings: CakeSettings, limit: float) -> NDArray[np.bool_]:
    """Return (azimuths, bins) True where more than a share of a bin is hidden, masked or beyond the detector's edge.

    A streak is a few bins wide: over the part of a bin that is left its mean differs from that over the whole bin by
    far more than counts are uncertain. Of folded azimuths one side may be hidden as a whole.

    Parameters
    ----------
    settings : CakeSettings
        Frames and bins.
    limit : float
        Largest share that does no harm.
    """
    partly, seen = (np.zeros((settings.sectors, settings.bins), dtype=np.bool_) for _ in range(2))
    for turn in (0.0, 180.0) if settings.fold else (0.0,):
        share, _ = hidden_shares(settings, turn)
        partly |= (share > limit) & (share < 1.0 - limit)
        seen |= share <= limit
    return np.asarray(partly | ~seen)


def hidden_shares(settings: CakeSettings, turn: float = 0.0) -> tuple[Shares, Shares]:
    """Return (azimuths, bins) the share of the area of every bin that is hidden, and that beyond the detector's edge.

    Found at points that lie a quarter of a pixel apart.

    Parameters
    ----------
    settings : CakeSettings
        Frames and bins; the radial coordinate is q.
    turn : float
        Added to the azimuths, deg.
    """
    frames = settings.frames
    geometry, mask = frames.geometry, frames.mask
    width = (settings.high - settings.low) / settings.bins
    step = (settings.last - settings.first) / settings.sectors
    per_sine = scale_of(geometry, settings.unit)
    largest = 2 * math.asin(min(settings.high / per_sine, 1.0))
    pixels = geometry.beam_distance / min(geometry.pixel1, geometry.pixel2)  # across one rad of scattering angle
    along = _points(_FINE * pixels * 2 * width / per_sine, _Q_POINTS)
    across = _points(_FINE * pixels * math.tan(min(largest, 1.5)) * math.radians(step), _CHI_POINTS)
    q = settings.low + width * (np.arange(settings.bins * along) + 0.5) / along
    with np.errstate(invalid="ignore"):
        two_theta = 2 * np.arcsin(q / per_sine)
    weight = q.reshape(-1, along)  # area grows with the radius
    weight = weight / weight.sum(axis=1, keepdims=True) / across
    hidden, beyond = np.empty((settings.sectors, settings.bins)), np.empty((settings.sectors, settings.bins))
    for sector in range(settings.sectors):
        chi = settings.first + turn + step * (sector + (np.arange(across) + 0.5) / across)
        rows, columns = where_on_detector(geometry, two_theta[:, None], np.radians(chi))
        inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
        places = np.where(inside, rows, 0).astype(np.intp), np.where(inside, columns, 0).astype(np.intp)
        for found, lost in ((hidden, ~inside | mask[places]), (beyond, ~inside)):
            found[sector] = (weight * lost.reshape(settings.bins, along, across).sum(axis=2)).sum(axis=1)
    return hidden, beyond


def _points(wanted: float, bounds: tuple[int, int]) -> int:
    return int(min(max(math.ceil(wanted), bounds[0]), bounds[1]))
