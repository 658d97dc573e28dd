"""Tomography scans, one image a rotation angle: recognised by content, in every layout that is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tomosaxs import InputError, InputFile, Param, Source, loader
from tomosaxs_plugins.loaders.angles import AngleChoice
from tomosaxs_plugins.loaders.data_exchange import is_data_exchange, load_data_exchange
from tomosaxs_plugins.loaders.flyscan import flyscan_file, flyscan_group, load_flyscan
from tomosaxs_plugins.loaders.hdf5 import damage_named, open_file
from tomosaxs_plugins.loaders.nxtomo import load_nxtomo
from tomosaxs_plugins.loaders.stack import Options, Stack, source_of

Orientation = Literal["as_stored", "flip_rows", "flip_columns", "rotate_90", "rotate_180", "rotate_270", "transpose"]


@loader
def tomography(
    path: Path,
    *,
    entry: Annotated[str, Param("HDF5 path of the entry, where a file holds several scans")] = "",
    data_path: Annotated[str, Param("HDF5 path of the frames, where they are not found")] = "",
    image_key_path: Annotated[str, Param("HDF5 path of the image keys; 'none' to use none")] = "",
    scan: Annotated[
        int | Literal["all"] | None, Param("which one, from 1, of several scans over the same angles", ge=1)
    ] = None,
    angles_path: Annotated[str, Param("HDF5 path of the rotation angles, where they are not found")] = "",
    angles: Annotated[
        InputFile | dict[str, float] | None,
        Param("rotation angles: a file (text, .npy, HDF5), or {start, stop} of first and last projection in deg"),
    ] = None,
    angle_units: Annotated[
        Literal["auto", "deg", "rad"], Param("units of the angles; auto takes what the file states")
    ] = "auto",
    flats: Annotated[InputFile | None, Param("file with the flats")] = None,
    flats_path: Annotated[str, Param("HDF5 path of the flats")] = "",
    darks: Annotated[InputFile | None, Param("file with the darks")] = None,
    darks_path: Annotated[str, Param("HDF5 path of the darks")] = "",
    ignore_flats: Annotated[list[int], Param("batches of flats not to use, counted from 1")] = [],  # noqa: B006
    ignore_darks: Annotated[list[int], Param("batches of darks not to use, counted from 1")] = [],  # noqa: B006
    flat_average: Annotated[Literal["mean", "median"], Param("how the flats of a batch become one image")] = "mean",
    monitor_path: Annotated[str, Param("HDF5 path of the monitor; 'none' to use none")] = "",
    pixel_size: Annotated[float | None, Param("pixel size at the sample, overrules the file", unit="m", gt=0)] = None,
    orientation: Annotated[Orientation, Param("how images are turned, anticlockwise")] = "as_stored",
) -> Source:
    """Load a tomography scan: NXtomo and its variants, Data Exchange, a SOLEIL Flyscan folder.

    What the file is, is seen from its content; the messages say what was recognised and taken. What is
    missing is asked for: no angle, unit, flat or pixel size is invented.

    The dataset has the axes (rotation_angle, detector_y, detector_x) and goes with ``flats`` (one averaged
    image a batch), ``flat_weights`` (linear in time between the batches), ``darks`` (one image),
    ``monitor`` and ``monitor_flats``, as far as the file has them.

    Raises
    ------
    InputError
        The message names file, HDF5 path and what to give.
    """
    options = Options(
        entry=entry,
        data_path=data_path,
        image_key_path=image_key_path,
        scan=scan,
        angles=AngleChoice(angles_path, angles, angle_units),
        flats=flats,
        flats_path=flats_path,
        darks=darks,
        darks_path=darks_path,
        ignore_flats=ignore_flats,
        ignore_darks=ignore_darks,
        flat_average=flat_average,
        monitor_path=monitor_path,
        pixel_size=pixel_size,
        orientation=orientation,
    )
    with damage_named(path):
        return source_of(_recognised(path, options), options)


def _recognised(path: Path, options: Options) -> Stack:
    """Return the scan as the first layout that knows it describes it."""
    if not path.exists() and path.suffix == "" and path.with_suffix(".nxs").exists():
        raise InputError(f"{path} does not exist (did you mean {path.with_suffix('.nxs').name!r}?)")
    file = open_file(flyscan_file(path) if path.is_dir() else path)
    if options.data_path or options.entry:
        known = flyscan_group(file) is not None
        return load_flyscan(file, options) if known and not options.entry else load_nxtomo(file, options)
    if is_data_exchange(file):
        return load_data_exchange(file, options)
    if flyscan_group(file) is not None:
        return load_flyscan(file, options)
    return load_nxtomo(file, options)
