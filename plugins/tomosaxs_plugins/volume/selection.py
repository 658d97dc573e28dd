"""Which slices of a volume estimators look at. Plain functions on plain arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def spread(size: int, every: int, least: int = 8) -> NDArray[np.intp]:
    """Return about every `every`-th of `size` slices, evenly spread and at least `least` where there are so many."""
    count = min(size, max(-(-size // every), least))
    return np.unique(((np.arange(count) + 0.5) * size / count).astype(np.intp))
