"""Warnings from sinograms and angles: how far the sample turned, whether it fits into the field."""

from __future__ import annotations

import numpy as np

from tomosaxs import Quantity
from tomosaxs_plugins.commands.look_axis import AxisGuess, attenuation
from tomosaxs_plugins.commands.look_sample import Floats, Sample
from tomosaxs_plugins.commands.look_values import Warn

HALF_TURN = 180.0
OUTSIDE = 0.1  # of the strongest attenuation at an edge: the sample reaches beyond it
DRIFT = 0.15  # attenuation that may be a beam weaker than in the flats
OFTEN = 0.2  # fraction of the projections
ALIKE = 0.4  # of the misfit the other way round: a clear decision


def turn_of(sample: Sample) -> float:
    """Return the range of the angles with one step more, in degrees."""
    angles = np.sort(np.asarray(sample.dataset.axis("rotation_angle").values, np.float64))
    if len(angles) < 2 or not np.isfinite(angles).all():
        return float("nan")
    return float(angles[-1] - angles[0] + np.median(np.diff(angles)))


def angle_warnings(sample: Sample, kind: str) -> list[Warn]:
    """Return what the angles, alone and against the frames, warn of."""
    turn, count, width = turn_of(sample), sample.dataset.shape[0], sample.dataset.shape[2]
    if not np.isfinite(turn):
        return [Warn("the rotation angles are not known", "give angles: {start: 0, stop: 180} or a file under input:")]
    made: list[Warn] = []
    step = turn / max(count, 1)
    if turn < HALF_TURN - 1.5 * step:
        made.append(Warn(f"the angles cover {turn:.4g} degrees only, {HALF_TURN - turn:.3g} short of a half turn",
                         "a wedge is missing: edges along it will be blurred"))  # fmt: skip
    needed = width * np.pi / 4 * (turn / 180 if turn > HALF_TURN else 1)
    if count < needed:
        made.append(
            Warn(
                f"{count} projections for {width} columns: fine streaks are to be expected "
                f"(about {np.ceil(2 * needed):.0f} are free of them)",
                "sirt, or binning",
                loud=False,
            )
        )
    said = _ends(sample, kind)
    if said and abs(turn - HALF_TURN) < 3 * step and said == "equal":
        made.append(
            Warn(
                "the angles say half a turn, but first and last projection are alike and not mirrored: 360 "
                "degrees that would be read as 180",
                "give angles: {start: 0, stop: 360} under input:",
            )
        )
    if said and abs(turn - 360) < 3 * step and said == "mirrored":
        made.append(Warn("the angles say a full turn, but first and last projection are mirror images: 180 degrees "
                         "that would be read as 360", "give angles: {start: 0, stop: 180} under input:"))  # fmt: skip
    return made


def _ends(sample: Sample, kind: str) -> str:
    """Return whether the last projection is ``equal`` to the first or ``mirrored``; empty where that is not clear."""
    ends = attenuation(sample.transmission[:, [0, -1]], kind)
    ends = np.nan_to_num(ends, posinf=0, neginf=0)
    first, last = ends[:, 0], ends[:, 1]
    equal, mirrored = _likeness(first, last), _likeness(first, last[:, ::-1])
    # what the better way round leaves unexplained is clearly less than what the other leaves
    if max(equal, mirrored) < 0.8 or 1 - max(equal, mirrored) > ALIKE * (1 - min(equal, mirrored)):
        return ""
    return "equal" if equal > mirrored else "mirrored"


def _likeness(one: Floats, other: Floats) -> float:
    """Return the best correlation coefficient over all shifts along the rows, of all rows together."""
    size = 2 * one.shape[1]
    a, b = np.gradient(_smooth(one), axis=1), np.gradient(_smooth(other), axis=1)
    product = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size).sum(axis=0)
    return float(product.max() / max(np.sqrt((a**2).sum() * (b**2).sum()), 1e-30))


def _smooth(rows: Floats) -> Floats:
    from scipy.ndimage import gaussian_filter1d

    made: Floats = gaussian_filter1d(rows, max(1.0, rows.shape[1] / 200), axis=1)
    return made


