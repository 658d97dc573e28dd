"""Small helpers over h5py: groups with a class, text, notes, numbers, whole arrays in slabs."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

SLAB_BYTES = 1 << 24


def safe_name(text: str) -> str:
    """Return `text` as the name of an HDF5 object: letters, digits, ``_`` and ``.``."""
    return re.sub(r"[^\w.]", "_", text, flags=re.ASCII).strip(".") or "unnamed"


def clean_text(text: Any) -> str:
    """Return text that HDF5 can hold: no NUL, nothing that is not UTF-8."""
    return str(text).replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def group(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    """Return the child group `name` with the NeXus class `kind`, made where it is missing."""
    made = parent.require_group(name)
    made.attrs["NX_class"] = kind
    return made


def put_text(parent: h5py.Group, name: str, text: Any) -> h5py.Dataset:
    """Write one text."""
    return parent.create_dataset(name, data=clean_text(text), dtype=h5py.string_dtype())


def put_texts(parent: h5py.Group, name: str, texts: Any) -> h5py.Dataset:
    """Write a list of texts."""
    values = np.array([clean_text(text) for text in texts], dtype=object)
    return parent.create_dataset(name, data=values, dtype=h5py.string_dtype())


def put_number(parent: h5py.Group, name: str, value: float, units: str = "") -> h5py.Dataset:
    """Write one float64, with units where there are any."""
    made = parent.create_dataset(name, data=np.float64(value))
    if units:
        made.attrs["units"] = clean_text(units)
    return made


def put_note(parent: h5py.Group, name: str, text: str, media_type: str, file_name: str = "") -> h5py.Group:
    """Write an NXnote that holds `text` as it is."""
    note = group(parent, name, "NXnote")
    put_text(note, "type", media_type)
    if file_name:
        put_text(note, "file_name", file_name)
    put_text(note, "data", text)
    return note


def put_any(parent: h5py.Group, name: str, value: Any) -> h5py.Dataset:
    """Write a number, an array, a text or, of anything else, its JSON text."""
    if isinstance(value, (str, Path)):
        return put_text(parent, name, value)
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, str) for item in value):
        return put_texts(parent, name, value)
    array = None if isinstance(value, Mapping) or value is None else _as_array(value)
    if array is not None and array.dtype.kind in "biufc":
        return parent.create_dataset(name, data=array)
    return put_text(parent, name, as_json(value))


def _as_array(value: Any) -> NDArray[Any] | None:
    try:
        return np.asarray(value)
    except ValueError:  # lists of different lengths
        return None


def as_json(value: Any) -> str:
    """Return JSON text of parameters: paths as text, arrays as lists, NaN and infinity as text."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def copy_in_slabs(values: NDArray[Any], target: h5py.Dataset) -> None:
    """Copy an array, which may be larger than memory, slab by slab along its first axis."""
    if values.ndim == 0 or values.size == 0:
        if values.size:
            target[...] = values
        return
    each = max(1, values.nbytes // len(values))
    step = max(1, SLAB_BYTES // each)
    if target.chunks:  # whole chunks, so that none is compressed twice
        step = max(target.chunks[0], step // target.chunks[0] * target.chunks[0])
    for low in range(0, len(values), step):
        target[low : low + step] = values[low : low + step]


def sync(path: Path) -> None:
    """Hand a file (or folder) to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
