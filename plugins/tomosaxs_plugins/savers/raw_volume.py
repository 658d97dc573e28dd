"""Saving step `raw_volume`: the voxels alone in one file, described in text files beside it, as PyHST2 writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from xml.sax.saxutils import escape

import numpy as np

from tomosaxs import Dataset, InputError, Param, Scan, VolumeSlices, plugin
from tomosaxs_plugins.savers.together import note_done, write_at, write_whole
from tomosaxs_plugins.savers.volume_layout import Layout, layout_of, voxel_um
from tomosaxs_plugins.volume.scaling import Scaling, scaling_of

_TYPES = {"float32": "<f4", "uint8": "|u1", "uint16": "<u2"}


def check_name(name: str) -> None:
    """Refuse what is no plain file name."""
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(f"file_name {name!r} must be a plain file name, without folders", parameter="file_name")


def _check(dataset: Dataset, *, file_name: str, limits: tuple[float, float] | None, **_: Any) -> None:
    check_name(file_name)
    if dataset.dtype.name not in _TYPES:
        raise InputError(f"values of type {dataset.dtype} have no raw form: use rescale for 8 or 16 bit")
    if limits is not None and not limits[0] < limits[1]:
        raise InputError(f"limits: expected two numbers, low < high, got {list(limits)}", parameter="limits")


@plugin(check=_check, memory=1.0, restartable=True)
def raw_volume(
    data: VolumeSlices,
    scan: Scan,
    *,
    file_name: Annotated[str, Param("of the files, without ending")] = "volume",
    limits: Annotated[
        tuple[float, float] | None, Param("grey values to show, s1 and s2; default the least and the largest value")
    ] = None,
) -> None:
    """Save a volume as volume.vol (float32) or volume.raw (8 and 16 bit), with its .info and .xml beside it.

    No header; little endian, x fastest, then y, then z. ImageJ opens it with File > Import > Raw: width NUM_X, height
    NUM_Y, number of images NUM_Z, offset 0, little-endian byte order. `.info` and `.xml` state size, voxel size in
    micrometres and the least and largest value; for grey levels of `rescale` also what they stand for. With
    further axes (time) there is one volume for every position.

    Raises
    ------
    InputError
        When the scan has no folder to write into.
    """
    if scan.output is None:
        raise InputError("raw_volume writes into scan.output, and this scan has no output folder")
    (scan.output / ".parts").mkdir(parents=True, exist_ok=True)
    layout = layout_of(scan.dataset)
    kind = scan.dataset.dtype.name
    ending = "vol" if kind == "float32" else "raw"
    stored = np.dtype(_TYPES[kind])
    each = layout.y.size * layout.x.size * stored.itemsize
    for run in layout.runs(scan):
        path = scan.output / f"{file_name}{layout.label(run.place)}.{ending}"
        values = np.ascontiguousarray(data[run.within], dtype=stored)
        write_at(path, run.low * each, values)
        log = scan.output / ".parts" / path.name
        notes = note_done(log, run.low, run.high, layout.heights, _range(values))
        if notes is None:
            continue
        lows, highs = np.array(notes).T
        found = (float(np.nanmin(lows)), float(np.nanmax(highs))) if np.isfinite(lows).any() else (0.0, 0.0)
        _describe(path, layout, kind, found, limits or found, scaling_of(scan.dataset))


def _range(values: Any) -> tuple[float, float]:
    """Return the least and the largest finite value, NaN where there is none."""
    if values.dtype.kind == "f":
        low, high = float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))
        if not (np.isinf(low) or np.isinf(high)):
            return low, high
        values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)


def _describe(
    path: Path, layout: Layout, kind: str, found: tuple[float, float], shown: tuple[float, float], grey: Scaling | None
) -> None:
    """Write .info and .xml beside a volume."""
    depth, height, width = layout.shape
    voxel = voxel_um(layout)[2]
    sizes = [("NUM_X", width), ("NUM_Y", height), ("NUM_Z", depth)]
    types = [] if kind == "float32" else [("DATA_TYPE", kind.upper())]  # where readers of 8 and 16 bit look for it
    voxels = [("voxelSize", f"{voxel:.9g}")] if voxel else []
    numbers = [("ValMin", found[0]), ("ValMax", found[1]), ("s1", shown[0]), ("s2", shown[1])]
    numbers += [("S1", shown[0]), ("S2", shown[1])]
    values = [(key, f"{number:.9g}") for key, number in numbers]
    lines = [*sizes, *types, *voxels, ("BYTEORDER", "LOWBYTEFIRST"), *values]
    if grey is not None:
        lines += [("greyScale", repr(grey.scale)), ("greyOffset", repr(grey.offset))]
        lines += [("greyUnits", grey.units or "none"), ("greyQuantity", grey.quantity)]
    text = "! PyHST_SLAVE VOLUME INFO FILE\n" + "".join(f"{key} =  {value}\n" for key, value in lines)
    write_whole(path.with_name(path.name + ".info"), text)
    inner = [("SUBVOLUME_NAME", path.name), ("SIZEX", width), ("SIZEY", height), ("SIZEZ", depth)]
    inner += [("ORIGINX", 1), ("ORIGINY", 1), ("ORIGINZ", 1), ("DIM_REC", width * height * depth)]
    inner += [("BYTE_ORDER", "LOWBYTEFIRST"), *voxels, *values]
    rows = "".join(f"        <{key}>{escape(str(value))}</{key}>\n" for key, value in inner)
    xml = (
        "<tomodb2>\n  <reconstruction>\n    <idAc>N_A_</idAc>\n    <listSubVolume>\n      <subVolume>\n"
        f"{rows}      </subVolume>\n    </listSubVolume>\n  </reconstruction>\n</tomodb2>\n"
    )
    write_whole(path.with_name(path.name + ".xml"), xml)
