"""``tomosaxs look`` at a tomography scan: facts, warnings and pictures from a few frames and rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomosaxs import Quantity
from tomosaxs_plugins.commands import look_geometry as geometry
from tomosaxs_plugins.commands import look_values as values
from tomosaxs_plugins.commands.look_axis import AxisGuess, attenuation, guess_axis, one_slice
from tomosaxs_plugins.commands.look_contrast import contrast_warnings
from tomosaxs_plugins.commands.look_recognise import Found
from tomosaxs_plugins.commands.look_report import Report, number_text
from tomosaxs_plugins.commands.look_sample import Sample, sample

SHOWN = 512  # px, about the largest side of a picture


@dataclass(eq=False)
class Findings:
    """What was found in a tomography scan.

    Parameters
    ----------
    sample : Sample
    kind : str
        ``counts``, ``transmission`` or ``attenuation``.
    guess : AxisGuess
    fringes : float
        Fraction of the pixels that are propagation fringes.
    warnings : list of Warn
    turn : float
        Range of the angles in degrees.
    offset : float
        Attenuation that the open beam of the projections has, where the flats had other light; 0 for none.
    """

    sample: Sample
    kind: str
    guess: AxisGuess
    fringes: float
    warnings: list[values.Warn]
    turn: float
    offset: float = 0.0

    @property
    def has_fringes(self) -> bool:
        """Whether edges are enhanced."""
        return self.fringes > values.MANY_FRINGES


def findings(found: Found) -> Findings:
    """Read little of the scan and judge it."""
    taken = sample(found.source)
    kind = values.kind_of(taken)
    guess = guess_axis(taken, kind)
    share = values.fringes(taken, kind)
    warnings = [
        *geometry.angle_warnings(taken, kind),
        *geometry.axis_warnings(guess),
        *geometry.field_warnings(taken, guess, kind),
        *values.values_warnings(taken, kind),
        *geometry.metadata_warnings(taken),
    ]
    if share > values.MANY_FRINGES:
        warnings.append(
            values.Warn(
                f"edges are enhanced: {100 * share:.2g} % of the pixels beside edges are brighter than the open beam",
                "the list phase_contrast retrieves the phase before the logarithm: tomosaxs new --list phase_contrast",
                loud=False,
            )
        )
    warnings += contrast_warnings(taken, kind, fringes=share > values.MANY_FRINGES)
    for text in found.source.messages:
        if text.startswith("WARNING: ") or "broken link" in text:
            warnings.append(values.Warn(text.removeprefix("WARNING: ")))
    return Findings(taken, kind, guess, share, warnings, geometry.turn_of(taken), geometry.offset_of(taken, kind))


def describe(found: Found, made: Findings, report: Report) -> None:
    """Fill facts, warnings and pictures into the report."""
    data = found.source.dataset
    count, height, width = data.shape
    layout = found.source.messages[0].partition(":")[0] if found.source.messages else found.loader
    report.head = f"tomography scan, {layout}"
    angles = data.axis("rotation_angle").values
    companions = [
        f"{sum(batch.count for batch in batches)} {name}"
        + (f" in {len(batches)} batches" if len(batches) > 1 else "")
        for name, batches in (("flats", made.sample.flats), ("darks", made.sample.darks))
        if batches
    ]  # fmt: skip
    size = data.nbytes
    report.facts += [
        ("projections", f"{count} of {height} x {width} pixels, {data.dtype} ({size / 1e9:.3g} GB); "
                        + (", ".join(companions) or "no flats, no darks")),
        ("values", {"counts": "raw counts", "transmission": "transmission", "attenuation": "attenuation"}[made.kind]),
    ]  # fmt: skip
    if angles is not None:
        report.facts.append(("angles", f"{angles[0]:.6g} to {angles[-1]:.6g} deg"
                             + (f": {_turn_text(made.turn)}" if np.isfinite(made.turn) else "")))  # fmt: skip
    for name, label in (("energy", "energy"), ("distance", "distance"), ("pixel_size_x", "pixel size")):
        quantity = data.metadata.get(name)
        stated = number_text(quantity.value, quantity.units) if isinstance(quantity, Quantity) else "not stated"
        report.facts.append((label, stated))
    report.facts.append(("rotation axis", _axis_text(made.guess, len(made.sample.rows))))
    report.warnings += made.warnings
    report.pictures += _pictures(made)


def _turn_text(turn: float) -> str:
    if abs(turn - 180) < 5:
        return "half a turn"
    return "a full turn" if abs(turn - 360) < 10 else f"{turn:.4g} degrees"


def _axis_text(guess: AxisGuess, rows: int) -> str:
    if guess.is_extended:
        return f"near column {guess.extended:.1f}: an extended field of view"
    if not np.isfinite(guess.axis):
        return "not found"
    return (
        f"column {guess.axis:.2f} +- {guess.uncertainty:.2f}, confidence {guess.confidence:.2f} "
        f"(a guess from {rows} rows)"
    )


def _pictures(made: Findings) -> list[tuple[str, NDArray[np.float32]]]:
    taken = made.sample
    middle = len(taken.frames) // 2
    row = len(taken.rows) // 2
    pictures = [(f"projection {taken.numbers[middle]}, as stored", taken.frames[middle])]
    if taken.flats:
        pictures.append((f"projection {taken.numbers[middle]}, after flats and darks", taken.corrected(middle)))
        pictures.append(("flat, mean of a few", taken.flat))
    sinogram = np.nan_to_num(attenuation(taken.transmission[row], made.kind), posinf=0.0, neginf=0.0)
    pictures.append((f"sinogram of row {taken.rows[row]} ({len(taken.taken)} projections)", sinogram))
    if taken.flats or made.kind != "counts":
        image = one_slice(taken, made.guess, made.kind)
        if image is not None:
            axis = made.guess.extended if made.guess.is_extended else made.guess.axis
            binned = ", binned" if image.shape[-1] < taken.transmission.shape[-1] or taken.binning > 1 else ""
            pictures.append((f"slice of row {taken.rows[row]}, axis {axis:.2f}, from {len(taken.taken)} projections"
                             + binned, image))  # fmt: skip
    return [(caption, _smaller(image)) for caption, image in pictures]


def _smaller(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return means over squares, so that no side is much above `SHOWN`."""
    factor = max(image.shape) // SHOWN
    if factor < 2:
        return np.asarray(image, dtype=np.float32)
    rows, columns = (max(1, size // factor) for size in image.shape)
    down, across = (min(factor, size) for size in image.shape)
    part = image[: rows * down, : columns * across]
    made: NDArray[np.float32] = np.zeros((rows, columns), np.float32)
    for y in range(down):
        for x in range(across):
            made += part[y::down, x::across]
    made /= down * across
    return made
