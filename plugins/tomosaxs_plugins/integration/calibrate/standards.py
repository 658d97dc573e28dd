"""Calibration standards: spacings of their lattice planes; plain numpy, no framework.

The built-in ones come from lattice constants, so that they need no other package; more are read from .D files
or taken from pyFAI, where it is installed.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SMALLEST_SPACING = 0.5
"""Angstrom; finer planes are not listed."""


@dataclass(frozen=True, eq=False)
class Standard:
    """Spacings of lattice planes in Angstrom, largest first, and where they come from."""

    name: str
    spacings: Floats
    source: str

    def two_theta(self, wavelength: float) -> Floats:
        """Return the Bragg angles in rad of the planes that reflect at `wavelength` (m)."""
        sine = wavelength * 1e10 / (2 * self.spacings)
        return np.asarray(2 * np.arcsin(sine[sine < 1]), dtype=np.float64)


def _layers(period: float) -> Floats:
    return np.asarray(period / np.arange(1, 50), dtype=np.float64)


def _primitive(_h: int, _k: int, _l: int) -> bool:
    return True


def _face_centred(h: int, k: int, l: int) -> bool:  # noqa: E741 - Miller indices
    return h % 2 == k % 2 == l % 2


def _diamond(h: int, k: int, l: int) -> bool:  # noqa: E741
    return _face_centred(h, k, l) and (h % 2 == 1 or (h + k + l) % 4 == 0)


def _cubic(allowed: Callable[[int, int, int], bool], a: float) -> Floats:
    most = int(a / SMALLEST_SPACING)
    triples = itertools.combinations_with_replacement(range(most + 1), 3)
    squares = {h * h + k * k + l * l for h, k, l in triples if allowed(h, k, l)}  # noqa: E741
    return _largest_first(a / np.sqrt([n for n in squares if n]))


def _corundum(a: float, c: float) -> Floats:
    """Return the spacings of R-3c in hexagonal axes."""
    inverse = set()
    indices = range(-int(2 * a / SMALLEST_SPACING), int(2 * a / SMALLEST_SPACING) + 1)
    for h, k, l in itertools.product(indices, indices, range(int(c / SMALLEST_SPACING) + 1)):  # noqa: E741
        rhombohedral = (-h + k + l) % 3 == 0
        glide = (h + k != 0 or l % 2 == 0) and (h != 0 or l % 2 == 0) and (k != 0 or l % 2 == 0)
        if rhombohedral and glide and (h, k, l) != (0, 0, 0):
            inverse.add(round(4 / 3 * (h * h + h * k + k * k) / a**2 + l * l / c**2, 12))
    return _largest_first(1 / np.sqrt(list(inverse)))


def _largest_first(spacings: Floats) -> Floats:
    kept = np.sort(spacings[spacings >= SMALLEST_SPACING])[::-1]
    return np.asarray(kept, dtype=np.float64)


_BUILT_IN: dict[str, tuple[str, Callable[[], Floats], str]] = {
    "agbeh": (
        "silver behenate",
        partial(_layers, 58.380),
        "period 58.380(3) Angstrom, Huang et al. 1993, doi:10.1107/S0021889892009762",
    ),
    "lab6": (
        "lanthanum hexaboride, LaB6",
        partial(_cubic, _primitive, 4.156826),
        "a = 4.156826(8) Angstrom at 22.5 C, certificate of NIST SRM 660c",
    ),
    "ceo2": (
        "ceria, CeO2",
        partial(_cubic, _face_centred, 5.411651),
        "a = 5.411651 Angstrom, certificate of NIST SRM 674b",
    ),
    "si": (
        "silicon",
        partial(_cubic, _diamond, 5.431179),
        "a = 5.431179(8) Angstrom at 22.5 C, certificate of NIST SRM 640e",
    ),
    "al2o3": (
        "corundum, Al2O3",
        partial(_corundum, 4.759355, 12.99231),
        "a = 4.759355, c = 12.99231 Angstrom, certificate of NIST SRM 676a (2015)",
    ),
}
_OTHER_NAMES = {"agbh": "agbeh", "silver behenate": "agbeh", "silicon": "si", "ceria": "ceo2", "corundum": "al2o3"}


def built_in() -> tuple[str, ...]:
    """Return the names of the standards that need no other package."""
    return tuple(_BUILT_IN)


def find_standard(name: str) -> Standard:
    """Return a standard by name (built in, else pyFAI's), or from a .D file of spacings.

    Raises
    ------
    ValueError
        When neither a file nor a standard of this name exists.
    """
    key = _OTHER_NAMES.get(name.lower(), name.lower())
    if key in _BUILT_IN:
        title, make, source = _BUILT_IN[key]
        return Standard(title, make(), source)
    if Path(name).suffix.lower() == ".d" or Path(name).is_file():
        return read_spacings(Path(name))
    return _of_pyfai(name)


def read_spacings(path: Path) -> Standard:
    """Read a .D file: one spacing in Angstrom at the beginning of a line, the rest and # lines are remarks.

    Raises
    ------
    ValueError
        When the file does not exist, or a line does not begin with a positive number.
    """
    if not path.is_file():
        raise ValueError(f"standard {path}: no such file")
    spacings = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"standard {path}: {error}") from None
    for number, line in enumerate(lines, start=1):
        words = line.split("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            spacing = float(words[0])
        except ValueError:
            spacing = float("nan")
        if not (np.isfinite(spacing) and spacing > 0):
            raise ValueError(f"standard {path}:{number}: {words[0]!r} is not a spacing in Angstrom")
        spacings.append(spacing)
    if not spacings:
        raise ValueError(f"standard {path}: it lists no spacings")
    return Standard(path.stem, np.sort(np.unique(spacings))[::-1], f"file {path.name}")


def _of_pyfai(name: str) -> Standard:
    try:
        from pyFAI.calibrant import CALIBRANT_FACTORY
    except ImportError:
        raise ValueError(
            f"standard {name!r} is not known; built in are {', '.join(_BUILT_IN)}; a FILE.D of spacings can be "
            "given; pyFAI brings more: pip install 'tomosaxs[pyfai]'"
        ) from None
    known = {each.lower(): each for each in CALIBRANT_FACTORY.keys()}  # noqa: SIM118 - not a mapping
    if name.lower() not in known:
        near = difflib.get_close_matches(name.lower(), [*_BUILT_IN, *known], n=3)
        others = sorted((each for each in known.values() if each.lower() not in _BUILT_IN), key=str.lower)
        listed = ", ".join([*_BUILT_IN, *others])
        meant = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise ValueError(f"standard {name!r} is not known{meant}; known are {listed}; or give a FILE.D of spacings")
    found = CALIBRANT_FACTORY(known[name.lower()])
    spacings = np.sort(np.unique(np.asarray(found.dspacing, dtype=np.float64)))[::-1]
    return Standard(known[name.lower()], spacings, "pyFAI")
