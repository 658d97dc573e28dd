"""Steps `downsample` and `downsample_height`: smaller volumes by means of neighbouring voxels."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Axis, Dataset, InputError, Output, Param, Scan, VolumeSlices, custom_pattern, plugin
from tomosaxs_plugins.volume.binning import mean_of_rectangles

VerticalSlices: TypeAlias = Annotated[NDArray[Any], custom_pattern("VerticalSlices", "z", "x")]
"""(n, z, x): vertical slices of a volume."""
Factor: TypeAlias = Annotated[int, Param("voxels that become one, along each axis", ge=2, le=64)]


def binned(axis: Axis, factor: int) -> Axis:
    """Return an axis of means of `factor` entries each; what is left over at its end is dropped.

    Raises
    ------
    InputError
        When the axis is shorter than that.
    """
    count = axis.size // factor
    if not count:
        raise InputError(f"factor {factor} is more than the {axis.size} entries of {axis.name}", parameter="factor")
    values = axis.values
    if values is not None:
        values = values[: count * factor].reshape(count, factor).mean(axis=1)
    index = axis.index[: count * factor : factor]
    return replace(axis, size=count, values=values, index=index, binning=axis.binning * factor)


def _output(data: Dataset, factor: int | None, names: tuple[str, ...], kept: tuple[str, ...]) -> Output:
    axes = {name: binned(data.axis(name), factor or 1) for name in names}
    dtype = str(data.dtype) if data.dtype.kind in "uf" else "float32"
    return Output(tuple(axes.get(name, data.axis(name)) for name in kept), dtype, data.label, data.units)


def _shape(data: Dataset, *, factor: int | None, **_: Any) -> Output:
    return _output(data, factor, ("y", "x"), ("y", "x"))


def _shape_height(data: Dataset, *, factor: int | None, **_: Any) -> Output:
    return _output(data, factor, ("z",), ("z", "x"))


def _left_over(scan: Scan, names: tuple[str, ...], factor: int) -> None:
    for name in names:
        rest = scan.axis(name).size % factor
        if rest:
            scan.remark(
                f"the last {rest} of {scan.axis(name).size} entries of {name} fill no voxel and are left out", 1
            )


@plugin(shape=_shape, memory=1.0)
def downsample(data: VolumeSlices, scan: Scan, *, factor: Factor = 2) -> VolumeSlices:
    """Make every slice smaller: squares of voxels become their mean.

    For cubes follow it with downsample_height. Binning the input (``bin: {detector_y: 2, detector_x: 2}``)
    gives a volume of the same size in a fraction of the time; this step keeps the finer reconstruction for others.

    Parameters
    ----------
    data : (n, y, x) array
        Slices.

    Returns
    -------
    (n, y // factor, x // factor) array
        Means; integers stay integers, rounded.

    Raises
    ------
    InputError
        When the factor is larger than a slice.
    """
    _left_over(scan, ("y", "x"), factor)
    return mean_of_rectangles(_known(data), factor, factor)


@plugin(shape=_shape_height, memory=1.0)
def downsample_height(data: VerticalSlices, scan: Scan, *, factor: Factor = 2) -> VerticalSlices:
    """Bring neighbouring slices of a volume together: every `factor` of them become their mean.

    It works on vertical slices, so the volume before it is stored: use downsample first, which makes that small.

    Parameters
    ----------
    data : (n, z, x) array
        Vertical slices.

    Returns
    -------
    (n, z // factor, x) array
        Means; integers stay integers, rounded.

    Raises
    ------
    InputError
        When the factor is larger than the volume's height.
    """
    _left_over(scan, ("z",), factor)
    return mean_of_rectangles(_known(data), factor, 1)


def _known(data: NDArray[Any]) -> NDArray[Any]:
    return data if data.dtype.kind in "uf" else data.astype(np.float32)
