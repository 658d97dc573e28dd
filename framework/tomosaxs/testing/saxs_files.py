"""Writing simulated SAXS raster scans, their calibration and their truth as NeXus files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs.testing.nexus_files import END, START, fields, group, link, open_new

if TYPE_CHECKING:
    import h5py

    from tomosaxs.testing.saxs import Material, SaxsSettings, SaxsTruth


def write_map(
    path: Path | str, settings: SaxsSettings, data: NDArray[np.float32], known: SaxsTruth, stxm: bool
) -> None:
    """Write the NXxrd subentry and, if asked, the NXstxm one of the same points."""
    centre = settings.beam_centre
    with open_new(path) as file:
        entry = group(file, "entry", "NXentry", default="xrd_entry")
        fields(entry, title="Simulated SAXS raster tomography", start_time=START, end_time=END)
        detector = _mapping_entry(entry, "xrd_entry", "NXxrd", settings, data, known, 2)
        fields(
            detector,
            distance=(settings.distance, "m"),
            x_pixel_size=(settings.pixel_size, "m"),
            y_pixel_size=(settings.pixel_size, "m"),
            beam_center_x=(centre[0], "pixels"),
            beam_center_y=(centre[1], "pixels"),
        )
        if stxm:
            light = (1e5 * known.monitor * known.transmission).astype(np.float32)
            _mapping_entry(entry, "stxm_entry", "NXstxm", settings, light, known, 0)


def _mapping_entry(
    entry: h5py.Group,
    name: str,
    definition: str,
    settings: SaxsSettings,
    data: NDArray[np.float32],
    known: SaxsTruth,
    core: int,
) -> h5py.Group:
    """Write one subentry of a raster scan as Diamond's mapping files lay it out; return its detector."""
    made = group(entry, name, "NXsubentry", default="data")
    energy = 1.239841984 / settings.wavelength
    fields(made, definition=definition, title="", start_time=START)
    instrument = group(made, "instrument", "NXinstrument")
    source = group(instrument, "source", "NXsource")
    fields(source, name="simulated source", type="Synchrotron X-ray Source", probe="x-ray")
    monochromator = group(instrument, "monochromator", "NXmonochromator")
    fields(monochromator, energy=(1e3 * energy, "eV"), wavelength=(10 * settings.wavelength, "Angstrom"))
    detector = group(instrument, "detector", "NXdetector")
    chunk = (1, 1, 1, *data.shape[3:]) if core else None
    detector.create_dataset("data", data=data, chunks=chunk)
    detector["data"].attrs["interpretation"] = "image"
    fields(group(made, "monitor", "NXmonitor"), data=((1e5 * known.monitor).astype(np.float32), "counts"))

    y, x = _raster(settings)
    sample = group(made, "sample", "NXsample")
    angles = np.array(settings.angles, dtype=np.float64)
    fields(sample, name="phantom", theta=(angles, "degrees"), y=(y, "mm"), x=(x, "mm"))
    axes = ["theta", "y", "x", "detector_y", "detector_x"][: 3 + core]
    plot = group(made, "data", "NXdata", signal="data", axes=axes)
    for number, axis in enumerate(axes):
        plot.attrs[f"{axis}_indices"] = number
    if settings.stage_grid:
        grid_y, grid_x = np.meshgrid(y, x, indexing="ij")
        fields(plot, y=(grid_y, "mm"), x=(grid_x, "mm"))
        plot.attrs["y_indices"] = plot.attrs["x_indices"] = np.array([1, 2])
    else:
        link(made, "data/y", "sample/y")
        link(made, "data/x", "sample/x")
    for axis, pixels in zip(axes[3:], data.shape[3:], strict=True):
        fields(plot, **{axis: (np.arange(pixels), "pixels")})
    link(made, "data/data", "instrument/detector/data")
    link(made, "data/theta", "sample/theta")
    return detector


def _raster(settings: SaxsSettings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the positions of the points along y and x in mm."""
    y = np.asarray((np.arange(settings.y_points) - (settings.y_points - 1) / 2) * settings.step, float)
    x = np.asarray((np.arange(settings.x_points) - (settings.x_points - 1) / 2) * settings.step, float)
    return y, x


def write_calibration(path: Path | str, settings: SaxsSettings) -> None:
    """Write the geometry of the detector as a powder calibration of DAWN lays it out."""

    def one(value: float) -> NDArray[Any]:
        return np.array([value])

    with open_new(path) as file:
        entry = group(file, "entry", "NXentry")
        fields(entry, title="Calibration of a simulated SAXS detector")
        instrument = group(entry, "instrument", "NXinstrument")
        detector = group(instrument, "detector", "NXdetector")
        fields(
            detector,
            beam_center_x=(one(settings.beam_centre[0]), "pixels"),
            beam_center_y=(one(settings.beam_centre[1]), "pixels"),
            detector_orientation=np.eye(3).ravel(),
            distance=(one(1e3 * settings.distance), "mm"),
            x_pixel_number=(np.array([settings.columns], dtype=np.int32), "pixels"),
            y_pixel_number=(np.array([settings.rows], dtype=np.int32), "pixels"),
            x_pixel_size=(one(1e3 * settings.pixel_size), "mm"),
            y_pixel_size=(one(1e3 * settings.pixel_size), "mm"),
        )
        sample = group(entry, "calibration_sample", "NXsample")
        orders = np.arange(1, 11)
        fields(
            sample,
            name=np.array([b"AgBeh"]),
            type=np.array([b"calibration sample"]),
            d_space=(58.38 / orders, "Angstrom"),
        )
        beam = group(sample, "beam", "NXbeam")
        fields(beam, incident_wavelength=(one(10 * settings.wavelength), "Angstrom"))


def write_truth(path: Path | str, settings: SaxsSettings, materials: tuple[Material, ...], known: SaxsTruth) -> None:
    """Write I(q) of every point, the maps of the materials and their volumes."""
    q = np.linspace(0.0, float(settings.q().max()), 400)
    size, rows = settings.x_points, settings.y_points
    y, x = _raster(settings)
    with open_new(path) as file:
        entry = group(file, "entry", "NXentry", default="data")
        fields(entry, title="Truth of a simulated SAXS raster tomography")
        axes = ["rotation_angle", "y", "x", "q"]
        data = group(entry, "data", "NXdata", signal="counts", axes=axes)
        fields(data, counts=(settings.flux * known.counts(q), "counts"), q=(q, "nm^-1"))
        angles = np.array(settings.angles, dtype=np.float64)
        fields(data, rotation_angle=(angles, "deg"), y=(y, "mm"), x=(x, "mm"))
        fields(
            group(entry, "sample", "NXsample"),
            contents=known.contents,
            transmission=known.transmission,
            monitor=known.monitor,
            curves=np.stack([curve(q) for curve in known.curves]),
            volumes=np.stack([m.phantom.volume(size, rows, subsample=4) for m in materials]),
        )
        axis = group(group(entry, "estimates", "NXcollection"), "axis", "NXcollection")
        fields(axis, value=((size - 1) / 2 if settings.axis is None else settings.axis, "px"))
