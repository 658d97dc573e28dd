"""Data Exchange, the layout of the APS (doi 10.1107/S160057751401604X)."""

from __future__ import annotations

import h5py
import numpy as np

from tomosaxs import InputError, Quantity, convert
from tomosaxs_plugins.loaders.angles import find_angles
from tomosaxs_plugins.loaders.companions import Batch
from tomosaxs_plugins.loaders.hdf5 import OpenFile, is_number, numbers, text_of, units_of
from tomosaxs_plugins.loaders.hdf5_stack import hdf5_stack
from tomosaxs_plugins.loaders.links import Found, dataset_at, walk
from tomosaxs_plugins.loaders.readers import reader_of
from tomosaxs_plugins.loaders.stack import Options, Stack

_PIXELS = (
    "/measurement/instrument/detection_system/objective/resolution",
    "/measurement/instrument/detector/actual_pixel_size_x",
)


def is_data_exchange(file: OpenFile) -> bool:
    """Return whether the file has ``/exchange/data`` (or a broken link of that name)."""
    exchange = file.handle.get("exchange", getclass=True)
    return exchange is h5py.Group and file.handle["exchange"].get("data", getlink=True) is not None


def load_data_exchange(file: OpenFile, options: Options) -> Stack:
    """Describe the scan of a Data Exchange file."""
    data = dataset_at(file, "/exchange/data", "projections")
    if data.ndim != 3:
        raise InputError(f"{file.path}: {data.name} has the shape {data.shape}; (theta, y, x) is needed")
    order = text_of(data.attrs.get("axes", ""))
    if order and not order.replace(" ", "").startswith("theta"):
        raise InputError(
            f"{file.path}: {data.name} states the axes {order!r}, sinograms first: use the plugin array with "
            "axes: [detector_y, rotation_angle, detector_x]"
        )
    found = walk(file.handle, 6)
    frames = int(data.shape[0])
    projections = np.arange(frames, dtype=np.intp)
    angles = find_angles(file, _of(found, "/exchange/"), frames, projections, options.angles)
    batches: dict[str, list[Batch]] = {}
    for kind, path in (("flats", "/exchange/data_white"), ("darks", "/exchange/data_dark")):
        broken = [link for link in found.broken if link.path == path]
        if broken and getattr(options, kind) is None:
            raise InputError(f"{broken[0]}: give {kind}: FILE")
        has = path in found.datasets and found.datasets[path].size
        batches[kind] = [Batch(reader_of(file, found.datasets[path]), path)] if has else []
        if has and batches[kind][0].reader.shape[1:] != data.shape[1:]:
            shape = batches[kind][0].reader.shape
            raise InputError(f"{file.path}: {path} has images of {shape[1:]} pixels, {data.name} of {data.shape[1:]}")
    messages: list[str] = []
    metadata = _metadata(found, messages)
    return hdf5_stack(
        "Data Exchange", file, data, "/exchange", found, projections, angles, batches["flats"], batches["darks"],
        metadata, options, messages,
    )  # fmt: skip


def _of(found: Found, prefix: str) -> Found:
    datasets = {path: dataset for path, dataset in found.datasets.items() if path.startswith(prefix)}
    return Found(datasets, found.groups, [link for link in found.broken if link.path.startswith(prefix)])


def _metadata(found: Found, messages: list[str]) -> dict[str, Quantity | str]:
    made: dict[str, Quantity | str] = {}
    wanted: list[tuple[str, str, tuple[str, ...]]] = [(path, "m", ("pixel_size_x", "pixel_size_y")) for path in _PIXELS]
    wanted.append(("/measurement/instrument/monochromator/energy", "eV", ("energy",)))
    for path, units, names in wanted:
        dataset = found.datasets.get(path)
        if dataset is None or not is_number(dataset) or dataset.size != 1 or names[0] in made:
            continue
        value, stated = float(numbers(dataset).ravel()[0]), units_of(dataset)
        try:
            quantity = Quantity(convert(value, stated, units), units)
        except InputError:
            messages.append(f"{path} = {value:g} {stated or 'without units'} is not used")
            continue
        if np.isfinite(value) and value > 0:
            made.update(dict.fromkeys(names, quantity))
    for name, path in (("sample_name", "/measurement/sample/name"), ("title", "/exchange/title")):
        text = text_of(found.datasets[path]) if path in found.datasets else ""
        if text:
            made[name] = text
    return made
