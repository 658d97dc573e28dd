"""Simulated micro-CT scans: exact projections of a phantom as raw counts in an NXtomo file, with their truth.

The model of one frame at scan time t (0 at the first frame of the file, 1 at the last):

    light   = monitor(t) ((1 - t) beam_before + t beam_after) texture exp(-attenuation)
    counts  = offset + gain(t) light^(1 + bend) + read noise,   light drawn from a Poisson distribution

so that flats interpolated in time between before and after are exact, except in the pixels where `gain` or
`bend` was planted: those make the rings. Every random number belongs to its kind of defect and its frame:
switching one defect off leaves the others as they were, and a seed gives the same file every time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomosaxs.testing.nexus_files import write_nxtomo, write_tomography_truth
from tomosaxs.testing.phantoms import Float, Phantom

PROJECTION, FLAT, DARK = 0, 1, 2
_FRAMES_AT_ONCE = 16


@dataclass(frozen=True)
class Defects:
    """What is wrong with the simulated instrument; `Defects.none()` is a perfect one.

    Parameters
    ----------
    photons : float
        Photons in a bright pixel of a flat, for the Poisson noise; 0 for no noise.
    profile : float
        Fall of the beam from its middle to the edge of the field, as a fraction.
    texture : float
        Relative depth of the scintillator's and mirror's structure (stripes, blotches and dust).
    drift : float
        Relative loss of beam between the first and the last frame, with a small move of the profile.
    monitor : float
        Relative fluctuation of the beam from frame to frame; it is recorded in control/data.
    offset, offset_spread, read_noise : float
        Dark level in counts, its fixed pattern and the noise of each reading (standard deviations).
    dead, bent, drifting : float
        Fractions of pixels that are stuck, that answer non-linearly and whose gain wanders.
    bend, wander : float
        Standard deviation of their strength: the relative error at one tenth of the full light, and the
        relative gain error in the middle of the scan.
    zingers : float
        Probability that a pixel of a frame is hit by a stray X-ray.
    """

    photons: float = 6000.0
    profile: float = 0.35
    texture: float = 0.05
    drift: float = 0.06
    monitor: float = 0.004
    offset: float = 110.0
    offset_spread: float = 4.0
    read_noise: float = 2.5
    dead: float = 4e-4
    bent: float = 0.006
    drifting: float = 0.004
    bend: float = 0.06
    wander: float = 0.05
    zingers: float = 2e-5

    @classmethod
    def none(cls) -> Defects:
        """Return a perfect instrument: no noise, no structure, no offset."""
        return cls(*(0.0 for _ in cls.__dataclass_fields__))

    def but(self, **changes: float) -> Defects:
        """Return a copy with some figures changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class ScanSettings:
    """Geometry and protocol of a simulated scan.

    Parameters
    ----------
    projections, rows, columns : int
        Numbers of projections, detector rows and columns.
    span : float
        Range of the rotation in degrees, the end excluded; with `closed` the last angle is the end itself.
    start : float
        First angle in degrees.
    closed : bool
        The last projection is taken at start + span.
    order : str
        ``sorted``, ``interlaced`` (every eighth angle, eight times) or ``shuffled``.
    centre : float, optional
        Rotation axis in 0-based pixel centres; default the detector's middle.
    tilt : float
        Turn of the detector about the beam in degrees: the axis moves with the row.
    pixel_size : float
        Pixel side on the detector in metres (parallel beam: also the voxel's).
    energy : float
        Photon energy in keV.
    flats, darks : int
        Frames taken before and again after the projections (darks: before only).
    full : float
        Counts that the brightest light gives above the dark level.
    dtype : str
        ``uint16`` as cameras write it or ``float32`` for no rounding.
    subsample : int
        Rays along each side of a pixel.
    distance : float
        From sample to detector in metres.
    delta_beta : float
        Ratio of the refractive index's parts, for the fringes of propagation; 0 for none. Of one material, near enough
        for the transport-of-intensity equation: the model of Paganin (10.1046/j.1365-2818.2002.01010.x).
    width : int
        Of the truth's slices; default `columns`, larger for an extended field.
    """

    projections: int = 361
    rows: int = 64
    columns: int = 288
    span: float = 180.0
    start: float = 0.0
    closed: bool = False
    order: str = "sorted"
    centre: float | None = None
    tilt: float = 0.0
    pixel_size: float = 3.25e-6
    energy: float = 25.0
    flats: int = 15
    darks: int = 15
    full: float = 42000.0
    dtype: str = "uint16"
    subsample: int = 1
    distance: float = 0.05
    delta_beta: float = 0.0
    width: int = 0

    @property
    def fringes(self) -> float:
        """Length L of the propagation in pixels: L^2 = pi wavelength distance delta/beta, over the pixel's area."""
        wavelength = 1.23984199e-9 / self.energy
        return float(np.sqrt(np.pi * wavelength * self.distance * self.delta_beta)) / self.pixel_size

    @property
    def axis(self) -> float:
        """Rotation axis at the middle row, in 0-based pixel centres."""
        return (self.columns - 1) / 2 if self.centre is None else self.centre

    def angles(self, seed: int = 0) -> Float:
        """Return the (projections,) angles in degrees, in the order they are taken."""
        values = self.start + np.linspace(0.0, self.span, self.projections, endpoint=self.closed)
        if self.order == "interlaced":
            return np.concatenate([values[first::8] for first in range(8)])
        if self.order == "shuffled":
            return np.asarray(np.random.default_rng([seed, 0]).permutation(values))
        if self.order != "sorted":
            raise ValueError(f"order must be sorted, interlaced or shuffled, given {self.order!r}")
        return np.asarray(values)


