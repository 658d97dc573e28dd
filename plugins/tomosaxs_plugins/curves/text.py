"""Curves as columns of text: q, intensity, standard uncertainty, as SasView, ATSAS and others read them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tomosaxs_plugins.curves.curve import Curve, described, numbers

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?|[+-]?(nan|inf(inity)?)", re.IGNORECASE)
_COLUMN = re.compile(r"(q|2-?theta|two_theta|2th|azimuth|chi|radius|r|x)\s*[\[(/]([^\])]*)", re.IGNORECASE)


def read_text(path: Path) -> Curve:
    """Read columns of text: coordinate, values and, where there is a third column, standard uncertainties.

    Columns are parted by blanks, commas or semicolons. Lines before, between and after that are not of numbers
    are taken for comments: the longest run of rows of one width counts. Units are taken from a comment such as
    ``# q [nm^-1]``; without one they stay unknown.

    Raises
    ------
    ValueError
        When there are no two columns of numbers.
    OSError
        When it cannot be read.
    """
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    split = [re.sub(r"[,;\t]", " ", line).replace("D+", "E+").replace("D-", "E-").split() for line in lines]
    widths = [len(row) if len(row) > 1 and all(map(_NUMBER.fullmatch, row)) else 0 for row in split]
    first, last = _longest(widths)
    if last - first < 1:
        raise ValueError(f"{path}: no two columns of numbers were found")
    table = numbers([" ".join(row) for row in split[first:last]], path, 2)
    name, units = _described([line for line, width in zip(lines, widths, strict=True) if not width])
    sigma = table[:, 2] if table.shape[1] > 2 else None
    return Curve(table[:, 0], table[:, 1], sigma, Path(path).stem, name or "q", units)


def _longest(widths: list[int]) -> tuple[int, int]:
    """Return the first and one past the last of the longest run of equal widths; blank lines end a run."""
    best, start = (0, 0), 0
    for place in range(1, len(widths) + 1):
        if place == len(widths) or widths[place] != widths[start]:
            if widths[start] and place - start > best[1] - best[0]:
                best = (start, place)
            start = place
    return best


def _described(comments: list[str]) -> tuple[str, str]:
    """Return name and units of the first column as a comment tells them, else nothing."""
    for line in comments:
        for found in _COLUMN.finditer(line):
            name, units = described(found[0])
            if units:
                return name, units
    for line in comments:
        name, units = described(line)
        if name and units:
            return name, units
    return "", ""


def text_of(curve: Curve, title: str = "", leave_out_empty: bool = True) -> str:
    """Return a curve as text: comments that name columns and units, then rows of two or three numbers.

    With `leave_out_empty` rows whose value (or uncertainty) is not a number are left out: most programs that
    fit curves stumble over them.
    """
    table = np.column_stack([curve.x, curve.y, *([] if curve.sigma is None else [curve.sigma])])
    if leave_out_empty:
        table = table[np.isfinite(table).all(axis=1)]
    names = [(curve.x_name, curve.x_units), (curve.y_name.replace(" ", "_") or "intensity", curve.y_units)]
    names += [] if curve.sigma is None else [("sigma", curve.y_units)]
    columns = "  ".join(f"{name} [{units}]" if units else name for name, units in names)
    row = "  ".join(["%.8e"] * table.shape[1]) + "\n"
    body = (row * len(table)) % tuple(table.ravel().tolist())
    return f"# {' '.join((title or curve.name).split())}\n# {columns}\n{body}"


def write_text(path: Path, curve: Curve, title: str = "", leave_out_empty: bool = True) -> None:
    """Write a curve as columns of text; see `text_of`."""
    Path(path).write_text(text_of(curve, title, leave_out_empty), encoding="utf-8")
