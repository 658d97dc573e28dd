"""Radial distortion of lenses in discorpy's convention: the model, and the files that hold its coefficients.

Backward model (N. T. Vo et al., Opt. Express 23, 32859, 2015, 10.1364/OE.23.032859): what the corrected image shows at
(x_u, y_u) from the centre of distortion, at the radius r_u, the camera recorded at

    (x_d, y_d) = (x_u, y_u) (k0 + k1 r_u + k2 r_u^2 + ...)

All lengths are in pixels of the full, unbinned frame.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomosaxs import InputError


@dataclass(frozen=True)
class Distortion:
    """A calibrated camera.

    Parameters
    ----------
    xcenter, ycenter : float
        Centre of distortion, column and row of the full, unbinned frame, 0-based pixel centres.
    coefficients : tuple of float
        k0, k1, ... of the backward model, in 1/px to the power of their number.
    """

    xcenter: float
    ycenter: float
    coefficients: tuple[float, ...]

    @property
    def none(self) -> bool:
        """Whether the image stays as it is."""
        return self.coefficients[0] == 1.0 and not any(self.coefficients[1:])

    def positions(
        self, rows: NDArray[np.float64], columns: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where pixels of the corrected frame were recorded.

        Parameters
        ----------
        rows : (m,) float64 array
        columns : (n,) float64 array
            Of the full, unbinned frame.

        Returns
        -------
        rows, columns : (m, n) float64 arrays
            Of the same frame.
        """
        y, x = (rows - self.ycenter)[:, None], columns - self.xcenter
        radius = np.hypot(y, x)
        factor = np.full_like(radius, self.coefficients[-1])
        for coefficient in self.coefficients[-2::-1]:
            factor *= radius
            factor += coefficient
        return self.ycenter + factor * y, self.xcenter + factor * x


def read_distortion(path: Path) -> Distortion:
    """Read centre and coefficients as discorpy, algotom, Savu and httomo keep them.

    A text file has a line each for ``xcenter``, ``ycenter``, ``factor0``, ``factor1`` ..., a name and a number with
    ``=``, ``:`` or blanks between; a JSON file the keys ``xcenter``, ``ycenter`` and ``list_fact``.

    Raises
    ------
    InputError
        When the file is not such a file.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the distortion coefficients cannot be read ({error})") from error
    found = _from_json(path, text) if text.lstrip().startswith("{") else _from_lines(path, text)
    missing = [name for name in ("xcenter", "ycenter", "factor0") if name not in found]
    if missing:
        raise InputError(
            f"{path}: no {' and no '.join(missing)}; a file of distortion coefficients has the lines "
            "xcenter, ycenter, factor0, factor1 ..., a name and a number each"
        )
    powers = len(found) - 2
    if any(f"factor{power}" not in found for power in range(powers)):
        raise InputError(f"{path}: it has {', '.join(found)}; the factors must be numbered 0, 1, 2 ... without gaps")
    if not all(math.isfinite(value) for value in found.values()):
        raise InputError(f"{path}: a number is not finite")
    return Distortion(found["xcenter"], found["ycenter"], tuple(found[f"factor{power}"] for power in range(powers)))


def _from_lines(path: Path, text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.replace("=", " ").replace(":", " ").split()
        if not words or words[0].startswith("#"):
            continue
        try:
            name, value = words
            found[name.lower()] = float(value)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {line.strip()!r} is not a name and a number") from error
    return found


def _from_json(path: Path, text: str) -> dict[str, float]:
    try:
        whole = json.loads(text)
        found = {name: float(whole[name]) for name in ("xcenter", "ycenter") if name in whole}
        factors = {f"factor{power}": float(value) for power, value in enumerate(whole.get("list_fact", []))}
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a file of distortion coefficients ({error})") from error
    return {**found, **factors}
