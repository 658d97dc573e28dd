"""What an OME-Zarr image says of itself: resolutions, axes, voxel sizes (NGFF 0.4 and 0.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tomosaxs import Axis, Dataset, InputError, convert
from tomosaxs_plugins.savers.volume_layout import Layout, voxel_um

Version = Literal["0.4", "0.5"]


@dataclass(frozen=True)
class Pyramid:
    """Shapes and chunks of the resolutions of one volume; each has half the voxels of the one before along every axis.

    Parameters
    ----------
    shapes, chunks : tuple of (z, y, x)
        One a resolution, the finest first. A chunk's height halves too, so that one slab of full-resolution slices,
        as high as a chunk, holds whole chunks of every resolution.
    """

    shapes: tuple[tuple[int, int, int], ...]
    chunks: tuple[tuple[int, int, int], ...]

    @property
    def slab(self) -> int:
        """Slices of full resolution that are written together."""
        return self.chunks[0][0]


def most_levels(height: int) -> int:
    """Return how many resolutions chunks of that height allow: it is halved from one to the next."""
    count = 1
    while height % 2 == 0:
        height, count = height // 2, count + 1
    return count


def pyramid_of(shape: tuple[int, int, int], chunk: tuple[int, int, int], levels: int | None) -> Pyramid:
    """Return the resolutions of a volume: by default as many as it takes until a slice fits into one chunk."""
    shapes, chunks = [shape], [chunk]
    limit = min(levels or 99, most_levels(chunk[0]))
    while len(shapes) < limit and (levels is not None or shapes[-1][1] > chunk[1] or shapes[-1][2] > chunk[2]):
        z, y, x = (-(-size // 2) for size in shapes[-1])
        shapes.append((z, y, x))
        chunks.append((chunks[-1][0] // 2, *chunk[1:]))
    return Pyramid(tuple(shapes), tuple(chunks))


def outer_names(layout: Layout) -> tuple[str, ...]:
    """Return how the axes before the heights are called in the file: t for time, c for another one.

    Raises
    ------
    InputError
        When there are more than the format has names for.
    """
    names = ["t" if axis.name in ("t", "time") else "c" for axis in layout.outer]
    if names not in ([], ["t"], ["c"], ["t", "c"]):
        given = ", ".join(axis.name for axis in layout.outer)
        raise InputError(f"OME-Zarr has room for time and one axis more before z, y, x, in this order, not for {given}")
    return tuple(names)


def attributes(
    dataset: Dataset,
    layout: Layout,
    pyramid: Pyramid,
    version: Version,
    name: str,
    window: tuple[float, float] | None,
    more: dict[str, Any],
) -> dict[str, Any]:
    """Return the attributes of the image's group."""
    names = outer_names(layout)
    voxel = voxel_um(layout)
    known = all(step > 0 for step in voxel)
    steps = voxel if known else (1.0, 1.0, 1.0)
    unit = {"unit": "micrometer"} if known else {}
    outer = [_outer_axis(word, axis) for word, axis in zip(names, layout.outer, strict=True)]
    image: dict[str, Any] = {
        "name": name,
        "axes": [*(described for described, _ in outer), *({"name": n, "type": "space", **unit} for n in "zyx")],
        "datasets": [
            {
                "path": str(number),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [*(step for _, step in outer), *scale]},
                    {"type": "translation", "translation": [*([0.0] * len(outer)), *place]},
                ],
            }
            for number, (scale, place) in enumerate(_places(layout, pyramid, steps, known))
        ],
        "type": "mean",
        "metadata": {"description": "means of 2 x 2 x 2 voxels of the resolution before", "method": "tomosaxs"},
    }
    body: dict[str, Any] = {"multiscales": [image]}
    if window is not None:
        body["omero"] = _omero(dataset, layout, names, window)
    about = {"quantity": dataset.label, "units": dataset.units, **more}
    if version == "0.5":
        return {"ome": {"version": "0.5", **body}, "tomosaxs": about}
    image["version"] = "0.4"
    return {**body, "tomosaxs": about}


def _outer_axis(word: str, axis: Axis) -> tuple[dict[str, str], float]:
    described = {"name": word, "type": "time" if word == "t" else "channel"}
    if word != "t" or axis.values is None or axis.size < 2:
        return described, 1.0
    try:
        seconds = convert(float(axis.values[-1] - axis.values[0]) / (axis.size - 1), axis.units, "s")
    except InputError:
        return described, 1.0
    return ({**described, "unit": "second"}, seconds) if seconds > 0 else (described, 1.0)


def _places(
    layout: Layout, pyramid: Pyramid, voxel: tuple[float, float, float], known: bool
) -> list[tuple[list[float], list[float]]]:
    """Return voxel size and place of the first voxel's centre of every resolution."""
    first = [0.0, 0.0, 0.0]
    if known:
        for number, axis in enumerate((layout.z, layout.y, layout.x)):
            if axis is not None and axis.values is not None and axis.size > 1:
                first[number] = convert(float(axis.values[0]), axis.units, "um")
    found = []
    for level in range(len(pyramid.shapes)):
        factors = 2.0**level
        scale = [step * factors for step in voxel]
        place = [start + (factors - 1) / 2 * step for start, step in zip(first, voxel, strict=True)]
        found.append((scale, place))
    return found


def _omero(dataset: Dataset, layout: Layout, names: tuple[str, ...], window: tuple[float, float]) -> dict[str, Any]:
    """Return how viewers show it: grey, between two values."""
    low, high = window
    least, most = (0.0, float(np.iinfo(dataset.dtype).max)) if dataset.dtype.kind == "u" else (low, high)
    count = layout.outer[names.index("c")].size if "c" in names else 1
    channel = {
        "label": dataset.label,
        "color": "FFFFFF",
        "active": True,
        "window": {"min": least, "max": most, "start": low, "end": high},
    }
    return {"channels": [dict(channel) for _ in range(count)], "rdefs": {"model": "greyscale"}}
