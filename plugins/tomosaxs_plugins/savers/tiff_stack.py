"""Saving step `tiff_stack`: one TIFF image a slice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Param, Scan, VolumeSlices, plugin
from tomosaxs_plugins.savers.volume_layout import layout_of, voxel_um
from tomosaxs_plugins.volume.grey import to_grey, top_level
from tomosaxs_plugins.volume.scaling import Scaling, scaling_of

Kind = Literal["float32", "uint16", "uint8"]


def _check(
    dataset: Dataset, *, dtype: Kind | None, limits: tuple[float, float] | None, prefix: str, **_: Any
) -> dict[str, Any]:
    """Make the type concrete and refuse what cannot be written."""
    if dataset.dtype.kind not in "biuf":
        raise InputError(f"values of type {dataset.dtype} cannot be saved as TIFF")
    levels = scaling_of(dataset) is not None
    if dtype is None:
        dtype = cast(Kind, dataset.dtype.name if dataset.dtype.name in ("uint8", "uint16") else "float32")
    if levels and (limits is not None or dtype != dataset.dtype.name):
        raise InputError(
            f"the data are grey levels of type {dataset.dtype} already: leave dtype and limits out, or undo_rescale"
        )
    if dtype == "float32":
        if limits is not None:
            raise InputError("limits are for integer images; float32 keeps the values as they are")
    elif limits is None and dtype != dataset.dtype.name:
        raise InputError(f"dtype {dtype} needs limits: [low, high], the values that become 0 and {top_level(dtype)}")
    elif limits is not None and not (np.all(np.isfinite(limits)) and limits[0] < limits[1]):
        raise InputError(f"limits: expected two numbers, low < high, got {list(limits)}")
    if not prefix or Path(prefix).name != prefix:
        raise InputError(f"prefix {prefix!r} must be a plain file name, without folders")
    return {"dtype": dtype}


@plugin(check=_check, memory=2.0, restartable=True)
def tiff_stack(
    data: VolumeSlices,
    scan: Scan,
    *,
    prefix: Annotated[str, Param("beginning of the file names")] = "slice",
    digits: Annotated[int, Param("digits of the slice number", ge=1, le=9)] = 5,
    dtype: Annotated[
        Kind | None, Param("type of the values; default float32, or that of the grey levels that rescale made")
    ] = None,
    limits: Annotated[tuple[float, float] | None, Param("values that become 0 and the largest integer")] = None,
) -> None:
    """Save every slice as a TIFF image, numbered by its place in the full, uncropped data.

    Values are float32 as they are, or the grey levels of `rescale`; `limits` make 8 or 16 bit here. What grey levels
    stand for is written into every file (ImageJ's calibration, so that it shows the original values). Pixel sizes
    are in the resolution tags, the distance of the slices in ImageJ's spacing.

    Raises
    ------
    InputError
        When the scan has no folder to write into.
    """
    if scan.output is None:
        raise InputError("tiff_stack writes into scan.output, and this scan has no output folder")
    scan.output.mkdir(parents=True, exist_ok=True)
    kind = dtype or _check(scan.dataset, dtype=dtype, limits=limits, prefix=prefix)["dtype"]
    grey = scaling_of(scan.dataset)
    if limits is not None:
        dataset = scan.dataset
        grey = Scaling((limits[1] - limits[0]) / top_level(kind), limits[0], dataset.units, dataset.label)
    tags = _tags(scan, kind, grey)
    for image, label in zip(data, _labels(scan, digits), strict=True):
        if limits is not None:
            image, _ = to_grey(image, limits, kind)
        _write(scan.output / f"{prefix}_{label}.tif", np.asarray(image, dtype=kind), tags)


def _labels(scan: Scan, digits: int) -> list[str]:
    """Return the numbers of every slice: that of the one sliced axis, or one an axis with its name."""
    if not scan.sliced:
        return ["0" * digits] * len(scan.index)
    sizes = [scan.axis(name).size for name in scan.sliced]
    places = np.unravel_index(scan.index, sizes)
    absolute = [scan.axis(name).index[place] for name, place in zip(scan.sliced, places, strict=True)]
    if len(absolute) == 1:
        return [f"{number:0{digits}d}" for number in absolute[0]]
    rows = zip(*absolute, strict=True)
    return ["_".join(f"{name}{n:0{digits}d}" for name, n in zip(scan.sliced, row, strict=True)) for row in rows]


def _tags(scan: Scan, dtype: str, grey: Scaling | None) -> dict[str, Any]:
    """Return what tifffile is told: the pixel size and a description that ImageJ understands."""
    dataset = scan.dataset
    lines = [f"{dataset.label} ({dataset.units})" if dataset.units else dataset.label, "written by tomosaxs"]
    described: dict[str, Any] = {}
    if grey is not None:
        lines.append(f"{dtype}: {grey.text(top_level(dtype))}")
        # ImageJ's straight-line calibration: value = c0 + c1 * stored
        described.update(cf=0, c0=grey.offset, c1=grey.scale, vunit=grey.units or "value")
    described["Info"] = "\n".join(lines)
    tags: dict[str, Any] = {"metadata": described}
    depth, down, across = voxel_um(layout_of(dataset))
    if across > 0 and down > 0:
        described["unit"] = "um"
        tags["resolution"], tags["resolutionunit"] = (1.0 / across, 1.0 / down), 1
        if depth > 0:
            described["spacing"] = depth
    return tags


def _write(path: Path, image: NDArray[Any], tags: dict[str, Any]) -> None:
    import tifffile

    part = path.with_suffix(".part")
    tifffile.imwrite(part, image, imagej=True, **tags)
    part.replace(path)
