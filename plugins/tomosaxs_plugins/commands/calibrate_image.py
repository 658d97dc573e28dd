"""The image of a standard for `tomosaxs calibrate`: counts, pixels that cannot be used, and what its file tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, did_you_mean
from tomosaxs_plugins.integration.nexus_fields import groups_of, length, text_of, wavelength_of

HDF5_SUFFIXES = (".nxs", ".h5", ".hdf5", ".hdf", ".nx")
_PIXEL = re.compile(r"Pixel_size\W+([\d.eE+-]+)\s*m\s*x\s*([\d.eE+-]+)\s*m", re.IGNORECASE)
_WAVELENGTH = re.compile(r"\bWavelength\W+([\d.eE+-]+)\s*A", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class StandardImage:
    """Counts (summed over frames), pixels that no frame can use, and what the file tells of itself.

    Attributes
    ----------
    counts : (rows, columns) float64 array
    unusable : (rows, columns) array of bool
        Negative or largest values of an integer type (gaps, dead and hot pixels), or not finite.
    frames : int
        How many were summed.
    wavelength : float or None
        m
    pixel : (height, width) or None
        m
    name : str
        What was read, for messages.
    """

    counts: NDArray[np.float64]
    unusable: NDArray[np.bool_]
    frames: int
    wavelength: float | None
    pixel: tuple[float, float] | None
    name: str


def read_image(given: str) -> StandardImage:
    """Read an image file (TIFF, EDF, CBF, ... ; .npy), or FILE.nxs, or FILE.nxs::/path of a dataset.

    Frames of one file are summed, so that counting statistics stay what they are.

    Raises
    ------
    InputError
        Naming the file and what is wrong.
    """
    file, _, inside = given.partition("::")
    path = Path(file)
    if not path.is_file():
        raise InputError(f"image {path} does not exist or is not a file")
    try:
        if path.suffix.lower() in HDF5_SUFFIXES:
            return _of_hdf5(path, inside)
        if inside:
            raise InputError(f"image {given}: only HDF5 files have paths behind ::")
        values, header = _of_file(path)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise InputError(f"image {path}: {error}") from None
    counts, unusable, frames = _summed(values, path.name)
    wavelength, pixel = _header(header)
    return StandardImage(counts, unusable, frames, wavelength, pixel, path.name)


def _of_file(path: Path) -> tuple[NDArray[Any], str]:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return np.load(path, allow_pickle=False), ""
    if suffix in (".tif", ".tiff"):
        import tifffile

        try:
            with tifffile.TiffFile(path) as tiff:
                return np.asarray(tiff.asarray()), str(tiff.pages[0].tags.valueof(270) or "")
        except tifffile.TiffFileError as error:
            raise ValueError(str(error)) from None
    try:
        import fabio
    except ImportError:
        raise InputError(f"image {path}: reading {suffix} files needs fabio; install with: pip install fabio") from None
    try:
        with fabio.open(str(path)) as image:
            header = "\n".join(f"{key} {value}" for key, value in image.header.items())
            several = getattr(image, "nframes", 1)
            frames = [np.array(image.get_frame(k).data) for k in range(several)] if several > 1 else [image.data]
            return np.stack(frames), header
    except (RuntimeError, IndexError, AttributeError) as error:  # how fabio tells of damaged files
        raise ValueError(str(error)) from None


def _header(text: str) -> tuple[float | None, tuple[float, float] | None]:
    """Return wavelength and pixel size (m) of headers as Dectris' and ESRF's programs write them."""
    wavelength, pixel = None, None
    found = _WAVELENGTH.search(text)
    if found:
        wavelength = float(found[1]) * 1e-10
    esrf = re.search(r"^WaveLength\W+([\d.eE+-]+)\s*m?\s*$", text, re.MULTILINE)
    if wavelength is None and esrf:
        wavelength = float(esrf[1])
    found = _PIXEL.search(text)
    if found:
        pixel = float(found[2]), float(found[1])
    sizes = [re.search(rf"^PSize_{k}\W+([\d.eE+-]+)", text, re.MULTILINE | re.IGNORECASE) for k in (2, 1)]
    if pixel is None and sizes[0] and sizes[1]:
        pixel = float(sizes[0][1]), float(sizes[1][1])
    if wavelength is not None and not 1e-13 < wavelength < 1e-7:
        wavelength = None
    if pixel is not None and not all(1e-7 < size < 1e-2 for size in pixel):
        pixel = None
    return wavelength, pixel


def _of_hdf5(path: Path, inside: str) -> StandardImage:
    _filters()
    with h5py.File(path, "r") as file:
        data = _dataset(file, path, inside)
        if data.ndim < 2 or not np.issubdtype(data.dtype, np.number):
            raise InputError(f"image {path}: {data.name} has shape {data.shape}, an image has two dimensions")
        counts, unusable, frames = _summed(data, f"{path.name}::{data.name}")
        wavelength, pixel = _facts(file, data)
        return StandardImage(counts, unusable, frames, wavelength, pixel, f"{path.name}::{data.name}")


def _filters() -> None:
    try:
        import hdf5plugin  # noqa: F401 - its import teaches h5py more compressions
    except ImportError:
        return  # files that need it say so when they are read


def _dataset(file: h5py.File, path: Path, inside: str) -> h5py.Dataset:
    if inside:
        node = file.get(inside)
        if not isinstance(node, h5py.Dataset):
            names = [name for name, _ in _images(file)]
            raise InputError(f"image {path}: there is no dataset {inside}{did_you_mean(inside, names)}")
        return node
    here: Any = file
    while text_of(here.attrs.get("default", "")) in here:
        here = here[text_of(here.attrs["default"])]
    signal = here.get(text_of(here.attrs.get("signal", "")) or "signal") if here is not file else None
    if isinstance(signal, h5py.Dataset):
        return signal
    found = _images(file)
    if len(found) != 1:
        listed = ", ".join(name for name, _ in found) or "none"
        raise InputError(
            f"image {path}: it states no default NXdata, and not exactly one dataset of images (found: {listed});"
            f" name one: {path}::/PATH"
        )
    return found[0][1]


def _images(file: h5py.File) -> list[tuple[str, h5py.Dataset]]:
    found: list[tuple[str, h5py.Dataset]] = []

    def visit(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and node.ndim >= 2 and min(node.shape[-2:]) >= 32:
            found.append((f"/{name}", node))

    file.visititems(visit)
    return found


def _facts(file: h5py.File, data: h5py.Dataset) -> tuple[float | None, tuple[float, float] | None]:
    """Return wavelength and pixel size where the file gives them with units, and without contradiction."""
    try:
        wavelength = wavelength_of(file)
    except ValueError:
        wavelength = None
    sizes = set()
    for group in groups_of(file, "NXdetector"):
        theirs = group.get("data")
        if isinstance(theirs, h5py.Dataset) and theirs.shape[-2:] != data.shape[-2:]:
            continue
        try:
            sizes.add((length(group, "y_pixel_size"), length(group, "x_pixel_size")))
        except (KeyError, ValueError):
            continue
    return wavelength, sizes.pop() if len(sizes) == 1 else None


def _summed(data: Any, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """Sum frames one by one; a pixel is unusable when it is so in any frame."""
    if len(data.shape) < 2:
        raise InputError(f"image {name} has shape {tuple(data.shape)}, an image has two dimensions")
    shape = tuple(data.shape[-2:])
    counts, unusable = np.zeros(shape), np.zeros(shape, dtype=bool)
    number = 0
    for place in np.ndindex(*data.shape[:-2]):
        frame = np.asarray(data[place])
        if np.issubdtype(frame.dtype, np.integer):
            bad = frame < 0
            if frame.dtype.itemsize > 1:  # 255 is an ordinary grey level of a byte
                bad |= frame == np.iinfo(frame.dtype).max
        else:
            bad = ~np.isfinite(frame)
        if bad.all():
            continue  # a frame that was not measured
        counts += np.where(bad, 0, frame)
        unusable |= bad
        number += 1
    if not number:
        raise InputError(f"image {name}: no pixel of it can be used (all are negative, at the largest value or NaN)")
    return counts, unusable, number
