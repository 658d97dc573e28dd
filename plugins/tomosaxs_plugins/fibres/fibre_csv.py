"""A table of fibres as text: one row a fibre, named columns with their units; no framework."""

from __future__ import annotations

import math

from tomosaxs_plugins.fibres.columns import flag_text
from tomosaxs_plugins.fibres.table import Floats, Rows

WHOLE = ("identifier", "flag", "group", "n_paths")
"""Columns that count."""


def csv_text(rows: Rows, y_mm: Floats) -> str:
    """Return the table as comma-separated values, for a spreadsheet, pandas or R.

    The first line names the columns, with units in brackets. ``slice`` counts slices from 0 and ``y [mm]`` says where
    they lie. The column ``reason`` says in words what the flag means. Numbers have all their digits; a cell is empty
    where there is none.

    Parameters
    ----------
    rows : Rows
        Fibres.
    y_mm : (slices,) float array
        Height of every slice in mm.
    """
    names = [f"{name} [{units}]" if units else name for name, units, _ in rows.labels]
    head = [names[0], "slice", "y [mm]", *names[1:], "reason"]
    lines = [",".join(head)]
    whole = [name in WHOLE for name in rows.names]
    for values, place, flag in zip(rows.values.tolist(), rows.slice.tolist(), rows.flags.tolist(), strict=True):
        cells = [_cell(value, integer) for value, integer in zip(values, whole, strict=True)]
        reason = f'"{flag_text(flag)}"'
        lines.append(",".join([cells[0], str(place), _cell(float(y_mm[place]), False), *cells[1:], reason]))
    return "\n".join(lines) + "\n"


def _cell(value: float, whole: bool) -> str:
    if not math.isfinite(value):
        return ""
    return str(int(value)) if whole else repr(value)
