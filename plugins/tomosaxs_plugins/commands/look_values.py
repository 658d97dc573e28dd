"""Warnings from the values of a few frames: saturation, dead pixels, flats, what was done to them before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomosaxs_plugins.commands.look_sample import Floats, Sample

SATURATED = 1e-3  # fraction of pixels at the largest value that is worth a word
DEAD = 0.05  # of its neighbours' light: a pixel below is dead
DEAD_COLUMN = 0.5  # fraction of dead pixels that makes a column dead
FLATS_DIFFER = 0.05  # relative change of structure between batches of flats
FRINGE = 0.04  # light beyond the open beam beside an edge
MANY_FRINGES = 5e-4  # fraction of the pixels


@dataclass(frozen=True)
class Warn:
    """One thing to know before the scan is reconstructed.

    Parameters
    ----------
    what : str
        What was seen, with its figure.
    cure : str
        What to do; may be empty.
    loud : bool
        Whether it spoils a reconstruction as it stands.
    """

    what: str
    cure: str = ""
    loud: bool = True


def kind_of(sample: Sample) -> str:
    """Return what the values are: ``counts``, ``transmission`` or ``attenuation``, from their type and range."""
    frames = sample.frames
    if sample.flats or frames.dtype.kind in "iu":
        return "counts"
    values = frames[np.isfinite(frames)]
    if values.size == 0 or float(np.percentile(values, 99)) > 20:
        return "counts"
    low, middle, high = np.percentile(values, [1, 50, 99])
    edge = np.nanmedian(np.concatenate([frames[..., :3].ravel(), frames[..., -3:].ravel()]))
    if low < -0.005 or (edge < 0.3 and edge < middle):
        return "attenuation"
    return "transmission" if high < 2.0 else "counts"


def values_warnings(sample: Sample, kind: str) -> list[Warn]:
    """Return what the values of frames, flats and darks warn of."""
    made = [*_not_numbers(sample), *_saturated(sample)]
    if kind == "transmission":
        made.append(Warn("the values look like a transmission (no flats, about 0 to 1): flats were divided out before",
                         "leave dark_flat_correction out (tomosaxs new does)", loud=False))  # fmt: skip
    elif kind == "attenuation":
        made.append(Warn("the values look like an attenuation (about 0 in the open beam): a logarithm was taken before",
                         "leave dark_flat_correction and minus_log out (tomosaxs new does); phase retrieval needs the "
                         "values before the logarithm", loud=False))  # fmt: skip
    else:
        made += _companions(sample)
    return made


def _not_numbers(sample: Sample) -> list[Warn]:
    if sample.frames.dtype.kind != "f":
        return []
    bad = ~np.isfinite(sample.frames)
    if not bad.any():
        return []
    lost = [int(n) for n, frame in zip(sample.numbers, bad, strict=True) if frame.all()]
    text = f"{100 * bad.mean():.2g} % of the values are NaN or infinite"
    return [Warn(text + (f"; whole projections: {', '.join(map(str, lost))}" if lost else ""),
                 "projections at fault are left out by exclude: under input:")]  # fmt: skip


def _saturated(sample: Sample) -> list[Warn]:
    made = []
    for name, stacks in (("flats", [batch.frames for batch in sample.flats]), ("projections", [sample.frames])):
        for number, stack in enumerate(stacks, 1):
            top = _top(stack)
            share = 0.0 if top is None else float(np.mean(stack >= top))
            if share > SATURATED:
                which = f" of batch {number}" if len(stacks) > 1 else ""
                made.append(Warn(f"{name}{which} are saturated: {100 * share:.2g} % of the pixels are at {top}",
                                 "transmission there is wrong and cannot be mended; expose shorter"
                                 + ("; other flats: flats: FILE" if name == "flats" else "")))  # fmt: skip
    return made


def _top(stack: NDArray[np.generic]) -> int | None:
    """Return the largest value the camera can give: 2^n - 1 where that is the largest value present."""
    if stack.dtype.kind not in "iu" or stack.size == 0:
        return None
    largest = int(stack.max())
    return largest if largest >= 255 and (largest & (largest + 1)) == 0 else None


def _companions(sample: Sample) -> list[Warn]:
    made: list[Warn] = []
    if not sample.flats:
        made.append(Warn("no flats: counts cannot become a transmission", "give them: flats: FILE under input:"))
        return made
    if not sample.darks:
        made.append(Warn("no darks: the dark level stays in the values, which lowers contrast",
                         "give them: darks: FILE under input:"))  # fmt: skip
    made += _dead(sample)
    made += _flats_differ(sample)
    made += _zingers(sample)
    return made


def _dead(sample: Sample) -> list[Warn]:
    light = sample.flat - sample.dark
    around = _neighbours(light)
    dead = ~(light > DEAD * around)
    made: list[Warn] = []
    columns = np.flatnonzero(dead.mean(axis=0) > DEAD_COLUMN)
    rows = np.flatnonzero(dead.mean(axis=1) > DEAD_COLUMN)
    for name, lines in (("column", columns), ("row", rows)):
        if len(lines):
            listed = ", ".join(map(str, lines[:10])) + (", ..." if len(lines) > 10 else "")
            cure = "rings: remove_dead_stripes or remove_all_stripes" if name == "column" else "leave them out: crop:"
            made.append(Warn(f"{len(lines)} dead {name}{'s' if len(lines) > 1 else ''}: {listed}", cure))
    single = dead.copy()
    single[:, columns] = False
    single[rows] = False
    if single.any():
        made.append(
            Warn(
                f"{np.count_nonzero(single)} dead pixels (no light in the flats)",
                "dark_flat_correction interpolates them; rings: remove_all_stripes",
                loud=False,
            )
        )
    return made


def _neighbours(image: Floats) -> Floats:
    """Return the median light of squares of 32 pixels around, at every pixel."""
    rows, columns = image.shape
    side = 32
    down, across = max(1, rows // side), max(1, columns // side)
    h, w = min(side, rows), min(side, columns)
    squares = image[: down * h, : across * w].reshape(down, h, across, w)
    medians = np.median(squares, axis=(1, 3))
    y = np.minimum(np.arange(rows) // h, down - 1)
    x = np.minimum(np.arange(columns) // w, across - 1)
    spread: Floats = medians[np.ix_(y, x)].astype(np.float32)
    return spread


def _flats_differ(sample: Sample) -> list[Warn]:
    if len(sample.flats) < 2:
        return []
    first, last = (_coarse(batch.mean - sample.dark) for batch in (sample.flats[0], sample.flats[-1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = last / first
    ratio = ratio[np.isfinite(ratio)]
    if ratio.size == 0:
        return []
    level = float(np.median(ratio))
    spread = float(np.percentile(np.abs(ratio / level - 1), 95)) if level > 0 else np.inf
    made = []
    if spread > FLATS_DIFFER:
        made.append(
            Warn(
                f"flats before and after differ by {100 * spread:.2g} % in their pattern: the beam moved",
                "eigen_flat_correction, or the batch that fits better (ignore_flats)",
            )
        )
    if abs(level - 1) > 2 * FLATS_DIFFER:
        made.append(Warn(f"the beam changed by {100 * (level - 1):+.2g} % between the flats before and after",
                         "flats are interpolated in time", loud=False))  # fmt: skip
    return made


def _coarse(image: Floats, side: int = 4) -> Floats:
    """Return means of small squares, so that noise does not count."""
    rows, columns = (size // side * side for size in image.shape)
    if not (rows and columns):
        return image
    made: Floats = image[:rows, :columns].reshape(rows // side, side, columns // side, side).mean(axis=(1, 3))
    return made


def _zingers(sample: Sample) -> list[Warn]:
    """Count pixels far above all their four neighbours in projections, where the flats are not."""
    count, total = 0, 0
    looked = range(0, len(sample.frames), 3)
    for number in looked:
        full = sample.corrected(number)
        values = full[1:-1, 1:-1]
        near = np.maximum(np.maximum(full[:-2, 1:-1], full[2:, 1:-1]), np.maximum(full[1:-1, :-2], full[1:-1, 2:]))
        good = np.abs(full[1:-1, :-2] - full[1:-1, 2:]) < 0.2
        count += int(np.count_nonzero(good & (values > near * 1.3 + 0.2)))
        total += values.size
    if count < 3 or count < 2e-6 * total:
        return []
    return [Warn(f"about {count / len(looked):.0f} zingers (single bright pixels) a projection",
                 "remove_zingers before dark_flat_correction (tomosaxs new puts it there)", loud=False)]  # fmt: skip


def fringes(sample: Sample, kind: str) -> float:
    """Return the fraction of pixels that are brighter than the open beam beside an edge: propagation fringes."""
    if kind == "attenuation" or (kind == "counts" and not sample.flats):
        return 0.0
    shares = []
    for number in range(0, len(sample.frames), 4):
        image = np.nan_to_num(sample.corrected(number), nan=1.0)
        smooth = _box(image)
        edge = max(3, image.shape[1] // 40)
        beam = float(np.median(np.concatenate([smooth[:, :edge].ravel(), smooth[:, -edge:].ravel()])))
        noise = 1.4826 * float(np.median(np.abs(smooth[:, 2:] - 2 * smooth[:, 1:-1] + smooth[:, :-2]))) / 6**0.5
        limit = max(FRINGE, 6 * noise)
        bright = smooth > beam * (1 + limit)
        dark = smooth < beam * (1 - limit)
        beside = bright & _grown(dark, 6)
        # bright areas that lie beside nothing are beam, not fringes
        shares.append(float(beside.mean()) if beside.sum() > 0.6 * bright.sum() else 0.0)
    return float(np.median(shares)) if shares else 0.0


def _box(image: Floats) -> Floats:
    """Return means over 3 x 3 pixels."""
    padded = np.pad(image, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    made: Floats = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / np.float32(9)
    return made


def _grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    from scipy.ndimage import maximum_filter

    grown: NDArray[np.bool_] = maximum_filter(mask, size=2 * by + 1)
    return grown
