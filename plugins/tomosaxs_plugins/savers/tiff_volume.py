"""Saving step `tiff_volume`: a volume as one TIFF file of many pages."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from tomosaxs import Dataset, InputError, Param, Scan, VolumeSlices, plugin
from tomosaxs_plugins.savers.raw_volume import check_name
from tomosaxs_plugins.savers.tiff_pages import head_of_pages
from tomosaxs_plugins.savers.together import write_at
from tomosaxs_plugins.savers.volume_layout import layout_of, voxel_um
from tomosaxs_plugins.volume.scaling import scaling_of


def _check(dataset: Dataset, *, file_name: str, **_: Any) -> None:
    check_name(file_name)
    if dataset.dtype.name not in ("float32", "uint8", "uint16"):
        raise InputError(f"values of type {dataset.dtype} are not saved as TIFF pages: use rescale for 8 or 16 bit")


@plugin(check=_check, memory=1.0, restartable=True)
def tiff_volume(
    data: VolumeSlices, scan: Scan, *, file_name: Annotated[str, Param("of the file, without ending")] = "volume"
) -> None:
    """Save a volume as one TIFF file with a page a slice, above 4 GB as BigTIFF.

    Values are as they are: float32, or the grey levels of `rescale` with what they stand for (ImageJ's calibration).
    With further axes (time) there is one file for every position. ImageJ opens files up to 4 GB as a stack by
    itself, larger ones with Bio-Formats.

    Raises
    ------
    InputError
        When the scan has no folder to write into.
    """
    if scan.output is None:
        raise InputError("tiff_volume writes into scan.output, and this scan has no output folder")
    scan.output.mkdir(parents=True, exist_ok=True)
    dataset = scan.dataset
    layout = layout_of(dataset)
    stored = dataset.dtype.newbyteorder("<")
    depth, down, across = voxel_um(layout)
    resolution = (1.0 / across, 1.0 / down) if across > 0 and down > 0 else None
    head = head_of_pages(layout.shape, stored, _description(dataset, layout.heights, depth), resolution)
    each = layout.y.size * layout.x.size * stored.itemsize
    for run in layout.runs(scan):
        path = scan.output / f"{file_name}{layout.label(run.place)}.tif"
        if run.low == 0:
            write_at(path, 0, np.frombuffer(head, dtype=np.uint8))
        write_at(path, len(head) + run.low * each, np.ascontiguousarray(data[run.within], dtype=stored))


def _description(dataset: Dataset, slices: int, spacing: float) -> str:
    """Return what ImageJ reads in the first page: a line a property."""
    lines = ["ImageJ=1.54f", f"images={slices}", f"slices={slices}", "loop=false"]
    if spacing > 0:
        lines += ["unit=um", f"spacing={spacing!r}"]
    said = f"{dataset.label} ({dataset.units})" if dataset.units else dataset.label
    grey = scaling_of(dataset)
    if grey is not None:
        # ImageJ's straight-line calibration: value = c0 + c1 * stored
        lines += ["cf=0", f"c0={grey.offset!r}", f"c1={grey.scale!r}", f"vunit={grey.units or 'value'}"]
        said = f"{said}; {grey.text(int(np.iinfo(dataset.dtype).max)).replace('=', 'is')}"
    return "\n".join([*lines, f"tomosaxs={said}", ""])