def beam_offset(values: Floats) -> float:
    """Return the attenuation that every projection has at both edges because the flats had more light; 0 for none.

    Such an offset is the same at both edges and at all angles, and level over the outermost columns; a sample that
    reaches over the edges hardly ever is.
    """
    strip = max(2, values.shape[-1] // 50)
    outer = np.stack([values[..., :strip], values[..., -strip:]])
    inner = np.stack([values[..., 2 * strip : 3 * strip], values[..., -3 * strip : -2 * strip]])
    outer, inner = np.median(outer, axis=-1), np.median(inner, axis=-1)
    level = float(np.median(outer))
    spread = float(np.subtract(*np.percentile(outer, [90, 10])))
    slope = float(np.median(np.abs(np.median(inner - outer, axis=-1))))
    noise = float(np.median(np.abs(np.diff(outer, axis=-1))))
    even = spread < 0.3 * abs(level) + 3 * noise and slope < 0.04 * abs(level) + noise
    return level if even or abs(level) < DRIFT / 3 else min(max(float(np.percentile(outer, 2)), 0.0), DRIFT)


def offset_of(sample: Sample, kind: str) -> float:
    """Return the offset of a scan with flats where it is large enough to matter, else 0."""
    if kind != "counts" or not sample.flats:
        return 0.0
    offset = beam_offset(np.nan_to_num(attenuation(sample.transmission, kind), posinf=0, neginf=0))
    return offset if abs(offset) > DRIFT else 0.0


def beyond(sample: Sample, kind: str) -> tuple[float, float]:
    """Return the fraction of the projections in which the sample reaches over the left and over the right edge."""
    values = np.nan_to_num(attenuation(sample.transmission, kind), posinf=0, neginf=0)
    strip = max(2, values.shape[-1] // 50)
    top = float(np.percentile(values, 99))
    noise = float(np.std(values[..., :strip] - np.median(values[..., :strip], axis=-1, keepdims=True)))
    limit = max(OUTSIDE * top, 0.02, 3 * noise / strip**0.5)
    left, right = np.median(values[..., :strip], axis=-1), np.median(values[..., -strip:], axis=-1)
    offset = beam_offset(values)
    return float(np.mean(left - offset > limit)), float(np.mean(right - offset > limit))


def field_warnings(sample: Sample, guess: AxisGuess, kind: str) -> list[Warn]:
    """Return whether the sample fits into the field, and an extended field."""
    if guess.is_extended:
        width = sample.dataset.shape[2]
        whole = 2 * max(guess.extended, width - 1 - guess.extended) + 1
        return [Warn(f"extended field of view: a full turn, the axis near column {guess.extended:.0f} at the edge; "
                     f"slices are {whole:.0f} pixels wide", "use the list extended_field (tomosaxs new does)",
                     loud=False)]  # fmt: skip
    if kind == "counts" and not sample.flats:
        return []
    made = []
    offset = offset_of(sample, kind)
    if offset:
        light = f"the open beam of the projections is {np.exp(-offset):.2f} of that of the flats"
        made.append(Warn(f"{light}: another exposure, or a weaker beam",
                         "find_open_beam takes it from the outermost columns", loud=False))  # fmt: skip
    left, right = beyond(sample, kind)
    if min(left, right) > OFTEN:
        share = 100 * min(left, right)
        return [*made,
                Warn(f"local tomography: the sample reaches over both edges in {share:.0f} % of the projections",
                     "values near the rim of the slices are too large; padding: cylinder of reconstruct "
                     "brings them back")]  # fmt: skip
    if max(left, right) > OFTEN:
        side, share = ("left", left) if left > right else ("right", right)
        return [*made,
                Warn(f"the sample leaves the field over the {side} edge in {100 * share:.0f} % of the projections",
                     "streaks and false values near the rim; centre the sample, or scan a full turn with the axis at "
                     "the edge")]  # fmt: skip
    return made


def metadata_warnings(sample: Sample) -> list[Warn]:
    """Return what the file does not state and what that costs."""
    known = sample.dataset.metadata
    made = []
    if not isinstance(known.get("pixel_size_x"), Quantity):
        made.append(Warn("no pixel size: attenuation will be per pixel, lengths in pixels",
                         "pixel_size: (in m) under input:", loud=False))  # fmt: skip
    missing = [name for name in ("energy", "distance") if not isinstance(known.get(name), Quantity)]
    if missing:
        made.append(Warn(f"no {' and no '.join(missing)} in the file: phase retrieval in physical units needs it",
                         "give it to retrieve_phase", loud=False))  # fmt: skip
    return made


def axis_warnings(guess: AxisGuess) -> list[Warn]:
    """Return what is to be said of the axis."""
    made = []
    if not np.isfinite(guess.axis):
        return [Warn("no rotation axis was found in the rows that were read", "; ".join(guess.messages))]
    if guess.confidence < 0.5 and not guess.is_extended:
        made.append(Warn(f"the rotation axis is not certain (confidence {guess.confidence:.2f})",
                         "the run looks at more rows; where it stops it shows candidates to choose from"))  # fmt: skip
    if np.isfinite(guess.tilt) and abs(guess.tilt) > 0.1 and guess.confidence > 0.5:
        made.append(Warn(f"the axis is tilted by about {guess.tilt:.2f} degrees against the detector",
                         "correct_tilt, before minus_log: angle: ${axis.tilt_deg}, centre: ${axis}",
                         loud=False))  # fmt: skip
    return made
