"""Frames in image files, read by several threads; a damaged one is filled and named, the others go on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, Selection, empty_block
from tomosaxs_plugins.loaders.chunks import Damage, in_threads, read_exactly
from tomosaxs_plugins.loaders.chunks_filters import Room
from tomosaxs_plugins.loaders.chunks_parts import take
from tomosaxs_plugins.loaders.gaps import fill_value
from tomosaxs_plugins.loaders.tiff_layout import NotTiff, tiff_pages
from tomosaxs_plugins.loaders.whole_files import why_not_whole

_LISTED = 20
"""Damaged frames that are named one by one."""


class BrokenImage(ValueError):
    """An image cannot be read; the text says why."""


def plain_tiff(
    path: Path, frame: int, rows: slice = slice(None), core: tuple[int, int] | None = None
) -> NDArray[Any] | None:
    """Return rows of an image of an uncompressed TIFF file; None where it is of another kind or not of shape `core`.

    Raises
    ------
    BrokenImage
        When the file is cut off.
    OSError
        When it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            pages = tiff_pages(descriptor, frame + 1)
        except NotTiff:
            return None
        if frame >= len(pages) or pages[frame].place is None or pages[frame].dtype is None:
            return None
        page, dtype = pages[frame], np.dtype(pages[frame].dtype)
        if core is not None and page.shape != core:
            return None
        size = os.fstat(descriptor).st_size
        if page.end > size:
            raise BrokenImage(f"the file ends at {size} of {page.end} bytes")
        first, last, _ = rows.indices(page.shape[0])
        values = np.empty((last - first, page.shape[1]), dtype)
        begin = (page.place or 0) + first * page.shape[1] * dtype.itemsize
        why = read_exactly(descriptor, values.reshape(-1).view(np.uint8), begin)
        if why:
            raise BrokenImage(why)
        return values if dtype.isnative else values.astype(dtype.newbyteorder("="))
    finally:
        os.close(descriptor)


def by_fabio(path: Path, frame: int) -> NDArray[Any]:
    """Return one image of a file of any kind that fabio reads.

    Raises
    ------
    BrokenImage
        When it is not whole, or fabio cannot read it.
    """
    import fabio

    lack = why_not_whole(path)
    if lack:
        raise BrokenImage(lack)
    try:
        with fabio.open(str(path)) as image:
            values = np.asarray(image.getframe(frame).data if frame else image.data)
    except Exception as error:  # noqa: BLE001 - fabio's readers fail in any way on a damaged file
        raise BrokenImage(f"fabio: {type(error).__name__}: {error}") from None
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


@dataclass(frozen=True, eq=False)
class ImageReader:
    """Frames of image files at the points of a grid, (\\*grid, detector_y, detector_x).

    Parameters
    ----------
    files : sequence of Path
    where : (\\*grid, 2) int array
        File and frame in it of every point; -1 where nothing was measured.
    core : (rows, columns)
    dtype : numpy dtype
    plain : bool
        The files are uncompressed TIFF, as far as is known.
    alone : bool
        There is only one frame: one that cannot be read is an error.

    Attributes
    ----------
    notes : dict of str to int
        Frames that could not be read.
    """

    files: Sequence[Path]
    where: NDArray[np.intp]
    core: tuple[int, int]
    dtype: np.dtype[Any]
    plain: bool = False
    alone: bool = False
    notes: dict[str, int] = field(default_factory=dict)
    _damaged: set[tuple[int, int]] = field(default_factory=set, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the grid and of a frame."""
        return (*(int(n) for n in self.where.shape[:-1]), *self.core)

    def read(self, selection: tuple[Selection, ...]) -> NDArray[Any]:
        """Return frames; those that are not there, or cannot be read, hold the `fill_value`.

        Raises
        ------
        InputError
            When the only frame cannot be read.
        """
        wanted = take(self.where, selection[:-2])
        places = wanted.reshape(-1, 2).tolist()
        rows, columns = (np.arange(size)[each] for size, each in zip(self.core, selection[-2:], strict=True))
        out = empty_block((len(places), len(rows), len(columns)), self.dtype)

        def work(number: int, own: Room) -> Damage | None:
            file, frame = places[number]
            if file < 0:
                out[number] = fill_value(self.dtype)
                return None
            try:
                out[number] = self._frame(file, frame, selection[-2:])
            except (BrokenImage, OSError) as error:
                return Damage((slice(number, number + 1),), getattr(error, "strerror", None) or str(error))
            return None

        if out.size:
            for damage in in_threads(work, range(len(places)), 0):
                out[damage.region] = fill_value(self.dtype)
                file, frame = wanted.reshape(-1, 2)[damage.region][0].tolist()
                self._note(file, frame, damage.why)
        return out.reshape(*wanted.shape[:-1], len(rows), len(columns))

    def _frame(self, file: int, frame: int, core: tuple[Selection, ...]) -> NDArray[Any]:
        path = self.files[file]
        rows = core[0]
        if self.plain and isinstance(rows, slice) and (rows.step or 1) == 1:
            begin, end, _ = rows.indices(self.core[0])
            values = plain_tiff(path, frame, slice(begin, end), self.core)
            if values is not None:
                return self._fitting(take(values, (slice(None), core[1])))
        values = by_fabio(path, frame)
        if values.shape != self.core:
            sizes = [" x ".join(map(str, shape)) for shape in (values.shape, self.core)]
            raise BrokenImage(f"it has {sizes[0]} pixels, the others {sizes[1]}")
        return self._fitting(take(values, core))

    def _fitting(self, values: NDArray[Any]) -> NDArray[Any]:
        if not np.can_cast(values.dtype, self.dtype, "safe"):
            raise BrokenImage(f"its pixels are {values.dtype}, those of the others {self.dtype}")
        return values

    def _note(self, file: int, frame: int, why: str) -> None:
        path = self.files[file]
        if self.alone:
            raise InputError(f"{path} cannot be read: {why}")
        if (file, frame) in self._damaged:
            return
        self._damaged.add((file, frame))
        which = f"frame {frame} of {path}" if frame else str(path)
        reason = why.replace("{", "(").replace("}", ")")
        text = f"WARNING: {which} cannot be read and counts as not measured ({reason})"
        if len(self._damaged) > _LISTED:
            text = "WARNING: {count} more images cannot be read and count as not measured"
        self.notes[text] = self.notes.get(text, 0) + 1
