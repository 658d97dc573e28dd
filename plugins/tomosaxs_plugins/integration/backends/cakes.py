"""Backends of `cake`: what each has to offer; registered as those of `azimuthal_integrate` are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.backends import IntegrationSettings


@dataclass(frozen=True, eq=False)
class CakeSettings(IntegrationSettings):
    """Everything that does not change from frame to frame: that of a curve, and the azimuths.

    Parameters
    ----------
    sectors : int
        Number of equal bins of the azimuth.
    first, last : float
        Their outer edges, deg, at most 360 apart.
    fold : bool
        Count a point at its azimuth and at the opposite one; `first` and `last` are at most 180 apart.
    """

    sectors: int = 360
    first: float = -180.0
    last: float = 180.0
    fold: bool = False


class CakeBackend(Protocol):
    """What `cake` asks of an implementation."""

    def setup(self, settings: CakeSettings) -> None:
        """Prepare; called once, before the first frame."""

    def integrate(
        self, frames: NDArray[Any], uncertainties: NDArray[Any] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return cakes (n, sectors, bins) and their standard uncertainties, of frames (n, rows, columns).

        All else as for `IntegrationBackend`.
        """
