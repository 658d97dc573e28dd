"""Plugin `double_flat_field`: take a detector's own pattern out of projections."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Dataset, InputError, Output, Param, Pointwise, Scan, plugin
from tomosaxs_plugins.corrections.double_flat_field_find import grid
from tomosaxs_plugins.corrections.double_flat_field_kernels import between

_FRAME = ("detector_y", "detector_x")


def _check(data: Dataset, *, correction: Any, **_: Any) -> None:
    if not set(_FRAME) <= set(data.names):
        raise InputError(f"a double flat field belongs to frames of a camera, axes {' and '.join(_FRAME)}")
    sizes = [grid(data, name)[1] for name in _FRAME]
    if isinstance(correction, np.ndarray) and (correction.ndim not in (2, 3) or correction.shape[-2:] != tuple(sizes)):
        raise InputError(f"the pattern has shape {correction.shape}, the detector {tuple(sizes)}")


def _shape(data: Dataset, **_: Any) -> Output:
    return Output((), "float32", data.label, data.units)


@plugin(check=_check, shape=_shape, memory=3.0)
def double_flat_field(
    data: Pointwise,
    scan: Scan,
    *,
    correction: Annotated[NDArray[Any], Param("pattern as an attenuation: ${dff} of find_double_flat_field")],
    interpolate: Annotated[bool, Param("patterns of several blocks of angles: linear between them")] = True,
) -> Pointwise:
    """Take the detector's own pattern, found by find_double_flat_field, out of projections or sinograms.

    Transmissions are multiplied by exp(pattern), attenuations reduced by the pattern: the same in both cases.

    Parameters
    ----------
    data : (n, ...) array
        Transmission or attenuation; any slicing.

    Returns
    -------
    (n, ...) float32 array
        The same quantity.

    Raises
    ------
    InputError
        When the pattern does not know pixels of the data.
    """
    _check(scan.dataset, correction=correction)
    patterns = correction.reshape(-1, *correction.shape[-2:])
    places = {name: grid(scan.dataset, name)[0] for name in _FRAME}
    attenuation = scan.dataset.label == "attenuation"
    several = len(patterns) > 1
    angles = scan.axis("rotation_angle")
    if several:
        places["rotation_angle"] = angles.index
    out = np.empty(data.shape, np.float32)
    coordinates = np.unravel_index(scan.index, [scan.axis(name).size for name in scan.sliced])
    last: tuple[bytes, NDArray[np.float32]] | None = None
    for number, made in enumerate(out):
        here = {}
        for name, index in places.items():
            if name in scan.sliced:
                here[name] = index[coordinates[scan.sliced.index(name)][number]].reshape((1,) * made.ndim)
            else:
                here[name] = index.reshape([-1 if name == core else 1 for core in scan.core])
        key = b"".join(each.tobytes() for each in here.values())
        if last is None or last[0] != key:  # one pattern serves all projections, unless it changes with the angle
            last = key, _factor(patterns, here, angles.full_size, interpolate, attenuation)
        if attenuation:
            np.subtract(data[number], last[1], out=made, casting="unsafe")
        else:
            np.multiply(data[number], last[1], out=made, casting="unsafe")
    return out


def _factor(
    patterns: NDArray[Any], here: dict[str, NDArray[Any]], full: int, interpolate: bool, attenuation: bool
) -> NDArray[np.float32]:
    """Return what a slice is reduced by (attenuations) or multiplied by, broadcastable to it."""
    rows, columns = here["detector_y"], here["detector_x"]
    if len(patterns) == 1:
        pattern = patterns[0][rows, columns]
    else:
        first, second, share = between(here["rotation_angle"], full, len(patterns), interpolate)
        pattern = patterns[first, rows, columns] * (1 - share) + patterns[second, rows, columns] * share
    if not np.isfinite(pattern).all():
        raise InputError("the pattern was not found on all pixels of the data: find and use it with the same crop")
    return np.asarray(pattern if attenuation else np.exp(pattern), dtype=np.float32)
