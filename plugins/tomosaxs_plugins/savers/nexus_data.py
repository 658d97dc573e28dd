"""One saved dataset as an NXdata group: signal, axes, and what NXtomoproc and NXcanSAS ask for."""

from __future__ import annotations

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis, SavedDataset
from tomosaxs_plugins.savers.nexus_labels import describe_labels
from tomosaxs_plugins.savers.nexus_write import clean_text, put_number, put_text
from tomosaxs_plugins.volume.scaling import scaling_of

_PROFILE_AXES = ("q", "two_theta", "radius", "d_spacing", "azimuth", "energy", "channel")
_PER_LENGTH = {
    "nm^-1": "1/nm", "1/nm": "1/nm", "nm-1": "1/nm", "m^-1": "1/m", "1/m": "1/m",
    "a^-1": "1/angstrom", "1/a": "1/angstrom", "angstrom^-1": "1/angstrom", "1/angstrom": "1/angstrom",
    "å^-1": "1/angstrom", "1/å": "1/angstrom",
}  # fmt: skip
# the only units that NXcanSAS knows for an intensity
_INTENSITY = ("1/m", "1/cm", "m2/g", "cm2/g")


def scattering_units(saved: SavedDataset) -> str:
    """Return NXcanSAS's name of the units of q, or nothing where the dataset holds no curves over q."""
    axes = saved.dataset.axes
    if not axes or axes[-1].name != "q" or axes[-1].values is None:
        return ""
    return _PER_LENGTH.get(axes[-1].units.strip().lower(), "")


def is_volume(saved: SavedDataset) -> bool:
    """Return whether the dataset is one volume (z, y, x)."""
    return saved.dataset.names == ("z", "y", "x")


def describe_data(group: h5py.Group, saved: SavedDataset) -> None:
    """Make the group that holds ``data`` an NXdata which viewers open without a click."""
    dataset, data = saved.dataset, group["data"]
    group.attrs["NX_class"] = "NXdata"
    group.attrs["key"] = saved.key
    if saved.step:
        group.attrs["step"] = clean_text(saved.step)
    put_text(group, "title", dataset.label)
    if dataset.units:
        data.attrs["units"] = clean_text(dataset.units)
    data.attrs["long_name"] = _long_name(dataset.label, dataset.units)
    data.attrs["interpretation"] = _interpretation(saved)
    _state_scale(group, saved)
    names = [_write_axis(group, axis, place) for place, axis in enumerate(dataset.axes)]
    group.attrs["signal"] = "data"
    if "errors" in group:
        _describe_errors(group, saved)
    if names:
        group.attrs["axes"] = names
    for place, name in enumerate(names):
        group.attrs[f"{name}_indices"] = np.int64(place)
    describe_labels(group, saved.dataset.axes, names)
    units = scattering_units(saved)
    if units:
        _describe_curves(group, saved, names, units)


def _state_scale(group: h5py.Group, saved: SavedDataset) -> None:
    """Say what grey levels stand for: in NXdata's words, value = (data + offset) * factor, and as netCDF's readers ask.

    The attributes follow the CF conventions: value = data * scale_factor + add_offset.
    """
    grey = scaling_of(saved.dataset)
    if grey is None:
        return
    put_number(group, "data_scaling_factor", grey.scale, grey.units)
    put_number(group, "data_offset", grey.offset / grey.scale)
    attributes = group["data"].attrs
    attributes["scale_factor"], attributes["add_offset"] = grey.scale, grey.offset
    attributes["quantity"], attributes["quantity_units"] = clean_text(grey.quantity), clean_text(grey.units)


def _describe_errors(group: h5py.Group, saved: SavedDataset) -> None:
    """Name the standard uncertainties as viewers look for them: ``errors``, and after the signal ``data_errors``.

    The attribute `uncertainties` of the signal, which NXcanSAS leaves optional, is written for single curves alone:
    silx takes it for one name an axis, and shows nothing at all where the numbers differ.
    """
    errors = group["errors"]
    if saved.dataset.units:
        errors.attrs["units"] = clean_text(saved.dataset.units)
    errors.attrs["long_name"] = f"standard uncertainty of {_long_name(saved.dataset.label, saved.dataset.units)}"
    group["data_errors"] = errors
    if group["data"].ndim == 1:
        group["data"].attrs["uncertainties"] = "errors"


