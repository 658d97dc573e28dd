"""Writing simulated scans and their truth as NeXus files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import h5py

    from tomosaxs.testing.phantoms import Phantom
    from tomosaxs.testing.scans import Instrument, ScanSettings

START, END = "2024-05-14T09:30:00+00:00", "2024-05-14T09:52:00+00:00"
"""Fixed times: equal seeds give equal files."""


def group(parent: h5py.Group, name: str, nexus_class: str, **attributes: Any) -> h5py.Group:
    """Create a NeXus group."""
    made = parent.create_group(name)
    made.attrs["NX_class"] = nexus_class
    for key, value in attributes.items():
        made.attrs[key] = value
    return made


def fields(parent: h5py.Group, **values: Any) -> None:
    """Write fields; a pair (value, text) is a value with units."""
    for name, value in values.items():
        units = None
        if isinstance(value, tuple):
            value, units = value
        dataset = parent.create_dataset(name, data=value)
        if units is not None:
            dataset.attrs["units"] = units


def open_new(path: Path | str) -> h5py.File:
    """Open a new file with the root attributes of NeXus; an older file is replaced."""
    import h5py

    file = h5py.File(path, "w")
    file.attrs["NX_class"] = "NXroot"
    file.attrs["default"] = "entry"
    return file


def write_nxtomo(
    path: Path | str,
    settings: ScanSettings,
    keys: NDArray[np.integer[Any]],
    angles: NDArray[np.float64],
    monitor: NDArray[np.float64],
    frames: Callable[[int, int], NDArray[Any]],
    at_once: int,
    chunks: bool,
) -> None:
    """Write an NXtomo file, asking `frames(first, last)` for a few frames at a time."""
    shape = (len(keys), settings.rows, settings.columns)
    with open_new(path) as file:
        entry = group(file, "entry", "NXentry", default="data")
        fields(entry, definition="NXtomo", title="Simulated micro-CT scan", start_time=START, end_time=END)
        instrument = group(entry, "instrument", "NXinstrument")
        fields(instrument, name="tomosaxs simulated instrument")
        source = group(instrument, "source", "NXsource")
        fields(source, name="simulated source", type="Synchrotron X-ray Source", probe="x-ray")
        fields(group(instrument, "monochromator", "NXmonochromator"), energy=(settings.energy, "keV"))
        fields(group(instrument, "beam", "NXbeam"), incident_energy=(settings.energy, "keV"))
        detector = group(instrument, "detector", "NXdetector")
        fields(
            detector,
            image_key=keys.astype(np.int32),
            x_pixel_size=(settings.pixel_size, "m"),
            y_pixel_size=(settings.pixel_size, "m"),
            distance=(settings.distance, "m"),
            count_time=(np.full(len(keys), 0.05), "s"),
        )
        chunk = (1, settings.rows, settings.columns) if chunks else None
        data = detector.create_dataset("data", shape, settings.dtype, chunks=chunk)
        for first in range(0, len(keys), at_once):
            last = min(first + at_once, len(keys))
            data[first:last] = frames(first, last)
        data.attrs["units"] = "counts"
        data.attrs["interpretation"] = "image"
        fields(group(entry, "sample", "NXsample"), name="phantom", rotation_angle=(angles, "deg"))
        fields(group(entry, "control", "NXmonitor"), data=(1e5 * monitor, "counts"))
        plot = group(entry, "data", "NXdata", signal="data", axes=["rotation_angle", ".", "."])
        plot.attrs["rotation_angle_indices"] = 0
        for name in ("instrument/detector/data", "instrument/detector/image_key", "sample/rotation_angle"):
            link(entry, f"data/{name.rsplit('/', 1)[1]}", name)


def link(entry: h5py.Group, name: str, target: str) -> None:
    """Make `name` a hard link to `target`, with the NeXus attribute that names the original."""
    dataset = entry[target]
    dataset.attrs["target"] = dataset.name
    entry[name] = dataset


def write_tomography_truth(path: Path | str, phantom: Phantom, settings: ScanSettings, instrument: Instrument) -> None:
    """Write attenuation (1/m) on the reconstruction grid, the axis and the planted defects."""
    size, rows, pixel = settings.width or settings.columns, settings.rows, settings.pixel_size
    with open_new(path) as file:
        entry = group(file, "entry", "NXentry", default="data")
        fields(entry, title="Truth of a simulated micro-CT scan")
        data = group(entry, "data", "NXdata", signal="attenuation", axes=["z", "y", "x"])
        volume = phantom.volume(size, rows, subsample=2) / pixel
        fields(
            data,
            attenuation=(volume.astype(np.float32), "1/m"),
            z=((np.arange(rows) - (rows - 1) / 2) * pixel, "m"),
            y=((np.arange(size) - (size - 1) / 2) * pixel, "m"),
            x=((np.arange(size) - (size - 1) / 2) * pixel, "m"),
        )
        axis = group(group(entry, "estimates", "NXcollection"), "axis", "NXcollection")
        fields(axis, value=(settings.axis, "px"), tilt=(settings.tilt, "deg"))
        bent, drifting = np.argwhere(instrument.bend), np.argwhere(instrument.wander)
        planted = group(entry, "defects", "NXcollection")
        fields(
            planted,
            dead_pixels=np.argwhere(instrument.dead),
            stuck_at=(instrument.stuck[instrument.dead], "counts"),
            bent_pixels=bent,
            bend=instrument.bend[tuple(bent.T)],
            drifting_pixels=drifting,
            wander=instrument.wander[tuple(drifting.T)],
            zingers=np.array(instrument.zingers, dtype=np.int64).reshape(-1, 3),
        )
        planted["zingers"].attrs["columns"] = ["frame", "detector_y", "detector_x"]
        for name in ("dead_pixels", "bent_pixels", "drifting_pixels"):
            planted[name].attrs["columns"] = ["detector_y", "detector_x"]
