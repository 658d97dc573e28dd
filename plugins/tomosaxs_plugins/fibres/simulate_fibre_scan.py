"""Loader plugin `simulate_fibre_scan`: a whole SAXS scan of a sample of fibres whose truth is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import ArrayReader, Auxiliary, Axis, Dataset, InputError, Param, Quantity, Selection, Source, loader
from tomosaxs_plugins.fibres.beam_paths import NOBODY, padded
from tomosaxs_plugins.fibres.lattice import Scatter
from tomosaxs_plugins.fibres.simulate_detector import Camera
from tomosaxs_plugins.fibres.simulate_file import fibre_table, simulated_file
from tomosaxs_plugins.fibres.simulate_frames import STREAKS, FrameSimulation, ScanSettings
from tomosaxs_plugins.fibres.simulate_library import Background
from tomosaxs_plugins.loaders.scattering_scan import scattering_scan

_UNITS = {
    "q0": "nm^-1", "wa": "nm^-1", "wmu": "rad", "delta": "", "amplitude": "", "height": "", "alpha": "deg",
    "beta": "deg",
}  # fmt: skip


@loader(absent="write", cite="10.1021/acsnano.7b00563")
def simulate_fibre_scan(
    path: Path | None = None,
    *,
    write: Annotated[bool, Param("make the file that path names, where it does not exist")] = True,
    voxels: Annotated[int, Param("fibres along each side of the lattice", ge=1, le=200)] = 8,
    shape: Annotated[
        Literal["filled", "shell"], Param("the whole lattice, or the outer ring of an intervertebral disc")
    ] = "filled",
    slices: Annotated[int, Param("slices, one pitch apart; their fibres differ", ge=1, le=1000)] = 2,
    scatter: Annotated[
        Literal["none", "documented", "realistic"], Param("how much parameters differ from fibre to fibre")
    ] = "realistic",
    angles: Annotated[int, Param("number of rotations", ge=1, le=1000)] = 9,
    angle_range: Annotated[tuple[float, float], Param("first and last rotation", unit="deg")] = (-85.0, 95.0),
    pitch: Annotated[
        float | None, Param("side of a voxel; null: the lattice is 1.2 mm wide (shell: 3 mm)", unit="mm", gt=0)
    ] = None,
    beam_width: Annotated[
        float | None, Param("full width of the beam at half its maximum; null: the pitch", unit="mm", gt=0)
    ] = None,
    peak_counts: Annotated[
        float | None, Param("counts expected in the fullest bin of 5 deg x 0.0025 nm^-1; null: no noise", gt=0)
    ] = 1e4,
    background: Annotated[
        tuple[float, float], Param("exponential and constant background, in shares of the strongest streaks")
    ] = (0.1, 0.02),
    background_decay: Annotated[float, Param("q over which the background falls to 1/e", unit="nm^-1", gt=0)] = 0.05,
    angle_error: Annotated[
        float, Param("standard deviation of errors of the directions in the beam-path table", unit="deg", ge=0)
    ] = 2.0,
    rows: Annotated[int, Param("rows of the detector", ge=8, le=10_000)] = 620,
    columns: Annotated[int, Param("columns of the detector", ge=8, le=10_000)] = 620,
    pixel_size: Annotated[float, Param("side of a pixel", unit="um", gt=0)] = 172.0,
    distance: Annotated[float, Param("from the sample to the detector", unit="m", gt=0)] = 9.774,
    wavelength: Annotated[float, Param("of the X-rays", unit="nm", gt=0)] = 0.08856,
    beam_centre: Annotated[
        tuple[float, float] | None, Param("row and column of the direct beam; null: the middle", unit="px")
    ] = None,
    beam_stop: Annotated[float, Param("radius of the beam stop; 0: none", unit="px", ge=0)] = 25.0,
    gaps: Annotated[bool, Param("rows and columns without pixels, as between the modules of a Pilatus")] = True,
    blur: Annotated[float, Param("standard deviation of the point spread", unit="px", ge=0)] = 0.0,
    subpixels: Annotated[int, Param("points along an edge of a pixel that its counts are found from", ge=1, le=20)] = 3,
    seed: Annotated[int, Param("of all random numbers", ge=0)] = 0,
) -> Source:  # fmt: skip
    """Simulate a SAXS scan of collagen fibres on a lattice: frames of every beam path, and the truth.

    One fibre fills a voxel. In plan the fibres run along ellipses, in layers inclined alternately to both sides, as in
    an intervertebral disc. Every slice is scanned with a pencil beam at several rotations; a fibre is seen with the
    weight exp(-d^2 / 2 s^2) of a Gaussian beam at the distance d. The axes are (y, rotation_angle, x, detector_y,
    detector_x): slices, rotations, positions of the beam, and pixels. Counts follow Poisson statistics; -1 where the
    detector has no pixel.

    With the frames come the detector's geometry and ``mask``, the beam-path table as companions (``beam_path_fibre``,
    ``beam_path_weight``, ``beam_path_alpha``, ``beam_path_beta``) with errors in its directions as those of
    tomography, where the fibres are (``fibre_identifier``, ``fibre_x``, ``fibre_z``) and the truth (``true_q0``,
    ``true_wa``, ``true_wmu``, ``true_delta``, ``true_amplitude``, ``true_height``, ``true_alpha``, ``true_beta``).

    Without ``path`` frames are worked out when they are read; the same for any blocks and number of ranks. With it a
    NeXus file is written when the list is first looked at, and used again as long as the parameters stay the same;
    `scattering_scan` reads it like any other scan, and steps take it for their parameter ``beam_paths``.

    Raises
    ------
    InputError
        When the streaks miss the detector, or the file is something else.
    """
    given = dict(locals())
    parameters = {name: value for name, value in given.items() if name not in ("path", "write")}
    centre = (rows / 2, columns / 2) if beam_centre is None else beam_centre
    camera = Camera(rows, columns, pixel_size * 1e-6, distance, wavelength, (float(centre[0]), float(centre[1])))
    _check(camera, angle_range, angles)
    level, constant = background
    settings = ScanSettings(
        voxels, camera, shell=shape == "shell", scatter=_scatter(scatter), pitch=pitch, slices=slices,
        rotation_deg=tuple(np.linspace(*angle_range, angles).tolist()), fwhm=beam_width, beam_stop=beam_stop,
        gaps=gaps, blur=blur, subpixels=subpixels, peak_counts=peak_counts,
        background=Background(level, constant, background_decay) if level or constant else None,
        angle_error_deg=angle_error, seed=seed,
    )  # fmt: skip
    try:
        simulation = FrameSimulation(settings)
    except ValueError as error:
        raise InputError(str(error), parameter="voxels") from None
    if path is None:
        return _computed(simulation)
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}
    made = simulated_file(path, simulation, plain)
    source = scattering_scan([path])
    dataset = replace(source.dataset, auxiliaries={**source.dataset.auxiliaries, **_companions(simulation)})
    dataset = replace(dataset, metadata={**dataset.metadata, **_more(simulation)})
    told = f"{path} {'was written' if made else 'is used again: it was made with the same parameters'}"
    return replace(source, dataset=dataset, messages=(_head(simulation), told, *source.messages))


def _scatter(name: str) -> Scatter:
    return "none" if name == "none" else "documented" if name == "documented" else "realistic"


def _check(camera: Camera, angle_range: tuple[float, float], angles: int) -> None:
    down, across = (
        max(abs(middle), abs(size - middle))
        for middle, size in zip(camera.centre, (camera.rows, camera.columns), strict=True)
    )
    reach = float(camera.q_at(np.asarray(math.hypot(down, across) * camera.pixel)))
    if reach < 0.2822:
        raise InputError(
            f"the streaks at 0.282 nm^-1 miss the detector, which reaches to {reach:.3g} nm^-1: a shorter distance, "
            "more pixels or larger ones are needed",
            parameter="distance",
        )
    if angles > 1 and not angle_range[0] < angle_range[1]:
        raise InputError(f"angle_range {list(angle_range)} does not rise", parameter="angle_range")


@dataclass(frozen=True, eq=False)
class SimulatedReader:
    """Frames that are worked out when they are read; the same whatever part is read.

    Parameters
    ----------
    simulation : FrameSimulation
        Sample and frames.
    """

    simulation: FrameSimulation

    @property
    def shape(self) -> tuple[int, ...]:
        """Slices, rotations, positions, rows and columns."""
        return self.simulation.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames."""
        return self.simulation.dtype

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return the selected part, one selection an axis."""
        places = [np.arange(size)[chosen] for size, chosen in zip(self.shape, selection, strict=True)]
        out = np.empty(tuple(len(each) for each in places), self.dtype)
        for i, number in enumerate(places[0].tolist()):
            for j, rotation in enumerate(places[1].tolist()):
                frames = self.simulation.frames(number, rotation, places[2])
                out[i, j] = frames[np.ix_(np.arange(len(frames)), places[3], places[4])]
        return out


def _computed(simulation: FrameSimulation) -> Source:
    camera, shape = simulation.settings.camera, simulation.shape
    axes = (
        Axis("y", shape[0], simulation.y_mm * 1e-3, "m"),
        Axis("rotation_angle", shape[1], simulation.rotations, "deg"),
        Axis("x", shape[2], simulation.positions * 1e-3, "m"),
        Axis("detector_y", shape[3], None, "px"),
        Axis("detector_x", shape[4], None, "px"),
    )
    metadata: dict[str, Quantity | str] = {
        "distance": Quantity(camera.distance, "m"),
        "pixel_size_x": Quantity(camera.pixel, "m"),
        "pixel_size_y": Quantity(camera.pixel, "m"),
        "beam_center_x": Quantity(camera.centre[1], "px"),
        "beam_center_y": Quantity(camera.centre[0], "px"),
        "wavelength": Quantity(camera.wavelength_nm * 1e-9, "m"),
        "title": "simulated scan of fibres",
        "sample_name": "simulated fibres",
        **_more(simulation),
    }
    extra = {"mask": Auxiliary(("detector_y", "detector_x"), ArrayReader(simulation.mask)), **_companions(simulation)}
    dataset = Dataset(axes, simulation.dtype, "counts", "counts", extra, metadata)
    messages = (_head(simulation), "frames are worked out when they are read; path: FILE keeps them")
    return Source(dataset, SimulatedReader(simulation), messages=messages)


def _more(simulation: FrameSimulation) -> dict[str, Quantity | str]:
    return {"voxel_size": Quantity(simulation.samples[0].pitch * 1e-3, "m")}


def _companions(simulation: FrameSimulation) -> dict[str, Auxiliary]:
    """Return the beam-path table, where the fibres are, and the truth."""
    made = {
        name: Auxiliary(("y", "rotation_angle", "x", "entry"), ArrayReader(array), "deg" if name[-1] == "a" else "")
        for name, array in padded(simulation.told()).items()
    }
    table = fibre_table(simulation)
    slices = len(simulation.samples)
    size = len(table["id"]) // slices  # slices have the same lattice
    identifiers = table["id"].reshape(slices, size)
    assert np.all(identifiers != NOBODY)
    made["fibre_identifier"] = Auxiliary(("y", "fibre"), ArrayReader(identifiers))
    for name in ("x", "z"):
        made[f"fibre_{name}"] = Auxiliary(("y", "fibre"), ArrayReader(table[name].reshape(slices, size)), "mm")
    for name, units in _UNITS.items():
        made[f"true_{name}"] = Auxiliary(("y", "fibre"), ArrayReader(table[name].reshape(slices, size)), units)
    return made


def _head(simulation: FrameSimulation) -> str:
    shape, fibres = simulation.shape, len(simulation.samples[0].x)
    return (
        f"simulated: {shape[0]} slices of {fibres} fibres, {shape[1]} rotations, {shape[2]} positions of the beam, "
        f"frames of {shape[3]} x {shape[4]} ({simulation.dtype}); streaks from {STREAKS[0]:g} to {STREAKS[1]:g} nm^-1"
    )