@dataclass
class Instrument:
    """Fixed state of the simulated camera and beam, drawn once from a seed.

    Attributes
    ----------
    before, after : (rows, columns) float arrays
        Light of an empty frame at t = 0 and t = 1, relative to the brightest.
    offset : (rows, columns) float array
        Dark level in counts.
    bend, wander : (rows, columns) float arrays
        Planted exponent and gain error; 0 in good pixels.
    dead : (rows, columns) bool array
    stuck : (rows, columns) float array
        What a dead pixel reads.
    zingers : list of (frame, row, column)
        Grows as frames are made.
    """

    before: Float
    after: Float
    offset: Float
    bend: Float
    wander: Float
    dead: NDArray[np.bool_]
    stuck: Float
    zingers: list[tuple[int, int, int]] = field(default_factory=list)

    @classmethod
    def draw(cls, settings: ScanSettings, defects: Defects, seed: int) -> Instrument:
        """Draw beam, texture, offsets and bad pixels."""
        shape = (settings.rows, settings.columns)
        texture = 1.0 - defects.texture * _texture(shape, np.random.default_rng([seed, 1]))
        before = _beam(shape, defects.profile, 0.0) * texture
        after = _beam(shape, defects.profile, 0.5 * defects.drift) * texture * (1.0 - defects.drift)
        offset = defects.offset + defects.offset_spread * np.random.default_rng([seed, 2]).normal(size=shape)

        def planted(kind: int, fraction: float, strength: float) -> Float:
            rng = np.random.default_rng([seed, kind])
            chosen = rng.uniform(size=shape) < fraction
            return np.asarray(np.where(chosen, strength * rng.normal(size=shape), 0.0))

        rng = np.random.default_rng([seed, 5])
        dead = rng.uniform(size=shape) < defects.dead
        stuck = rng.choice([0.0, 65535.0, 3000.0, 20000.0], size=shape)
        return cls(
            before,
            after,
            offset,
            planted(3, defects.bent, defects.bend / np.log(10.0)),
            planted(4, defects.drifting, defects.wander),
            dead,
            stuck,
        )


def _beam(shape: tuple[int, int], profile: float, shift: float) -> Float:
    """Return a beam that falls by `profile` at the field's edge, moved by `shift` of the half width."""
    y, x = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape)
    return np.asarray((1 - 0.6 * profile * (x - shift) ** 2) * (1 - 0.4 * profile * (y + shift)[:, None] ** 2))


