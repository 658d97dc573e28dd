"""The log of a FIT2D calibration (doi:10.1080/08957959608201408)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tomosaxs_plugins.integration.geometry import DetectorGeometry

_NUMBER = r"([-+]?\d+(?:\.\d*)?(?:[eEdD][-+]?\d+)?)"
_LINES = {
    "Refined Beam centre (pixels)": rf"Refined Beam cent(?:re|er)\s*=\s*{_NUMBER}\s+{_NUMBER}\s*\(pixels\)",
    "Refined Beam centre (mm)": rf"Refined Beam cent(?:re|er)\s*=\s*{_NUMBER}\s+{_NUMBER}\s*\(mm\)",
    "Refined sample to detector distance": rf"Refined sample to detector distance\s*=\s*{_NUMBER}\s*mm",
    "Refined wavelength": rf"Refined wavelength\s*=\s*{_NUMBER}\s*Angstrom",
    "Refined tilt plane rotation angle": rf"Refined tilt plane rotation angle\s*=\s*{_NUMBER}\s*degrees",
    "Refined tilt angle": rf"Refined tilt angle\s*=\s*{_NUMBER}\s*degrees",
}
_NEEDED = tuple(name for name in _LINES if name not in ("Refined Beam centre (mm)", "Refined wavelength"))


def is_fit2d(text: str) -> bool:
    """Return whether a text is the log of a FIT2D calibration."""
    return re.search(r"Refined\s+(Beam cent|sample to detector|tilt)", text, re.IGNORECASE) is not None


def read_fit2d(
    path: Path,
    frame_shape: tuple[int, int] | None = None,
    pixel: tuple[float, float] | None = None,
) -> DetectorGeometry:
    """Read a log of FIT2D; of every refined value the last one counts.

    FIT2D counts rows from the bottom of the picture, so the number of rows is needed: that of the frames. The
    pixel sizes are those given, else what the two lines of the beam centre (pixels and mm) agree on: the one
    multiple of 0.1 um within their rounding.

    Parameters
    ----------
    frame_shape : (rows, columns)
        Of the whole image that was calibrated.
    pixel : (height, width), optional
        m.

    Raises
    ------
    ValueError
        When a value is missing, the number of rows is not known, or the pixel size does not follow.
    """
    text = path.read_text(encoding="latin-1")
    found = {name: re.findall(pattern, text, re.IGNORECASE) for name, pattern in _LINES.items()}
    absent = [name for name in _NEEDED if not found[name]]
    if absent:
        raise ValueError(f"a FIT2D log holds the lines {', '.join(_NEEDED)}; not found: {', '.join(absent)}")
    if frame_shape is None:
        raise ValueError(
            "FIT2D counts rows from the bottom: the number of rows of the whole image is needed, and only a part of "
            "it is known here; write the calibration as .poni, or give it in the list"
        )
    x, y = (_float(each) for each in found["Refined Beam centre (pixels)"][-1])
    single = {name: _float(values[-1]) for name, values in found.items() if values and "centre" not in name}
    if pixel is None:
        pixel = _pixel(found)
    wavelength = single.get("Refined wavelength")
    return DetectorGeometry.from_tilt(
        (frame_shape[0] - y, x),
        single["Refined sample to detector distance"] / 1e3,
        _angle(single["Refined tilt angle"]),
        -np.radians(single["Refined tilt plane rotation angle"]),
        pixel,
        None if wavelength is None else wavelength / 1e10,
        frame_shape,
    )


def _angle(tilt: float) -> float:
    if not abs(tilt) < 90:
        raise ValueError(f"a tilt of {tilt:g} degrees: it must be less than 90")
    return float(np.radians(tilt))


def _float(text: str) -> float:
    return float(text.replace("d", "e").replace("D", "e"))


def _pixel(found: dict[str, list[tuple[str, str]]]) -> tuple[float, float]:
    """Return pixel (height, width) in m from the beam centre in pixels and in mm."""
    advice = "give the pixel sizes: in the frames' file, or all of the calibration in the list"
    if not found["Refined Beam centre (mm)"]:
        raise ValueError(f"the log has no beam centre in mm, from which pixel sizes follow; {advice}")
    pixels, lengths = found["Refined Beam centre (pixels)"][-1], found["Refined Beam centre (mm)"][-1]
    width, height = (_one_size(*pair, advice) for pair in zip(pixels, lengths, strict=True))
    return height, width


def _one_size(pixels: str, length: str, advice: str) -> float:
    (count, count_step), (mm, mm_step) = _printed(pixels), _printed(length)
    if count - count_step <= 0 or mm - mm_step <= 0:
        raise ValueError(f"the pixel size does not follow from {pixels} pixels = {length} mm; {advice}")
    low, high = (mm - mm_step) / (count + count_step) * 1e4, (mm + mm_step) / (count - count_step) * 1e4
    sizes = range(int(np.ceil(low)), int(np.floor(high)) + 1)
    if len(sizes) != 1:
        raise ValueError(
            f"{pixels} pixels = {length} mm gives pixels of {low / 10:.3f} to {high / 10:.3f} um; {advice}"
        )
    return sizes[0] / 1e7


def _printed(text: str) -> tuple[float, float]:
    """Return the size of a printed number and half a unit of its last digit."""
    return abs(_float(text)), 0.5 * 10.0 ** -len(text.partition(".")[2])
