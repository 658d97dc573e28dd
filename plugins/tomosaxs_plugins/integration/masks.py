"""Masks of detector pixels: files, thresholds, gaps, azimuth; plain numpy, no framework.

Everywhere True means: do not use.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.integration.geometry import DetectorGeometry

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CombinedMask:
    """The union of several masks, and how many pixels each of them hides.

    Parameters
    ----------
    mask : (rows, columns) bool array
        True: do not use.
    counts : mapping of str to int
        Pixels that each source masks, by what it is called; a pixel may be in several.
    """

    mask: Mask
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def none(cls, shape: tuple[int, int]) -> CombinedMask:
        """Return the mask that hides nothing."""
        return cls(np.zeros(shape, dtype=np.bool_))

    def joined(self, name: str, more: Mask) -> CombinedMask:
        """Return the union with another mask of the same shape.

        Raises
        ------
        ValueError
            When the shapes differ.
        """
        if more.shape != self.mask.shape:
            raise ValueError(f"{name} has {more.shape} pixels, the frames have {self.mask.shape}")
        count = self.counts.get(name, 0) + int(np.count_nonzero(more))
        return CombinedMask(self.mask | more, {**self.counts, name: count})

    @property
    def share(self) -> float:
        """Share of the pixels that are masked."""
        return float(np.count_nonzero(self.mask)) / max(self.mask.size, 1)

    def describe(self) -> str:
        """Return the share and what each source masks, in words."""
        parts = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        text = f"masked are {np.count_nonzero(self.mask)} of {self.mask.size} pixels ({self.share:.1%})"
        return f"{text}: {parts}" if parts else text


def read_mask(
    path: Path, marks: Literal["masked", "used"] = "masked", shapes: Collection[tuple[int, int]] = ()
) -> Mask:
    """Read a mask file: .npy, FIT2D .msk, NeXus/HDF5 (``pixel_mask`` or ``mask``), EDF, TIFF and the like.

    Row 0 of the result is row 0 of the frames. FIT2D's and NeXus' ``pixel_mask`` say themselves what is
    masked: a bit that is set, whichever (gap, dead, noisy, ...). In other files a pixel that is neither 0 nor
    False is marked; one that is not finite is always masked.

    Parameters
    ----------
    marks : str
        What a marked pixel is, where the format leaves it open: masked (pyFAI, silx), or used.
    shapes : collection of (rows, columns), optional
        Of several masks in a NeXus file the one of such a shape is taken.

    Raises
    ------
    ValueError
        When the file is not a two-dimensional mask, or needs a package that is not installed.
    OSError
        When it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".msk":
        return _fit2d(path)
    if suffix == ".npy":
        values = np.load(path, allow_pickle=False)
    elif suffix in (".nxs", ".h5", ".hdf5", ".hdf", ".nx"):
        values, coded = _hdf5(path, shapes)
        if coded:
            marks = "masked"
    else:
        values = _image(path)
    if values.ndim != 2:
        raise ValueError(f"{path}: a mask has two dimensions, this one has shape {values.shape}")
    marked = values != 0
    if np.issubdtype(values.dtype, np.floating):
        unknown = ~np.isfinite(values)
        return np.asarray((marked if marks == "masked" else ~marked) | unknown, dtype=np.bool_)
    return np.asarray(marked if marks == "masked" else ~marked, dtype=np.bool_)