def _texture(shape: tuple[int, int], rng: np.random.Generator) -> Float:
    """Return structure of about unit depth: stripes of the optics, blotches, grain and dust."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    result = 0.25 * rng.uniform(0, 1, shape)
    for period in (7.0, 17.0, 41.0):
        result = result + 0.15 * (1 + np.sin(2 * np.pi * rows / period + rng.uniform(0, 6) + 0.004 * columns))
    for _ in range(24):
        y, x = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        radius, depth = rng.uniform(1.5, 12.0), rng.uniform(0.3, 2.0)
        result = result + depth * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / radius**2)
    return np.asarray(result)


def micro_ct_scan(
    path: Path | str,
    phantom: Phantom,
    settings: ScanSettings | None = None,
    defects: Defects | None = None,
    *,
    seed: int = 1,
    truth: Path | str | None = None,
    chunks: bool = True,
) -> Instrument:
    """Write a simulated scan as an NXtomo file: darks, flats, projections, flats.

    Parameters
    ----------
    path : Path or str
        The NXtomo file; replaced if it exists.
    phantom : Phantom
        Lengths in pixels, values per pixel.
    settings, defects : optional
        Geometry and faults; default a realistic small scan.
    seed : int
        Equal seeds and settings give equal files, byte for byte.
    truth : Path or str, optional
        NeXus file for the attenuation in 1/m on the reconstruction grid, the axis and all planted defects.
    chunks : bool
        Chunked by frames, as cameras write; False for a contiguous dataset.

    Returns
    -------
    Instrument
        What was planted.
    """
    settings = settings or ScanSettings()
    defects = Defects() if defects is None else defects
    instrument = Instrument.draw(settings, defects, seed)
    angles = settings.angles(seed)
    keys = np.repeat([DARK, FLAT, PROJECTION, FLAT], [settings.darks, settings.flats, len(angles), settings.flats])
    stages = np.empty(len(keys))
    stages[keys == PROJECTION] = angles
    waiting = np.arange(len(keys)) > np.flatnonzero(keys == PROJECTION).max()
    stages[keys != PROJECTION] = np.where(waiting, angles[-1], angles[0])[keys != PROJECTION]
    monitor = 1.0 + defects.monitor * np.random.default_rng([seed, 6]).normal(size=len(keys))

    def frames(first: int, last: int) -> NDArray[np.uint16] | NDArray[np.float32]:
        block = np.zeros((last - first, settings.rows, settings.columns))
        shone = keys[first:last] == PROJECTION
        if shone.any():
            block[shone] = _propagated(_attenuation(phantom, settings, stages[first:last][shone]), settings)
        for index, frame in enumerate(block, start=first):
            time = index / max(len(keys) - 1, 1)
            lit = 0.0 if keys[index] == DARK else float(monitor[index])
            frame[:] = _counts(frame, lit, time, index, instrument, settings, defects, seed)
        if settings.dtype == "uint16":
            return np.clip(np.rint(block), 0, 65535).astype(np.uint16)
        return block.astype(np.float32)

    write_nxtomo(path, settings, keys, stages, monitor, frames, _FRAMES_AT_ONCE, chunks)
    if truth is not None:
        write_tomography_truth(truth, phantom, settings, instrument)
    return instrument


def _attenuation(phantom: Phantom, settings: ScanSettings, angles: Float) -> Float:
    """Return line integrals, row by row where a tilt moves the axis with the row."""
    rows, columns, sub = settings.rows, settings.columns, settings.subsample
    if settings.tilt == 0.0:
        return phantom.projections(angles, rows, columns, settings.axis, subsample=sub)
    # The rows of a turned detector cross the sample at slowly changing heights; over a field of view the
    # change of height is a fraction of a pixel at the tilts of a real set-up, so only the shift is modelled.
    shifts = np.tan(np.deg2rad(settings.tilt)) * (np.arange(rows) - (rows - 1) / 2)
    result = np.empty((len(angles), rows, columns))
    for row, shift in enumerate(shifts):
        whole = phantom.moved(-(row - (rows - 1) / 2)).projections(
            angles, 1, columns, settings.axis + shift, subsample=sub
        )
        result[:, row] = whole[:, 0]
    return result


def _propagated(attenuation: Float, settings: ScanSettings) -> Float:
    """Return what the detector sees behind the sample, as attenuation: (1 + L^2 f^2) times the transmission's spectrum.

    The frames go on beyond their edges as in a mirror.
    """
    if not settings.delta_beta:
        return attenuation
    from scipy.fft import dctn, idctn

    down, across = (np.arange(size) / (2.0 * size) for size in attenuation.shape[1:])
    gain = 1 + settings.fringes**2 * (down[:, None] ** 2 + across**2)
    seen = idctn(dctn(np.exp(-attenuation), axes=(1, 2)) * gain, axes=(1, 2))
    return np.asarray(-np.log(np.maximum(seen, 1e-6)))


def _counts(
    attenuation: Float,
    monitor: float,
    time: float,
    frame: int,
    instrument: Instrument,
    settings: ScanSettings,
    defects: Defects,
    seed: int,
) -> Float:
    """Return one frame of camera counts, not yet rounded."""
    light = monitor * ((1 - time) * instrument.before + time * instrument.after) * np.exp(-attenuation)
    if defects.photons:
        light = np.random.default_rng([seed, 7, frame]).poisson(light * defects.photons) / defects.photons
    if defects.bent:
        bent = instrument.bend != 0
        light[bent] **= 1.0 + instrument.bend[bent]
    gain = 1.0 + instrument.wander * np.sin(np.pi * time)
    counts = instrument.offset + settings.full * gain * light
    if defects.read_noise:
        counts += defects.read_noise * np.random.default_rng([seed, 8, frame]).normal(size=counts.shape)
    if defects.zingers and monitor:
        rng = np.random.default_rng([seed, 9, frame])
        for row, column in np.argwhere(rng.uniform(size=counts.shape) < defects.zingers):
            counts[row, column : column + int(rng.integers(1, 3))] += rng.uniform(0.3, 1.5) * settings.full
            instrument.zingers.append((frame, int(row), int(column)))
    counts[instrument.dead] = instrument.stuck[instrument.dead]
    return np.asarray(counts)
