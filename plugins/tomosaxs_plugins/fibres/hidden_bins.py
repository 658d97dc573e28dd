"""Which bins of azimuth and q a mask hides in part: their mean is not that of the whole bin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.backends.cakes import CakeBackend, CakeSettings
from tomosaxs_plugins.integration.engine.frames import Frames


def partly_hidden(backend: type[CakeBackend], settings: CakeSettings, limit: float) -> NDArray[np.bool_]:
    """Return (azimuths, bins) True where masked pixels take more than a share of a bin.

    A streak is a few bins wide: over the part of a bin that is left its mean differs from that over the whole bin by
    far more than counts are uncertain. Of folded azimuths one side may be hidden as a whole.

    Parameters
    ----------
    backend : type
        What integrates.
    settings : CakeSettings
        What it is told.
    limit : float
        Largest share that does no harm.
    """
    frames = settings.frames
    plain = Frames(frames.geometry, frames.shape, np.zeros_like(frames.mask), gaps=False)
    image = frames.mask.astype(np.float32)[None]
    partly, seen = (np.zeros((settings.sectors, settings.bins), dtype=np.bool_) for _ in range(2))
    for turn in (0.0, 180.0) if settings.fold else (0.0,):
        first, last = settings.first + turn, settings.last + turn
        back = 360.0 if last > 360.0 else 0.0
        side = replace(settings, frames=plain, error_model="none", fold=False, first=first - back, last=last - back)
        engine = backend()
        engine.setup(side)
        share = np.nan_to_num(engine.integrate(image)[0][0], nan=1.0)
        partly |= (share > limit) & (share < 1.0 - limit)
        seen |= share <= limit
    return np.asarray(partly | ~seen)
