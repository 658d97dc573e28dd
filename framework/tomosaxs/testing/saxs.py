"""Simulated SAXS raster tomography: rank-five frames of rings on a smooth background, with their truth.

A pencil beam steps over a sample that holds two materials. At every point the expected counts of a detector
pixel are

    monitor x transmission x sum_m content_m x curve_m(q) x solid angle

where content_m is the exact line integral of material m's phantom along the beam, curve_m its known
scattering curve, q = (4 pi / wavelength) sin(theta) with tan(2 theta) = radius / distance, and the
relative solid angle is cos^3(2 theta) on a flat detector (Bösecke and Diat, 10.1107/S0021889897001647).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tomosaxs.testing.phantoms import Ellipsoid, Float, Phantom, SoftEllipsoid
from tomosaxs.testing.saxs_files import write_calibration, write_map, write_truth

SILVER_BEHENATE_SPACING = 5.838
"""Long period of silver behenate in nm (10.1107/S0021889899012388)."""


@dataclass(frozen=True)
class Curve:
    """Scattering curve: Gaussian rings on a background that falls with q.

    Parameters
    ----------
    rings : sequence of (q, height, width)
        Positions and standard deviations in nm^-1, heights in counts.
    background, decay : float
        The background is background x exp(-q / decay), decay in nm^-1.
    """

    rings: tuple[tuple[float, float, float], ...] = ()
    background: float = 0.0
    decay: float = 1.0

    def __call__(self, q: Float) -> Float:
        """Return the intensity at q (nm^-1), any shape."""
        result = self.background * np.exp(-q / self.decay)
        for position, height, width in self.rings:
            result = result + height * np.exp(-0.5 * np.square((q - position) / width))
        return np.asarray(result)


def layered() -> Curve:
    """Return rings at the first orders of silver behenate's long period."""
    step = 2 * np.pi / SILVER_BEHENATE_SPACING
    return Curve(tuple((n * step, height, 0.035) for n, height in ((1, 60.0), (2, 12.0), (3, 25.0), (4, 8.0))))


def matrix() -> Curve:
    """Return the smooth scattering of a disordered matrix."""
    return Curve(background=20.0, decay=1.4)


@dataclass(frozen=True)
class SaxsSettings:
    """Geometry of a simulated SAXS raster scan.

    Parameters
    ----------
    angles : sequence of float
        Rotation angles in degrees, in the order they are taken.
    y_points, x_points : int
        Points of the raster.
    step : float
        Distance of neighbouring points in mm.
    axis : float, optional
        Rotation axis in 0-based points along x; default the middle.
    rows, columns : int
        Detector size in pixels.
    pixel_size, distance : float
        Of the detector, in metres.
    beam_centre : (x, y) floats
        In pixels from the outer corner of the first pixel, whose middle is at 0.5.
    wavelength : float
        In nanometres.
    flux : float
        Multiplies all counts.
    noise : bool
        Poisson noise of the counts; without it the frames hold the expected values.
    monitor_spread : float
        Relative fluctuation of the incoming beam.
    transmission : bool
        The sample attenuates the beam (and a transmission map is written).
    solid_angle : bool
        Pixels far from the beam see a smaller solid angle.
    subsample : int
        Points along each side of a pixel, averaged.
    stage_grid : bool
        Positions as Diamond's mapping files have them: two coordinates for every point of the raster, each
        (y, x). Otherwise one value a row and one a column, which viewers can plot.
    """

    angles: tuple[float, ...] = (0.0, 60.0, 120.0)
    y_points: int = 4
    x_points: int = 5
    step: float = 0.05
    axis: float | None = None
    rows: int = 120
    columns: int = 160
    pixel_size: float = 172e-6
    distance: float = 0.5
    beam_centre: tuple[float, float] = (42.3, 57.8)
    wavelength: float = 0.0886
    flux: float = 1.0
    noise: bool = True
    monitor_spread: float = 0.02
    transmission: bool = True
    solid_angle: bool = True
    subsample: int = 2
    stage_grid: bool = False

    def two_theta(self) -> Float:
        """Return the scattering angle in radians at (rows x subsample, columns x subsample) points."""
        sub = self.subsample
        x = (np.arange(self.columns * sub) + 0.5) / sub - self.beam_centre[0]
        y = (np.arange(self.rows * sub) + 0.5) / sub - self.beam_centre[1]
        return np.asarray(np.arctan(np.hypot(x, y[:, None]) * self.pixel_size / self.distance))

    def q(self) -> Float:
        """Return q in nm^-1 at the points of `two_theta`."""
        return np.asarray(4 * np.pi / self.wavelength * np.sin(self.two_theta() / 2))

    def frame(self, curve: Curve) -> Float:
        """Return the (rows, columns) frame of one curve, without noise."""
        counts = curve(self.q())
        if self.solid_angle:
            counts = counts * np.cos(self.two_theta()) ** 3
        sub = self.subsample
        return np.asarray(counts.reshape(self.rows, sub, self.columns, sub).mean(axis=(1, 3)))


