"""What a fibre reconstruction starts from, as plain arrays: bins, beam paths, measured profiles, parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bins:
    """The bins that frames were integrated into, and how the model is averaged over one of them.

    Parameters
    ----------
    chi_deg : (n_chi,) float array
        Centres in degrees, counter-clockwise from the direction of increasing columns.
    chi_width_deg : float
        Width of a bin in degrees.
    q : (n_q,) float array
        Centres in nm^-1.
    q_width : float
        Width of a bin in nm^-1.
    wavelength_nm : float
        Wavelength in nm.
    chi_samples, q_samples : int
        Points along azimuth and q in a bin, nodes of Gauss-Legendre quadrature, whose mean stands for the bin.
    smearing : float
        Standard deviation in nm^-1 of the resolution in q (pixel and beam), a Gaussian; 0 for none.
    """

    chi_deg: Floats
    chi_width_deg: float
    q: Floats
    q_width: float
    wavelength_nm: float
    chi_samples: int = 3
    q_samples: int = 4
    smearing: float = 0.0


@dataclass(frozen=True, eq=False)
class BeamPaths:
    """Which fibres every beam path of one slice crosses, in compressed rows.

    Entries ``offsets[p]`` to ``offsets[p + 1]`` of `fibre` and `weight` belong to path p.

    Parameters
    ----------
    rotation_deg : (n_rotations,) float array
        Rotations of the sample in degrees; they add to beta.
    path_rotation, path_position : (n_paths,) int arrays
        Index of the rotation and of the beam position of every path.
    offsets : (n_paths + 1,) int array
        First entry of every path.
    fibre : (n_entries,) int array
        Index of the fibre in `identifiers`; no fibre twice in a path.
    weight : (n_entries,) float array
        Share of the beam that the fibre sees.
    identifiers : (n_fibres,) int array
        The fibres' numbers in the whole sample.
    alpha_deg, beta_deg : (n_fibres,) float arrays
        Direction of every fibre in the sample's frame: angle from the vertical, and azimuth about it from the beam.
    """

    rotation_deg: Floats
    path_rotation: NDArray[np.intp]
    path_position: NDArray[np.intp]
    offsets: NDArray[np.intp]
    fibre: NDArray[np.intp]
    weight: Floats
    identifiers: NDArray[np.int64]
    alpha_deg: Floats
    beta_deg: Floats


@dataclass(frozen=True, eq=False)
class Library:
    """Measured intensity of every beam path of one slice against azimuth and q.

    Parameters
    ----------
    values, sigma : (n_paths, n_chi, n_q) float arrays
        Intensity and its standard uncertainty.
    usable : (n_paths, n_chi, n_q) bool array
        False where a mask or a gap hides the bin.
    """

    values: Floats
    sigma: Floats
    usable: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FibreTable:
    """Parameters of fibres, one entry each.

    Parameters
    ----------
    q0 : (n,) float array
        Meridional position of the streak in nm^-1.
    wa : (n,) float array
        Radial width, half width at half maximum of a Lorentzian, in nm^-1.
    wmu : (n,) float array
        Angular width in rad.
    delta : (n,) float array
        Shape of the streak between flat (0) and part of a sphere (1).
    amplitude : (n,) float array
        Amplitude; the height of the streak is amplitude / (2 pi wa q0 tan wmu).
    alpha_deg, beta_deg : (n,) float arrays
        Direction in the sample's frame in degrees.
    """

    q0: Floats
    wa: Floats
    wmu: Floats
    delta: Floats
    amplitude: Floats
    alpha_deg: Floats
    beta_deg: Floats

    @property
    def height(self) -> Floats:
        """(n,) intensity at the peak of the streak."""
        return np.asarray(self.amplitude / (2 * np.pi * self.wa * self.q0 * np.tan(self.wmu)))

    def take(self, index: NDArray[np.intp]) -> FibreTable:
        """Return the fibres of `index` (or where a mask is True)."""
        return FibreTable(*(getattr(self, field.name)[index] for field in fields(self)))
