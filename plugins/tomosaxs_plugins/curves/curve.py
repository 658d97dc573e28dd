"""One curve: values, their standard uncertainties, and what the axes are called. Plain numpy, no framework."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ANGSTROM = r"(?:å|ångstr[oö]ms?|angstroms?|ang|a)"
# units as they are written in headers -> ours; the first that matches counts
_UNITS = (
    (r"inverse\s*nano\s*met(?:re|er)s?|nm\s*\^?\s*\{?-1\}?|nm⁻¹|1\s*/\s*nm", "nm^-1"),
    (rf"inverse\s*{_ANGSTROM}|(?<![a-z]){_ANGSTROM}\s*(?:\^?\s*\{{?-1|⁻¹)|1\s*/\s*{_ANGSTROM}", "angstrom^-1"),
    (r"1\s*/\s*m(?![a-z])|(?<![a-z])m\^-1", "m^-1"),
    (r"degrees?|\bdeg\b|°", "deg"),
    (r"radians?\b|\brad\b", "rad"),
    (r"\bmm\b|milli\s*met(?:re|er)s?", "mm"),
    (r"\bpixels?\b|\bpx\b", "px"),
)  # fmt: skip
_NAMES = (
    (r"2\s*-?\s*theta|2\s*th\b|two[_ ]theta|2θ", "two_theta"),
    (r"azimuth|\bchi\b|χ", "azimuth"),
    (r"radial distance|radius|\br\b", "radius"),
    (r"d[-_ ]spacing", "d_spacing"),
    (r"\bq\b|scattering vector|momentum transfer", "q"),
)
_PER_NM = {"nm^-1": 1.0, "angstrom^-1": 10.0, "m^-1": 1e-9}
_SHOWN = {
    "q": "q", "two_theta": "2θ", "azimuth": "χ", "radius": "r", "d_spacing": "d", "intensity": "intensity",
}  # fmt: skip
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, eq=False)
class Curve:
    """Values over one coordinate.

    Parameters
    ----------
    x, y : (n,) float64 arrays
        Coordinate and values; NaN where a bin is empty.
    sigma : (n,) float64 array, optional
        Standard uncertainties of `y`.
    name : str
        What the legend of a plot calls it.
    x_name, x_units : str
        ``q``, ``two_theta``, ``radius``, ``d_spacing``, ``azimuth`` and its units, for instance ``nm^-1``; empty
        where a file does not tell.
    y_name, y_units : str
        The same of the values.

    Raises
    ------
    ValueError
        When the arrays have different lengths.
    """

    x: Floats
    y: Floats
    sigma: Floats | None = None
    name: str = ""
    x_name: str = "q"
    x_units: str = ""
    y_name: str = "intensity"
    y_units: str = ""

    def __post_init__(self) -> None:
        for attribute in ("x", "y", "sigma"):
            value = getattr(self, attribute)
            if value is not None:
                object.__setattr__(self, attribute, np.asarray(value, dtype=np.float64))
        sizes = {self.x.shape, self.y.shape, *(() if self.sigma is None else (self.sigma.shape,))}
        if len(sizes) != 1 or self.x.ndim != 1:
            raise ValueError(f"a curve needs columns of one length, got {sorted(sizes)}")

    def cut(self, skip: int = 0, clip: int = 0) -> Curve:
        """Return the curve without its first `skip` and last `clip` points."""
        end = len(self.x) - clip
        part = slice(skip, max(end, skip))
        sigma = None if self.sigma is None else self.sigma[part]
        return replace(self, x=self.x[part], y=self.y[part], sigma=sigma)

    def in_units(self, units: str) -> Curve:
        """Return the curve with its coordinate in other units.

        Raises
        ------
        ValueError
            When they do not convert, or the curve's own units are not known.
        """
        return self if units == self.x_units else replace(self, x=self.x * self._factor(units), x_units=units)

    def _factor(self, units: str) -> float:
        if self.x_units in _PER_NM and units in _PER_NM:
            return _PER_NM[self.x_units] / _PER_NM[units]
        if {self.x_units, units} == {"deg", "rad"}:
            return float(np.pi / 180 if units == "rad" else 180 / np.pi)
        known = self.x_units or "units that its file does not tell"
        raise ValueError(
            f"{self.name or 'the curve'}: {self.x_name} in {known} does not convert to {units or 'unknown'}"
        )


def described(label: str) -> tuple[str, str]:
    """Return (name, units) of a label as files have them, each empty where it is not recognised.

    >>> described("Q (Inverse Nanometres)")
    ('q', 'nm^-1')
    """
    text = label.strip().lower()
    name = next((name for pattern, name in _NAMES if re.search(pattern, text)), "")
    units = next((units for pattern, units in _UNITS if re.search(pattern, text)), "")
    return name, units


def bracketed(label: str) -> str:
    """Return what a label has in brackets: the units of values, whatever they are."""
    found = re.search(r"[\[(]([^\])]*)[\])]", label)
    return found[1].strip() if found else ""


def unit_name(units: str) -> str:
    """Return units under the name that is used here, for instance ``1/nm`` as ``nm^-1``; others as they are."""
    return described(f"[{units}]")[1] or units


def label_of(name: str, units: str) -> str:
    """Return the label of an axis of a plot."""
    shown = _SHOWN.get(name, name.replace("_", " "))
    pretty = units.replace("angstrom", "Å")
    pretty = re.sub(r"\^(-?\d+)", lambda found: found[1].translate(_SUPERSCRIPT), pretty)
    return f"{shown} ({pretty})" if pretty else shown


def numbers(rows: Any, path: Any, least: int) -> Floats:
    """Return rows of text as a table of at least `least` columns.

    Raises
    ------
    ValueError
        When a row is not of numbers, or the rows differ in length.
    """
    table = [row.split() for row in rows]
    widths = {len(row) for row in table}
    if len(widths) > 1:
        raise ValueError(f"{path}: rows have {' and '.join(map(str, sorted(widths)))} columns")
    if table and len(table[0]) < least:
        raise ValueError(f"{path}: {len(table[0])} column, at least {least} are needed")
    try:
        return np.array(table, dtype=np.float64).reshape(len(table), -1)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
