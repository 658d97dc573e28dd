"""Tomography scans, one image a rotation angle: recognised by content, in every layout that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from tomosaxs import InputFile, InputPath, Param, Source, loader
from tomosaxs_plugins.loaders.angles import AngleChoice
from tomosaxs_plugins.loaders.hdf5 import damage_named
from tomosaxs_plugins.loaders.recognise import stacks_of
from tomosaxs_plugins.loaders.series_cut import checked_series
from tomosaxs_plugins.loaders.stack import Options, source_of

Orientation = Literal["as_stored", "flip_rows", "flip_columns", "rotate_90", "rotate_180", "rotate_270", "transpose"]


@loader
def tomography(
    paths: Sequence[Path],
    *,
    entry: Annotated[str, Param("HDF5 path of the entry, where a file holds several scans")] = "",
    data_path: Annotated[str, Param("HDF5 path of the frames, where they are not found")] = "",
    image_key_path: Annotated[str, Param("HDF5 path of the image keys; 'none' to use none")] = "",
    pattern: Annotated[str, Param("which images of a folder are the projections, for instance 'sample_*.tif'")] = "",
    scan: Annotated[
        int | Literal["all"] | None, Param("which one, from 1, of several scans or of the tomograms of a series", ge=1)
    ] = None,
    series: Annotated[
        Literal["repeats"] | dict[str, float] | None,
        Param("a stream that holds several tomograms: repeats, {projections: N, first: 0, step: N}, or {turn: 180}"),
    ] = None,
    exclude: Annotated[
        list[int] | dict[str, list[int] | list[list[float]]] | None,
        Param("projections not to read: indices from 0, or {indices: [...], angles: [[from, to], ...]} in deg"),
    ] = None,
    angles_path: Annotated[str, Param("HDF5 path of the rotation angles, where they are not found")] = "",
    angles: Annotated[
        InputFile | dict[str, float] | None,
        Param("rotation angles: a file (text, .npy, HDF5), or {start, stop} of first and last projection in deg"),
    ] = None,
    angle_units: Annotated[
        Literal["auto", "deg", "rad"], Param("units of the angles; auto takes what the file states")
    ] = "auto",
    flats: Annotated[InputPath | None, Param("file or folder of images with the flats")] = None,
    flats_path: Annotated[str, Param("HDF5 path of the flats")] = "",
    darks: Annotated[InputPath | None, Param("file or folder of images with the darks")] = None,
    darks_path: Annotated[str, Param("HDF5 path of the darks")] = "",
    ignore_flats: Annotated[list[int], Param("batches of flats not to use, counted from 1")] = [],  # noqa: B006
    ignore_darks: Annotated[list[int], Param("batches of darks not to use, counted from 1")] = [],  # noqa: B006
    flat_average: Annotated[
        Literal["mean", "median", "none"], Param("how the flats of a batch become one image; none keeps every flat")
    ] = "mean",
    monitor_path: Annotated[str, Param("HDF5 path of the monitor; 'none' to use none")] = "",
    pixel_size: Annotated[float | None, Param("pixel size at the sample, overrules the file", unit="m", gt=0)] = None,
    orientation: Annotated[Orientation, Param("how images are turned, anticlockwise")] = "as_stored",
) -> Source:
    """Load a tomography scan or a time series: NXtomo and its variants, Data Exchange, SOLEIL Flyscan, TIFF, EDF.

    What a file or folder is, is seen from its content; the messages say what was recognised and taken. In folders of
    images flats and darks are known by the usual names. What is missing is asked for: no angle, unit, flat or pixel
    size is invented.

    The dataset has the axes (rotation_angle, detector_y, detector_x) and goes with ``flats`` (one averaged
    image a batch, or every flat), ``flat_weights`` (linear in time between the batches), ``darks`` (one image),
    ``monitor`` and ``monitor_flats``, as far as the file has them. Several scans (many paths, a folder of scans, or
    a stream with `series`) get the axis ``time`` in front, and flats and darks of their own or those of the series.

    Parameters
    ----------
    paths : sequence of Path
        One or several NeXus/HDF5 files or folders, one scan each; or image files, which are one stream.

    Raises
    ------
    InputError
        The message names file, HDF5 path and what to give.
    """
    options = Options(
        entry=entry,
        data_path=data_path,
        image_key_path=image_key_path,
        pattern=pattern,
        scan=scan,
        series=series,
        exclude=exclude,
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
    checked_series(series)
    found = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(each) for each in paths]
    if series is not None and not isinstance(series, str) and "projections" in series:
        options = replace(options, angles=replace(options.angles, per=series))
    with damage_named(found[0]):
        return source_of(*stacks_of(found, options))
