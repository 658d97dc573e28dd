"""Frames of one image file for `tomosaxs integrate`, and whether the file is whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

IMAGE_SUFFIXES = (".tif", ".tiff", ".edf", ".cbf", ".npy", ".h5", ".hdf5", ".nxs", ".img", ".mccd")
HDF5_SUFFIXES = (".h5", ".hdf5", ".nxs")


class Unusable(Exception):
    """A file cannot be used; `whole` tells whether that may still change, when more of it is written."""

    def __init__(self, text: str, whole: bool) -> None:
        super().__init__(text)
        self.whole = whole


class Frames(Protocol):
    """Frames of a file: (n, rows, columns)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def read(self, selection: tuple[Any, ...]) -> NDArray[Any]:
        """Return some of them."""


@dataclass(frozen=True, eq=False)
class _Array:
    values: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    def read(self, selection: tuple[Any, ...]) -> NDArray[Any]:
        part: NDArray[Any] = self.values[selection]
        return part


def open_frames(path: Path) -> Frames:
    """Open a file.

    Raises
    ------
    Unusable
        When it is not whole, or no image.
    """
    try:
        found = _open(path)
    except Exception as error:  # noqa: BLE001 - readers of damaged files fail in any way
        raise Unusable(f"{type(error).__name__}: {error}", whole=False) from None
    if found.ndim == 2:
        found = found[None]
    if found.ndim != 3:
        raise Unusable(f"an image has two dimensions, this has the shape {found.shape}", whole=True)
    return _Array(found)


def _open(path: Path) -> NDArray[Any]:
    low = path.name.lower()
    if low.endswith(".npy"):
        return np.asarray(np.load(path, allow_pickle=False))
    if low.endswith((".tif", ".tiff")):
        import tifffile

        return np.asarray(tifffile.imread(path))
    if low.endswith(HDF5_SUFFIXES):
        with h5py.File(path, "r") as handle:
            return np.asarray(handle["/entry/data/data"][()])
    import fabio

    with fabio.open(str(path)) as image:
        return np.array(image.data)


def checksum_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as handle:
        found = hashlib.sha256()
        while chunk := handle.read(1 << 22):
            found.update(chunk)
    return found.hexdigest()
