"""Pixel sizes, distance, energy and names: what a NeXus entry says about a scan, with units or not at all."""

from __future__ import annotations

import h5py
import numpy as np

from tomosaxs import InputError, Quantity, convert
from tomosaxs_plugins.loaders.hdf5 import class_of, is_number, text_of, units_of
from tomosaxs_plugins.loaders.links import Found

_PLANCK_TIMES_C = 1.239841984e-6
"""eV m (CODATA 2018, exact: doi 10.1103/RevModPhys.93.025010)."""


def describe(
    found: Found, entry: str, detector: str, *, keep_bare: bool = False
) -> tuple[dict[str, Quantity | str], list[str]]:
    """Return the metadata of an entry and what had to be left out.

    Parameters
    ----------
    found : Found
        Contents of the entry.
    entry : str
        Its path.
    detector : str
        Path of the group that holds the data.
    keep_bare : bool
        Keep numbers without units (with empty units) instead of leaving them out.
    """
    base = entry.rstrip("/")
    metadata: dict[str, Quantity | str] = {}
    messages: list[str] = []
    homes = (f"{base}/sample", detector, f"{base}/instrument/detector", *_of_class(found, "NXdetector"))
    wanted = {
        "pixel_size_x": ("m", [f"{home}/x_pixel_size" for home in homes]),
        "pixel_size_y": ("m", [f"{home}/y_pixel_size" for home in homes]),
        "distance": ("m", [f"{home}/distance" for home in homes[1:]]),
        "beam_center_x": ("", [f"{home}/beam_center_x" for home in homes[1:]]),
        "beam_center_y": ("", [f"{home}/beam_center_y" for home in homes[1:]]),
        "energy": ("eV", _energies(found, base)),
        "wavelength": ("m", _wavelengths(found, base)),
    }
    for name, (units, paths) in wanted.items():
        path = next((p for p in dict.fromkeys(paths) if p in found.datasets), None)
        if path is None:
            continue
        quantity = _quantity(found.datasets[path], units, keep_bare, messages)
        if quantity is not None:
            metadata[name] = quantity
    _complete_energy(metadata)
    for name, path in (("sample_name", f"{base}/sample/name"), ("title", f"{base}/title")):
        text = text_of(found.datasets[path]) if path in found.datasets else ""
        if text:
            metadata[name] = text
    return metadata, messages


def _of_class(found: Found, name: str) -> list[str]:
    return [path for path, group in found.groups.items() if class_of(group) == name]


def _energies(found: Found, base: str) -> list[str]:
    homes = [f"{base}/instrument/monochromator", *_of_class(found, "NXmonochromator")]
    beams = [f"{base}/instrument/beam", f"{base}/sample/beam", *_of_class(found, "NXbeam")]
    return [f"{home}/energy" for home in homes] + [f"{beam}/incident_energy" for beam in beams]


def _wavelengths(found: Found, base: str) -> list[str]:
    homes = [f"{base}/instrument/monochromator", *_of_class(found, "NXmonochromator")]
    beams = [f"{base}/instrument/beam", f"{base}/sample/beam", *_of_class(found, "NXbeam")]
    return [f"{home}/wavelength" for home in homes] + [f"{beam}/incident_wavelength" for beam in beams]


def _quantity(dataset: h5py.Dataset, wanted: str, keep_bare: bool, messages: list[str]) -> Quantity | None:
    if not is_number(dataset) or dataset.size == 0 or dataset.size > 10**6:
        return None
    values = np.asarray(dataset[()], dtype=np.float64).ravel()
    value, units = float(values[0]), units_of(dataset)
    if not np.isfinite(value) or np.any(values != value):
        messages.append(f"{dataset.name} is not one number and is not used")
        return None
    if not units:
        if keep_bare:
            messages.append(f"{dataset.name} = {value:g} has no units")
            return Quantity(value, "")
        messages.append(f"{dataset.name} = {value:g} has no units and is not used")
        return None
    if not wanted:
        return Quantity(value, units)
    try:
        return Quantity(convert(value, units, wanted), wanted)
    except InputError:
        messages.append(f"{dataset.name} = {value:g} has the units {units!r}, not {wanted}, and is not used")
        return None


def _complete_energy(metadata: dict[str, Quantity | str]) -> None:
    energy, wavelength = metadata.get("energy"), metadata.get("wavelength")
    if isinstance(energy, Quantity) and energy.units and energy.value > 0 and wavelength is None:
        metadata["wavelength"] = Quantity(_PLANCK_TIMES_C / energy.value, "m")
    if isinstance(wavelength, Quantity) and wavelength.units and wavelength.value > 0 and energy is None:
        metadata["energy"] = Quantity(_PLANCK_TIMES_C / wavelength.value, "eV")
