"""A guess of the rotation axis from a few rows, and one slice with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.commands.look_sample import Floats, Sample

SLICE = 512  # px, width of the slice
LEAST = 1e-4  # transmission below this is raised to it before the logarithm


@dataclass(frozen=True, eq=False)
class AxisGuess:
    """What a few rows tell of the rotation axis.

    Parameters
    ----------
    axis, uncertainty : float
        0-based column of the full detector, and its standard deviation; NaN where nothing was found.
    confidence : float
        0 to 1.
    tilt : float
        Degrees against the detector's columns.
    extended : float
        Axis of an extended field of view, near an edge; NaN where the scan is none.
    messages : tuple of str
    """

    axis: float
    uncertainty: float
    confidence: float
    tilt: float
    extended: float
    messages: tuple[str, ...] = ()

    @property
    def is_extended(self) -> bool:
        """Whether the axis lies near an edge of a full turn."""
        return bool(np.isfinite(self.extended))


def attenuation(transmission: Floats, kind: str) -> Floats:
    """Return line integrals of what was stored: ``counts`` and ``transmission`` get a logarithm."""
    if kind == "attenuation":
        return transmission
    made: Floats = -np.log(np.clip(transmission, LEAST, None))
    return made


def guess_axis(sample: Sample, kind: str) -> AxisGuess:
    """Look for the axis in the rows that were read."""
    from tomosaxs_plugins.centring.consensus import combine
    from tomosaxs_plugins.centring.row import row_estimate

    nothing = AxisGuess(np.nan, np.inf, 0.0, np.nan, np.nan)
    if not np.isfinite(sample.angles).all() or len(sample.angles) < 4 or sample.transmission.shape[-1] < 16:
        return nothing
    sinograms = attenuation(sample.transmission, kind)
    rows = [row_estimate(s, sample.angles, float(r)) for s, r in zip(sinograms, sample.rows, strict=True)]
    found = combine(rows)
    scale, offset = sample.binning, (sample.binning - 1) / 2
    axis = found.axis * scale + offset
    # the estimator of the lists says it in words, and gives the axis of the overlap
    extended = any(text.startswith("extended field") for text in found.messages)

    return AxisGuess(
        axis, found.uncertainty * scale, found.confidence, found.tilt * scale, axis if extended else np.nan,
        tuple(text for text in found.messages if "extended field" not in text),
    )  # fmt: skip


def one_slice(sample: Sample, guess: AxisGuess, kind: str) -> NDArray[np.float32] | None:
    """Reconstruct the middle row with the guess; of an extended field the whole of it."""
    from tomosaxs_plugins.reconstruction.backprojection import filtered_backprojection

    axis = guess.extended if guess.is_extended else guess.axis
    if not np.isfinite(axis):
        return None
    sinogram = np.nan_to_num(attenuation(sample.transmission[len(sample.rows) // 2], kind), posinf=0.0, neginf=0.0)
    column = (axis - (sample.binning - 1) / 2) / sample.binning
    width = sinogram.shape[1]
    if not 0 <= column <= width - 1:
        return None
    if guess.is_extended:
        sinogram, column = _extended(sinogram, column)
        width = sinogram.shape[1]
    factor = -(-width // SLICE)
    if factor > 1:
        kept = width // factor * factor
        sinogram = sinogram[:, :kept].reshape(len(sinogram), -1, factor).mean(axis=-1)
        column = (column - (factor - 1) / 2) / factor
    pitch = sample.binning * factor
    made = filtered_backprojection(
        np.ascontiguousarray(sinogram[None], np.float32), sample.angles, min(max(column, 0.0), sinogram.shape[1] - 1.0),
        padding="edge",
    )  # fmt: skip
    image: NDArray[np.float32] = made[0] / np.float32(pitch)
    return image


def _extended(sinogram: Floats, column: float) -> tuple[Floats, float]:
    """Weight the two halves where they overlap and pad to the whole field; the axis comes to the middle.

    Over a full turn every ray is seen at s and -s. With w(s) + w(-s) = 1 inside the overlap |s| <= o each is counted
    once; outside it, where one half alone sees it, twice that, since the reconstruction takes the mean of both turns.
    """
    width = sinogram.shape[1]
    s = np.arange(width) - column
    long_right = column < (width - 1) / 2
    overlap = min(column, width - 1 - column)
    ramp = np.clip(0.5 + 0.5 * (s if long_right else -s) / max(overlap, 1.0), 0.0, 1.0)
    reach = int(np.ceil(max(column, width - 1 - column)))
    whole = np.zeros((len(sinogram), 2 * reach + 1), np.float32)
    first = reach - round(column)
    begin, end = max(first, 0), min(first + width, whole.shape[1])
    whole[:, begin:end] = (2 * ramp * sinogram)[:, begin - first : end - first]
    edge = whole[:, end - 1 : end] if long_right else whole[:, begin : begin + 1]
    if long_right:
        whole[:, end:] = edge
    else:
        whole[:, :begin] = edge
    return whole, column + first
