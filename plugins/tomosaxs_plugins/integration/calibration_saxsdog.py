"""saxsdog's calibration files (JSON, .saxsconf), both versions, and what they ask of an integration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tomosaxs_plugins.integration.geometry import DetectorGeometry

ANGSTROM_STAR = 1.00001495
"""Angstrom that saxsdog takes an Angstrom for: it used the unit Angstrom*."""

_TILT = ("TiltRotDeg", "TiltAngleDeg")
_GEOMETRY = ("Tilt", "BeamCenter", "DedectorDistanceMM", "PixelSizeMicroM", "Imagesize")
_MASK = ("MaskFile", "Oversampling", "PixelPerRadialElement")
_V1 = (*_GEOMETRY, *_MASK, "Wavelength")
_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # place: (required, optional)
    "": (("Geometry", "Wavelength", "Masks", "Directory"),
         ("Title", "Slices", "GISAXSmode", "PolarizationCorrection", "Threads")),
    "v1": (_V1, ("Title", "PolarizationCorrection")),
    "Geometry": (_GEOMETRY, ()),
    "Tilt": (_TILT, ()),
    "Masks": ((*_MASK, "qStart", "qStop"), ("Name",)),
    "Slices": (("Direction", "Plane", "CutPosition", "CutMargin", "IncidentAngle", "MaskRef"), ()),
    "PolarizationCorrection": (("Fraction", "Angle"), ()),
}  # fmt: skip


def is_saxsdog(content: Any) -> bool:
    """Return whether parsed JSON is meant as a saxsdog calibration."""
    return isinstance(content, dict) and bool({"Geometry", "DedectorDistanceMM", "BeamCenter"} & set(content))


def load_saxsdog(path: Path) -> dict[str, Any]:
    """Return a calibration file as version 2, checked.

    Raises
    ------
    ValueError
        Naming the key: unknown, missing, of the wrong kind, not finite or out of range.
    """
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_not_finite)
    if not isinstance(content, dict):
        raise ValueError(f"a saxsdog calibration is a JSON object, this is {type(content).__name__}")
    return checked(content if "Geometry" in content else to_version_2(content))


def _not_finite(text: str) -> float:
    raise ValueError(f"{text} is no number that can be used")


def to_version_2(old: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat file of version 1 in the form of version 2; nothing is lost, zeros and titles included.

    Raises
    ------
    ValueError
        When a key is unknown or missing.
    """
    _keys(old, "v1", "version 1")
    new: dict[str, Any] = {
        "Geometry": {key: old[key] for key in _GEOMETRY},
        "Masks": [{**{key: old[key] for key in _MASK}, "qStart": 0, "qStop": 0}],
        "Directory": ["."],
    }
    new.update({key: old[key] for key in ("Wavelength", "PolarizationCorrection", "Title") if key in old})
    return new


