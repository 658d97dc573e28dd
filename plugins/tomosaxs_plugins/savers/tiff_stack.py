"""Saving step `tiff_stack`: one TIFF image a slice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Param, Scan, VolumeSlices, convert, plugin

Kind = Literal["float32", "uint16", "uint8"]


def rescale(image: NDArray[Any], limits: tuple[float, float], dtype: str) -> NDArray[Any]:
    """Return `image` with limits[0] at 0 and limits[1] at the largest integer of `dtype`.

    Values outside are clipped; what is not a number becomes 0; halves go to the even neighbour.
    """
    top = float(np.iinfo(dtype).max)
    low, high = limits
    scaled = (np.asarray(image, dtype=np.float64) - low) * (top / (high - low))
    return np.rint(np.clip(np.nan_to_num(scaled, nan=0.0, posinf=top, neginf=0.0), 0.0, top)).astype(dtype)


def _check(dataset: Dataset, *, dtype: str, limits: tuple[float, float] | None, prefix: str, **_: Any) -> None:
    if dtype == "float32":
        if limits is not None:
            raise InputError("limits are for integer images; float32 keeps the values as they are")
    elif limits is None:
        raise InputError(f"dtype {dtype} needs limits: [low, high], the values that become 0 and {_top(dtype)}")
    elif not (np.all(np.isfinite(limits)) and limits[0] < limits[1]):
        raise InputError(f"limits: expected two numbers, low < high, got {list(limits)}")
    if not prefix or Path(prefix).name != prefix:
        raise InputError(f"prefix {prefix!r} must be a plain file name, without folders")
    if dataset.dtype.kind not in "biuf":
        raise InputError(f"values of type {dataset.dtype} cannot be saved as TIFF")


def _top(dtype: str) -> int:
    return int(np.iinfo(dtype).max)


@plugin(check=_check, memory=2.0)
def tiff_stack(
    data: VolumeSlices,
    scan: Scan,
    *,
    prefix: Annotated[str, Param("beginning of the file names")] = "slice",
    digits: Annotated[int, Param("digits of the slice number", ge=1, le=9)] = 5,
    dtype: Annotated[Kind, Param("type of the values")] = "float32",
    limits: Annotated[tuple[float, float] | None, Param("values that become 0 and the largest integer")] = None,
) -> None:
    """Save every slice as a TIFF image, numbered by its place in the full, uncropped data.

    Values are float32 as they are; 8 and 16 bit only with explicit `limits`, which are written into every
    file (ImageJ's calibration, so that it shows the original values). Pixel sizes are in the resolution tags.

    Raises
    ------
    InputError
        When the scan has no folder to write into.
    """
    if scan.output is None:
        raise InputError("tiff_stack writes into scan.output, and this scan has no output folder")
    scan.output.mkdir(parents=True, exist_ok=True)
    tags = _tags(scan, dtype, limits)
    for image, label in zip(data, _labels(scan, digits), strict=True):
        if limits is not None and dtype != "float32":
            image = rescale(image, limits, dtype)
        _write(scan.output / f"{prefix}_{label}.tif", np.asarray(image, dtype=dtype), tags)


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


def _tags(scan: Scan, dtype: str, limits: tuple[float, float] | None) -> dict[str, Any]:
    """Return what tifffile is told: the pixel size and a description that ImageJ understands."""
    dataset = scan.dataset
    described: dict[str, Any] = {"Info": _info(dataset, dtype, limits)}
    if limits is not None and dtype != "float32":
        # ImageJ's straight-line calibration: value = c0 + c1 * stored
        slope = (limits[1] - limits[0]) / _top(dtype)
        described.update(cf=0, c0=limits[0], c1=slope, vunit=dataset.units or "value")
    tags: dict[str, Any] = {"metadata": described}
    steps = [_step_um(scan, name) for name in ("x", "y")]
    if all(step > 0 for step in steps):
        described["unit"] = "um"
        tags["resolution"], tags["resolutionunit"] = (1.0 / steps[0], 1.0 / steps[1]), 1
    return tags


def _info(dataset: Dataset, dtype: str, limits: tuple[float, float] | None) -> str:
    lines = [f"{dataset.label} ({dataset.units})" if dataset.units else dataset.label, "written by tomosaxs"]
    if limits is not None and dtype != "float32":
        lines.append(
            f"{dtype}: 0 is {limits[0]!r}, {_top(dtype)} is {limits[1]!r}; values outside are clipped, NaN is 0"
        )
    return "\n".join(lines)


def _step_um(scan: Scan, name: str) -> float:
    """Return the pixel size along an axis in micrometres, 0 where it is not known."""
    axis = scan.axis(name)
    if axis.values is None or axis.size < 2:
        return 0.0
    try:
        return abs(convert(float(axis.values[-1] - axis.values[0]) / (axis.size - 1), axis.units, "um"))
    except InputError:
        return 0.0


def _write(path: Path, image: NDArray[Any], tags: dict[str, Any]) -> None:
    import tifffile

    part = path.with_suffix(".part")
    tifffile.imwrite(part, image, imagej=True, **tags)
    part.replace(path)