def _fit2d(path: Path) -> Mask:
    """FIT2D stores the bottom row first, one bit a pixel in 32-bit words, after 1024 bytes of header."""
    raw = path.read_bytes()
    head = np.frombuffer(raw[:24], dtype="<i4") if len(raw) >= 1024 else np.zeros(0, dtype="<i4")
    if len(head) < 6 or bytes(head[:4].astype(np.uint8)) != b"MASK":
        raise ValueError(f"{path} is not a FIT2D mask: it does not begin with MASK")
    columns, rows = int(head[4]), int(head[5])
    words = -(-columns // 32)
    need = 1024 + 4 * words * rows
    if columns <= 0 or rows <= 0 or len(raw) < need:
        raise ValueError(f"{path}: {rows} x {columns} pixels need {need} bytes, the file has {len(raw)}")
    packed = np.frombuffer(raw, dtype=np.uint8, count=4 * words * rows, offset=1024)
    bits = np.unpackbits(packed.reshape(rows, 4 * words), axis=1, bitorder="little")
    return np.ascontiguousarray(bits[::-1, :columns], dtype=np.bool_)


def _hdf5(path: Path, shapes: Collection[tuple[int, int]]) -> tuple[NDArray[Any], bool]:
    """Return the values of the one mask of a file, and whether it is NeXus' bit-coded ``pixel_mask``."""
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, node: Any) -> None:
        named = name.rpartition("/")[2] in ("pixel_mask", "mask")
        if named and isinstance(node, h5py.Dataset) and node.ndim >= 2:
            found[name] = node

    with h5py.File(path, "r") as file:
        file.visititems(visit)
        if len(found) > 1:
            fitting = {name: node for name, node in found.items() if node.shape[-2:] in set(shapes)}
            found = fitting if len(fitting) == 1 else found
        if len(found) != 1:
            names = ", ".join(sorted(found)) or "none"
            raise ValueError(f"{path}: exactly one 2-d dataset called pixel_mask or mask is needed; found {names}")
        name, node = next(iter(found.items()))
        values = np.asarray(node[()])
    coded = name.rpartition("/")[2] == "pixel_mask"
    if values.ndim > 2:  # a mask a frame: what is masked in any of them
        if not coded and values.size != values.shape[-2] * values.shape[-1]:
            raise ValueError(f"{path}: {name} has shape {values.shape}: one mask for all frames is needed")
        values = (values.reshape(-1, *values.shape[-2:]) != 0).any(axis=0)
    return values, coded


def _image(path: Path) -> NDArray[Any]:
    try:
        import fabio
    except ImportError:
        raise ValueError(f"{path}: reading this kind of mask needs fabio; install with: pip install fabio") from None
    with fabio.open(str(path)) as image:
        return np.array(image.data)


def fit_mask(mask: Mask, shape: tuple[int, int], offset: tuple[int, int], detector: tuple[int, int] | None) -> Mask:
    """Return the part of a mask that belongs to frames of `shape` that begin at pixel `offset`.

    Raises
    ------
    ValueError
        When the mask has neither the frames' nor the detector's shape.
    """
    if mask.shape == shape:
        return mask
    if detector is not None and mask.shape == detector:
        return mask[offset[0] : offset[0] + shape[0], offset[1] : offset[1] + shape[1]]
    whole = f" (or {detector[0]} x {detector[1]}, the whole detector)" if detector is not None else ""
    raise ValueError(
        f"the mask has {mask.shape[0]} x {mask.shape[1]} pixels, the frames have {shape[0]} x {shape[1]}{whole}"
    )


def azimuth_mask(geometry: DetectorGeometry, shape: tuple[int, int], low: float, high: float) -> Mask:
    """Return True for pixels whose centre lies outside the sector from `low` to `high` degrees.

    The sector runs counter-clockwise from `low` and may cross 180 degrees: (170, 190), (-30, 30).
    """
    rows, columns = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1])[None, :] + 0.5
    beyond = (np.degrees(geometry.azimuth(rows, columns)) - low) % 360.0
    return np.asarray(beyond > high - low, dtype=np.bool_)


def unusable_to_nan(
    frames: NDArray[Any], below: float | None = None, above: float | None = None, gaps: bool = True
) -> NDArray[Any]:
    """Return frames (n, rows, columns) with NaN where a value cannot be used.

    Values under `below` or over `above` go; with `gaps`, of integer frames also negative values (gaps and
    dead pixels) and the largest value of the type (how Eiger and other detectors flag a pixel); of float
    frames those that are infinite. Frames without such values are returned as they are, others as a float
    copy.
    """
    bad = np.isinf(frames) if np.issubdtype(frames.dtype, np.floating) else None
    if gaps and np.issubdtype(frames.dtype, np.integer):
        bad = (frames < 0) | (frames == np.iinfo(frames.dtype).max)
    if below is not None:
        bad = (frames < below) if bad is None else bad | (frames < below)
    if above is not None:
        bad = (frames > above) if bad is None else bad | (frames > above)
    if bad is None or not bad.any():
        return frames
    clean = frames.astype(np.float64 if frames.dtype.itemsize > 4 else np.float32)
    clean[bad] = np.nan
    return clean
