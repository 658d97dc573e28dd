"""Files .chi: four lines of header, then columns, as FIT2D and saxsdog write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tomosaxs_plugins.curves.curve import Curve, bracketed, described, numbers

_LABELS = {
    ("q", "nm^-1"): "Q (Inverse Nanometres)", ("q", "angstrom^-1"): "Q (Inverse Angstroms)",
    ("two_theta", "deg"): "2-Theta Angle (Degrees)", ("two_theta", "rad"): "2-Theta Angle (Radians)",
    ("radius", "mm"): "Radial Distance (mm)", ("azimuth", "deg"): "Azimuth (Degrees)",
}  # fmt: skip


def read_chi(path: Path) -> Curve:
    """Read a .chi file of FIT2D (two columns) or saxsdog (three, with the standard uncertainty; all its versions).

    Empty bins are NaN where the file says nan. FIT2D and the saxsdog of 2014 wrote 0 there, which stays 0: it
    cannot be told from a bin without counts.

    Raises
    ------
    ValueError
        When it is no such file, or ends before the number of rows that its header tells.
    OSError
        When it cannot be read.
    """
    lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    if len(lines) < 4:
        raise ValueError(f"{path}: a .chi file begins with four lines of header, this one has {len(lines)}")
    rows = [line for line in lines[4:] if line.strip()]
    told = lines[3].split()
    if not told or not told[0].isdigit():
        raise ValueError(f"{path}: line 4 of a .chi file is the number of points, this one is {lines[3].strip()!r}")
    if len(rows) != int(told[0]):
        raise ValueError(f"{path}: the header tells {told[0]} points, the file has {len(rows)}")
    table = numbers(rows, path, 2) if rows else np.zeros((0, 2))
    x_label, y_label = _labels(lines[:4])
    x_name, x_units = described(x_label)
    return Curve(
        table[:, 0], table[:, 1], table[:, 2] if table.shape[1] > 2 else None, Path(path).stem,
        x_name or "q", x_units, "intensity", bracketed(y_label),
    )  # fmt: skip


def _labels(head: list[str]) -> tuple[str, str]:
    """Return the labels of both axes; the last saxsdog writes its configuration and labels as JSON."""
    parsed = [_json(line) for line in head[:3]]
    found = next((each for each in reversed(parsed) if isinstance(each, list)), None)
    for each in parsed:
        if found is None and isinstance(each, dict):
            found = next((v for k, v in each.items() if "label" in k.lower() and isinstance(v, list)), None)
    if found is not None:
        texts = [str(each) for each in found] + ["", ""]
        return texts[0], texts[1]
    if any(isinstance(each, dict) for each in parsed):  # saxsdog's curves are over q in nm^-1 whatever it says
        return "q [nm^-1]", ""
    return head[1], head[2]


def _json(line: str) -> Any:
    text = line.strip().lstrip("#").strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def chi_text(curve: Curve, title: str = "", columns: int = 0) -> str:
    """Return a curve as the text of a .chi file: FIT2D's four lines, then rows of `columns` numbers.

    With `columns` 0 there are three where the curve has standard uncertainties, else two. Empty bins are ``NAN``.

    Raises
    ------
    ValueError
        When three columns are asked for and there are no uncertainties.
    """
    columns = columns or (2 if curve.sigma is None else 3)
    if columns == 3 and curve.sigma is None:
        raise ValueError(f"{curve.name or 'the curve'} has no uncertainties for a third column")
    parts = [curve.x, curve.y, curve.sigma][:columns]
    table = np.column_stack([part for part in parts if part is not None])
    # header lines are told apart by their number alone: a line break in a title would shift the rest
    label = _LABELS.get((curve.x_name, curve.x_units), f"{curve.x_name} [{curve.x_units}]" if curve.x_units else "")
    intensity = f"Intensity ({curve.y_units})" if curve.y_units else "Intensity"
    head = [" ".join(text.split()) for text in (title or curve.name, label or curve.x_name, intensity)]
    row = " ".join(["%14.7E"] * columns) + "\n"
    body = (row * len(table)) % tuple(table.ravel().tolist())
    return "\n".join([*head, f" {len(table):10d}"]) + "\n" + body


def write_chi(path: Path, curve: Curve, title: str = "", columns: int = 0) -> None:
    """Write a curve as a .chi file; see `chi_text`."""
    Path(path).write_text(chi_text(curve, title, columns), encoding="utf-8")
