"""Calibrations: pyFAI's .poni files, DAWN's and other NXdetector descriptions, and a scan's own metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tomosaxs import Dataset, InputError, Quantity, convert
from tomosaxs_plugins.integration.geometry import DetectorGeometry

PLANCK_TIMES_C = 1.2398419843320026e-6
"""Energy in eV times wavelength in m (exact in the SI of 2019)."""
_NEXUS = (".nxs", ".h5", ".hdf5", ".hdf", ".nx")
_MIRRORED = {0: (False, False), 1: (True, True), 2: (True, False), 3: (False, False), 4: (False, True)}


def read_calibration(path: Path, frame_shape: tuple[int, int] | None = None) -> DetectorGeometry:
    """Read a calibration file: .poni of any version, or NeXus with an NXdetector (DAWN).

    Parameters
    ----------
    frame_shape : (rows, columns), optional
        The detector's shape where the file does not give it but its orientation needs it.

    Raises
    ------
    InputError
        Naming the file, what was found and what is expected.
    """
    if not path.is_file():
        raise InputError(f"calibration {path} does not exist or is not a file")
    read = read_nexus if path.suffix.lower() in _NEXUS else read_poni
    try:
        return read(path, frame_shape)
    except InputError as error:
        raise InputError(f"calibration {path}: {error}") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"calibration {path}: {reason}") from None


def read_poni(path: Path, frame_shape: tuple[int, int] | None = None) -> DetectorGeometry:
    """Read a .poni file of version 1, 2 or 2.1; of several calibrations in one file the last counts.

    Orientations other than 3 are converted, so that the result describes the array as it is stored. The
    gaps that pyFAI knows of a named detector are not taken over: give a mask, or rely on negative counts.
    """
    text: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="strict").splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.lstrip().startswith("#"):
            text[key.strip().lower()] = value.strip()
    wanted = ("distance", "poni1", "poni2", "rot1", "rot2", "rot3")
    absent = [name for name in wanted if name not in text]
    if absent:
        raise ValueError(f"a .poni file gives Distance, Poni1 ... Rot3; {', '.join(absent)} not found")
    if text.get("splinefile", "None") not in ("", "None"):
        raise ValueError("detectors with a distortion (SplineFile) cannot be described by one flat grid of pixels")
    pixel1, pixel2, shape, orientation = _poni_detector(text)
    values = {name: float(text[name]) for name in wanted}
    wavelength = float(text["wavelength"]) if text.get("wavelength", "None") not in ("", "None") else None
    geometry = DetectorGeometry(
        **values, pixel1=pixel1, pixel2=pixel2, wavelength=wavelength, shape=shape or frame_shape
    )
    if orientation not in _MIRRORED:
        raise ValueError(f"detector orientation {orientation} is unknown: 1, 2, 3 and 4 exist")
    return geometry.flipped(*_MIRRORED[orientation])


def _poni_detector(text: dict[str, str]) -> tuple[float, float, tuple[int, int] | None, int]:
    config: dict[str, Any] = json.loads(text.get("detector_config") or "{}")
    first = config.get("pixel1", text.get("pixelsize1"))
    second = config.get("pixel2", text.get("pixelsize2"))
    shape = config.get("max_shape")
    orientation = int(config.get("orientation") or 3)
    name = text.get("detector", "Detector")
    if config.get("splineFile") or config.get("splinefile"):
        raise ValueError("detectors with a distortion (splineFile) cannot be described by one flat grid of pixels")
    if name.lower() != "detector" and (first is None or second is None or shape is None):
        known = _known_detector(name, config)
        first, second, shape = first or known.pixel1, second or known.pixel2, shape or known.max_shape
    if first is None or second is None:
        raise ValueError("the pixel sizes are not given")
    return float(first), float(second), (int(shape[0]), int(shape[1])) if shape else None, orientation


def _known_detector(name: str, config: dict[str, Any]) -> Any:
    try:
        from pyFAI.detectors import detector_factory
    except ImportError:
        raise ValueError(
            f"detector {name!r} is described in pyFAI only; install with: pip install 'tomosaxs[pyfai]'"
        ) from None
    try:
        known = detector_factory(name, config)
    except RuntimeError as error:
        raise ValueError(f"detector {name!r}: {error}") from None
    if not (known.uniform_pixel and known.IS_FLAT):
        raise ValueError(f"detector {name!r} is curved or has pixels of several sizes: not supported")
    return known


def read_nexus(path: Path, frame_shape: tuple[int, int] | None = None) -> DetectorGeometry:
    """Read an NXdetector with beam centre, distance and pixel sizes, and DAWN's orientation matrix.

    The distance is that along the beam and the beam centre counts pixels from the outer corner of pixel
    (0, 0), as DAWN writes them.
    """
    with h5py.File(path, "r") as file:
        detector = _detector(file)
        pixel = _length(detector, "y_pixel_size"), _length(detector, "x_pixel_size")
        centre = (
            _pixels(detector, "beam_center_y", pixel[0]),
            _pixels(detector, "beam_center_x", pixel[1]),
        )
        shape = frame_shape
        if "y_pixel_number" in detector and "x_pixel_number" in detector:
            shape = int(_scalar(detector["y_pixel_number"])), int(_scalar(detector["x_pixel_number"]))
        orientation = np.eye(3)
        if "detector_orientation" in detector:
            orientation = np.asarray(detector["detector_orientation"][()], dtype=np.float64)
            if orientation.size != 9:
                raise ValueError(f"detector_orientation has {orientation.size} numbers instead of 9")
        elif "transformations" in detector or "detector_module" in detector:
            raise ValueError(
                "the orientation is given by NXtransformations, which are not read yet; "
                "export the calibration as .poni, or give detector_orientation"
            )
        distance = _length(detector, "distance")
        return DetectorGeometry.from_dawn(centre, distance, orientation, pixel, _wavelength(file), shape)


def _groups(file: h5py.File, nexus_class: str) -> list[h5py.Group]:
    found: list[h5py.Group] = []

    def visit(_: str, node: Any) -> None:
        if isinstance(node, h5py.Group) and _text(node.attrs.get("NX_class", "")) == nexus_class:
            found.append(node)

    file.visititems(visit)
    return found


def _detector(file: h5py.File) -> h5py.Group:
    found = [group for group in _groups(file, "NXdetector") if "distance" in group and "beam_center_x" in group]
    if len(found) != 1:
        names = ", ".join(group.name for group in found) or "none"
        raise ValueError(f"exactly one NXdetector with distance and beam_center_x is needed; found {names}")
    return found[0]


def _wavelength(file: h5py.File) -> float | None:
    """Look where DAWN writes it first, then in the monochromator, which may also give the energy."""
    for nexus_class, name in (("NXbeam", "incident_wavelength"), ("NXmonochromator", "wavelength")):
        for group in _groups(file, nexus_class):
            if name in group:
                return _length(group, name)
    for nexus_class, name in (("NXbeam", "incident_energy"), ("NXmonochromator", "energy")):
        for group in _groups(file, nexus_class):
            if name in group:
                return PLANCK_TIMES_C / convert(_scalar(group[name]), _units(group[name]), "eV")
    return None


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode() if isinstance(value, bytes) else str(value)


def _units(node: h5py.Dataset) -> str:
    units = _text(node.attrs.get("units", ""))
    if not units:
        raise ValueError(f"{node.name} has no units")
    return units


def _scalar(node: h5py.Dataset) -> float:
    values = np.asarray(node[()], dtype=np.float64).ravel()
    if values.size == 0 or not np.all(values == values[0]):
        raise ValueError(f"{node.name} is not one number but {values.size}")
    return float(values[0])


def _length(group: h5py.Group, name: str) -> float:
    return convert(_scalar(group[name]), _units(group[name]), "m")


def _pixels(group: h5py.Group, name: str, pixel: float) -> float:
    value = _scalar(group[name])
    return _in_pixels(value, _text(group[name].attrs.get("units", "")), pixel, name)


def _in_pixels(value: float, units: str, pixel: float, name: str) -> float:
    if not units.strip():
        raise InputError(f"{name} = {value:g} has no units: it may be in pixels or a length")
    if units.strip().lower() in ("px", "pixel", "pixels"):
        return value
    return convert(value, units, "m") / pixel


def from_metadata(dataset: Dataset) -> DetectorGeometry:
    """Build the geometry of a detector square to the beam from what the scan's own file says.

    Raises
    ------
    InputError
        When distance, pixel sizes or beam centre are missing, or have no units.
    """
    needed = ("distance", "pixel_size_x", "pixel_size_y", "beam_center_x", "beam_center_y")
    have = {name: dataset.quantity(name) for name in needed}
    absent = [name for name, value in have.items() if value is None]
    if absent:
        raise InputError(
            f"no calibration is given, and the scan does not say {', '.join(absent)}; give calibration: FILE "
            "(.poni, or NeXus with an NXdetector)"
        )
    distance, size_x, size_y, centre_x, centre_y = (value for value in have.values() if value is not None)
    pixel = _metres(size_y, "pixel_size_y"), _metres(size_x, "pixel_size_x")
    centre = (
        _in_pixels(centre_y.value, centre_y.units, pixel[0], "beam_center_y"),
        _in_pixels(centre_x.value, centre_x.units, pixel[1], "beam_center_x"),
    )
    full = dataset.axis("detector_y").full_size, dataset.axis("detector_x").full_size
    try:
        return DetectorGeometry.from_beam(
            centre, _metres(distance, "distance"), np.eye(3), pixel, _metadata_wavelength(dataset), full
        )
    except ValueError as error:
        raise InputError(f"the scan's own geometry: {error}") from None


def _metres(quantity: Quantity, name: str) -> float:
    if not quantity.units:
        raise InputError(f"the scan gives {name} = {quantity.value:g} without units")
    return convert(quantity.value, quantity.units, "m")


def _metadata_wavelength(dataset: Dataset) -> float | None:
    wavelength, energy = dataset.quantity("wavelength"), dataset.quantity("energy")
    if wavelength is not None:
        return _metres(wavelength, "wavelength")
    return PLANCK_TIMES_C / convert(energy.value, energy.units, "eV") if energy is not None else None
