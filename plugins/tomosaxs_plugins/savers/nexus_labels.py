"""Quantities that lie side by side along an axis (the columns of a table), each as an NXdata group of its own too."""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np

from tomosaxs import Axis
from tomosaxs_plugins.savers.nexus_write import SLAB_BYTES, clean_text, group, put_text, put_texts, safe_name


def describe_labels(home: h5py.Group, axes: Sequence[Axis], names: Sequence[str]) -> None:
    """Name the entries of a labelled axis, and write every one of them where viewers show it by itself.

    Beside the axis stand ``AXIS_names``, ``AXIS_units`` and ``AXIS_descriptions``. An axis of texts would be NeXus
    too, but viewers plot against numbers. Below the group every entry is an NXdata group with its own units.
    """
    for place, axis in enumerate(axes):
        if not axis.labels:
            continue
        for number, kind in enumerate(("names", "units", "descriptions")):
            put_texts(home, f"{names[place]}_{kind}", [label[number] for label in axis.labels])
            home.attrs[f"{names[place]}_{kind}_indices"] = np.int64(place)
        for entry, label in enumerate(axis.labels):
            _write_entry(home, names, place, entry, label)


def _write_entry(home: h5py.Group, names: Sequence[str], place: int, entry: int, label: tuple[str, str, str]) -> None:
    name, units, text = label
    part = group(home, safe_name(name), "NXdata")
    rest = [each for number, each in enumerate(names) if number != place]
    shown = clean_text(f"{name.replace('_', ' ')} ({units})" if units else name.replace("_", " "))
    put_text(part, "title", text or name)
    for called in ("data", "errors"):
        if called not in home:
            continue
        made = _cut(home[called], part, called, place, entry)
        if units:
            made.attrs["units"] = clean_text(units)
        made.attrs["long_name"] = shown if called == "data" else f"standard uncertainty of {shown}"
    part["data"].attrs["interpretation"] = "spectrum" if place == len(names) - 1 else "image"
    for number, each in enumerate(rest):
        part[each] = home[each]
        part.attrs[f"{each}_indices"] = np.int64(number)
    part.attrs["signal"] = "data"
    if rest:
        part.attrs["axes"] = rest


def _cut(source: h5py.Dataset, part: h5py.Group, name: str, place: int, entry: int) -> h5py.Dataset:
    """Copy one entry along an axis, some slices at a time."""
    shape = source.shape[:place] + source.shape[place + 1 :]
    made = part.create_dataset(name, shape=shape, dtype=source.dtype)
    if made.size == 0:
        return made
    if place == 0 or not shape:
        made[...] = source[(slice(None),) * place + (entry,)]
        return made
    step = max(1, SLAB_BYTES * len(source) // max(1, source.nbytes))
    for low in range(0, shape[0], step):
        taken = (slice(low, low + step), *(slice(None),) * (place - 1), entry)
        made[low : low + step] = source[taken]
    return made
