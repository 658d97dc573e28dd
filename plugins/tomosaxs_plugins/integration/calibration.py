"""Calibrations of every source: recognised by what a file holds, given in the list, or the scan's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tomosaxs import Dataset, InputError, Quantity, convert
from tomosaxs_plugins.integration.calibration_fit2d import is_fit2d, read_fit2d
from tomosaxs_plugins.integration.calibration_given import PLANCK_TIMES_C, from_mapping
from tomosaxs_plugins.integration.calibration_nexus import read_nexus
from tomosaxs_plugins.integration.calibration_poni import KEYS, poni_keys, read_poni, write_poni
from tomosaxs_plugins.integration.calibration_saxsdog import is_saxsdog, read_saxsdog
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.nexus_fields import in_pixels

__all__ = [
    "PLANCK_TIMES_C", "from_mapping", "from_metadata", "kind_of", "read_calibration", "read_fit2d", "read_nexus",
    "read_poni", "read_saxsdog", "write_poni",
]  # fmt: skip

_EXPECTED = (
    "a .poni file of pyFAI, a saxsdog calibration (JSON), the log of a FIT2D calibration, or NeXus/HDF5 with an "
    "NXdetector (DAWN)"
)


def read_calibration(
    given: Path | Mapping[str, Any],
    frame_shape: tuple[int, int] | None = None,
    pixel: tuple[float, float] | None = None,
) -> DetectorGeometry:
    """Read a calibration; what a file is, is found from its content.

    Parameters
    ----------
    given : Path or mapping
        pyFAI's .poni, saxsdog's JSON, a FIT2D log, NeXus with an NXdetector (DAWN); or named numbers, see
        `from_mapping`.
    frame_shape : (rows, columns), optional
        The detector's shape where the file does not give it but needs it: FIT2D counts rows from the bottom,
        and pyFAI's orientations mirror the array.
    pixel : (height, width), optional
        Pixel sizes in m, for a FIT2D log.

    Raises
    ------
    InputError
        Naming the file, what was found and what is expected.
    """
    if isinstance(given, Mapping):
        return from_mapping(given, frame_shape)
    if not given.is_file():
        raise InputError(f"calibration {given} does not exist or is not a file")
    try:
        kind = kind_of(given)
        if kind == "fit2d":
            return read_fit2d(given, frame_shape, pixel)
        if kind == "saxsdog":
            return read_saxsdog(given)
        return read_nexus(given, frame_shape) if kind == "nexus" else read_poni(given, frame_shape)
    except InputError as error:
        raise InputError(f"calibration {given}: {error}") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"calibration {given}: {reason}") from None


def kind_of(path: Path) -> str:
    """Return ``nexus``, ``saxsdog``, ``fit2d`` or ``poni``, whatever the file is called.

    Raises
    ------
    ValueError
        When it is none of them; the message says how it begins.
    OSError
        When it cannot be read.
    """
    if h5py.is_hdf5(path):
        return "nexus"
    with path.open("rb") as handle:
        raw = handle.read(1 << 20)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = "" if b"\0" in raw else raw.decode("latin-1")
    if text.lstrip().startswith("{"):
        try:
            content = json.loads(text)
        except ValueError as error:
            raise ValueError(f"it begins like JSON and is none: {error}") from None
        if is_saxsdog(content):
            return "saxsdog"
        raise ValueError(f"JSON with the keys {', '.join(list(content)[:8]) or '(none)'}; expected is {_EXPECTED}")
    if is_fit2d(text):
        return "fit2d"
    if set(poni_keys(text)) & set(KEYS):
        return "poni"
    begins = repr(raw[:40]) if raw else "nothing: it is empty"
    raise ValueError(f"it begins with {begins}; expected is {_EXPECTED}")


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
            f"({_EXPECTED}), or the numbers themselves"
        )
    distance, size_x, size_y, centre_x, centre_y = (value for value in have.values() if value is not None)
    pixel = _metres(size_y, "pixel_size_y"), _metres(size_x, "pixel_size_x")
    centre = (
        in_pixels(centre_y.value, centre_y.units, pixel[0], "beam_center_y"),
        in_pixels(centre_x.value, centre_x.units, pixel[1], "beam_center_x"),
    )
    full = dataset.axis("detector_y").full_size, dataset.axis("detector_x").full_size
    try:
        return DetectorGeometry.from_beam(
            centre, _metres(distance, "distance"), np.eye(3), pixel, _metadata_wavelength(dataset), full
        )
    except ValueError as error:
        raise InputError(f"the scan's own geometry: {error}") from None


def pixel_of_metadata(dataset: Dataset) -> tuple[float, float] | None:
    """Return pixel (height, width) in m where the scan's own file states them."""
    size_y, size_x = dataset.quantity("pixel_size_y"), dataset.quantity("pixel_size_x")
    if size_y is None or size_x is None or not (size_y.units and size_x.units):
        return None
    return _metres(size_y, "pixel_size_y"), _metres(size_x, "pixel_size_x")


def _metres(quantity: Quantity, name: str) -> float:
    if not quantity.units:
        raise InputError(f"the scan gives {name} = {quantity.value:g} without units")
    return convert(quantity.value, quantity.units, "m")


def _metadata_wavelength(dataset: Dataset) -> float | None:
    wavelength, energy = dataset.quantity("wavelength"), dataset.quantity("energy")
    if wavelength is not None:
        return _metres(wavelength, "wavelength")
    return PLANCK_TIMES_C / convert(energy.value, energy.units, "eV") if energy is not None else None
