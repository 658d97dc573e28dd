"""Simulated detector frames of every beam path of a sample of fibres; no framework.

A frame is worked out when it is asked for. Its random numbers belong to its slice, rotation and position alone, so that
it is the same whichever frames are asked for together, and by whom.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.fibres.beam_paths import BeamPathTable, table_of
from tomosaxs_plugins.fibres.lattice import Lattice, Scatter, beam_paths_of, beam_positions, lattice, seen_directions
from tomosaxs_plugins.fibres.problem import BeamPaths, Floats
from tomosaxs_plugins.fibres.simulate_detector import Camera
from tomosaxs_plugins.fibres.simulate_frame_kernel import add_streaks
from tomosaxs_plugins.fibres.simulate_library import Background, exact_bin_means, standard_bins
from tomosaxs_plugins.reconstruction.parallel import thread_count

STREAKS = (0.20, 0.37)
"""Range of q in nm^-1 in which streaks are worked out; beyond it they are below 1e-3 of their peak."""
_CHUNK = 4096  # pixels of a thread at a time
_ROOM = 128e6  # bytes that frames are worked out in, whatever is asked for together


@dataclass(frozen=True)
class ScanSettings:
    """What is scanned, and how.

    Parameters
    ----------
    n, shell, scatter, pitch : see `lattice`
        Of every slice.
    slices : int
        Number of slices, one pitch apart; their fibres differ.
    rotation_deg : tuple of float
        Rotations of the sample in degrees.
    fwhm : float or None
        Full width of the beam at half its maximum in mm; None: the pitch.
    camera : Camera
        The detector.
    beam_stop, gaps : see `Camera.mask`
        What the detector lacks.
    blur : float
        Standard deviation of the detector's and the beam's point spread in pixels.
    subpixels : int
        Points of Gauss's quadrature along an edge of a pixel.
    peak_counts : float or None
        Counts expected in the fullest bin of 5 degrees by 0.0025 nm^-1 of a path of the first slice; None: frames
        without noise, as floating-point numbers.
    background : Background or None
        Under the streaks of every path that crosses fibres.
    angle_error_deg : float
        Standard deviation of the errors of alpha and beta in the beam-path table, in degrees.
    seed : int
        Of all random numbers.
    """

    n: int
    camera: Camera
    shell: bool = False
    scatter: Scatter = "realistic"
    pitch: float | None = None
    slices: int = 1
    rotation_deg: tuple[float, ...] = tuple(np.linspace(-85.0, 95.0, 9).tolist())
    fwhm: float | None = None
    beam_stop: float = 0.0
    gaps: bool = False
    blur: float = 0.0
    subpixels: int = 3
    peak_counts: float | None = None
    background: Background | None = None
    angle_error_deg: float = 0.0
    seed: int = 0


class FrameSimulation:
    """A simulated scan: its sample, its beam paths and any of its frames.

    Parameters
    ----------
    settings : ScanSettings
        What is scanned, and how.
    """

    def __init__(self, settings: ScanSettings) -> None:
        self.settings = settings
        self.rotations = np.asarray(settings.rotation_deg, dtype=np.float64)
        self.samples: list[Lattice] = []
        for number in range(settings.slices):
            one = lattice(
                settings.n, shell=settings.shell, scatter=settings.scatter, pitch=settings.pitch,
                seed=_seed(settings.seed, 4, number), first_identifier=1,
            )  # fmt: skip
            self.samples.append(replace(one, identifiers=one.identifiers + number * len(one.x)))
        self.positions = beam_positions(self.samples[0])
        self.y_mm = np.asarray(np.arange(settings.slices) * self.samples[0].pitch, dtype=np.float64)
        self.paths = [
            beam_paths_of(sample, self.rotations, self.positions, fwhm=settings.fwhm) for sample in self.samples
        ]
        self.mask = settings.camera.mask(settings.beam_stop, settings.gaps)

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Slices, rotations, positions, rows and columns."""
        camera = self.settings.camera
        return len(self.samples), len(self.rotations), len(self.positions), camera.rows, camera.columns

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Counts are int32, intensities without noise float32."""
        return np.dtype(np.float32 if self.settings.peak_counts is None else np.int32)

    def told(self) -> BeamPathTable:
        """Return the beam-path table, with the errors of its directions."""
        told: list[BeamPaths] = []
        for number, (sample, paths) in enumerate(zip(self.samples, self.paths, strict=True)):
            seed = _seed(self.settings.seed, 5, number)
            alpha, beta = seen_directions(sample.fibres, self.settings.angle_error_deg, seed)
            told.append(replace(paths, alpha_deg=alpha, beta_deg=beta))
        x = np.asarray(np.tile(self.positions, (len(self.rotations), 1)), dtype=np.float64)
        return table_of(told, len(self.positions), x, self.y_mm)

    @cached_property
    def _largest(self) -> tuple[float, float]:
        """Largest mean intensity in a standard bin of a path of the first slice, and the counts at scale 1."""
        bins = standard_bins(wavelength_nm=self.settings.camera.wavelength_nm)
        radius = self.settings.camera.radius_at(bins.q[:, None] + np.array([-0.5, 0.5]) * bins.q_width)
        pixels = np.radians(bins.chi_width_deg) / 2 * np.diff(radius**2, axis=1)[:, 0]
        largest, counts = 0.0, 0.0
        background = self.settings.background
        one, fibres = self.paths[0], self.samples[0].fibres
        for number, angle in enumerate(self.rotations):
            single = exact_bin_means(fibres, bins, float(angle), points=(1, 4))
            for path in np.flatnonzero(one.path_rotation == number):
                part = slice(one.offsets[path], one.offsets[path + 1])
                found = np.zeros(single.shape[1:])
                for fibre, weight in zip(one.fibre[part], one.weight[part], strict=True):
                    found += weight * single[fibre]
                largest = max(largest, float(found.max()))
                counts = max(counts, float((found * pixels).max()))
        if background is not None:
            counts += largest * (background.exponential + background.constant) * float(pixels.mean())
        return largest, counts

    @property
    def scale(self) -> float:
        """Counts in a pixel per unit of intensity; 1 without noise."""
        peak = self.settings.peak_counts
        return 1.0 if peak is None else peak / self._largest[1]

    def background_of(self, number: int, rotation: int, beam: int) -> tuple[float, float]:
        """Return a in a exp(-q / b) + c and c under the streaks of a path, as intensities."""
        given = self.settings.background
        one = self.paths[number]
        crosses = np.any((one.path_rotation == rotation) & (one.path_position == beam))
        if given is None or not crosses:
            return 0.0, 0.0
        vary = np.random.default_rng([self.settings.seed, 6, number, rotation, beam]).standard_normal(2)
        level = np.exp(given.spread * vary) * self._largest[0]
        return float(level[0] * given.exponential * np.exp(0.285 / given.decay)), float(level[1] * given.constant)

    def expected(self, number: int, rotation: int, beams: NDArray[np.intp]) -> Floats:
        """Return frames without noise and mask, (len(beams), rows, columns), as counts or intensities."""
        settings, camera = self.settings, self.settings.camera
        q = camera.q()
        pixels = np.flatnonzero((q > STREAKS[0]) & (q < STREAKS[1]))
        streaks = self._streaks(number, rotation, beams, pixels)
        frames = np.zeros((len(beams), camera.rows, camera.columns))
        frames.reshape(len(beams), -1)[:, pixels] = streaks
        if settings.background is not None:
            decrease = np.exp(-q / settings.background.decay)
            for frame, beam in zip(frames, beams.tolist(), strict=True):
                a, c = self.background_of(number, rotation, beam)
                frame += a * decrease + c
        frames *= self.scale * camera.solid_angle()
        if settings.blur > 0:
            frames = _blurred(_blurred(frames, settings.blur, 1), settings.blur, 2)
        return frames

    def _streaks(self, number: int, rotation: int, beams: NDArray[np.intp], pixels: NDArray[np.intp]) -> Floats:
        """Return the mean intensity of the fibres in some pixels, (len(beams), len(pixels))."""
        camera, one, table = self.settings.camera, self.paths[number], self.samples[number].fibres
        weights = np.zeros((len(one.identifiers), len(beams)))
        for path in np.flatnonzero((one.path_rotation == rotation) & np.isin(one.path_position, beams)):
            part = slice(one.offsets[path], one.offsets[path + 1])
            weights[one.fibre[part], np.flatnonzero(beams == one.path_position[path])] = one.weight[part]
        seen = np.flatnonzero(weights.any(axis=1))
        fibre, frame = np.nonzero(weights[seen])
        first = np.searchsorted(fibre, np.arange(len(seen) + 1))
        alpha = np.radians(table.alpha_deg[seen])
        beta = np.radians(table.beta_deg[seen] + self.rotations[rotation])
        axis = np.stack([np.sin(alpha) * np.sin(beta), np.cos(alpha), np.sin(alpha) * np.cos(beta)], axis=1)
        columns = (table.q0, table.wa, table.wmu, table.delta, table.amplitude)
        fibres = np.stack([column[seen] for column in columns], axis=1)
        node, share = np.polynomial.legendre.leggauss(self.settings.subpixels)
        setup = np.array([*camera.centre, camera.pixel / camera.distance, 2 * np.pi / camera.wavelength_nm])
        out = np.zeros((len(beams), len(pixels)))

        def work(begin: int) -> None:
            part = slice(begin, begin + _CHUNK)
            add_streaks(
                pixels[part], camera.columns, node / 2, share / 2, setup, axis, fibres, first, frame,
                weights[seen][fibre, frame], out[:, part],
            )  # fmt: skip

        with ThreadPoolExecutor(thread_count()) as pool:
            list(pool.map(work, range(0, len(pixels), _CHUNK)))
        return out

    def frames(self, number: int, rotation: int, beams: NDArray[np.intp]) -> NDArray[np.generic]:
        """Return frames as the detector gives them, (len(beams), rows, columns).

        Counts with Poisson noise, -1 where the detector has no pixel; or without noise intensities, NaN there.

        Parameters
        ----------
        number, rotation : int
            Of the slice and of the rotation.
        beams : (n,) int array
            Positions of the beam.
        """
        out = np.empty((len(beams), *self.mask.shape), dtype=self.dtype)
        at_once = max(1, int(_ROOM / (3 * 8 * self.mask.size)))
        for begin in range(0, len(beams), at_once):
            some = beams[begin : begin + at_once]
            for frame, made, beam in zip(
                self.expected(number, rotation, some), out[begin:], some.tolist(), strict=False
            ):
                noise = np.random.default_rng([self.settings.seed, 7, number, rotation, beam])
                made[...] = frame if self.settings.peak_counts is None else noise.poisson(frame)
        out[:, self.mask] = np.nan if self.settings.peak_counts is None else -1
        return out


def _blurred(frames: Floats, sd: float, axis: int) -> Floats:
    """Return frames convolved with a Gaussian along an axis; values at the edges go on beyond them."""
    reach = int(np.ceil(4 * sd))
    share = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    share /= share.sum()
    size = frames.shape[axis]
    wide = np.pad(frames, [(reach, reach) if each == axis else (0, 0) for each in range(3)], mode="edge")
    out = np.zeros_like(frames)
    for number, weight in enumerate(share.tolist()):
        out += weight * np.take(wide, np.arange(number, number + size), axis=axis)
    return out


def _seed(*numbers: int) -> int:
    """Return one seed for a part of the simulation, unlike those of all other parts."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
