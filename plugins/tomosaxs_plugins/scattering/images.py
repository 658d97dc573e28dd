"""Images that belong to a detector: flat field, dark frame, background frame; plain numpy, no framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HDF5 = (".nxs", ".h5", ".hdf5", ".hdf", ".nx")


def read_image(path: Path) -> NDArray[np.float64]:
    """Read an image; several frames in one file are averaged, NaN left out.

    .npy, TIFF, the default signal of a NeXus file (a result of an earlier run, for instance), or what fabio reads.
    In images of integers, negative values and the largest value of the type become NaN.

    Raises
    ------
    ValueError
        When the file holds no image, or needs a package that is not installed.
    OSError
        When it cannot be read.
    """
    return read_average(path)[0]


def read_average(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read an image as `read_image` does; return also of how many frames each pixel is the average."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        values = np.load(path, allow_pickle=False)
    elif suffix in _HDF5:
        values = _signal(path)
    elif suffix in (".tif", ".tiff"):
        import tifffile

        values = tifffile.imread(path)
    else:
        values = _by_fabio(path)
    if values.ndim < 2 or values.dtype.kind not in "fiu":
        raise ValueError(f"expected an image of numbers, found {values.dtype} of shape {values.shape}")
    return average(values)


def average(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mean of frames (..., rows, columns), and of how many values each pixel's is the mean.

    NaN is left out, and in integers negative values and the largest value of the type; where nothing is left, the mean
    is NaN and the number 0.
    """
    image = values.astype(np.float64)
    if values.dtype.kind in "iu":
        image[(values < 0) | (values == np.iinfo(values.dtype).max)] = np.nan
    frames = image.reshape(-1, *values.shape[-2:])
    known = np.count_nonzero(np.isfinite(frames), axis=0)
    total = np.where(np.isfinite(frames), frames, 0.0).sum(axis=0)
    return np.asarray(np.where(known > 0, total / np.maximum(known, 1), np.nan)), np.asarray(known, dtype=np.int64)


def _signal(path: Path) -> NDArray[Any]:
    import h5py

    with h5py.File(path, "r") as file:
        place: Any = file
        while isinstance(place, h5py.Group) and isinstance(place.attrs.get("default"), str):
            place = place.get(place.attrs["default"])
        name = place.attrs.get("signal") if isinstance(place, h5py.Group) else None
        found = place.get(name) if isinstance(name, str) else None
        if not isinstance(found, h5py.Dataset):
            raise ValueError("the file names no default signal (attributes default and signal)")
        return np.asarray(found[()])


def _by_fabio(path: Path) -> NDArray[Any]:
    try:
        import fabio
    except ImportError:
        raise ValueError("reading this kind of image needs fabio; install with: pip install fabio") from None
    with fabio.open(str(path)) as image:
        return np.array(image.data)


def relative_sensitivity(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a flat field over its median; NaN where it is not positive.

    Raises
    ------
    ValueError
        When no value is positive.
    """
    usable = np.isfinite(flat) & (flat > 0)
    if not usable.any():
        raise ValueError("the flat field has no positive value")
    return np.asarray(np.where(usable, flat, np.nan) / np.median(flat[usable]))