def _interpretation(saved: SavedDataset) -> str:
    names = saved.dataset.names
    if not names:
        return "scalar"
    return "spectrum" if len(names) == 1 or names[-1] in _PROFILE_AXES else "image"


def _long_name(name: str, units: str) -> str:
    return clean_text(f"{name.replace('_', ' ')} ({units})" if units else name.replace("_", " "))


def _write_axis(group: h5py.Group, axis: Axis, place: int) -> str:
    """Write coordinates: physical where they are known, else the pixel of the full, uncropped axis."""
    name = axis.name if axis.name not in ("data", "I", "Q", "title", "mask") else f"{axis.name}_axis"
    known = axis.values is not None
    values: NDArray[np.float64] = np.asarray(axis.values if known else axis.index, dtype=np.float64)
    units = axis.units if known else axis.units or "px"
    made = group.create_dataset(name, data=values)
    if units:
        made.attrs["units"] = clean_text(units)
    made.attrs["long_name"] = _long_name(axis.name, units)
    made.attrs["full_size"] = np.int64(axis.full_size)
    if axis.binning > 1:
        made.attrs["binning"] = np.int64(axis.binning)
    if axis.size:
        made.attrs["first"] = np.int64(axis.index[0])
    if axis.full_size != axis.size or not np.array_equal(axis.index, np.arange(axis.size)):
        taken = group.create_dataset(f"{name}_position", data=np.asarray(axis.index, dtype=np.int64))
        taken.attrs["long_name"] = f"position in the uncropped {axis.name}"
        group.attrs[f"{name}_position_indices"] = np.int64(place)
    return name


def _describe_curves(group: h5py.Group, saved: SavedDataset, names: list[str], units: str) -> None:
    """Give curves the names of NXcanSAS: ``I`` and ``Q`` are the same objects as ``data`` and ``q``."""
    place = len(names) - 1
    group["Q"], group["I"] = group["q"], group["data"]
    group["Q"].attrs["units"] = units
    group["Q"].attrs["long_name"] = f"q ({units})"
    given = saved.dataset.units
    group["I"].attrs["units"] = given if given in _INTENSITY else "arbitrary"
    if given and given not in _INTENSITY:
        group["I"].attrs["units_as_computed"] = clean_text(given)
    if "errors" in group:
        group["Idev"] = group["I_errors"] = group["errors"]
        group["Idev"].attrs["units"] = group["I"].attrs["units"]
        if group["I"].ndim == 1:
            group["I"].attrs["uncertainties"] = "Idev"
    axes = [*names[:-1], "Q"]
    group.attrs["canSAS_class"] = "SASdata"
    group.attrs["signal"] = "I"
    group.attrs["axes"] = axes
    group.attrs["I_axes"] = axes
    group.attrs["Q_indices"] = np.int64(place)
    group.attrs["mask"] = "mask"
    group.attrs["Mask_indices"] = np.arange(place + 1, dtype=np.int64)
    _write_mask(group, group["I"])


def _write_mask(group: h5py.Group, data: h5py.Dataset) -> None:
    """Mark what is not a number; nothing is stored where there is nothing to mark."""
    if data.size == 0:
        group.create_dataset("mask", shape=data.shape, dtype=np.uint8)
        return
    each = max(1, data.size // data.shape[0])
    step = max(1, min(data.shape[0], (1 << 22) // each))
    chunks = (step, *data.shape[1:])
    mask = group.create_dataset(
        "mask",
        shape=data.shape,
        dtype=np.uint8,
        chunks=chunks,
        compression="gzip",
        compression_opts=1,
        fillvalue=0,
    )
    mask.attrs["long_name"] = "1 where no usable pixel contributed"
    for low in range(0, data.shape[0], step):
        bad = np.isnan(data[low : low + step])
        if bad.any():
            mask[low : low + step] = bad
