"""Images that go with the pixels of frames: dark counts and sensitivities, from files or from the data themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError
from tomosaxs_plugins.integration.engine.errors import DarkCounts
from tomosaxs_plugins.integration.engine.factors import sensor_factors
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.scattering.angular_efficiency import check_sensor
from tomosaxs_plugins.scattering.detector_images import counted_image_for
from tomosaxs_plugins.scattering.images import average, relative_sensitivity

Image = NDArray[np.float64]


def dark_for(dataset: Dataset, path: Path | None, scale: float, own: bool) -> DarkCounts | None:
    """Return dark counts for the frames' pixels, NaN where they are not known; None without.

    Raises
    ------
    InputError
        When the image cannot be used.
    """
    found = _image(dataset, path, "dark", "darks", own)
    return None if found is None else DarkCounts(found[0], np.maximum(found[1], 1), scale)


def flat_for(
    dataset: Dataset,
    geometry: DetectorGeometry,
    path: Path | None,
    scale: str,
    own: bool,
    thickness: float | None,
    attenuation: float | None,
) -> Image | None:
    """Return the sensitivity of the frames' pixels, flat field times absorption by the sensor; None without both.

    Raises
    ------
    InputError
        When the image or the sensor makes no sense.
    """
    if (thickness is None) != (attenuation is None):
        raise InputError("sensor_thickness and sensor_attenuation go together", parameter="sensor_thickness")
    found = _image(dataset, path, "flat", "flats", own)
    sensitivity: Image | None = None
    if found is not None:
        image = found[0]
        try:
            sensitivity = relative_sensitivity(image) if scale == "median" else image
        except ValueError as error:
            raise InputError(f"flat {path or 'frames of the data'}: {error}", parameter="flat") from None
    if thickness is None or attenuation is None:
        return sensitivity
    check_sensor(attenuation, thickness)
    absorbed = sensor_factors(geometry, geometry.shape or (0, 0), thickness, attenuation)
    return absorbed if sensitivity is None else sensitivity * absorbed


def _image(
    dataset: Dataset, path: Path | None, what: str, companion: str, own: bool
) -> tuple[Image, NDArray[np.int64]] | None:
    """Return an image for the frames' pixels, and of how many frames each pixel is the average."""
    if path is not None and own:
        raise InputError(f"give {what} or use_darks_and_flats, not both", parameter=what)
    if path is not None:
        return counted_image_for(dataset, path, what)
    auxiliary = dataset.auxiliaries.get(companion) if own else None
    if auxiliary is None:
        return None
    order = [name for name in auxiliary.axes if name not in ("detector_y", "detector_x")]
    wanted = [*order, "detector_y", "detector_x"]
    if set(wanted) != set(auxiliary.axes):
        raise InputError(f"{companion} of the data have the axes {', '.join(auxiliary.axes)}: they are no frames")
    values = auxiliary.reader.read((slice(None),) * len(auxiliary.axes))
    return average(np.transpose(values, [auxiliary.axes.index(name) for name in wanted]))
