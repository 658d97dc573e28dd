"""Dark- and flat-field correction: counts to transmission."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np

from tomosaxs import Dataset, InputError, Output, Param, Rows, Scan, empty_block, plugin
from tomosaxs_plugins.corrections.kernels import transmission


def _check(data: Dataset, *, monitor: bool, **_: Any) -> None:
    for name, option in (("flats", "flats"), ("darks", "darks")):
        if name not in data.auxiliaries:
            raise InputError(
                f"the scan has no {name}: give a file that has them as the input's `{option}: FILE`, "
                "or leave this step out if the data are corrected already"
            )
    if monitor and not {"monitor", "monitor_flats"} <= set(data.auxiliaries):
        raise InputError("monitor: the scan has no monitor value for every projection and every group of flats")


def _shape(data: Dataset, **_: Any) -> Output:
    gone = ("flats", "darks", "flat_weights", "monitor_flats")
    return Output((), "float32", "transmission", "", drop=gone)


@plugin(shape=_shape, check=_check, memory=2.5, cite="10.1107/S0909049508008182")
def dark_flat_correction(
    data: Rows,
    scan: Scan,
    *,
    interpolate: Annotated[bool, Param("interpolate flats in time between groups before and after")] = True,
    monitor: Annotated[bool, Param("divide by the beam monitor too")] = False,
    dead_pixels: Annotated[
        Literal["interpolate", "one"], Param("dead pixels: from their neighbours in the row, or transmission 1")
    ] = "interpolate",
    dead_below: Annotated[
        float, Param("dead is where flat minus dark is not above this fraction of its row's median", ge=0, lt=1)
    ] = 0.01,
) -> Rows:
    """Turn counts into transmission with darks and flats, interpolated in time.

    T = (I - D) / (F(t) - D), where F(t) lies between the mean flats taken before and after the projection, in
    proportion to the time between them. With `monitor`, T is multiplied by the monitor of the flat over that
    of the projection, for beams that drift between flats. A dead pixel, whose flat hardly differs from its dark,
    says nothing about the sample: it gets what lies between its neighbours in the row, and their number is reported.

    Parameters
    ----------
    data : (n, ...) array
        Raw counts; any slicing that keeps the rows of the detector whole.
    scan : Scan
        Must bring ``flats`` and ``darks``.

    Returns
    -------
    (n, ...) float32 array
        Transmission, without units.

    Raises
    ------
    InputError
        When flats or darks are missing, all flats are zero, or a frame holds no finite value.

    Notes
    -----
    Interpolation in time: V. Van Nieuwenhove et al. discuss what it leaves (10.1364/OE.23.027975).
    """
    flats, darks = scan.get("flats"), scan.get("darks")
    weights = scan.get("flat_weights") if "flat_weights" in scan else np.ones((len(flats), 1), np.float32) / len(flats)
    weights = weights.reshape(weights.shape + (1,) * (flats.ndim - weights.ndim))
    if not interpolate:
        weights = np.full_like(weights, 1.0 / len(weights))
    if not float(np.max(flats, initial=0.0)) > 0.0:
        raise InputError("all flats are zero: the beam was off or they are darks")
    _refuse_empty_frames(data, scan)
    row = 1 + next(number for number, name in enumerate(scan.core) if name in ("detector_x", "x"))
    fill = dead_pixels == "interpolate"
    out = empty_block(data.shape, np.float32)
    corrected, dead = transmission(data, darks.mean(axis=0), flats, weights, row, dead_below, fill, out)
    if dead.any():
        done = "interpolated along their rows" if fill else "set to transmission 1"
        scan.note(f"{{count}} values at dead pixels (flat hardly above dark) were {done}", dead)
    if monitor:
        of_flats = scan.get("monitor_flats")
        if of_flats.ndim != weights.ndim:  # one value a flat, of a scan made of plain arrays
            of_flats = of_flats.reshape(weights.shape[:1] + (1,) * (weights.ndim - 1))
        of_flats = (of_flats * weights).sum(0)
        corrected *= (of_flats / scan.get("monitor")).astype(np.float32)
    return corrected


def _refuse_empty_frames(data: Rows, scan: Scan) -> None:
    """A frame of nothing but NaN would spread through every slice of a volume."""
    if data.dtype.kind != "f" or data.size == 0 or np.isfinite(data.sum(dtype=np.float64)):
        return
    names = scan.core
    if "rotation_angle" in names:
        axes = tuple(d for d in range(data.ndim) if d != 1 + names.index("rotation_angle"))
        frames = np.flatnonzero(~np.isfinite(data).any(axis=axes))
    else:
        frames = scan.positions[~np.isfinite(data).any(axis=tuple(range(1, data.ndim)))]
    if len(frames):
        shown = ", ".join(str(frame) for frame in frames[:8]) + (", ..." if len(frames) > 8 else "")
        raise InputError(f"projections without any finite value: {shown} ({len(frames)} in all); crop them out")
