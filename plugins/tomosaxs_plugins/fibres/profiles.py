"""What fibres diffract against azimuth, against q and over a detector, and what amplitudes stand for.

Plain functions on plain arrays; the model itself is in `model`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomosaxs_plugins.fibres.model import intensity
from tomosaxs_plugins.fibres.problem import FibreTable

Floats = NDArray[np.float64]


def fibre_intensity(
    fibres: FibreTable, q: ArrayLike, chi_deg: ArrayLike, *, wavelength_nm: float, rotation_deg: float = 0.0
) -> Floats:
    """Return the intensity of every fibre at points of the detector.

    Parameters
    ----------
    fibres : FibreTable
        n fibres, in the sample's frame.
    q, chi_deg : float arrays
        Length in nm^-1 and azimuth in degrees of the points, of shapes that go together.
    wavelength_nm : float
        Wavelength in nm.
    rotation_deg : float
        Rotation of the sample in degrees.

    Returns
    -------
    (n, ...) float array
        Intensity, of the shape of the points behind that of the fibres.
    """
    length, chi = np.broadcast_arrays(np.asarray(q, float), np.asarray(chi_deg, float))
    each = (-1,) + (1,) * length.ndim
    return intensity(
        length, chi, alpha_deg=fibres.alpha_deg.reshape(each), beta_deg=fibres.beta_deg.reshape(each) + rotation_deg,
        q0=fibres.q0.reshape(each), wa=fibres.wa.reshape(each), wmu=fibres.wmu.reshape(each),
        delta=fibres.delta.reshape(each), amplitude=fibres.amplitude.reshape(each), wavelength_nm=wavelength_nm,
    )  # fmt: skip


def azimuthal_profile(
    fibres: FibreTable, chi_deg: ArrayLike, *, q_begin: float, q_end: float, q_count: int, wavelength_nm: float,
    rotation_deg: float = 0.0,
) -> Floats:  # fmt: skip
    """Return intensity against azimuth: the mean over equally spaced q.

    Parameters
    ----------
    fibres : FibreTable
        n fibres.
    chi_deg : (n_chi,) float array
        Azimuths in degrees.
    q_begin, q_end, q_count : float, float, int
        The mean is over q_begin + i (q_end - q_begin) / q_count in nm^-1, for i from 0 to q_count - 1.
    wavelength_nm, rotation_deg : float
        As of `fibre_intensity`.

    Returns
    -------
    (n, n_chi) float array
        Profiles.

    Raises
    ------
    ValueError
        When the range of q is empty.
    """
    if not (q_count >= 1 and q_end > q_begin):
        raise ValueError(f"a mean over {q_count} q from {q_begin:g} to {q_end:g} nm^-1 is over nothing")
    q = q_begin + np.arange(q_count) * ((q_end - q_begin) / q_count)
    points = fibre_intensity(
        fibres, q, np.asarray(chi_deg, float)[:, None], wavelength_nm=wavelength_nm, rotation_deg=rotation_deg
    )
    return np.asarray(points.mean(axis=-1))


def sector_profiles(
    fibres: FibreTable, q: ArrayLike, centres_deg: ArrayLike, *, wavelength_nm: float, half_width_deg: float = 3.0,
    count: int = 6, rotation_deg: float = 0.0,
) -> Floats:  # fmt: skip
    """Return intensity against q in sectors: the mean over equally spaced azimuths, both ends of a sector included.

    Parameters
    ----------
    fibres : FibreTable
        n fibres.
    q : (n_q,) float array
        Scattering vectors in nm^-1.
    centres_deg : (n_sectors,) or (n, n_sectors) float array
        Middles of the sectors in degrees, for all fibres or for each.
    wavelength_nm, rotation_deg : float
        As of `fibre_intensity`.
    half_width_deg : float
        Half the width of a sector in degrees.
    count : int
        Number of azimuths in a sector.

    Returns
    -------
    (n, n_sectors, n_q) float array
        Profiles.
    """
    n, length = len(fibres.q0), np.asarray(q, float)
    centres = np.broadcast_to(np.asarray(centres_deg, float), (n, np.shape(centres_deg)[-1]))
    chi = centres[..., None] + np.linspace(-half_width_deg, half_width_deg, count)
    out = np.empty((n, centres.shape[1], length.size))
    for k in range(n):
        one = fibres.take(np.array([k]))
        points = fibre_intensity(
            one, length, chi[k, :, :, None], wavelength_nm=wavelength_nm, rotation_deg=rotation_deg
        )
        out[k] = points[0].mean(axis=1)
    return out


def detector_image(
    fibres: FibreTable, qx: ArrayLike, qy: ArrayLike, *, wavelength_nm: float, rotation_deg: float = 0.0
) -> Floats:
    """Return the intensity on a cartesian grid of a detector.

    Solid angle, polarisation and absorption are not in it.

    Parameters
    ----------
    fibres : FibreTable
        n fibres.
    qx, qy : (n_x,) and (n_y,) float arrays
        Grid in nm^-1.
    wavelength_nm, rotation_deg : float
        As of `fibre_intensity`.

    Returns
    -------
    (n, n_x, n_y) float array
        Images, 0 at the centre.
    """
    x, y = np.asarray(qx, float)[:, None], np.asarray(qy, float)
    return fibre_intensity(
        fibres, np.hypot(x, y), np.rad2deg(np.arctan2(y, x)), wavelength_nm=wavelength_nm, rotation_deg=rotation_deg
    )


def height_of(amplitude: ArrayLike, *, q0: ArrayLike, wa: ArrayLike, wmu: ArrayLike) -> Floats:
    """Return the intensity at the peak of a streak, amplitude / (2 pi wa q0 tan wmu)."""
    return np.asarray(np.asarray(amplitude, float) / _spread(q0, wa, wmu))


def amplitude_of(height: ArrayLike, *, q0: ArrayLike, wa: ArrayLike, wmu: ArrayLike) -> Floats:
    """Return the amplitude of a streak of a height, which is 2 pi wa q0 tan wmu times as large."""
    return np.asarray(np.asarray(height, float) * _spread(q0, wa, wmu))


def integrated_intensity_of(height: ArrayLike, *, q0: ArrayLike, wa: ArrayLike, wmu: ArrayLike) -> Floats:
    """Return the integral of one streak over reciprocal space, 2 pi^2 wa (q0 tan wmu)^2 times its height.

    pi wa is the integral of the Lorentzian along the fibre and 2 pi E^2, E = q0 tan wmu, that of the Gaussian across.
    It is exact for a flat streak; on a sphere of radius R = q0 / delta it is too large by about the part (E / R)^2 / 3.

    Parameters
    ----------
    height : float array
        Intensity at the peak.
    q0, wa : float array
        In nm^-1.
    wmu : float array
        In rad.

    Returns
    -------
    float array
        In units of the intensity times nm^-3; a fibre has two streaks.
    """
    width = np.asarray(q0, float) * np.tan(wmu)
    return np.asarray(2 * np.pi**2 * np.asarray(height, float) * np.asarray(wa, float) * width**2)


def fibril_diameter(*, q0: ArrayLike, wmu: ArrayLike) -> Floats:
    """Return the fibrils' diameter in nm by an empirical straight line: 2.857 / (q0 tan wmu) + 10.

    The line has no published derivation or uncertainty, and wmu holds the spread of the fibrils' directions as well as
    their diameter: take it as an indication only.

    Parameters
    ----------
    q0 : float array
        Meridional position in nm^-1.
    wmu : float array
        Angular width in rad.
    """
    return np.asarray(2.857 / (np.asarray(q0, float) * np.tan(wmu)) + 10)


def _spread(q0: ArrayLike, wa: ArrayLike, wmu: ArrayLike) -> Floats:
    return np.asarray(2 * np.pi * np.asarray(wa, float) * np.asarray(q0, float) * np.tan(wmu))
