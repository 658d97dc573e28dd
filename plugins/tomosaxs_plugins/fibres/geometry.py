"""Directions in fibre diffraction: the Ewald sphere, the axis of a fibre, rotations. Plain functions on plain arrays.

x and y are the directions of the detector's columns and of its vertical, which is the axis that the sample turns about;
z is the direction of the beam. Azimuth is counter-clockwise from x.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def scattering_vector(q: ArrayLike, chi_deg: ArrayLike, wavelength_nm: float) -> Floats:
    """Return the point of the Ewald sphere that is seen at a length and an azimuth.

    Parameters
    ----------
    q : float array
        Length in nm^-1, up to 4 pi / wavelength.
    chi_deg : float array
        Azimuth in degrees.
    wavelength_nm : float
        Wavelength in nm.

    Returns
    -------
    (..., 3) float array
        Components along x, y and the beam in nm^-1, of length q.

    Raises
    ------
    ValueError
        When q is negative or beyond what the wavelength reaches.
    """
    length, chi = np.broadcast_arrays(np.asarray(q, float), np.deg2rad(chi_deg))
    if np.any(length < 0) or np.any(length > 4 * np.pi / wavelength_nm):
        raise ValueError(f"q must be from 0 to 4 pi / wavelength = {4 * np.pi / wavelength_nm:g} nm^-1")
    sine = length * wavelength_nm / (4 * np.pi)  # of half the scattering angle
    across = np.sqrt(1 - sine**2)
    return np.stack([length * across * np.cos(chi), length * across * np.sin(chi), length * sine], axis=-1)


def detector_vectors(qx: ArrayLike, qy: ArrayLike, wavelength_nm: float) -> Floats:
    """Return the points of the Ewald sphere of a cartesian grid on a detector.

    Parameters
    ----------
    qx, qy : (n,) and (m,) float arrays
        Grid in nm^-1: where on it a point lies is its azimuth, and how far from the centre is its length.
    wavelength_nm : float
        Wavelength in nm.

    Returns
    -------
    (n, m, 3) float array
        Components along x, y and the beam in nm^-1.
    """
    x, y = np.asarray(qx, float)[:, None], np.asarray(qy, float)
    return scattering_vector(np.hypot(x, y), np.rad2deg(np.arctan2(y, x)), wavelength_nm)


def fibre_direction(alpha_deg: ArrayLike, beta_deg: ArrayLike) -> Floats:
    """Return the axis of a fibre as a unit vector.

    Parameters
    ----------
    alpha_deg, beta_deg : float array
        Angle from the vertical (y), and azimuth about it from the beam (z) towards x, in degrees.

    Returns
    -------
    (..., 3) float array
        Components along x, y and z. The opposite direction, (180 - alpha, beta + 180), is the same fibre.
    """
    alpha, beta = np.broadcast_arrays(np.deg2rad(alpha_deg), np.deg2rad(beta_deg))
    return np.stack([np.sin(alpha) * np.sin(beta), np.cos(alpha), np.sin(alpha) * np.cos(beta)], axis=-1)


def rotation_to_fibre(alpha_deg: ArrayLike, beta_deg: ArrayLike) -> Floats:
    """Return the rotation from the laboratory to a frame whose second axis is the fibre.

    It turns by beta about y, and then by alpha about the new x.

    Parameters
    ----------
    alpha_deg, beta_deg : float array
        As of `fibre_direction`.

    Returns
    -------
    (..., 3, 3) float array
        Its transpose is the way back; its second row is the fibre's direction.
    """
    alpha, beta = np.broadcast_arrays(np.deg2rad(alpha_deg), np.deg2rad(beta_deg))
    sa, ca, sb, cb, zero = np.sin(alpha), np.cos(alpha), np.sin(beta), np.cos(beta), np.zeros(alpha.shape)
    rows = [[cb, zero, -sb], [sa * sb, ca, sa * cb], [ca * sb, -sa, ca * cb]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def streak_azimuth(alpha_deg: ArrayLike, beta_deg: ArrayLike) -> Floats:
    """Return the azimuth in degrees, -180 to 180, at which a fibre's streak lies; the other one is opposite."""
    x, y, _ = np.moveaxis(fibre_direction(alpha_deg, beta_deg), -1, 0)
    return np.asarray(np.rad2deg(np.arctan2(y, x)))
