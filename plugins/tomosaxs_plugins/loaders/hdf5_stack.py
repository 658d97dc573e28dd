"""The stream of frames in an HDF5 file: what every layout of such files has in common."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from tomosaxs import Quantity
from tomosaxs_plugins.loaders.angles import Angles
from tomosaxs_plugins.loaders.companions import Batch, find_monitor
from tomosaxs_plugins.loaders.hdf5 import OpenFile, check_readable, never_written, text_of
from tomosaxs_plugins.loaders.links import Found
from tomosaxs_plugins.loaders.readers import reader_of
from tomosaxs_plugins.loaders.stack import Options, Stack


def hdf5_stack(
    layout: str,
    file: OpenFile,
    data: h5py.Dataset,
    entry: str,
    found: Found,
    projections: NDArray[np.intp],
    angles: Angles,
    flats: list[Batch],
    darks: list[Batch],
    metadata: dict[str, Quantity | str],
    options: Options,
    messages: list[str],
    files: Iterable[Path] = (),
) -> Stack:
    """Return the stream of frames of a dataset, with its monitor and the files that really hold it.

    Parameters
    ----------
    data : h5py.Dataset
        All frames, (frame, detector_y, detector_x).
    entry, found : str, Found
        The group that describes the scan and what is in it.
    files : iterable of Path
        Other files that are read.

    Raises
    ------
    InputError
        When a file behind the data is missing.
    """
    own, whole, notes = find_monitor(file, found, entry, options.monitor_path, int(data.shape[0]), projections)
    behind = _behind(file, data)
    said = [*messages, *notes]
    if behind:
        said.append(f"frames lie in {', '.join(map(str, behind))} (linked from {file.path})")
    gaps = never_written(data)
    return Stack(
        layout,
        file.path,
        str(data.name),
        reader_of(file, data),
        projections,
        angles,
        flats,
        darks,
        metadata,
        [file.path, *behind, *files],
        said,
        [gaps] if gaps else [],
        own,
        whole,
        _began(found, entry),
    )


def _behind(file: OpenFile, data: h5py.Dataset) -> list[Path]:
    """Return the files that really hold the frames, where links or virtual datasets lead elsewhere."""
    files = check_readable(data)
    home = Path(data.file.filename)
    if home.resolve() != file.path.resolve():
        files.insert(0, home)
    return files


def _began(found: Found, entry: str) -> float | None:
    """Return when a scan began, in seconds since 1970, where the entry states it (ISO 8601)."""
    dataset = found.datasets.get(f"{entry.rstrip('/')}/start_time")
    text = text_of(dataset) if dataset is not None else ""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()
