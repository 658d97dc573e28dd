"""Files of scattering scans as beamline I22 lays them out, with frames that tell where they came from.

Every frame holds one number and a fixed pattern, so that a loader can be checked point by point; what goes wrong at
a beamline can be asked for: scans that were broken off, rows that run alternately, frames in one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.testing.nexus_files import END, START, fields, group, open_new

if TYPE_CHECKING:
    import h5py

Float = NDArray[np.float64]
CHANNELS, READINGS = 7, 2
INCIDENT, TRANSMITTED = 5, 1
"""Channels of I0 and BSDIODES that count, as at I22."""


@dataclass(frozen=True)
class I22Settings:
    """What a simulated scan looks like.

    Parameters
    ----------
    y_points, x_points : int
        Points of the raster.
    first_y, first_x : int
        Where it begins, in whole steps: scans of unequal grids share the positions of equal numbers.
    step : float
        Distance of neighbouring points in mm.
    angle : float or None
        Rotation angle in degrees; None to leave it out.
    detectors : sequence of str
        Names of the detectors.
    rows, columns : int
        Size of a frame.
    dtype : str
        Type of the frames.
    entry : str
        Name of the entry.
    snake : bool
        Every other row runs backwards.
    in_a_row : bool
        Frames and positions are stored one after the other, without the shape of the raster.
    measured : int or None
        Points until the scan was broken off, in the order of measurement; None for all.
    broken : str
        What a scan that was broken off leaves: ``unwritten`` (full size, the chunks do not exist), ``short`` (rows
        that were not begun are not there), ``positions`` (frames of zeros without positions).
    demand : bool
        Store the positions that were asked for (``base_x_value_set``) too.
    jitter : float
        Deviation of measured positions, in steps.
    seed : int
        Of the deviations and counters.
    """

    y_points: int = 3
    x_points: int = 4
    first_y: int = 0
    first_x: int = 0
    step: float = 0.05
    angle: float | None = None
    detectors: tuple[str, ...] = ("SAXS", "WAXS")
    rows: int = 12
    columns: int = 16
    dtype: str = "int32"
    entry: str = "entry"
    snake: bool = False
    in_a_row: bool = False
    measured: int | None = None
    broken: str = "unwritten"
    demand: bool = True
    jitter: float = 0.0
    seed: int = 1


@dataclass(frozen=True, eq=False)
class I22Truth:
    """What a file holds, point by point of the raster (rows in the order of y, points in the order of x).

    Attributes
    ----------
    path : Path
    frames : dict of str to (y, x, rows, columns) array
        Frames of every detector; undefined where `missing`.
    missing : (y, x) bool array
    y, x : float arrays
        Positions in metres.
    monitor, transmitted : (y, x) float arrays
        Counts; NaN where missing.
    mask : (rows, columns) bool array
        True where a pixel must not be used.
    """

    path: Path
    frames: dict[str, NDArray[Any]]
    missing: NDArray[np.bool_]
    y: Float
    x: Float
    monitor: Float
    transmitted: Float
    mask: NDArray[np.bool_]


def frames_of(settings: I22Settings, detector: str) -> NDArray[Any]:
    """Return (y, x, rows, columns) frames: a number of the point and the angle on a pattern of the detector."""
    y = np.arange(settings.y_points)[:, None] + settings.first_y
    x = np.arange(settings.x_points) + settings.first_x
    turn = 0 if settings.angle is None else round(settings.angle) % 13
    number = 100 * (y % 40) + x % 100 + 1 + 4000 * turn
    pixels = np.arange(settings.rows * settings.columns).reshape(settings.rows, settings.columns)
    pattern = pixels % 11 + 20 * (1 + settings.detectors.index(detector))
    return np.asarray(number[..., None, None] + pattern).astype(settings.dtype)


def i22_scan(path: Path | str, settings: I22Settings | None = None, **changes: Any) -> I22Truth:
    """Write a scan as I22 does: frames, counters, stage positions, exposure, geometry of the detectors.

    Parameters
    ----------
    path : Path or str
        NeXus file; replaced if it exists.
    settings : I22Settings, optional
    changes
        Fields of the settings that are to be others.

    Returns
    -------
    I22Truth
    """
    settings = replace(settings or I22Settings(), **changes)
    size = (settings.y_points, settings.x_points)
    order = np.arange(size[0] * size[1]).reshape(size)
    if settings.snake:
        order[1::2] = order[1::2, ::-1]
    done = order.size if settings.measured is None else settings.measured
    missing = order >= done
    rng = np.random.default_rng(settings.seed)
    y = np.asarray((np.arange(size[0]) + settings.first_y) * settings.step, dtype=np.float64)
    x = np.asarray((np.arange(size[1]) + settings.first_x) * settings.step, dtype=np.float64)
    trembling = settings.jitter * settings.step * rng.uniform(-1, 1, (2, *size))
    grid = np.stack(np.meshgrid(y, x, indexing="ij")) + trembling
    counters = 1e5 * (1 + 0.1 * rng.random((2, *size)))
    mask = np.zeros((settings.rows, settings.columns), dtype=np.bool_)
    mask[2, 3:6] = True
    frames = {name: frames_of(settings, name) for name in settings.detectors}
    with open_new(path) as file:
        file.attrs["default"] = settings.entry
        entry = group(file, settings.entry, "NXentry", default=settings.detectors[0])
        fields(entry, title="Simulated scattering scan", start_time=START, end_time=END)
        if settings.angle is not None:
            fields(group(entry, "sample", "NXsample"), name="phantom", rotation_angle=(settings.angle, "deg"))
        instrument = group(entry, "instrument", "NXinstrument")
        fields(group(instrument, "monochromator", "NXmonochromator"), energy=(14.0, "keV"))
        for number, name in enumerate(settings.detectors):
            _write_detector(instrument, name, number, mask)
            stored = _in_order(frames[name], order, settings)
            _write_frames(entry, name, stored, settings, done)
        positions = [_kept(_in_order(each, order, settings), settings, done) for each in grid]
        plot = group(entry, f"{settings.detectors[0]}_sum", "NXdata", signal="sum")
        total = _in_order(frames[settings.detectors[0]].sum(axis=(2, 3)), order, settings)
        fields(plot, sum=_kept(total.astype(np.float64), settings, done))
        fields(plot, base_y_value=(positions[0], "mm"), base_x_value=(positions[1], "mm"))
        if settings.demand:
            fields(plot, base_y_value_set=(y, "mm"), base_x_value_set=(x, "mm"))
        for name, channel, values in (("I0", INCIDENT, counters[0]), ("BSDIODES", TRANSMITTED, counters[1])):
            kept = _kept(_in_order(values, order, settings), settings, done)
            readings = np.repeat(kept[..., None, None], READINGS, axis=-2) * np.arange(CHANNELS)
            readings[..., channel] = kept[..., None] * [0.9, 1.1]
            fields(group(entry, name, "NXdata", signal="data"), data=readings)
    counted = [np.where(missing, np.nan, each) for each in counters]
    metres = [np.asarray(1e-3 * each) for each in (y, x)]
    return I22Truth(Path(path), frames, missing, metres[0], metres[1], counted[0], counted[1], mask)


def i22_scans(
    folder: Path | str, angles: Sequence[float], settings: I22Settings | None = None, **changes: Any
) -> list[I22Truth]:
    """Write one file a rotation angle, called i22-1000.nxs and so on.

    A change may be a list, one value a file: ``measured=[None, 7, None]``.
    """
    made = []
    for number, angle in enumerate(angles):
        own = {name: value[number] if isinstance(value, list) else value for name, value in changes.items()}
        made.append(i22_scan(Path(folder) / f"i22-{1000 + number}.nxs", settings, **{**own, "angle": float(angle)}))
    return made


def _write_detector(instrument: h5py.Group, name: str, number: int, mask: NDArray[np.bool_]) -> None:
    """Write the geometry of a detector; the second stands nearer."""
    detector = group(instrument, name, "NXdetector")
    fields(
        detector,
        count_time=(np.array([0.1]), "s"),
        distance=((0.5, 0.2, 0.3)[number % 3], "m"),
        x_pixel_size=(172e-6, "m"),
        y_pixel_size=(172e-6, "m"),
        beam_center_x=(4.3 + number, "pixels"),
        beam_center_y=(5.8, "pixels"),
        pixel_mask=mask.astype(np.uint32),
    )


def _in_order(values: NDArray[Any], order: NDArray[np.intp], settings: I22Settings) -> NDArray[Any]:
    """Return values of the raster in the order and shape in which they are stored."""
    stored = values.copy()
    if settings.snake:
        stored[1::2] = stored[1::2, ::-1]
    return np.reshape(stored, (order.size, *values.shape[2:])) if settings.in_a_row else stored


def _write_frames(entry: h5py.Group, name: str, stored: NDArray[Any], settings: I22Settings, done: int) -> None:
    plot = group(entry, name, "NXdata", signal="data")
    rank = stored.ndim - 2
    short = settings.broken == "short"
    shape = _begun(stored, settings, done).shape if short else stored.shape
    data = plot.create_dataset("data", shape, settings.dtype, chunks=(1,) * rank + shape[rank:])
    points = shape[:rank]
    flat = stored.reshape(-1, *stored.shape[rank:])
    for number in range(min(done, len(flat))):
        data[np.unravel_index(number, points)] = flat[number]
    if settings.broken == "positions":
        for number in range(done, len(flat)):
            data[np.unravel_index(number, points)] = 0
    if rank == 2:
        plot.attrs["axes"] = ["base_y_value_set", "base_x_value_set", ".", "."]


def _begun(stored: NDArray[Any], settings: I22Settings, done: int) -> NDArray[Any]:
    """Return the rows that were begun, or the frames that were taken."""
    per_row = 1 if settings.in_a_row else settings.x_points
    return stored[: -(-done // per_row)]


def _kept(stored: NDArray[Any], settings: I22Settings, done: int) -> NDArray[Any]:
    """Return values of the points, NaN after the scan was broken off; rows not begun may be left out."""
    values = np.array(stored, dtype=np.float64)
    points = values.ndim if settings.in_a_row else 2
    values.reshape(-1, *values.shape[points:])[done:] = np.nan
    return _begun(values, settings, done) if settings.broken == "short" else values
