"""A calibration given as numbers, in the list or in a script."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from tomosaxs import InputError, convert, did_you_mean
from tomosaxs_plugins.integration.geometry import DetectorGeometry

PLANCK_TIMES_C = 1.2398419843320026e-6
"""Energy in eV times wavelength in m (exact in the SI of 2019)."""
DESCRIPTION = (
    "file (.poni, saxsdog JSON, FIT2D log, NeXus with an NXdetector, DAWN), or a mapping: distance (along the beam, "
    "m), beam_centre [row, column] (px, 0 is the outer corner of the first pixel), pixel_size (m; or [height, "
    "width]), wavelength (m) or energy (keV), tilt (deg), tilt_direction (deg, where it lies farther from the "
    "sample, counted as azimuths); lengths, angles and energy also as text with a unit: 172 um"
)
"""What the parameter `calibration` of every plugin takes."""
_KEYS = ("distance", "beam_centre", "pixel_size", "wavelength", "energy", "tilt", "tilt_direction")
_SPELLINGS = {"beam_center": "beam_centre"}
_TEXT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S+)\s*")


def from_mapping(given: Mapping[str, Any], frame_shape: tuple[int, int] | None = None) -> DetectorGeometry:
    """Build a geometry from named numbers.

    Parameters
    ----------
    given : mapping
        ``distance`` (m, from the sample along the beam), ``beam_centre`` [row, column] (px, edge coordinates),
        ``pixel_size`` (m, or [height, width]), ``wavelength`` (m) or ``energy`` (keV), ``tilt`` (deg) and
        ``tilt_direction`` (deg, counted as azimuths: 0 along columns, counter-clockwise with row 0 at the top).
        Instead of a number also a text with its unit: ``1031.657 mm``. Distance, centre and pixel size are
        needed.
    frame_shape : (rows, columns), optional
        Of the detector.

    Raises
    ------
    InputError
        Naming the key, what was given and what is expected.
    """
    named = {_SPELLINGS.get(key, key): value for key, value in given.items()}
    for key in named:
        if key not in _KEYS:
            raise InputError(f"calibration: unknown key {key!r}{did_you_mean(str(key), _KEYS)}")
    absent = [key for key in ("distance", "beam_centre", "pixel_size") if key not in named]
    if absent:
        raise InputError(f"calibration: {', '.join(absent)} missing")
    if "wavelength" in named and "energy" in named:
        raise InputError("calibration: give wavelength or energy, not both")
    pixel = _pair(named["pixel_size"], "pixel_size", "m", single=True)
    tilt = _number(named.get("tilt", 0.0), "tilt", "deg")
    if not abs(tilt) < 90:
        raise InputError(f"calibration: tilt {tilt:g} deg: it must be less than 90")
    try:
        return DetectorGeometry.from_tilt(
            _pair(named["beam_centre"], "beam_centre", "px", single=False),
            _number(named["distance"], "distance", "m"),
            math.radians(tilt),
            -math.radians(_number(named.get("tilt_direction", 0.0), "tilt_direction", "deg")),
            pixel,
            _wavelength(named),
            frame_shape,
        )
    except ValueError as error:
        raise InputError(f"calibration: {error}") from None


def _wavelength(named: Mapping[str, Any]) -> float | None:
    if "energy" in named:
        energy = _number(named["energy"], "energy", "keV")
        if not energy > 0:
            raise InputError(f"calibration: energy {energy:g} keV: it must be positive")
        return PLANCK_TIMES_C / (energy * 1e3)
    return _number(named["wavelength"], "wavelength", "m") if "wavelength" in named else None


def _pair(value: Any, key: str, units: str, single: bool) -> tuple[float, float]:
    if isinstance(value, (list, tuple)):
        if len(value) != 2:
            raise InputError(f"calibration: {key} takes two values, rows first; got {value!r}")
        return _number(value[0], key, units), _number(value[1], key, units)
    if not single:
        raise InputError(f"calibration: {key} takes [row, column], got {value!r}")
    return (_number(value, key, units),) * 2


def _number(value: Any, key: str, units: str) -> float:
    found = math.nan
    if isinstance(value, str):
        text = _TEXT.fullmatch(value)
        if text:
            try:
                found = _in_units(float(text[1]), text[2], units)
            except InputError as error:
                raise InputError(f"calibration: {key}: {error}") from None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found = float(value)
    if not math.isfinite(found):
        raise InputError(f"calibration: {key}: expected a number ({units}), or a text with a unit, got {value!r}")
    return found


def _in_units(value: float, given: str, wanted: str) -> float:
    if wanted == "px":
        if given.lower() not in ("px", "pixel", "pixels"):
            raise InputError(f"pixels are expected, got {given}")
        return value
    return convert(value, given, wanted)
