"""What `tomosaxs calibrate` was asked to do: options, completed by what the image and a start tell."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError, did_you_mean
from tomosaxs_plugins.commands.calibrate_image import StandardImage, read_image
from tomosaxs_plugins.integration.calibrate.refine import GROUPS
from tomosaxs_plugins.integration.calibrate.standards import Standard, find_standard
from tomosaxs_plugins.integration.calibration import read_calibration
from tomosaxs_plugins.integration.calibration_given import PLANCK_TIMES_C
from tomosaxs_plugins.integration.geometry import DetectorGeometry
from tomosaxs_plugins.integration.known_detectors import KNOWN, find
from tomosaxs_plugins.integration.masks import fit_mask, read_mask


@dataclass(frozen=True, eq=False)
class Settings:
    """Everything the refinement needs; lengths in m, positions in px; `told` says where values came from."""

    image: StandardImage
    standard: Standard
    pixel: tuple[float, float]
    wavelength: float
    mask: NDArray[np.bool_]
    mask_name: str | None
    start: DetectorGeometry | None
    distance: float | None
    beam_centre: tuple[float, float] | None
    rings: int | None
    fixed: tuple[str, ...]
    told: list[str]


def one_process() -> None:
    """Refuse to run under mpirun, where every rank would do the same.

    Raises
    ------
    InputError
        When a launcher started several processes.
    """
    for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE"):
        told = os.environ.get(name, "")
        if told.isdigit() and int(told) > 1:
            raise InputError("calibrate runs as one process: leave out mpirun")


def gather(
    image: str,
    *,
    standard: str,
    wavelength: float | None,
    energy: float | None,
    pixel_size: str | None,
    detector: str | None,
    mask: Path | None,
    start: Path | None,
    distance: float | None,
    beam_centre: str | None,
    rings: int | None,
    fix: str,
    free_wavelength: bool,
) -> Settings:
    """Read what the options name, and check that they make sense together.

    Raises
    ------
    InputError
        Naming the option at fault.
    """
    fixed = _fixed(fix, free_wavelength)
    centre = None if beam_centre is None else _pair(beam_centre, "--beam-centre", "ROW,COLUMN", one=False)
    _positive(distance, "--distance")
    try:
        chosen = find_standard(standard)
    except ValueError as error:
        raise InputError(str(error)) from None
    picture = read_image(image)
    shape = (picture.counts.shape[0], picture.counts.shape[1])
    rough = None if start is None else read_calibration(start, shape)
    frames = f", the sum of {picture.frames} frames" if picture.frames > 1 else ""
    told = [f"image: {picture.name}, {shape[0]} x {shape[1]} pixels{frames}"]
    length = _wavelength(wavelength, energy, rough, picture, told)
    pixel = _pixel(pixel_size, detector, rough, picture, told)
    if rough is not None:
        rough = replace(rough, wavelength=length)
    for name, known in (("centre", centre or rough), ("distance", distance or rough)):
        if name in fixed and known is None:
            raise InputError(
                f"--fix {name} needs a value: give --{'beam-centre' if name == 'centre' else name} or --start"
            )
    return Settings(
        picture, chosen, pixel, length, _mask(mask, picture, shape, told), None if mask is None else mask.name,
        rough, None if distance is None else distance * 1e-3, centre, rings, fixed, told,
    )  # fmt: skip


def _fixed(text: str, free_wavelength: bool) -> tuple[str, ...]:
    names = [name.strip().lower().replace("center", "centre") for name in text.split(",") if name.strip()]
    for name in names:
        if name not in GROUPS:
            raise InputError(f"--fix {name}: that is not refined{did_you_mean(name, GROUPS)}")
    if free_wavelength and "wavelength" in names:
        raise InputError("--fix wavelength and --free-wavelength contradict each other")
    if not free_wavelength:
        names.append("wavelength")
    return tuple(dict.fromkeys(names))


def _pair(text: str, option: str, form: str, *, one: bool) -> tuple[float, float]:
    parts = text.replace(",", " ").split()
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if one and len(numbers) == 1:
        numbers *= 2
    if len(numbers) != 2 or not np.all(np.isfinite(numbers)):
        raise InputError(f"{option} {text!r}: {form} is expected")
    return numbers[0], numbers[1]


def _positive(value: float | None, option: str) -> None:
    if value is not None and not (np.isfinite(value) and value > 0):
        raise InputError(f"{option} {value:g}: a positive number is needed")


def _wavelength(
    wavelength: float | None,
    energy: float | None,
    start: DetectorGeometry | None,
    image: StandardImage,
    told: list[str],
) -> float:
    if wavelength is not None and energy is not None:
        raise InputError("--wavelength and --energy say the same thing: give one of them")
    _positive(wavelength, "--wavelength")
    _positive(energy, "--energy")
    found, source = None, ""
    if wavelength is not None:
        found, source = wavelength * 1e-10, "--wavelength"
    elif energy is not None:
        found, source = PLANCK_TIMES_C / (energy * 1e3), "--energy"
    elif start is not None and start.wavelength is not None:
        found, source = start.wavelength, "--start"
    elif image.wavelength is not None:
        found, source = image.wavelength, "the image's file: check it"
    if found is None:
        raise InputError("the wavelength is not known: the image's file does not say it; give --wavelength or --energy")
    told.append(f"wavelength: {found * 1e10:.6g} Angstrom, {PLANCK_TIMES_C / found * 1e-3:.6g} keV ({source})")
    return found


def _pixel(
    text: str | None,
    detector: str | None,
    start: DetectorGeometry | None,
    image: StandardImage,
    told: list[str],
) -> tuple[float, float]:
    found, source = None, ""
    if text is not None:
        height, width = _pair(text, "--pixel-size", "HEIGHT,WIDTH in um, or one number,", one=True)
        _positive(min(height, width), "--pixel-size")
        found, source = (height * 1e-6, width * 1e-6), "--pixel-size"
    elif detector is not None:
        known = find(detector)
        if known is None:
            raise InputError(f"--detector {detector} is not known{did_you_mean(detector.lower(), KNOWN)}")
        size = known.pixel * known.usual
        found, source = (size, size), f"detector {detector}"
    elif start is not None:
        found, source = (start.pixel1, start.pixel2), "--start"
    elif image.pixel is not None:
        found, source = image.pixel, "the image's file"
    if found is None:
        raise InputError(
            "the pixel size is not known: the image's file does not say it; give --pixel-size or --detector"
        )
    told.append(f"pixels: {found[0] * 1e6:.6g} x {found[1] * 1e6:.6g} um ({source})")
    return found


def _mask(path: Path | None, image: StandardImage, shape: tuple[int, int], told: list[str]) -> NDArray[np.bool_]:
    mask = image.unusable
    if path is not None:
        if not path.is_file():
            raise InputError(f"mask {path} does not exist or is not a file")
        try:
            mask = mask | fit_mask(read_mask(path), shape, (0, 0), None)
        except (ValueError, OSError) as error:
            raise InputError(f"mask {path}: {error}") from None
    told.append(f"masked: {mask.mean():.1%} of the pixels")
    return mask