@dataclass(frozen=True)
class Material:
    """One scatterer: where it is (lengths in raster steps) and how it scatters."""

    phantom: Phantom
    curve: Curve
    attenuation: float = 0.0


@dataclass(frozen=True, eq=False)
class SaxsTruth:
    """What a simulated SAXS scan was made of.

    Attributes
    ----------
    contents : (materials, angles, y, x) float array
        Line integrals of every material.
    transmission, monitor : (angles, y, x) float arrays
    curves : tuple of Curve
    """

    contents: Float
    transmission: Float
    monitor: Float
    curves: tuple[Curve, ...] = field(default=())

    def intensity(self, q: Float) -> Float:
        """Return I(q) of every point, (angles, y, x, len(q)), for a unit monitor and full transmission."""
        return np.asarray(np.einsum("mayx,mq->ayxq", self.contents, np.stack([c(q) for c in self.curves])))

    def counts(self, q: Float) -> Float:
        """Return what azimuthal integration of the frames gives: `intensity` x transmission x monitor."""
        return np.asarray(self.intensity(q) * (self.transmission * self.monitor)[..., None])


def default_materials(settings: SaxsSettings) -> tuple[Material, ...]:
    """Return a matrix that fills most of the field and an off-centre layered inclusion."""
    half = 0.5 * settings.x_points
    high = float(settings.y_points)
    body = SoftEllipsoid((0, 0, 0), (0.95 * half, 0.8 * half, 1.5 * high), 15.0, 1 / half, power=1.0)
    grain = Ellipsoid((0.3 * half, -0.2 * half, 0), (0.4 * half, 0.3 * half, 0.45 * high), 40.0, 2 / half)
    return (
        Material(Phantom([body]), matrix(), attenuation=0.25),
        Material(Phantom([grain]), layered(), attenuation=0.15),
    )


def saxs_map_scan(
    path: Path | str,
    calibration: Path | str | None = None,
    settings: SaxsSettings | None = None,
    materials: tuple[Material, ...] | None = None,
    *,
    seed: int = 1,
    truth: Path | str | None = None,
    stxm: bool = True,
) -> SaxsTruth:
    """Write a SAXS raster tomography: NXxrd and NXstxm entries, a calibration and the truth.

    Parameters
    ----------
    path : Path or str
        NeXus file with the entry ``entry`` that holds the subentries ``xrd_entry`` (rotation angle, y, x,
        detector y, detector x) and ``stxm_entry``; replaced if it exists.
    calibration : Path or str, optional
        NeXus file for the geometry of the detector, laid out as DAWN writes it.
    settings, materials : optional
        Geometry of the scan and what is in the sample.
    seed : int
        Equal seeds and settings give equal files.
    truth : Path or str, optional
        NeXus file for I(q) of every point, the maps of the materials and their volumes.
    stxm : bool
        Write the transmission too.

    Returns
    -------
    SaxsTruth
    """
    settings = settings or SaxsSettings()
    materials = materials or default_materials(settings)
    size = (len(settings.angles), settings.y_points, settings.x_points)
    contents = np.stack(
        [m.phantom.projections(settings.angles, *size[1:], settings.axis, subsample=4) for m in materials]
    )
    through = np.ones(size)
    if settings.transmission:
        through = np.exp(-sum(m.attenuation * c for m, c in zip(materials, contents, strict=True)))
    monitor = 1.0 + settings.monitor_spread * np.random.default_rng([seed, 1]).normal(size=size)
    known = SaxsTruth(contents, through, monitor, tuple(m.curve for m in materials))

    frames = np.stack([settings.frame(m.curve) for m in materials])
    strength = settings.flux * contents * through * monitor
    data = np.empty((*size, settings.rows, settings.columns), dtype=np.float32)
    for number, point in enumerate(np.ndindex(size)):
        everything = (slice(None), *point)
        expected = np.tensordot(strength[everything], frames, axes=1)
        if settings.noise:
            data[point] = np.random.default_rng([seed, 2, number]).poisson(expected)
        else:
            data[point] = expected
    write_map(path, settings, data, known, stxm)
    if calibration is not None:
        write_calibration(calibration, settings)
    if truth is not None:
        write_truth(truth, settings, materials, known)
    return known
