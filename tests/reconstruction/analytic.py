"""Phantoms whose projections are known in closed form, in the project's ray geometry.

Blobs: a Gaussian of width sigma projects to a Gaussian. Soft discs ``(1 - r**2 / R**2) ** k`` inside radius R project
to ``R * c_k * (1 - t**2 / R**2) ** (k + 1/2)`` with ``c_k = sqrt(pi) gamma(k + 1) / gamma(k + 3/2)``. With k = 0 the
disc is homogeneous. A projection is sampled at the centres of detector pixels; all figures in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gamma, pi, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Blob:
    """A Gaussian at (x, y) from the rotation axis."""

    x: float
    y: float
    sigma: float
    value: float = 1.0

    def project(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the line integral at distance t from the centre."""
        return self.value * self.sigma * sqrt(2 * pi) * np.exp(-0.5 * (t / self.sigma) ** 2)

    def draw(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the value at distance r from the centre."""
        return self.value * np.exp(-0.5 * (r / self.sigma) ** 2)


@dataclass(frozen=True)
class SoftDisc:
    """A disc at (x, y) from the rotation axis that falls to zero at its radius as a power."""

    x: float
    y: float
    radius: float
    value: float = 1.0
    power: int = 2

    def project(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the line integral at distance t from the centre."""
        constant = sqrt(pi) * gamma(self.power + 1) / gamma(self.power + 1.5)
        inside = np.clip(1 - (t / self.radius) ** 2, 0, None)
        return self.value * self.radius * constant * inside ** (self.power + 0.5)

    def draw(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the value at distance r from the centre."""
        return self.value * np.clip(1 - (r / self.radius) ** 2, 0, None) ** self.power * (r < self.radius)


Shape = Blob | SoftDisc


def sinogram(shapes: list[Shape], angles_deg: ArrayLike, width: int, centre: float) -> NDArray[np.float64]:
    """Return the sinogram, shape (angles, width)."""
    angles = np.deg2rad(np.asarray(angles_deg, dtype=np.float64))[:, np.newaxis]
    column = np.arange(width) - centre
    return sum(s.project(column - s.x * np.cos(angles) - s.y * np.sin(angles)) for s in shapes)  # type: ignore[return-value]


def picture(shapes: list[Shape], size: int) -> NDArray[np.float64]:
    """Return the true slice, shape (size, size), rotation axis at (size - 1) / 2."""
    place = np.arange(size) - 0.5 * (size - 1)
    x, y = place[np.newaxis, :], place[:, np.newaxis]
    return sum(s.draw(np.hypot(x - s.x, y - s.y)) for s in shapes)  # type: ignore[return-value]


def smooth_phantom(width: int) -> list[Shape]:
    """Return an asymmetric smooth phantom inside 0.8 of the field of view of a detector of this width."""
    u = width / 100
    return [
        SoftDisc(0, 0, 40 * u, 1.0, 2),
        SoftDisc(-8 * u, 11 * u, 18 * u, 0.5, 3),
        Blob(16 * u, 6 * u, 3.5 * u, 0.6),
        Blob(-5 * u, -17 * u, 4.5 * u, -0.4),
    ]
