"""Radial coordinates and bins of azimuthal integration; plain numpy, no framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.integration.geometry import DetectorGeometry

RadialUnit: TypeAlias = Literal[
    "q_nm^-1", "q_A^-1", "2theta_deg", "2theta_rad", "radius_mm", "d_nm", "d_A", "2th_deg", "2th_rad", "r_mm"
]

Q, TWO_THETA, RADIUS, SPACING = 0, 1, 2, 3
"""Kinds of radial coordinates."""

FARTHEST_SPACING = 10.0
"""Without a range, bins of d end at so many times the smallest one: towards the beam d has no end."""


@dataclass(frozen=True)
class Radial:
    """What a unit stands for.

    Parameters
    ----------
    axis, units : str
        Name of the axis, and its units.
    kind : int
        `Q`, `TWO_THETA`, `RADIUS` or `SPACING`.
    per_si : float
        Units per 1/m, rad, or m.
    """

    axis: str
    units: str
    kind: int
    per_si: float

    @property
    def needs_wavelength(self) -> bool:
        """Whether it cannot be told from the detector's geometry alone."""
        return self.kind in (Q, SPACING)


RADIAL: dict[str, Radial] = {
    "q_nm^-1": Radial("q", "nm^-1", Q, 1e-9),
    "q_A^-1": Radial("q", "angstrom^-1", Q, 1e-10),
    "2theta_deg": Radial("two_theta", "deg", TWO_THETA, 180 / np.pi),
    "2theta_rad": Radial("two_theta", "rad", TWO_THETA, 1.0),
    "radius_mm": Radial("radius", "mm", RADIUS, 1e3),
    "d_nm": Radial("d_spacing", "nm", SPACING, 1e9),
    "d_A": Radial("d_spacing", "angstrom", SPACING, 1e10),
}
for _name, _other in (("2th_deg", "2theta_deg"), ("2th_rad", "2theta_rad"), ("r_mm", "radius_mm")):
    RADIAL[_name] = RADIAL[_other]  # as pyFAI calls them


def scale_of(geometry: DetectorGeometry, unit: str) -> float:
    """Return what turns the plain coordinate into `unit`.

    The plain coordinate is sin(theta) for q, 1 / sin(theta) for d, the angle 2 theta in rad, the radius in m.

    Raises
    ------
    ValueError
        When the unit needs the wavelength and that is not known.
    """
    radial = RADIAL[unit]
    if not radial.needs_wavelength:
        return radial.per_si
    if geometry.wavelength is None:
        raise ValueError(f"unit {unit} needs the wavelength, which the calibration does not give")
    if radial.kind == Q:
        return 4 * np.pi / geometry.wavelength * radial.per_si
    return geometry.wavelength / 2 * radial.per_si


def radial_coordinate(
    geometry: DetectorGeometry, unit: str, rows: ArrayLike, columns: ArrayLike
) -> NDArray[np.float64]:
    """Return the radial coordinate, in `unit`, of points given in edge coordinates.

    q = 4 pi sin(theta) / wavelength; d = 2 pi / q, infinite at the beam; ``radius_mm`` is the distance of the point
    from the beam's axis.

    Raises
    ------
    ValueError
        When the unit needs the wavelength and that is not known.
    """
    kind, scale = RADIAL[unit].kind, scale_of(geometry, unit)
    if kind == RADIUS:
        first, second, _ = geometry.positions(rows, columns)
        return np.asarray(np.hypot(first, second) * scale, dtype=np.float64)
    two_theta = geometry.two_theta(rows, columns)
    if kind == TWO_THETA:
        return np.asarray(two_theta * scale, dtype=np.float64)
    if kind == Q:
        return np.asarray(np.sin(two_theta / 2) * scale, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(scale / np.sin(two_theta / 2), dtype=np.float64)


def full_range(geometry: DetectorGeometry, shape: tuple[int, int], unit: str) -> tuple[float, float]:
    """Return the smallest and largest radial coordinate at the pixel corners of a frame.

    The lower end is 0 where the direct beam falls on the frame. Masks do not change the range, so that
    curves of differently masked frames share their bins. For d, which has no end towards the beam, the upper end is at
    most `FARTHEST_SPACING` times the lower one.
    """
    rows, columns = np.arange(shape[0] + 1)[:, None], np.arange(shape[1] + 1)[None, :]
    # extrema of a smooth function without an interior one lie on the rim; the only interior one is the beam
    values = [
        radial_coordinate(geometry, unit, rows[[0, -1]], columns),
        radial_coordinate(geometry, unit, rows, columns[:, [0, -1]]),
    ]
    low = min(float(each.min()) for each in values)
    high = max(float(each.max()) for each in values)
    row, column = geometry.beam_centre
    within = 0 <= row <= shape[0] and 0 <= column <= shape[1]
    if RADIAL[unit].kind == SPACING:
        farthest = FARTHEST_SPACING * low
        return low, farthest if within else min(high, farthest)
    return 0.0 if within else low, high


def bin_centres(low: float, high: float, bins: int) -> NDArray[np.float64]:
    """Return the centres of `bins` equal bins between `low` and `high`."""
    return np.asarray(low + (high - low) * (np.arange(bins) + 0.5) / bins, dtype=np.float64)
