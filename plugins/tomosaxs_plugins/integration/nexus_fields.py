"""Numbers, units and texts of NeXus groups, as calibrations and detectors need them."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from tomosaxs import InputError, convert
from tomosaxs_plugins.integration.calibration_given import PLANCK_TIMES_C

SHAPELESS = ("px", "pixel", "pixels")


def groups_of(file: h5py.File, nexus_class: str) -> list[h5py.Group]:
    """Return every group of a class, in the file's order."""
    found: list[h5py.Group] = []

    def visit(_: str, node: Any) -> None:
        if isinstance(node, h5py.Group) and text_of(node.attrs.get("NX_class", "")) == nexus_class:
            found.append(node)

    file.visititems(visit)
    return found


def text_of(value: Any) -> str:
    """Return a text that may have come as bytes or in an array."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode() if isinstance(value, bytes) else str(value)


def units_of(node: h5py.Dataset) -> str:
    """Return the units of a field.

    Raises
    ------
    ValueError
        When it has none.
    """
    units = text_of(node.attrs.get("units", ""))
    if not units:
        raise ValueError(f"{node.name} has no units")
    return units


def scalar(node: h5py.Dataset) -> float:
    """Return the one number of a field.

    Raises
    ------
    ValueError
        When it holds several different ones.
    """
    values = np.asarray(node[()], dtype=np.float64).ravel()
    if values.size == 0 or not np.all(values == values[0]):
        raise ValueError(f"{node.name} is not one number but {values.size}")
    return float(values[0])


def length(group: h5py.Group, name: str) -> float:
    """Return a length in m."""
    return convert(scalar(group[name]), units_of(group[name]), "m")


def in_pixels(value: float, units: str, pixel: float, name: str) -> float:
    """Return a position in pixels that is given in pixels or as a length.

    Raises
    ------
    InputError
        When it has no units.
    """
    if not units.strip():
        raise InputError(f"{name} = {value:g} has no units: it may be in pixels or a length")
    return value if units.strip().lower() in SHAPELESS else convert(value, units, "m") / pixel


def wavelength_of(file: h5py.File) -> float | None:
    """Return the wavelength in m: where DAWN writes it first, then the monochromator's, or from an energy."""
    for nexus_class, name in (("NXbeam", "incident_wavelength"), ("NXmonochromator", "wavelength")):
        for group in groups_of(file, nexus_class):
            if name in group:
                return length(group, name)
    for nexus_class, name in (("NXbeam", "incident_energy"), ("NXmonochromator", "energy")):
        for group in groups_of(file, nexus_class):
            if name in group:
                return PLANCK_TIMES_C / convert(scalar(group[name]), units_of(group[name]), "eV")
    return None