def checked(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of version 2 when its keys and numbers are what saxsdog allows.

    Raises
    ------
    ValueError
        Naming the key.
    """
    _keys(content, "", "the file")
    geometry = _object(content, "Geometry")
    _keys(geometry, "Geometry", "Geometry")
    tilt = _object(geometry, "Tilt")
    _keys(tilt, "Tilt", "Tilt")
    _number(tilt, "TiltRotDeg")
    if not abs(_number(tilt, "TiltAngleDeg")) < 90:
        raise ValueError(f"TiltAngleDeg {tilt['TiltAngleDeg']!r}: it must be less than 90 degrees")
    _numbers(geometry, "BeamCenter", (2,))
    _numbers(geometry, "PixelSizeMicroM", (1, 2), positive=True)
    if any(type(each) is not int for each in _numbers(geometry, "Imagesize", (2,), positive=True)):
        raise ValueError(f"Imagesize {geometry['Imagesize']!r}: expected [rows, columns], whole numbers")
    _number(geometry, "DedectorDistanceMM", positive=True)
    _number(content, "Wavelength", positive=True)
    masks = content["Masks"]
    if not isinstance(masks, list) or not masks:
        raise ValueError("Masks: expected a list of one or more")
    for mask in masks:
        _keys(mask, "Masks", "Masks")
        if type(mask["Oversampling"]) is not int or mask["Oversampling"] < 1:
            raise ValueError(f"Oversampling {mask['Oversampling']!r}: expected a whole number, 1 or more")
        _number(mask, "PixelPerRadialElement", positive=True)
        if not isinstance(mask["MaskFile"], str):
            raise ValueError(f"MaskFile {mask['MaskFile']!r}: expected a text")
    for cut in content.get("Slices") or []:
        _keys(cut, "Slices", "Slices")
    if "PolarizationCorrection" in content:
        correction = _object(content, "PolarizationCorrection")
        _keys(correction, "PolarizationCorrection", "PolarizationCorrection")
        if not 0 <= _number(correction, "Fraction") <= 1:
            raise ValueError(f"Fraction {correction['Fraction']!r}: it lies between 0 and 1")
        _number(correction, "Angle")
    return content


def read_saxsdog(path: Path, legacy_angstrom_star: bool = False) -> DetectorGeometry:
    """Read a calibration of version 1 or 2.

    Parameters
    ----------
    legacy_angstrom_star : bool
        Take the wavelength as the original program did, which multiplied it by 1.00001495.

    Raises
    ------
    ValueError
        Naming the key that is wrong.
    """
    return geometry_of(load_saxsdog(path), legacy_angstrom_star)


def geometry_of(content: Mapping[str, Any], legacy_angstrom_star: bool = False) -> DetectorGeometry:
    """Return the geometry of a checked version 2: rows count from the bottom, tilts counter-clockwise."""
    given = content["Geometry"]
    rows, columns = given["Imagesize"]
    sizes = given["PixelSizeMicroM"]
    return DetectorGeometry.from_tilt(
        (rows - float(given["BeamCenter"][0]), float(given["BeamCenter"][1])),
        given["DedectorDistanceMM"] / 1e3,
        float(np.radians(given["Tilt"]["TiltAngleDeg"])),
        -float(np.radians(given["Tilt"]["TiltRotDeg"])),
        (sizes[0] / 1e6, sizes[-1] / 1e6),
        content["Wavelength"] / 1e10 * (ANGSTROM_STAR if legacy_angstrom_star else 1.0),
        (rows, columns),
    )


def radial_bins(geometry: DetectorGeometry, oversampling: int, pixels_per_bin: float) -> tuple[int, float]:
    """Return saxsdog's number of bins and the outer edge of the last one (nm^-1); the first begins at 0.

    They follow from the largest q and the largest distance from the beam, in pixels, of all sub-pixel centres.

    Raises
    ------
    ValueError
        When the geometry has no shape or no wavelength.
    """
    if geometry.shape is None:
        raise ValueError("the detector's shape is needed")
    inside = (np.arange(oversampling) + 0.5) / oversampling
    edges = []
    for size in geometry.shape:
        # q and radius are largest on the rim, whose sub-pixels lie in the first and last row and column
        edges.append(np.concatenate([inside, size - 1 + inside]) if size > 1 else inside)
    rows = np.arange(geometry.shape[0] * oversampling) / oversampling + inside[0]
    columns = np.arange(geometry.shape[1] * oversampling) / oversampling + inside[0]
    centre = geometry.beam_centre
    farthest = largest = 0.0
    for y, x in ((edges[0][:, None], columns[None, :]), (rows[:, None], edges[1][None, :])):
        down = (y - centre[0]) * geometry.pixel1
        right = (x - centre[1]) * geometry.pixel2
        farthest = max(farthest, float(np.hypot(down, right).max()))
        largest = max(largest, float(geometry.q(y, x).max()))
    scale = farthest / geometry.pixel1 / (largest * pixels_per_bin)
    bins = int(np.floor(largest * scale)) + 1
    return bins, bins / scale


def integration_parameters(path: Path, mask: int = 0, legacy_angstrom_star: bool = False) -> dict[str, Any]:
    """Return the parameters of `azimuthal_integrate` that do what saxsdog does with this calibration.

    Parameters
    ----------
    path : Path
        The calibration; a mask file is looked for from its folder.
    mask : int
        Which entry of ``Masks``: saxsdog makes one curve of each.
    legacy_angstrom_star : bool
        Take the wavelength as the original program did; the curves then carry its q.

    Returns
    -------
    dict
        ``calibration``, ``mask``, ``splitting``, ``oversampling``, ``average``, ``bins``, ``range``, ``unit``,
        ``solid_angle`` and, where the file corrects it, ``polarization`` and ``polarization_angle`` (which
        counts counter-clockwise; the original program turned the other way).

    Raises
    ------
    ValueError
        When there is no such mask.
    """
    content = load_saxsdog(path)
    if not 0 <= mask < len(content["Masks"]):
        raise ValueError(f"Masks has no entry {mask}: {len(content['Masks'])} exist, counted from 0")
    chosen, geometry = content["Masks"][mask], geometry_of(content, legacy_angstrom_star)
    bins, last = radial_bins(geometry, chosen["Oversampling"], chosen["PixelPerRadialElement"])
    found: dict[str, Any] = {
        "calibration": _mapping(content, ANGSTROM_STAR) if legacy_angstrom_star else path,
        "mask": path.parent / chosen["MaskFile"],
        "splitting": "subpixel",
        "oversampling": chosen["Oversampling"],
        "average": "mean_of_ratios",
        "unit": "q_nm^-1",
        "bins": bins,
        "range": (0.0, last),
        "solid_angle": False,
    }
    if "PolarizationCorrection" in content:
        correction = content["PolarizationCorrection"]
        found["polarization"] = 2.0 * correction["Fraction"] - 1.0
        found["polarization_angle"] = float(correction["Angle"])
    return found


def _mapping(content: Mapping[str, Any], factor: float) -> dict[str, Any]:
    given = content["Geometry"]
    sizes = given["PixelSizeMicroM"]
    return {
        "distance": given["DedectorDistanceMM"] / 1e3,
        "beam_centre": [given["Imagesize"][0] - given["BeamCenter"][0], given["BeamCenter"][1]],
        "pixel_size": [sizes[0] / 1e6, sizes[-1] / 1e6],
        "wavelength": content["Wavelength"] / 1e10 * factor,
        "tilt": given["Tilt"]["TiltAngleDeg"],
        "tilt_direction": given["Tilt"]["TiltRotDeg"],
    }


def _keys(content: Any, place: str, name: str) -> None:
    if not isinstance(content, Mapping):
        raise ValueError(f"{name}: expected an object, got {type(content).__name__}")
    required, optional = _KEYS[place]
    unknown = [key for key in content if key not in required + optional]
    if unknown:
        raise ValueError(f"{name}: unknown key {unknown[0]!r} (known: {', '.join((*required, *optional))})")
    absent = [key for key in required if key not in content]
    if absent and not (place == "" and absent == ["Directory"]):  # only the server uses it
        raise ValueError(f"{name}: {', '.join(absent)} missing")


def _object(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = content[key]
    if not isinstance(found, Mapping):
        raise ValueError(f"{key}: expected an object, got {type(found).__name__}")
    return found


def _numbers(content: Mapping[str, Any], key: str, lengths: tuple[int, ...], positive: bool = False) -> list[Any]:
    found = content[key]
    if not isinstance(found, list) or len(found) not in lengths:
        raise ValueError(f"{key} {found!r}: expected a list of {' or '.join(map(str, lengths))} numbers")
    for each in found:
        _number({key: each}, key, positive)
    return found


def _number(content: Mapping[str, Any], key: str, positive: bool = False) -> float:
    value = content[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise ValueError(f"{key} {value!r}: expected a number")
    if positive and not value > 0:
        raise ValueError(f"{key} {value!r}: it must be positive")
    return float(value)
