"""pyFAI's .poni files of every version: read and written (doi:10.1107/S1600576715004306)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tomosaxs_plugins.integration import known_detectors
from tomosaxs_plugins.integration.geometry import DetectorGeometry

_WANTED = ("distance", "poni1", "poni2", "rot1", "rot2", "rot3")
KEYS = (*_WANTED, "poni_version", "detector", "detector_config", "pixelsize1", "pixelsize2", "wavelength")
_MIRRORED = {0: (False, False), 1: (True, True), 2: (True, False), 3: (False, False), 4: (False, True)}
"""Orientation to whether rows and columns run against those of orientation 3."""
_NONE = ("", "none", "null")


def poni_keys(text: str) -> dict[str, str]:
    """Return keys and values of a .poni text; of several calibrations in one file the last counts."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.lstrip().startswith("#"):
            found[key.strip().lower()] = value.strip()
    return found


def read_poni(path: Path, frame_shape: tuple[int, int] | None = None) -> DetectorGeometry:
    """Read a .poni file of version 1, 2, 2.1 or 3.

    Orientations other than 3 are converted, so that the result describes the array as it is stored. The
    gaps that pyFAI knows of a named detector are not taken over: give a mask, or rely on negative counts.

    Raises
    ------
    ValueError
        When something is missing or cannot be described by one flat grid of pixels.
    """
    text = poni_keys(path.read_text(encoding="utf-8", errors="strict"))
    absent = [name for name in _WANTED if name not in text]
    if absent:
        raise ValueError(f"a .poni file gives Distance, Poni1 ... Rot3; {', '.join(absent)} not found")
    if text.get("splinefile", "").lower() not in _NONE:
        raise ValueError("detectors with a distortion (SplineFile) cannot be described by one flat grid of pixels")
    if text.get("parallax", "").lower() == "true":
        raise ValueError("a correction of the parallax in a thick sensor (Parallax: True) is not known here")
    pixel1, pixel2, shape, orientation = _detector(text)
    if orientation not in _MIRRORED:
        raise ValueError(f"detector orientation {orientation} is unknown: 1, 2, 3 and 4 exist")
    values = {name: float(text[name]) for name in _WANTED}
    wavelength = None if text.get("wavelength", "").lower() in _NONE else float(text["wavelength"])
    geometry = DetectorGeometry(
        **values, pixel1=pixel1, pixel2=pixel2, wavelength=wavelength, shape=shape or frame_shape
    )
    return geometry.flipped(*_MIRRORED[orientation])


def _detector(text: dict[str, str]) -> tuple[float, float, tuple[int, int] | None, int]:
    config: dict[str, Any] = json.loads(text.get("detector_config") or "{}")
    if config.get("splineFile") or config.get("splinefile"):
        raise ValueError("detectors with a distortion (splineFile) cannot be described by one flat grid of pixels")
    first, second = (_number(config.get(f"pixel{n}", text.get(f"pixelsize{n}"))) for n in (1, 2))
    shape = config.get("max_shape")
    orientation = int(config.get("orientation") or 3)
    name = text.get("detector", "Detector")
    if name.lower() not in ("detector", *_NONE):
        known = known_detectors.find(name)
        if known is not None:
            (first, second), own = known_detectors.grid_of(known, (first, second))
            shape = shape or own
        elif first is None or second is None or shape is None:
            asked = _ask_pyfai(name, config)
            first, second, shape = first or asked.pixel1, second or asked.pixel2, shape or asked.max_shape
    if first is None or second is None:
        raise ValueError("the pixel sizes are not given")
    return float(first), float(second), (int(shape[0]), int(shape[1])) if shape else None, orientation


def _number(value: Any) -> float | None:
    return None if value is None or str(value).lower() in _NONE else float(value)


def _ask_pyfai(name: str, config: dict[str, Any]) -> Any:
    try:
        from pyFAI.detectors import detector_factory
    except ImportError:
        raise ValueError(
            f"detector {name!r} is described in pyFAI only; install with: pip install 'tomosaxs[pyfai]'"
        ) from None
    try:
        known = detector_factory(name, config)
    except RuntimeError as error:
        raise ValueError(f"detector {name!r}: {error}") from None
    if not (known.uniform_pixel and known.IS_FLAT):
        raise ValueError(f"detector {name!r} is curved or has pixels of several sizes: not supported")
    return known


def write_poni(geometry: DetectorGeometry, path: Path, comments: tuple[str, ...] = ()) -> None:
    """Write a .poni file of version 2.1 that reads back to exactly the same geometry.

    Parameters
    ----------
    geometry : DetectorGeometry
        Describes the array as stored, which is orientation 3 of pyFAI.
    path : Path
        File; replaced where it exists.
    comments : tuple of str
        Lines at its beginning, for instance how the calibration came about.
    """
    config: dict[str, Any] = {"pixel1": geometry.pixel1, "pixel2": geometry.pixel2}
    config["max_shape"] = None if geometry.shape is None else list(geometry.shape)
    config["orientation"] = 3
    lines = [f"# {line}" for comment in comments for line in comment.splitlines()]
    lines += ["poni_version: 2.1", "Detector: Detector", f"Detector_config: {json.dumps(config)}"]
    names = ("Distance", "Poni1", "Poni2", "Rot1", "Rot2", "Rot3")
    lines += [f"{name}: {float(getattr(geometry, name.lower()))!r}" for name in names]
    if geometry.wavelength is not None:
        lines.append(f"Wavelength: {float(geometry.wavelength)!r}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
