"""The detector of a simulated scan: where its pixels are, and which of them count nothing; plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.problem import Floats

MODULE = (195, 487)
"""Rows and columns of a module of a detector of the Pilatus kind."""
GAP = (17, 7)
"""Rows and columns between modules."""


@dataclass(frozen=True)
class Camera:
    """A flat detector square to the beam.

    Parameters
    ----------
    rows, columns : int
        Of a frame.
    pixel : float
        Side of a pixel in m.
    distance : float
        From the sample in m.
    wavelength_nm : float
        Of the X-rays in nm.
    centre : (row, column)
        Where the direct beam would meet the detector, in pixels from the outer corner of the first one.
    """

    rows: int
    columns: int
    pixel: float
    distance: float
    wavelength_nm: float
    centre: tuple[float, float]

    def q(self) -> Floats:
        """Return q of the pixels' centres in nm^-1, (rows, columns)."""
        x, y = self._places()
        return self.q_at(np.hypot(x, y))

    def q_at(self, radius: Floats) -> Floats:
        """Return q in nm^-1 at distances in m from the middle of the beam."""
        return np.asarray(4 * np.pi / self.wavelength_nm * np.sin(np.arctan2(radius, self.distance) / 2))

    def radius_at(self, q: Floats) -> Floats:
        """Return the distance in pixels from the middle of the beam at which q in nm^-1 is found."""
        two_theta = 2 * np.arcsin(np.asarray(q) * self.wavelength_nm / (4 * np.pi))
        return np.asarray(self.distance * np.tan(two_theta) / self.pixel)

    def solid_angle(self) -> Floats:
        """Return the solid angle of every pixel relative to one at normal incidence, cos^3 of the scattering angle."""
        x, y = self._places()
        cosine = self.distance / np.sqrt(x * x + y * y + self.distance**2)
        return np.asarray(cosine**3)

    def mask(self, beam_stop: float, gaps: bool) -> NDArray[np.bool_]:
        """Return the pixels that count nothing, (rows, columns): beam stop, its holder, gaps between modules.

        Parameters
        ----------
        beam_stop : float
            Radius of the beam stop in pixels; its holder, a fifth as wide, leads straight down. 0: none.
        gaps : bool
            Whether there are rows and columns without pixels between modules.
        """
        row, column = np.arange(self.rows)[:, None], np.arange(self.columns)
        masked = np.zeros((self.rows, self.columns), dtype=np.bool_)
        if beam_stop > 0:
            down, across = row + 0.5 - self.centre[0], column + 0.5 - self.centre[1]
            masked |= np.hypot(down, across) < beam_stop
            masked |= (down > 0) & (np.abs(across) < beam_stop / 5)
        if gaps:
            for index, module, gap in ((row, MODULE[0], GAP[0]), (column, MODULE[1], GAP[1])):
                masked |= index % (module + gap) >= module
        return masked

    def _places(self) -> tuple[Floats, Floats]:
        """Return coordinates of the pixels' centres in m: along columns, and up, against the rows."""
        x = (np.arange(self.columns) + 0.5 - self.centre[1]) * self.pixel
        y = (self.centre[0] - np.arange(self.rows)[:, None] - 0.5) * self.pixel
        return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
