"""Saving step `ome_zarr`: a volume in chunks and several resolutions, for viewers that load what is on the screen."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Param, Scan, VolumeSlices, plugin
from tomosaxs_plugins.reconstruction.parallel import thread_count
from tomosaxs_plugins.savers.ome_zarr_layout import Pyramid, Version, attributes, most_levels, outer_names, pyramid_of
from tomosaxs_plugins.savers.raw_volume import check_name
from tomosaxs_plugins.savers.together import note_done, write_at
from tomosaxs_plugins.savers.volume_layout import Layout, Run, layout_of
from tomosaxs_plugins.volume.binning import halved
from tomosaxs_plugins.volume.scaling import scaling_of

Compression = Literal["zstd", "lz4", "none"]
Chunk = tuple[int, int, int]


def _check(
    dataset: Dataset, *, file_name: str, chunk: Chunk, levels: int | None, limits: tuple[float, float] | None, **_: Any
) -> None:
    check_name(file_name)
    outer_names(layout_of(dataset))
    if dataset.dtype.name not in ("float32", "uint8", "uint16"):
        raise InputError(f"values of type {dataset.dtype} are not saved as OME-Zarr: use rescale for 8 or 16 bit")
    if levels is not None and levels > most_levels(chunk[0]):
        raise InputError(
            f"{levels} resolutions need chunks whose height can be halved {levels - 1} times, not {chunk[0]}",
            parameter="levels",
        )
    if limits is not None and not limits[0] < limits[1]:
        raise InputError(f"limits: expected two numbers, low < high, got {list(limits)}", parameter="limits")


def _memory(slices: int, dataset: Dataset, *, chunk: Chunk | None, **_: Any) -> float:
    """One slab with its lower resolutions, and its chunks compressed."""
    layout = layout_of(dataset)
    return 2.5 * (chunk or (16,))[0] * layout.y.size * layout.x.size * dataset.dtype.itemsize


@plugin(check=_check, memory=_memory, restartable=True)
def ome_zarr(
    data: VolumeSlices,
    scan: Scan,
    *,
    file_name: Annotated[str, Param("of the image, without .ome.zarr")] = "volume",
    version: Annotated[Version, Param("of the format: 0.4 (zarr 2) opens everywhere, 0.5 is zarr 3")] = "0.4",
    chunk: Annotated[Chunk, Param("z, y, x of a chunk; z a power of two", unit="px", ge=1, le=4096)] = (16, 256, 256),
    levels: Annotated[int | None, Param("resolutions; default until a slice fits into a chunk", ge=1, le=12)] = None,
    compression: Annotated[Compression, Param("of the chunks")] = "zstd",
    limits: Annotated[tuple[float, float] | None, Param("grey values that viewers show first")] = None,
) -> None:
    """Save a volume as OME-Zarr: in chunks and at several resolutions, with voxel sizes.

    Every resolution holds the means of 2 x 2 x 2 voxels of the one before. A slab as high as a chunk is written as soon
    as all its slices are there, at every resolution, so that no rank ever holds more than one. An axis
    of time becomes t. napari, Fiji and neuroglancer open the folder volume.ome.zarr.

    Raises
    ------
    InputError
        When the scan has no folder to write into.

    Notes
    -----
    The format: J. Moore et al., OME-NGFF (10.1038/s41592-021-01326-w).
    """
    if scan.output is None:
        raise InputError("ome_zarr writes into scan.output, and this scan has no output folder")
    layout = layout_of(scan.dataset)
    pyramid = pyramid_of(layout.shape, chunk, levels)
    scratch = scan.output / ".parts" / file_name
    scratch.mkdir(parents=True, exist_ok=True)
    image = _Image(scan.output / f"{file_name}.ome.zarr", scan.dataset, layout, pyramid, version, compression)
    window = limits or ((0.0, float(np.iinfo(scan.dataset.dtype).max)) if scan.dataset.dtype.kind == "u" else None)
    image.make(file_name, window, scratch)
    for run in layout.runs(scan):
        for low in range(run.low // pyramid.slab * pyramid.slab, run.high, pyramid.slab):
            slab = _whole_slab(data, run, low, layout, pyramid, scratch)
            if slab is not None:
                image.write(run.place, low, slab)
                _note_written(scratch / _slab_name(run.place, low))


def _slab_name(place: tuple[int, ...], low: int) -> str:
    return "_".join(str(number) for number in (*place, low))


def _whole_slab(data: Any, run: Run, low: int, layout: Layout, pyramid: Pyramid, scratch: Path) -> NDArray[Any] | None:
    """Return a slab whose slices are all there; else keep those of this block for whoever has the last of them."""
    high = min(low + pyramid.slab, layout.heights)
    first, last = max(low, run.low), min(high, run.high)
    part = np.ascontiguousarray(data[run.first + first - run.low : run.first + last - run.low])
    if (first, last) == (low, high):
        return part
    path = scratch / _slab_name(run.place, low)
    if _is_written(path):  # by a run that was cut short before it could say so
        return None
    write_at(path, (first - low) * part[0].nbytes, part)
    if note_done(path.with_name(path.name + ".log"), first - low, last - low, high - low) is None:
        return None
    return np.fromfile(path, dtype=part.dtype).reshape(high - low, *part.shape[1:])


def _is_written(slab: Path) -> bool:
    return slab.with_name(slab.name + ".written").exists()


def _note_written(slab: Path) -> None:
    """Say that a slab that came in parts is in the image, then forget the parts."""
    if slab.exists():
        slab.with_name(slab.name + ".written").touch()
        slab.unlink(missing_ok=True)


@dataclass(frozen=True, eq=False)
class _Image:
    """The image on disk; all ranks write into it, whole chunks each."""

    root: Path
    dataset: Dataset
    layout: Layout
    pyramid: Pyramid
    version: Version
    compression: Compression

    @property
    def _format(self) -> Literal[2, 3]:
        return 3 if self.version == "0.5" else 2

    def make(self, name: str, window: tuple[float, float] | None, scratch: Path) -> None:
        """Write everything but the chunks, where that has not been done; several ranks may, it is the same."""
        import zarr

        last = "zarr.json" if self._format == 3 else ".zattrs"
        if (self.root / last).is_file():
            return
        zarr.config.set({"threading.max_workers": thread_count()})
        grey = scaling_of(self.dataset)
        more: dict[str, Any] = {}
        if grey is not None:
            more = {"grey_scale": grey.scale, "grey_offset": grey.offset}
            more.update(units=grey.units, quantity=grey.quantity)
        said = attributes(self.dataset, self.layout, self.pyramid, self.version, name, window, more)
        temporary = scratch / f"made.{os.uname().nodename}.{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        group = zarr.open_group(str(temporary), mode="w", zarr_format=self._format, attributes=said)
        sizes = [axis.size for axis in self.layout.outer]
        for level, (shape, chunk) in enumerate(zip(self.pyramid.shapes, self.pyramid.chunks, strict=True)):
            self._make_array(group, str(level), (*sizes, *shape), (*([1] * len(sizes)), *chunk))
        files = [path for path in temporary.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: path == temporary / last):
            target = self.root / path.relative_to(temporary)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
        shutil.rmtree(temporary)

    def _make_array(self, group: Any, path: str, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        names = [*outer_names(self.layout), "z", "y", "x"]
        options: dict[str, Any] = {"compressors": self._compressor()}
        if self._format == 3:
            options["dimension_names"] = names
        else:
            options["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
        group.create_array(path, shape=shape, chunks=chunks, dtype=self.dataset.dtype, fill_value=0, **options)

    def _compressor(self) -> Any:
        if self.compression == "none":
            return None
        if self._format == 3:
            from zarr.codecs import BloscCodec

            return BloscCodec(cname=self.compression, clevel=3, shuffle="shuffle")
        from numcodecs import Blosc

        return Blosc(cname=self.compression, clevel=3, shuffle=Blosc.SHUFFLE)

    def write(self, place: tuple[int, ...], low: int, slab: NDArray[Any]) -> None:
        """Write a slab at every resolution."""
        import zarr

        group: Any = zarr.open_group(str(self.root), mode="r+", zarr_format=self._format)
        for level in range(len(self.pyramid.shapes)):
            start = low >> level
            where = (*place, slice(start, start + len(slab)))
            group[str(level)][where] = slab
            if level + 1 < len(self.pyramid.shapes):
                slab = halved(slab)
