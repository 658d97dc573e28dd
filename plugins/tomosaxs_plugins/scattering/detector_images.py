"""Detector images for the frames of a dataset: read, cut like the frames, or refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError
from tomosaxs_plugins.scattering.images import read_average


def image_for(dataset: Dataset, path: Path, what: str) -> NDArray[np.float64]:
    """Return an image for the pixels of the dataset's frames.

    Parameters
    ----------
    dataset : Dataset
        With axes ``detector_y`` and ``detector_x``.
    path : Path
        Image of the frames as they are stored (it is cropped as the loader crops them) or of the cropped frames.
    what : str
        Name of the parameter, for the message.

    Raises
    ------
    InputError
        When it cannot be read or has another shape.
    """
    return counted_image_for(dataset, path, what)[0]


def counted_image_for(dataset: Dataset, path: Path, what: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return what `image_for` does, and of how many frames in the file each pixel is the average."""
    rows, columns = dataset.axis("detector_y"), dataset.axis("detector_x")
    try:
        image, number = read_average(path)
    except (ValueError, OSError) as error:
        raise InputError(f"{what} {path}: {error}", parameter=what) from None
    if image.shape == (rows.full_size, columns.full_size):
        cut = np.ix_(rows.index, columns.index)
        return image[cut], number[cut]
    if image.shape == (rows.size, columns.size):
        return image, number
    raise InputError(
        f"{what} {path} has {image.shape[0]} x {image.shape[1]} pixels, the frames have {rows.size} x {columns.size}",
        parameter=what,
    )
