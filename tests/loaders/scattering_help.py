"""Small scattering files of every layout, and what is asked of every one."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

ROWS, COLUMNS = 6, 8


def frames(*points):
    """Return frames that hold the number of their point, times 100, plus that of the pixel."""
    number = np.arange(int(np.prod(points, dtype=int))).reshape(points)
    pixels = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    return (100 * number[..., None, None] + pixels).astype("f4")


def put(group, path, data, units=None, **options):
    """Write a dataset with units."""
    made = group.create_dataset(path, data=data, **options)
    if units is not None:
        made.attrs["units"] = units
    return made


def nxsas(path: Path, *points, entry="entry", axes=None, stages=None, mode="w", name="detector"):
    """Write NXsas: instrument/detector/data, linked into data/data; `stages` go beside it."""
    with h5py.File(path, mode) as file:
        group = file.create_group(entry)
        group.attrs["NX_class"] = "NXentry"
        group["definition"] = "NXsas"
        detector = group.create_group(f"instrument/{name}")
        detector.attrs["NX_class"] = "NXdetector"
        put(detector, "data", frames(*points), "counts")
        put(detector, "distance", 2.5, "m")
        put(detector, "x_pixel_size", 0.172, "mm")
        put(detector, "y_pixel_size", 0.172, "mm")
        put(detector, "beam_center_x", 3.5, "pixel")
        put(detector, "beam_center_y", 2.5, "pixel")
        put(group, "instrument/monochromator/wavelength", 1.0, "angstrom")
        control = group.create_group("control")
        control.attrs["NX_class"] = "NXmonitor"
        put(control, "integral" if not points else "data", 7.0 + np.zeros(points))
        plot = group.create_group("data")
        plot.attrs["NX_class"] = "NXdata"
        plot.attrs["signal"] = "data"
        if axes:
            plot.attrs["axes"] = [*axes, "detector_y", "detector_x"]
        plot["data"] = detector["data"]
        for stage, (values, units) in (stages or {}).items():
            put(plot, stage, values, units)
    return path


def whole(source):
    """Return all frames."""
    return source.reader.read((slice(None),) * len(source.reader.shape))


def values(source, name):
    """Return a companion."""
    found = source.dataset.auxiliaries[name]
    return found.reader.read((slice(None),) * len(found.axes))


def said(source):
    """Return the messages as one text."""
    return "\n".join(source.messages)


def same_as(source, truth, detector="SAXS", fill=-1):
    """Check frames, positions, counters and the mask of a map of I22 against what was written."""
    expected = truth.frames[detector].copy()
    expected[truth.missing] = fill
    np.testing.assert_array_equal(whole(source), expected)
    np.testing.assert_allclose(source.dataset.axis("y").values, truth.y, atol=1e-9)
    np.testing.assert_allclose(source.dataset.axis("x").values, truth.x, atol=1e-9)
    np.testing.assert_allclose(values(source, "monitor"), truth.monitor)
    np.testing.assert_allclose(values(source, "transmitted"), truth.transmitted)
    np.testing.assert_array_equal(values(source, "mask"), truth.mask)
    assert ("missing" in source.dataset.auxiliaries) == bool(truth.missing.any())
    if truth.missing.any():
        np.testing.assert_array_equal(values(source, "missing"), truth.missing)
